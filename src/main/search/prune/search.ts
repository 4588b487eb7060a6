/**
 * AMC: AutoML for model compression (He et al. 2018; Han et al., section 3). An agent decides for each group of coupled channels
 * how much of it stays; a clip keeps the budgets; the accuracy of the pruned network, not fine-tuned, is the reward. Deviations
 * from the paper and the released code are numbered in docs/algorithms/amc.md.
 */
import type { Budget, Cost } from '../../../shared/policy.ts';
import type { ClipReason, GroupDecision, PruneParameters } from '../../../shared/prune.ts';
import type { Trial } from '../../../shared/run.ts';
import type { Random } from '../../../shared/random.ts';
import { Ddpg, type DdpgState, type MlpFactory } from '../agent/ddpg.ts';
import { clip, spend, type ClipSetting, type Price } from './clip.ts';
import type { Counted, Counts } from './decisions.ts';
import { PruneStates, stateSize } from './state.ts';

/** A pruned network's cost; latency and energy null without a target or a model for them. */
export type PruneCost = Omit<Cost, 'latencyMs'> & { readonly latencyMs: number | null; readonly params: number };

/** What the search asks of the world: two numbers about a choice of channels. */
export interface PruneEnvironment {
  readonly counts: Counted;
  readonly price: Price;
  costOf(counts: Counts): PruneCost;
  /** Accuracy, 0..1, and mean cross-entropy of each on the reward images (held out of training; never the test split), in their order. */
  measure(policies: readonly Counts[]): Promise<readonly { readonly accuracy: number; readonly loss: number }[]>;
  /** Unix time in ms, for the record only. */
  now(): number;
}

/** A trial that may win. */
export interface PruneCandidate {
  readonly step: number;
  readonly reward: number;
  readonly accuracy: number;
  readonly counts: Counts;
  readonly groups: readonly GroupDecision[];
}

/** What every search remembers of its trials. */
export interface TrialsState {
  readonly nextStep: number;
  readonly bestReward: number | null;
  readonly finalists: readonly PruneCandidate[];
}

export interface PruneSearchState extends TrialsState {
  readonly agent: DdpgState;
}

/** A choice of channels, and how it came about. */
interface Choice {
  readonly actions: readonly number[]; // ratios as they were asked for
  readonly reasons: readonly ClipReason[];
  readonly counts: Counts;
}

interface Episode extends Choice {
  readonly states: readonly Float32Array[];
}

/** Noise of another run's agent behind its first policy, as HAQ's. */
const transferNoise = 0.05;

/** A search for channels, by the agent or by a rival. */
export interface ChannelSearch<State> {
  readonly step: number;
  readonly trials: number; // that it makes in all
  /** The best trials so far, best first; each other channels. */
  readonly best: readonly PruneCandidate[];
  /** The next trials: choose, measure, learn. At most `most` at once, and one where each follows from the one before. */
  next(most: number): Promise<Trial[]>;
  save(): State;
  restore(state: State): void;
}

/** Measures choices and remembers the best: the part of a search that does not choose. */
class Trials {
  private readonly environment: PruneEnvironment;
  private readonly parameters: PruneParameters;
  private state: TrialsState = { nextStep: 0, bestReward: null, finalists: [] };

  constructor(environment: PruneEnvironment, parameters: PruneParameters) {
    this.environment = environment;
    this.parameters = parameters;
  }

  get step(): number {
    return this.state.nextStep;
  }

  get best(): readonly PruneCandidate[] {
    return this.state.finalists;
  }

  async measure(counts: Counts): Promise<Measured> {
    const cost = this.environment.costOf(counts);
    const [reading] = await this.environment.measure([counts]);
    if (!reading) throw new Error('a policy that is measured has a reading');
    const { accuracy } = reading;
    return { cost, accuracy, reward: rewardOf(this.parameters.reward, accuracy, cost) };
  }

  record(
    origin: Trial['origin'],
    { actions, reasons, counts }: Choice,
    { cost, accuracy, reward }: Measured,
    agent: Pick<Trial, 'noise' | 'criticLoss'>,
  ): Trial {
    const { nextStep: step, bestReward, finalists } = this.state;
    const groups = this.environment.counts.decisions.map(({ name, units }, t) => ({
      group: name,
      units,
      kept: counts[t] ?? units,
      asked: actions[t] ?? 1,
      reason: reasons[t] ?? 'asked',
    }));
    const isBest = bestReward === null || reward > bestReward;
    this.state = {
      nextStep: step + 1,
      bestReward: isBest ? reward : bestReward,
      finalists: withCandidate(finalists, { step, reward, accuracy, counts, groups }, this.parameters.finalists),
    };
    const { params, ...rest } = cost;
    return {
      ...rest,
      ...agent,
      step,
      origin,
      reward,
      accuracy,
      weightBits: [],
      activationBits: [],
      askedWeightBits: [],
      askedActivationBits: [],
      clippedBy: [],
      prune: { groups, params },
      isBest,
      atMs: this.environment.now(),
    };
  }

  save(): TrialsState {
    return this.state;
  }

  restore({ nextStep, bestReward, finalists }: TrialsState): void {
    this.state = { nextStep, bestReward, finalists };
  }
}

interface Measured {
  readonly cost: PruneCost;
  readonly accuracy: number;
  readonly reward: number;
}

export class PruneSearch implements ChannelSearch<PruneSearchState> {
  readonly trials: number;
  private readonly parameters: PruneParameters;
  private readonly setting: ClipSetting;
  private readonly seeds: readonly Counts[];
  private readonly states: PruneStates;
  private readonly agent: Ddpg;
  private readonly isForeign: boolean;
  private readonly done: Trials;

  /**
   * `limits` are absolute and known to be reachable; `seeds` meet them and are tried first. With `foreign`, another search's agent
   * decides from the first trial on and learns nothing.
   */
  constructor(
    environment: PruneEnvironment,
    parameters: PruneParameters,
    limits: readonly Budget[],
    seeds: readonly Counts[],
    random: Random,
    makeMlp: MlpFactory,
    foreign: Pick<DdpgState, 'actor'> | null = null,
  ) {
    this.trials = parameters.trials;
    this.parameters = parameters;
    this.done = new Trials(environment, parameters);
    this.seeds = foreign ? [] : seeds;
    const { decisions } = environment.counts;
    this.setting = { decisions, limits, price: environment.price };
    this.states = new PruneStates(environment.counts);
    this.agent = new Ddpg(stateSize, parameters.agent.replayPerLayer * decisions.length, parameters.agent, random, makeMlp);
    this.isForeign = foreign !== null;
    if (foreign) this.agent.adoptActor(foreign);
  }

  get step(): number {
    return this.done.step;
  }

  /** The best trials so far, best first; each other channels. */
  get best(): readonly PruneCandidate[] {
    return this.done.best;
  }

  async next(): Promise<Trial[]> {
    return [await this.trial()];
  }

  /** One policy: choose it, measure it, learn. */
  async trial(): Promise<Trial> {
    if (this.isForeign) return await this.transferTrial();
    const seed = this.seeds[this.step];
    return seed ? await this.seedTrial(seed) : await this.agentTrial();
  }

  /** A uniform width; the agent remembers it as if it had decided so. */
  private async seedTrial(counts: Counts): Promise<Trial> {
    const { decisions } = this.setting;
    const episode = this.episode((t) => (counts[t] ?? 0) / (decisions[t]?.units ?? 1), counts);
    const measured = await this.done.measure(counts);
    this.agent.observe({ ...episode, reward: measured.reward }, false);
    return this.done.record('uniform', episode, measured, { noise: null, criticLoss: null });
  }

  /** The foreign agent's own policy first, then others close to it. */
  private async transferTrial(): Promise<Trial> {
    const noise = this.step === 0 ? null : transferNoise;
    const episode = this.episode((_t, state) => (noise === null ? this.agent.decide(state) : this.agent.explore(state, noise)));
    return this.done.record('transfer', episode, await this.done.measure(episode.counts), { noise, criticLoss: null });
  }

  private async agentTrial(): Promise<Trial> {
    const { agent: options } = this.parameters;
    const asks = this.step - this.seeds.length;
    const noise = asks < options.warmupTrials ? null : options.initialNoise * options.noiseDecay ** (asks - options.warmupTrials);
    const episode = this.episode((_t, state) => this.agent.explore(state, noise));
    const measured = await this.done.measure(episode.counts);
    const criticLoss = this.agent.observe({ ...episode, reward: measured.reward }, noise !== null);
    return this.done.record('agent', episode, measured, { noise, criticLoss });
  }

  /** Walks through the groups; `act` gives each action, `fixed` the counts where they are known already. */
  private episode(act: (t: number, state: Float32Array) => number, fixed?: Counts): Episode {
    const states: Float32Array[] = [];
    const actions: number[] = [];
    const reasons: ClipReason[] = [];
    const decided: number[] = [];
    this.setting.decisions.forEach((_, t) => {
      const state = this.states.observe(t, decided);
      const action = act(t, state);
      const { count, reason } = fixed ? { count: fixed[t] ?? 1, reason: 'asked' as const } : clip(this.setting, decided, t, action);
      states.push(state);
      actions.push(action);
      reasons.push(reason);
      decided.push(count);
    });
    const counts = fixed ?? spend(this.setting, decided);
    return { states, actions, reasons: reasons.map((reason, t) => (counts[t] === decided[t] ? reason : 'use')), counts };
  }

  save(): PruneSearchState {
    return { agent: this.agent.save(), ...this.done.save() };
  }

  restore(state: PruneSearchState): void {
    this.agent.restore(state.agent);
    this.done.restore(state);
  }
}

/** Choices that are known before: each is measured, nothing is searched. */
export class FixedSearch implements ChannelSearch<TrialsState> {
  readonly trials: number;
  private readonly choices: readonly (readonly [Trial['origin'], Counts])[];
  private readonly environment: PruneEnvironment;
  private readonly done: Trials;

  /** At least one choice; no more than the trials that are allowed are measured, the last ones first of all. */
  constructor(environment: PruneEnvironment, parameters: PruneParameters, choices: readonly (readonly [Trial['origin'], Counts])[]) {
    this.choices = choices.slice(-parameters.trials);
    this.trials = this.choices.length;
    this.environment = environment;
    this.done = new Trials(environment, parameters);
  }

  get step(): number {
    return this.done.step;
  }

  get best(): readonly PruneCandidate[] {
    return this.done.best;
  }

  async next(): Promise<Trial[]> {
    return [await this.trial()];
  }

  private async trial(): Promise<Trial> {
    const choice = this.choices[this.step];
    if (!choice) throw new RangeError(`there is no choice ${this.step}`);
    const [origin, counts] = choice;
    const actions = this.environment.counts.decisions.map(({ units }, t) => (counts[t] ?? units) / units);
    const asked = { actions, reasons: actions.map(() => 'asked' as const), counts };
    return this.done.record(origin, asked, await this.done.measure(counts), { noise: null, criticLoss: null });
  }

  save(): TrialsState {
    return this.done.save();
  }

  restore(state: TrialsState): void {
    this.done.restore(state);
  }
}

/**
 * The rewards as published: the accuracy where budgets bound the resource (R_err, up to a constant), and minus the error times the
 * logarithm of the resource where accuracy is guaranteed (R_FLOPs, R_Param; the same with latency in microseconds).
 */
export function rewardOf(kind: PruneParameters['reward'], accuracy: number, cost: PruneCost): number {
  const error = 1 - accuracy;
  switch (kind) {
    case 'accuracy':
      return accuracy;
    case 'macs':
      return -error * Math.log(cost.macs);
    case 'params':
      return -error * Math.log(cost.params);
    case 'latency':
      return -error * Math.log(Math.max(1, (cost.latencyMs ?? 0) * 1000));
  }
}

/** The `limit` best different choices: higher reward first, then the earlier one. */
function withCandidate(candidates: readonly PruneCandidate[], candidate: PruneCandidate, limit: number): readonly PruneCandidate[] {
  const key = candidate.counts.join(',');
  if (candidates.some(({ counts }) => counts.join(',') === key)) return candidates;
  return [...candidates, candidate].sort((a, b) => b.reward - a.reward || a.step - b.step).slice(0, limit);
}
