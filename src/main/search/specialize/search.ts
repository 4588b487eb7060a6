/**
 * ProxylessNAS (H. Cai, L. Zhu, S. Han, arXiv 1812.00332; Han et al., section 2): a supernet whose paths share weights by
 * candidate is warmed up on random paths; then weights and architecture parameters are trained in turn, on images of their own, and
 * the likeliest network that meets the limits is taken. Deviations are numbered in docs/algorithms/proxylessnas.md.
 */
import type { Budget } from '../../../shared/policy.ts';
import type { Random } from '../../../shared/random.ts';
import type { Metric } from '../../../shared/run.ts';
import type { SpecializeParameters } from '../../../shared/specialize.ts';
import { costOfPath, type AdditiveCost, type SpaceCosts } from '../../hardware/space-cost.ts';
import type { Path, SpaceBlock } from '../../network/space/space.ts';
import { bestPath, type Limit } from './derive.ts';
import { architectureStep } from './gradient.ts';
import { Objective, type ObjectiveState } from './objective.ts';
import { ArchitectureParameters, entropy, expectedCost, type AlphaState } from './probabilities.ts';
import { Reinforce, type ReinforceState } from './reinforce.ts';
import { likelyPaths } from './select.ts';
import type { SupernetState, SupernetTraining } from './supernet-training.ts';

/** Weight steps of one call in the warm-up: a metric point, and a safe place to stop. */
const warmupStepsPerCall = 25;
/** How far below its limit a hard target may end. */
export const targetTolerance = 0.02;

export interface SpecializeSearchState {
  readonly supernet: SupernetState;
  readonly alpha: AlphaState;
  readonly objective: ObjectiveState;
  readonly reinforce: ReinforceState;
  readonly architectureSteps: number;
  readonly argmax: { readonly path: Path; readonly since: number };
}

export class SpecializeSearch {
  readonly alpha: ArchitectureParameters;
  readonly limits: readonly Limit[];
  private readonly blocks: readonly SpaceBlock[];
  private readonly training: SupernetTraining;
  private readonly parameters: SpecializeParameters;
  private readonly random: Random;
  private readonly costs: readonly AdditiveCost[]; // of the limits
  private readonly latency: AdditiveCost | null;
  private readonly objective: Objective;
  private readonly reinforce = new Reinforce();
  private architectureSteps = 0;
  private argmax: { readonly path: Path; readonly since: number };

  /** `limits` are absolute and known to be reachable; `costs` has a table for each of their resources. */
  constructor(
    blocks: readonly SpaceBlock[],
    training: SupernetTraining,
    costs: SpaceCosts,
    limits: readonly Budget[],
    parameters: SpecializeParameters,
    random: Random,
  ) {
    this.blocks = blocks;
    this.training = training;
    this.parameters = parameters;
    this.random = random;
    this.alpha = new ArchitectureParameters(blocks.map(({ candidates }) => candidates.length));
    this.objective = new Objective(parameters.objective, limits, parameters.costWeight, parameters.multiplierRate);
    this.costs = limits.map(({ resource }) => {
      const cost = costs[resource];
      if (!cost) throw new RangeError(`there is no table of ${resource}`);
      return cost;
    });
    this.latency = costs.latency ?? null;
    this.limits = limits.map(({ value }, i) => limitOf(this.costs[i], value));
    this.argmax = { path: this.alpha.argmax, since: 0 };
  }

  get warmupSteps(): number {
    return this.parameters.warmupEpochs * this.training.stepsPerEpoch;
  }

  get totalSteps(): number {
    return this.warmupSteps + this.parameters.searchEpochs * this.training.stepsPerEpoch;
  }

  get stepsDone(): number {
    return this.training.weightSteps;
  }

  get warmingUp(): boolean {
    return this.stepsDone < this.warmupSteps;
  }

  get finished(): boolean {
    return this.stepsDone >= this.totalSteps && !this.architectureDue;
  }

  private get architectureDue(): boolean {
    return Math.floor(Math.max(0, this.stepsDone - this.warmupSteps) / this.parameters.architectureEvery) > this.architectureSteps;
  }

  /** How much of the search, the warm-up apart, is done: 0..1. */
  private get progress(): number {
    return (this.stepsDone - this.warmupSteps) / (this.totalSteps - this.warmupSteps);
  }

  /** Architecture steps since the likeliest network changed last. */
  get stableFor(): number {
    return this.architectureSteps - this.argmax.since;
  }

  /** The next few steps of the weights, or, where one is due, a step of the architecture. */
  async advance(): Promise<Metric[]> {
    if (this.architectureDue) return await this.stepArchitecture();
    const from = this.stepsDone;
    const end = this.warmingUp ? this.warmupSteps : this.totalSteps;
    const most = this.warmingUp ? warmupStepsPerCall : this.parameters.architectureEvery;
    const start = this.warmingUp ? 0 : this.warmupSteps;
    const count = Math.min(most - ((from - start) % most), end - from);
    const isWarmup = this.warmingUp;
    const rates = Array.from({ length: count }, (_, i) => this.rateAt(from + i));
    const done = await this.training.train(rates, (random) => (isWarmup ? uniformPath(this.blocks, random) : this.alpha.sample(random)));
    if (done.steps === 0) return [];
    return [
      { series: 'supernet/loss', step: from, value: done.loss },
      { series: 'supernet/accuracy', step: from, value: done.accuracy },
      { series: 'supernet/learningRate', step: from, value: rates[0] ?? 0 },
    ];
  }

  /** The likeliest network within the limits; in the constraint form within two per cent of the first one where there is such a network. */
  derive(limits: readonly Limit[] = this.limits): Path | null {
    const scores = this.alpha.probabilities.map((p) => p.map((value) => Math.log(Math.max(value, Number.MIN_VALUE))));
    if (limits.length === 0) return this.alpha.argmax;
    return bestPath(scores, this.aimed(limits))?.path ?? null;
  }

  /** The likeliest network within the limits and others drawn from the probabilities, so many at most; empty where there is none. */
  likelyPaths(count: number): Path[] {
    const likeliest = this.derive();
    if (!likeliest) return [];
    const counts = this.blocks.map(({ candidates }) => candidates.length);
    const random = this.random.derive('likely networks');
    return likelyPaths(likeliest, (stream) => this.alpha.sample(stream), counts, this.aimed(this.limits), count, random);
  }

  /** In the constraint form the first limit is a band, within two per cent of it. */
  private aimed(limits: readonly Limit[]): readonly Limit[] {
    const [first, ...others] = limits;
    if (!first || this.parameters.objective !== 'constraint') return limits;
    return [{ ...first, least: first.most * (1 - targetTolerance) }, ...others];
  }

  /** Of every block: its likeliest candidate, and whether that is decided. */
  decisions(): {
    readonly block: string;
    readonly candidate: string;
    readonly probability: number;
    readonly entropy: number;
    readonly decided: boolean;
  }[] {
    return this.alpha.probabilities.map((p, index) => {
      const probability = Math.max(...p);
      const second = Math.max(0, ...p.filter((_, i) => i !== p.indexOf(probability)));
      const block = this.blocks[index];
      return {
        block: block?.name ?? '',
        candidate: block?.candidates[p.indexOf(probability)] ?? '',
        probability,
        entropy: entropy(p),
        decided: probability >= decidedShare * second,
      };
    });
  }

  /** Probabilities, entropy, expected cost and the likeliest network, as they stand. */
  snapshot(): Metric[] {
    const step = this.architectureSteps;
    const probabilities = this.alpha.probabilities;
    const entropies = probabilities.map((p) => entropy(p));
    const of = (series: string, value: number): Metric => ({ series, step, value });
    return [
      ...probabilities.flatMap((p, block) => {
        const { name = '', candidates = [] } = this.blocks[block] ?? {};
        return p.map((value, i) => of(`probability/${name}/${candidates[i] ?? ''}`, value));
      }),
      ...entropies.map((value, block) => of(`entropy/${this.blocks[block]?.name ?? ''}`, value)),
      of('architecture/entropy', entropies.reduce((sum, value) => sum + value, 0) / entropies.length),
      ...(this.latency
        ? [
            of('architecture/expectedLatencyMs', expectedCost(this.latency, probabilities)),
            of('architecture/likeliestLatencyMs', costOfPath(this.latency, this.alpha.argmax)),
          ]
        : []),
      of('architecture/stableFor', this.stableFor),
      ...this.objective.multiplierValues.map((value, i) => of(`architecture/multiplier/${this.objective.resources[i] ?? ''}`, value)),
    ];
  }

  save(): SpecializeSearchState {
    return {
      supernet: this.training.save(),
      alpha: this.alpha.save(),
      objective: this.objective.save(),
      reinforce: this.reinforce.save(),
      architectureSteps: this.architectureSteps,
      argmax: this.argmax,
    };
  }

  restore(state: SpecializeSearchState): void {
    this.training.restore(state.supernet);
    this.alpha.restore(state.alpha);
    this.objective.restore(state.objective);
    this.reinforce.restore(state.reinforce);
    this.architectureSteps = state.architectureSteps;
    this.argmax = state.argmax;
  }

  private async stepArchitecture(): Promise<Metric[]> {
    const { parameters, alpha, objective, training } = this;
    const random = this.random.derive(`architecture step ${String(this.architectureSteps)}`);
    const step = this.architectureSteps;
    const metrics: Metric[] = [];
    if (parameters.algorithm === 'gradient') {
      const done = await architectureStep(
        alpha,
        objective,
        this.costs,
        training,
        parameters.gates,
        parameters.architectureRate,
        random,
        this.progress,
      );
      metrics.push(
        { series: 'architecture/loss', step, value: done.loss },
        { series: 'architecture/crossEntropy', step, value: done.crossEntropy },
      );
    } else {
      const rewardOf = async (path: Path): Promise<number> => {
        const accuracy = await training.accuracyOf(path, training.batchSize);
        return objective.reward(
          accuracy,
          this.costs.map((cost) => costOfPath(cost, path)),
        );
      };
      const tried = await this.reinforce.step(alpha, parameters.samples, parameters.architectureRate, random, rewardOf);
      metrics.push({ series: 'architecture/reward', step, value: tried.reduce((sum, { reward }) => sum + reward, 0) / tried.length });
    }
    this.architectureSteps += 1;
    const path = alpha.argmax;
    if (path.join() !== this.argmax.path.join()) this.argmax = { path, since: this.architectureSteps };
    if (this.architectureSteps % parameters.snapshotEvery === 0 || this.finished) metrics.push(...this.snapshot());
    return metrics;
  }

  /** A cosine to zero over the warm-up, and another one over the search. */
  private rateAt(step: number): number {
    const isWarmup = step < this.warmupSteps;
    const [start, length, peak] = isWarmup
      ? [0, this.warmupSteps, this.parameters.warmupRate]
      : [this.warmupSteps, this.totalSteps - this.warmupSteps, this.parameters.searchRate];
    return 0.5 * peak * (1 + Math.cos((Math.PI * (step - start)) / length));
  }
}

/** A block is decided where its likeliest candidate is so many times as likely as the second. */
const decidedShare = 2;

function limitOf(cost: AdditiveCost | undefined, most: number): Limit {
  if (!cost) throw new RangeError('a limit without a table');
  return { cost, most };
}

function uniformPath(blocks: readonly SpaceBlock[], random: Random): Path {
  return blocks.map(({ candidates }) => random.uniformInt(0, candidates.length - 1));
}
