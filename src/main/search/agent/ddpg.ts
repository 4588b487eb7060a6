/**
 * Deep deterministic policy gradient, as HAQ and AMC use it (Lillicrap et al. 2016, algorithm 1; Wang et al. 2019, section 3).
 * The algorithm stands here, readable from top to bottom; the dense layers of the actor and the critic are computed in the
 * addon. Deviations from the released code are numbered in docs/algorithms/haq.md.
 *
 * Symbols: s state, a action in [0, 1], r reward, mu actor, Q critic, mu' and Q' their slowly following targets,
 * gamma discount, tau follow rate, b the moving-average baseline that is taken off the reward.
 */
import type { NativeMlp } from '../../compute/addon.ts';
import type { AgentParameters } from '../../../shared/run.ts';
import { Random, type RandomState } from '../../../shared/random.ts';

/** Makes a dense network with ReLU between its layers; `sizes` from input to output. */
export type MlpFactory = (sizes: readonly number[], output: 'linear' | 'sigmoid') => NativeMlp;

/** One network's weights and Adam's state. */
export interface MlpState {
  readonly parameters: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  readonly steps: number;
}

/** Everything that decides the agent's future; goes into checkpoints. */
export interface DdpgState {
  readonly actor: MlpState;
  readonly critic: MlpState;
  readonly targetActor: MlpState;
  readonly targetCritic: MlpState;
  readonly replay: { readonly rows: Float32Array; readonly count: number; readonly next: number };
  readonly baseline: number | null;
  readonly random: RandomState;
}

/** Minibatches with which the actor learns what it is shown. */
const imitationSteps = 1500;

const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const; // PyTorch's defaults, which the released code uses

export class Ddpg {
  private readonly stateSize: number;
  private readonly options: AgentParameters;
  private random: Random;
  private readonly actor: NativeMlp; // s -> a
  private readonly critic: NativeMlp; // [s, a] -> Q
  private readonly targetActor: NativeMlp;
  private readonly targetCritic: NativeMlp;
  private readonly replay: ReplayMemory;
  private baseline: number | null = null;

  /** `replayCapacity` in transitions; `random` is owned by the agent from here on. */
  constructor(stateSize: number, replayCapacity: number, options: AgentParameters, random: Random, makeMlp: MlpFactory) {
    this.stateSize = stateSize;
    this.options = options;
    this.random = random;
    const h = options.hiddenUnits;
    const actorSizes = [stateSize, h, h, 1];
    const criticSizes = [stateSize + 1, h, h, 1];
    this.actor = makeMlp(actorSizes, 'sigmoid');
    this.critic = makeMlp(criticSizes, 'linear');
    this.targetActor = makeMlp(actorSizes, 'sigmoid');
    this.targetCritic = makeMlp(criticSizes, 'linear');
    this.actor.setParameters(initialParameters(actorSizes, random));
    // The released critic has one layer for the state and one for the action, summed: each block starts with its own fan-in.
    this.critic.setParameters(initialParameters(criticSizes, random, { rows: 1, fanIn: 1 }));
    this.targetActor.setParameters(this.actor.getParameters());
    this.targetCritic.setParameters(this.critic.getParameters());
    this.replay = new ReplayMemory(stateSize, replayCapacity);
  }

  /** The actor's own action in [0, 1], without noise. */
  decide(state: Float32Array): number {
    return at(this.actor.forward(state, 1), 0);
  }

  /** An exploring action: uniform while warming up (`noise` null), else truncated normal on [0, 1] around the actor's. */
  explore(state: Float32Array, noise: number | null): number {
    if (noise === null) return this.random.uniform();
    return this.random.truncatedNormal(this.decide(state), noise, 0, 1);
  }

  /**
   * Stores one episode and learns from it: every transition carries the final reward, only the last one ends the episode.
   * With `learn`, one update follows each stored transition. Returns the mean critic loss, or null when nothing was learnt.
   */
  observe(
    episode: { readonly states: readonly Float32Array[]; readonly actions: readonly number[]; readonly reward: number },
    learn: boolean,
  ): number | null {
    const steps = episode.states.length;
    let lossSum = 0;
    let updates = 0;
    for (let t = 0; t < steps; t += 1) {
      const s = episode.states[t];
      const a = episode.actions[t];
      if (s === undefined || a === undefined)
        throw new Error(`episode has ${String(episode.actions.length)} actions for ${String(steps)} states`);
      const terminal = t === steps - 1;
      this.replay.push(s, a, episode.reward, episode.states[t + 1] ?? s, terminal);
      if (learn && this.replay.count >= this.options.batchSize) {
        lossSum += this.update();
        updates += 1;
      }
    }
    return updates > 0 ? lossSum / updates : null;
  }

  /**
   * The actor learns to act as shown: from new initial weights (a saturated sigmoid has no slope to learn along), the mean squared difference of
   * its actions falls along Adam. Critic and targets stay as they are; a search asks for this once, behind its last episode.
   */
  async imitate(states: readonly Float32Array[], actions: readonly number[]): Promise<void> {
    const n = this.options.batchSize;
    const h = this.options.hiddenUnits;
    if (states.length === 0) return;
    restoreMlp(this.actor, freshMlp(initialParameters([this.stateSize, h, h, 1], this.random)));
    const batch = new Float32Array(n * this.stateSize);
    const wanted = new Float32Array(n);
    for (let step = 0; step < imitationSteps; step += 1) {
      for (let i = 0; i < n; i += 1) {
        const row = this.random.uniformInt(0, states.length - 1);
        batch.set(states[row] ?? [], i * this.stateSize);
        wanted[i] = actions[row] ?? 0;
      }
      const acted = this.actor.forward(batch, n);
      this.actor.backward(acted.map((a, i) => (2 * (a - at(wanted, i))) / n));
      this.actor.adamStep({ learningRate: this.options.criticLearningRate, ...adam }); // as the critic learns, from targets
      if (step % 50 === 0) await new Promise((resolve) => setImmediate(resolve)); // lets messages in
    }
  }

  /** One minibatch: critic towards y = r - b + gamma Q'(s', mu'(s')), actor up the critic's slope, targets follow. Returns the critic's loss. */
  private update(): number {
    const n = this.options.batchSize;
    const batch = this.replay.sample(n, this.random);

    const meanReward = mean(batch.r);
    const decay = this.options.baselineDecay;
    this.baseline = this.baseline === null ? meanReward : decay * this.baseline + (1 - decay) * meanReward;

    // y = r - b + gamma Q'(s', mu'(s')) for steps that do not end the episode
    const nextA = this.targetActor.forward(batch.nextS, n);
    const nextQ = this.targetCritic.forward(joinAction(batch.nextS, nextA, this.stateSize), n);
    const y = new Float32Array(n);
    for (let i = 0; i < n; i += 1) {
      y[i] = at(batch.r, i) - this.baseline + this.options.discount * at(nextQ, i) * (1 - at(batch.done, i));
    }

    // critic: mean (Q(s, a) - y)^2
    const q = this.critic.forward(joinAction(batch.s, batch.a, this.stateSize), n);
    const dQ = new Float32Array(n);
    let loss = 0;
    for (let i = 0; i < n; i += 1) {
      const error = at(q, i) - at(y, i);
      loss += (error * error) / n;
      dQ[i] = (2 * error) / n;
    }
    this.critic.backward(dQ);
    this.critic.adamStep({ learningRate: this.options.criticLearningRate, ...adam });

    // actor: maximise mean Q(s, mu(s))
    const a = this.actor.forward(batch.s, n);
    this.critic.forward(joinAction(batch.s, a, this.stateSize), n);
    const dJoined = this.critic.backward(new Float32Array(n).fill(-1 / n));
    const dA = new Float32Array(n);
    for (let i = 0; i < n; i += 1) dA[i] = at(dJoined, i * (this.stateSize + 1) + this.stateSize);
    this.actor.backward(dA);
    this.actor.adamStep({ learningRate: this.options.actorLearningRate, ...adam });

    this.targetActor.softUpdateFrom(this.actor, this.options.tau);
    this.targetCritic.softUpdateFrom(this.critic, this.options.tau);
    return loss;
  }

  save(): DdpgState {
    return {
      actor: saveMlp(this.actor),
      critic: saveMlp(this.critic),
      targetActor: saveMlp(this.targetActor),
      targetCritic: saveMlp(this.targetCritic),
      replay: this.replay.save(),
      baseline: this.baseline,
      random: this.random.getState(),
    };
  }

  /** Decides as a saved agent does; everything else, such as what it remembers, stays its own. */
  adoptActor({ actor }: Pick<DdpgState, 'actor'>): void {
    this.actor.setParameters(actor.parameters);
  }

  /** Puts a saved agent back; everything after it is as if nothing had stopped. */
  restore(state: DdpgState): void {
    restoreMlp(this.actor, state.actor);
    restoreMlp(this.critic, state.critic);
    restoreMlp(this.targetActor, state.targetActor);
    restoreMlp(this.targetCritic, state.targetCritic);
    this.replay.restore(state.replay);
    this.baseline = state.baseline;
    this.random = Random.fromState(state.random);
  }
}

/** A ring of transitions; a row is s, a, r, s', done. */
class ReplayMemory {
  private readonly stateSize: number;
  private readonly capacity: number;
  private readonly width: number;
  private readonly rows: Float32Array;
  count = 0;
  private next = 0;

  constructor(stateSize: number, capacity: number) {
    this.stateSize = stateSize;
    this.capacity = capacity;
    this.width = 2 * stateSize + 3;
    this.rows = new Float32Array(capacity * this.width);
  }

  push(s: Float32Array, a: number, r: number, nextS: Float32Array, terminal: boolean): void {
    const row = this.rows.subarray(this.next * this.width, (this.next + 1) * this.width);
    row.set(s, 0);
    row[this.stateSize] = a;
    row[this.stateSize + 1] = r;
    row.set(nextS, this.stateSize + 2);
    row[this.width - 1] = terminal ? 1 : 0;
    this.next = (this.next + 1) % this.capacity;
    this.count = Math.min(this.count + 1, this.capacity);
  }

  /** n transitions, drawn with equal chance and with replacement. */
  sample(n: number, random: Random): { s: Float32Array; a: Float32Array; r: Float32Array; nextS: Float32Array; done: Float32Array } {
    const size = this.stateSize;
    const batch = {
      s: new Float32Array(n * size),
      a: new Float32Array(n),
      r: new Float32Array(n),
      nextS: new Float32Array(n * size),
      done: new Float32Array(n),
    };
    for (let i = 0; i < n; i += 1) {
      const start = random.uniformInt(0, this.count - 1) * this.width;
      const row = this.rows.subarray(start, start + this.width);
      batch.s.set(row.subarray(0, size), i * size);
      batch.a[i] = at(row, size);
      batch.r[i] = at(row, size + 1);
      batch.nextS.set(row.subarray(size + 2, 2 * size + 2), i * size);
      batch.done[i] = at(row, this.width - 1);
    }
    return batch;
  }

  save(): DdpgState['replay'] {
    return { rows: this.rows.slice(0, this.count * this.width), count: this.count, next: this.next };
  }

  restore(state: DdpgState['replay']): void {
    if (state.rows.length !== state.count * this.width || state.count > this.capacity) {
      throw new Error(`replay of ${String(state.count)} transitions does not fit a memory of ${String(this.capacity)}`);
    }
    this.rows.set(state.rows);
    this.count = state.count;
    this.next = state.next;
  }
}

/**
 * PyTorch's default for dense layers: weights and bias uniform in +-1/sqrt(fan-in). `tail` gives the last input rows of the
 * first layer a fan-in of their own.
 */
function initialParameters(
  sizes: readonly number[],
  random: Random,
  tail?: { readonly rows: number; readonly fanIn: number },
): Float32Array {
  const values: number[] = [];
  for (let layer = 0; layer + 1 < sizes.length; layer += 1) {
    const fanIn = sizes[layer] ?? 0;
    const fanOut = sizes[layer + 1] ?? 0;
    const ownRows = layer === 0 && tail ? fanIn - tail.rows : fanIn;
    const bound = 1 / Math.sqrt(ownRows);
    const tailBound = tail ? 1 / Math.sqrt(tail.fanIn) : bound;
    for (let row = 0; row < fanIn; row += 1) {
      const rowBound = row < ownRows ? bound : tailBound;
      for (let column = 0; column < fanOut; column += 1) values.push((2 * random.uniform() - 1) * rowBound);
    }
    for (let column = 0; column < fanOut; column += 1) values.push((2 * random.uniform() - 1) * bound);
  }
  return Float32Array.from(values);
}

/** s is (n, size), a is (n); returns (n, size + 1). */
function joinAction(s: Float32Array, a: Float32Array, size: number): Float32Array {
  const joined = new Float32Array(a.length * (size + 1));
  for (let i = 0; i < a.length; i += 1) {
    joined.set(s.subarray(i * size, (i + 1) * size), i * (size + 1));
    joined[i * (size + 1) + size] = at(a, i);
  }
  return joined;
}

function saveMlp(mlp: NativeMlp): MlpState {
  return { parameters: mlp.getParameters(), ...mlp.getOptimizer() };
}

function freshMlp(parameters: Float32Array): MlpState {
  return { parameters, firstMoment: new Float32Array(parameters.length), secondMoment: new Float32Array(parameters.length), steps: 0 };
}

function restoreMlp(mlp: NativeMlp, state: MlpState): void {
  mlp.setParameters(state.parameters);
  mlp.setOptimizer(state);
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** An element that is known to exist. */
function at(values: Float32Array, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`index ${String(index)} outside 0..${String(values.length - 1)}`);
  return value;
}
