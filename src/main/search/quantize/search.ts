/**
 * HAQ: hardware-aware automated quantization with mixed precision (Wang et al. 2019; Han et al., section 4). An agent decides
 * weight bits and activation bits of each layer; bits are lowered until the budgets hold; the accuracy of the quantized
 * network is the reward. The first trials are the uniform policies within the budget, the last ones change the best policies a
 * little. Deviations from the released code are numbered in docs/algorithms/haq.md.
 */
import type { Budget, Cost } from '../../../shared/policy.ts';
import type { LayerInfo } from '../../../shared/network.ts';
import type { QuantizeParameters, Trial } from '../../../shared/run.ts';
import { Random, type RandomState } from '../../../shared/random.ts';
import { Ddpg, type DdpgState, type MlpFactory } from '../agent/ddpg.ts';
import { actionToBits, bitsToAction, enforceBudgets, lockedLayers, protectedBits, type BitVector, type CostFunction } from './bits.ts';
import type { Reading } from '../rivals/problem.ts';
import { exceededBudgets, meetsBudgets } from '../../../shared/budgets.ts';
import { neighbourOf } from './refine.ts';
import type { Sensitivity } from './sensitivity.ts';
import { type Decision, LayerStates, stateSize } from './state.ts';

/** What the search asks of the world: two numbers about a policy. */
export interface QuantizeEnvironment {
  readonly layers: readonly LayerInfo[]; // the quantizable ones
  readonly costOf: CostFunction;
  /** Accuracy and loss of each policy on the reward images (held out of training; never the test split), in their order. */
  readingsOf(policies: readonly BitVector[]): Promise<readonly Reading[]>;
  /** Unix time in ms, for the record only. */
  now(): number;
}

/** A trial that may win. */
export interface Candidate {
  readonly step: number;
  readonly accuracy: number;
  readonly bits: BitVector;
  readonly cost: Cost;
}

interface Measured {
  readonly cost: Cost;
  readonly accuracy: number;
  readonly reward: number;
}

/** A refined policy is next to one of this many best ones. */
const parents = 4;

/** A search for bits, one trial at a time; `S` is all that decides the rest of it. */
export interface BitSearch<S extends { readonly nextStep: number }> {
  readonly step: number;
  /** The best trials within the budgets, best first; each a different policy. */
  readonly best: readonly Candidate[];
  /** The next trials: choose, measure, learn. At most `most` at once, and one where each follows from the one before. */
  next(most: number): Promise<Trial[]>;
  /** What the method has measured of layers alone; empty where it measures none. */
  readonly sensitivities: readonly Sensitivity[];
  save(): S;
  restore(state: S): void;
}

/** Trials of the agent for which the released code's noise is made; behind its warm-up. */
const usualTrials = 580;

/**
 * Sigma of the noise of the agent's n-th trial of `trials`; null: warming up. A search of fewer trials than the released code's ends with as
 * little noise: with its decay a trial, one of 100 would draw at random to its end.
 */
function noiseAt(n: number, trials: number, { warmupTrials, initialNoise, noiseDecay }: QuantizeParameters['agent']): number | null {
  if (n < warmupTrials) return null;
  const pace = Math.max(1, usualTrials / Math.max(1, trials - warmupTrials));
  return initialNoise * noiseDecay ** (pace * (n - warmupTrials));
}

/** Standard deviation of the noise around a transferred agent's decisions, behind its first policy. */
const transferNoise = 0.05;

export interface QuantizeSearchState {
  readonly agent: DdpgState;
  readonly refinement: RandomState;
  readonly nextStep: number;
  readonly bestReward: number | null;
  readonly finalists: readonly Candidate[];
}

export class QuantizeSearch implements BitSearch<QuantizeSearchState> {
  private readonly environment: QuantizeEnvironment;
  private readonly parameters: QuantizeParameters;
  private readonly limits: readonly Budget[];
  private readonly referenceAccuracy: number;
  private readonly locked: readonly boolean[];
  private readonly states: LayerStates;
  private readonly agent: Ddpg;
  private readonly isForeign: boolean;
  private readonly seeds: readonly BitVector[];
  private readonly refineFrom: number; // the first trial that asks the agent no more
  private refinement: Random;
  private nextStep = 0;
  private bestReward: number | null = null;
  private finalists: readonly Candidate[] = [];

  /**
   * `referenceAccuracy` is the float network's, on the reward images; `limits` are absolute and known to be feasible; `seeds`
   * are policies that meet them and are tried first. With `foreign`, another search's agent decides and learns nothing.
   */
  constructor(
    environment: QuantizeEnvironment,
    parameters: QuantizeParameters,
    limits: readonly Budget[],
    seeds: readonly BitVector[],
    referenceAccuracy: number,
    random: Random,
    makeMlp: MlpFactory,
    foreign: DdpgState | null = null,
  ) {
    this.environment = environment;
    this.parameters = parameters;
    this.limits = limits;
    this.seeds = seeds;
    this.referenceAccuracy = referenceAccuracy;
    this.refineFrom = Math.max(seeds.length, Math.round(parameters.trials * (1 - parameters.refinement)));
    const layerCount = environment.layers.length;
    this.locked = lockedLayers(layerCount, parameters.protectFirstAndLast);
    this.states = new LayerStates(environment.layers);
    this.refinement = random.derive('refinement');
    this.agent = new Ddpg(stateSize, parameters.agent.replayPerLayer * layerCount, parameters.agent, random, makeMlp);
    this.isForeign = foreign !== null;
    if (foreign) this.agent.adoptActor(foreign);
  }

  get step(): number {
    return this.nextStep;
  }

  /** The best trials so far, best first; each a different policy. */
  get best(): readonly Candidate[] {
    return this.finalists;
  }

  /** The agent measures none. */
  readonly sensitivities: readonly Sensitivity[] = [];

  async next(): Promise<Trial[]> {
    return [await this.trial()];
  }

  /** One policy: choose it, measure it, learn. */
  async trial(): Promise<Trial> {
    if (this.isForeign) return await this.transferTrial();
    const seed = this.seeds[this.nextStep];
    const trial = seed ? await this.seedTrial(seed) : await this.ownTrial();
    if (this.nextStep === this.parameters.trials) await this.learnBest();
    return trial;
  }

  private async ownTrial(): Promise<Trial> {
    return this.nextStep >= this.refineFrom && this.finalists.length > 0 ? await this.refinementTrial() : await this.agentTrial();
  }

  /** Behind the last trial: the actor learns the best policies' decisions, the refined ones among them, to decide on another network. */
  private async learnBest(): Promise<void> {
    const episodes = this.finalists.map(({ bits }) => this.episodeOf(bits, []));
    await this.agent.imitate(
      episodes.flatMap(({ states }) => states),
      episodes.flatMap(({ actions }) => actions),
    );
  }

  /** A uniform policy; the agent remembers it as if it had decided so. */
  private async seedTrial(bits: BitVector): Promise<Trial> {
    const measured = await this.measure(bits);
    const episode = this.episodeOf(bits, []);
    this.agent.observe({ ...episode, reward: measured.reward }, false);
    return this.record('uniform', bits, bits, measured, { noise: null, criticLoss: null });
  }

  /** One episode of the agent: decide all layers, enforce the budgets, measure, learn. */
  private async agentTrial(): Promise<Trial> {
    const { minimumBits, agent: options } = this.parameters;
    const noise = noiseAt(this.nextStep - this.seeds.length, this.refineFrom - this.seeds.length, options);
    const { asked, actions } = this.episode((_layer, _decision, state) => this.agent.explore(state, noise));
    const bits = enforceBudgets(asked, minimumBits, this.locked, this.limits, this.environment.costOf);
    const measured = await this.measure(bits);
    const episode = this.episodeOf(bits, actions);
    const criticLoss = this.agent.observe({ ...episode, reward: measured.reward }, noise !== null);
    return this.record('agent', asked, bits, measured, { noise, criticLoss });
  }

  /**
   * What another search's agent decides: first exactly, then with a little noise. All of its actions are moved alike until the budgets are just
   * met: what it has learned is which layers need more bits than others, and its budget was another network's.
   */
  private async transferTrial(): Promise<Trial> {
    const { minimumBits } = this.parameters;
    const noise = this.nextStep === 0 ? null : transferNoise;
    const { asked, actions } = this.episode((_layer, _decision, state) =>
      noise === null ? this.agent.decide(state) : this.agent.explore(state, noise),
    );
    const fitted = this.fitted(actions);
    const bits = enforceBudgets(fitted, minimumBits, this.locked, this.limits, this.environment.costOf);
    return this.record('transfer', asked, bits, await this.measure(bits), { noise, criticLoss: null });
  }

  /** The actions with the largest number added to all of them with which the budgets hold, to a thousandth; with -1 at the least. */
  private fitted(actions: readonly number[]): BitVector {
    const moved = (by: number): BitVector => {
      let decision = 0;
      return this.episode(() => (actions[decision++] ?? 0) + by).asked;
    };
    let [low, high] = [-1, 1];
    while (high - low > 1e-3) {
      const middle = (low + high) / 2;
      if (meetsBudgets(this.environment.costOf(moved(middle)), this.limits)) low = middle;
      else high = middle;
    }
    return moved(low);
  }

  /** A neighbour of one of the best policies; the agent is not asked any more and learns nothing. */
  private async refinementTrial(): Promise<Trial> {
    const { minimumBits, maximumBits } = this.parameters;
    const parent = this.finalists[this.refinement.uniformInt(0, Math.min(parents, this.finalists.length) - 1)];
    if (!parent) throw new RangeError('there is no policy to refine');
    const neighbourhood = { minimumBits, maximumBits, locked: this.locked, limits: this.limits, costOf: this.environment.costOf };
    const { asked, bits } = neighbourOf(parent.bits, neighbourhood, this.refinement);
    return this.record('refinement', asked, bits, await this.measure(bits), { noise: null, criticLoss: null });
  }

  /**
   * The episode in which the agent decides what was done, which is what its reward is of: an action asked for stays where it means these
   * bits, any other becomes the middle of theirs. Had it been remembered as it was asked, more bits than the budgets allow would look as good
   * as those that they become, and the actor would end at asking for all of them everywhere.
   */
  private episodeOf(bits: BitVector, asked: readonly number[]): { readonly states: Float32Array[]; readonly actions: number[] } {
    const { minimumBits, maximumBits } = this.parameters;
    let decision = 0;
    return this.episode((layer, side) => {
      const done = (side === 'weights' ? bits.weightBits : bits.activationBits)[layer] ?? minimumBits;
      const action = asked[decision];
      decision += 1;
      return action !== undefined && actionToBits(action, minimumBits, maximumBits) === done
        ? action
        : bitsToAction(done, minimumBits, maximumBits);
    });
  }

  /** Walks through the layers, two decisions each, the weights' first; `act` gives each action. */
  private episode(act: (layer: number, decision: Decision, state: Float32Array) => number): {
    readonly states: Float32Array[];
    readonly actions: number[];
    readonly asked: BitVector;
  } {
    const { minimumBits, maximumBits } = this.parameters;
    const states: Float32Array[] = [];
    const actions: number[] = [];
    let previousAction = 1; // as if 8 bits had been decided
    const decide = (layer: number, decision: Decision): number => {
      if (this.locked[layer] === true) return protectedBits;
      const state = this.states.observe(layer, decision, previousAction);
      const action = act(layer, decision, state);
      const bits = actionToBits(action, minimumBits, maximumBits);
      states.push(state);
      actions.push(action);
      previousAction = bits / maximumBits;
      return bits;
    };
    const decisions = this.environment.layers.map((_, layer) => ({
      weights: decide(layer, 'weights'),
      activations: decide(layer, 'activations'),
    }));
    return {
      states,
      actions,
      asked: { weightBits: decisions.map((bits) => bits.weights), activationBits: decisions.map((bits) => bits.activations) },
    };
  }

  private async measure(bits: BitVector): Promise<Measured> {
    const cost = this.environment.costOf(bits);
    const [reading] = await this.environment.readingsOf([bits]);
    if (!reading) throw new Error('a policy that is measured has a reading');
    const { accuracy } = reading;
    // HAQ, eq. (reward): lambda * (accuracy - accuracy of the float network), in percentage points.
    return { cost, accuracy, reward: this.parameters.rewardScale * 100 * (accuracy - this.referenceAccuracy) };
  }

  private record(
    origin: Trial['origin'],
    asked: BitVector,
    bits: BitVector,
    { cost, accuracy, reward }: Measured,
    agent: Pick<Trial, 'noise' | 'criticLoss'>,
  ): Trial {
    const step = this.nextStep;
    const isBest = this.bestReward === null || reward > this.bestReward;
    if (isBest) this.bestReward = reward;
    this.finalists = withCandidate(this.finalists, { step, accuracy, bits, cost }, this.parameters.finalists);
    this.nextStep = step + 1;
    return {
      ...cost,
      ...agent,
      step,
      origin,
      reward,
      accuracy,
      weightBits: [...bits.weightBits],
      activationBits: [...bits.activationBits],
      askedWeightBits: [...asked.weightBits],
      askedActivationBits: [...asked.activationBits],
      clippedBy: exceededBudgets(this.environment.costOf(asked), this.limits),
      isBest,
      atMs: this.environment.now(),
    };
  }

  save(): QuantizeSearchState {
    const { nextStep, bestReward, finalists } = this;
    return { agent: this.agent.save(), refinement: this.refinement.getState(), nextStep, bestReward, finalists };
  }

  restore(state: QuantizeSearchState): void {
    this.agent.restore(state.agent);
    this.refinement = Random.fromState(state.refinement);
    this.nextStep = state.nextStep;
    this.bestReward = state.bestReward;
    this.finalists = state.finalists;
  }
}

/** The `limit` best different policies: higher accuracy first, then lower latency, then the earlier one. */
function withCandidate(candidates: readonly Candidate[], candidate: Candidate, limit: number): readonly Candidate[] {
  const key = bitsKey(candidate.bits);
  if (candidates.some((other) => bitsKey(other.bits) === key)) return candidates;
  return [...candidates, candidate]
    .sort((a, b) => b.accuracy - a.accuracy || a.cost.latencyMs - b.cost.latencyMs || a.step - b.step)
    .slice(0, limit);
}

function bitsKey(bits: BitVector): string {
  return `${bits.weightBits.join(',')};${bits.activationBits.join(',')}`;
}
