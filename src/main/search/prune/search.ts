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
import type { ChannelCounts, Counts } from './channels.ts';
import { clip, spend, type ClipSetting, type Price } from './clip.ts';
import { PruneStates, stateSize } from './state.ts';

/** A pruned network's cost; latency and energy null without a target or a model for them. */
export type PruneCost = Omit<Cost, 'latencyMs'> & { readonly latencyMs: number | null; readonly params: number };

/** What the search asks of the world: two numbers about a choice of channels. */
export interface PruneEnvironment {
  readonly counts: ChannelCounts;
  readonly price: Price;
  costOf(counts: Counts): PruneCost;
  /** Accuracy, 0..1, and mean cross-entropy on the reward images (held out of training; never the test split), without fine-tuning. */
  measure(counts: Counts): Promise<{ readonly accuracy: number; readonly loss: number }>;
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

export interface PruneSearchState {
  readonly agent: DdpgState;
  readonly nextStep: number;
  readonly bestReward: number | null;
  readonly finalists: readonly PruneCandidate[];
}

interface Episode {
  readonly states: readonly Float32Array[];
  readonly actions: readonly number[]; // as the agent gave them
  readonly reasons: readonly ClipReason[];
  readonly counts: Counts;
}

/** A search for channels, by the agent or by a rival. */
export interface ChannelSearch<State> {
  readonly step: number;
  /** The best trials so far, best first; each other channels. */
  readonly best: readonly PruneCandidate[];
  /** One policy: choose it, measure it, learn. */
  trial(): Promise<Trial>;
  save(): State;
  restore(state: State): void;
}

export class PruneSearch implements ChannelSearch<PruneSearchState> {
  private readonly environment: PruneEnvironment;
  private readonly parameters: PruneParameters;
  private readonly setting: ClipSetting;
  private readonly seeds: readonly Counts[];
  private readonly states: PruneStates;
  private readonly agent: Ddpg;
  private nextStep = 0;
  private bestReward: number | null = null;
  private finalists: readonly PruneCandidate[] = [];

  /** `limits` are absolute and known to be reachable; `seeds` meet them and are tried first. */
  constructor(
    environment: PruneEnvironment,
    parameters: PruneParameters,
    limits: readonly Budget[],
    seeds: readonly Counts[],
    random: Random,
    makeMlp: MlpFactory,
  ) {
    this.environment = environment;
    this.parameters = parameters;
    this.seeds = seeds;
    const { decisions } = environment.counts;
    this.setting = { decisions, limits, roundTo: parameters.roundTo, price: environment.price };
    this.states = new PruneStates(environment.counts);
    this.agent = new Ddpg(stateSize, parameters.agent.replayPerLayer * decisions.length, parameters.agent, random, makeMlp);
  }

  get step(): number {
    return this.nextStep;
  }

  /** The best trials so far, best first; each other channels. */
  get best(): readonly PruneCandidate[] {
    return this.finalists;
  }

  /** One policy: choose it, measure it, learn. */
  async trial(): Promise<Trial> {
    const seed = this.seeds[this.nextStep];
    return seed ? await this.seedTrial(seed) : await this.agentTrial();
  }

  /** A uniform width; the agent remembers it as if it had decided so. */
  private async seedTrial(counts: Counts): Promise<Trial> {
    const { decisions } = this.environment.counts;
    const episode = this.episode((t) => (counts[t] ?? 0) / (decisions[t]?.units ?? 1), counts);
    const measured = await this.measure(counts);
    this.agent.observe({ ...episode, reward: measured.reward }, false);
    return this.record('uniform', episode, measured, { noise: null, criticLoss: null });
  }

  private async agentTrial(): Promise<Trial> {
    const { agent: options } = this.parameters;
    const asks = this.nextStep - this.seeds.length;
    const noise = asks < options.warmupTrials ? null : options.initialNoise * options.noiseDecay ** (asks - options.warmupTrials);
    const episode = this.episode((_t, state) => this.agent.explore(state, noise));
    const measured = await this.measure(episode.counts);
    const criticLoss = this.agent.observe({ ...episode, reward: measured.reward }, noise !== null);
    return this.record('agent', episode, measured, { noise, criticLoss });
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

  private async measure(counts: Counts): Promise<{ readonly cost: PruneCost; readonly accuracy: number; readonly reward: number }> {
    const cost = this.environment.costOf(counts);
    const { accuracy } = await this.environment.measure(counts);
    return { cost, accuracy, reward: rewardOf(this.parameters.reward, accuracy, cost) };
  }

  private record(
    origin: Trial['origin'],
    { actions, reasons, counts }: Episode,
    { cost, accuracy, reward }: { readonly cost: PruneCost; readonly accuracy: number; readonly reward: number },
    agent: Pick<Trial, 'noise' | 'criticLoss'>,
  ): Trial {
    const step = this.nextStep;
    const groups = this.setting.decisions.map(({ name, units }, t) => ({
      group: name,
      units,
      kept: counts[t] ?? units,
      asked: actions[t] ?? 1,
      reason: reasons[t] ?? 'asked',
    }));
    const isBest = this.bestReward === null || reward > this.bestReward;
    if (isBest) this.bestReward = reward;
    this.finalists = withCandidate(this.finalists, { step, reward, accuracy, counts, groups }, this.parameters.finalists);
    this.nextStep = step + 1;
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

  save(): PruneSearchState {
    const { nextStep, bestReward, finalists } = this;
    return { agent: this.agent.save(), nextStep, bestReward, finalists };
  }

  restore(state: PruneSearchState): void {
    this.agent.restore(state.agent);
    this.nextStep = state.nextStep;
    this.bestReward = state.bestReward;
    this.finalists = state.finalists;
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
