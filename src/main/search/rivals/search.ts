/** A search by one of the rivals: the same first policies for each, then theirs; the best ones are remembered. */
import type { Cost } from '../../../shared/policy.ts';
import type { Random } from '../../../shared/random.ts';
import { EvolutionaryRival } from './evolutionary-rival.ts';
import { greedySolver } from './greedy.ts';
import { integerProgramSolver } from './integer-program.ts';
import { keyOf, type Choices, type DecisionProblem, type Proposal, type Reading, type Rival } from './problem.ts';
import { RandomRival } from './random-rival.ts';
import { SensitivityRival, type MeasuredSensitivity } from './sensitivity-rival.ts';

export const rivalMethods = ['random', 'evolutionary', 'greedy', 'integer-program'] as const;
export type RivalMethod = (typeof rivalMethods)[number];

/** One policy measured. Those of a sensitivity measurement may be over the budgets. */
export interface RivalTrial extends Proposal, Reading {
  readonly step: number;
  readonly cost: Cost;
  readonly withinBudget: boolean;
  readonly isBest: boolean; // the most accurate so far of those within the budgets
}

export interface RivalCandidate {
  readonly step: number;
  readonly choices: Choices;
  readonly cost: Cost;
  readonly accuracy: number;
}

/** Everything that decides the rest of the search; structured-cloneable. */
export interface RivalSearchState {
  readonly rival: unknown;
  readonly nextStep: number;
  readonly bestAccuracy: number | null;
  readonly finalists: readonly RivalCandidate[];
}

export interface RivalOptions {
  readonly method: RivalMethod;
  readonly trials: number; // policies that may be measured in all, `seeds` among them
  readonly finalists: number; // best ones that are remembered
  readonly seeds: readonly Choices[]; // measured first; they meet the budgets
  readonly signal?: AbortSignal; // aborted: a solver that is waited for stops
}

export class RivalSearch {
  private readonly problem: DecisionProblem;
  private readonly rival: Rival;
  private readonly options: RivalOptions;
  private nextStep = 0;
  private bestAccuracy: number | null = null;
  private finalists: readonly RivalCandidate[] = [];

  private constructor(problem: DecisionProblem, rival: Rival, options: RivalOptions) {
    this.problem = problem;
    this.rival = rival;
    this.options = options;
  }

  /** Rejects with LatheError bad-input where the method cannot work on this problem or with so few trials. */
  static async create(problem: DecisionProblem, options: RivalOptions, random: Random): Promise<RivalSearch> {
    return new RivalSearch(problem, await makeRival(problem, options, random), options);
  }

  get step(): number {
    return this.nextStep;
  }

  /** The best trials within the budgets, best first; each a different policy. */
  get best(): readonly RivalCandidate[] {
    return this.finalists;
  }

  /** The next trials: as many as do not follow from each other, `most` at most. How many are made at once decides nothing about them. */
  async next(most: number): Promise<RivalTrial[]> {
    const proposals = await this.propose(Math.min(most, this.rival.ahead, this.options.trials - this.nextStep));
    const readings = await this.problem.readingsOf(proposals.map(({ choices }) => choices));
    return proposals.map((proposal, index) => {
      const reading = readings[index];
      if (!reading) throw new Error('every policy that is measured has a reading');
      return this.record(proposal, reading);
    });
  }

  private async propose(count: number): Promise<Proposal[]> {
    const proposals: Proposal[] = [];
    while (proposals.length < Math.max(1, count)) {
      const seed = this.options.seeds[this.nextStep + proposals.length];
      proposals.push(seed ? { origin: 'uniform', asked: seed, choices: seed } : await this.rival.ask());
    }
    return proposals;
  }

  private record(proposal: Proposal, { accuracy, loss }: Reading): RivalTrial {
    const step = this.nextStep;
    const { choices } = proposal;
    this.rival.tell(proposal, { accuracy, loss });
    const cost = this.problem.costOf(choices);
    const withinBudget = this.problem.meetsBudgets(choices);
    const isBest = withinBudget && (this.bestAccuracy === null || accuracy > this.bestAccuracy);
    if (isBest) this.bestAccuracy = accuracy;
    if (withinBudget) this.remember({ step, choices, cost, accuracy });
    this.nextStep = step + 1;
    return { ...proposal, step, cost, accuracy, loss, withinBudget, isBest };
  }

  /** Higher accuracy first, then lower latency, then the earlier one. */
  private remember(candidate: RivalCandidate): void {
    const key = keyOf(candidate.choices);
    if (this.finalists.some((other) => keyOf(other.choices) === key)) return;
    this.finalists = [...this.finalists, candidate]
      .sort((a, b) => b.accuracy - a.accuracy || a.cost.latencyMs - b.cost.latencyMs || a.step - b.step)
      .slice(0, this.options.finalists);
  }

  /** What was measured of decisions alone; empty where the method measures none. */
  get sensitivities(): readonly MeasuredSensitivity[] {
    return this.rival instanceof SensitivityRival ? this.rival.measured : [];
  }

  save(): RivalSearchState {
    const { nextStep, bestAccuracy, finalists } = this;
    return { rival: this.rival.save(), nextStep, bestAccuracy, finalists };
  }

  restore(state: RivalSearchState): void {
    this.rival.restore(state.rival);
    this.nextStep = state.nextStep;
    this.bestAccuracy = state.bestAccuracy;
    this.finalists = state.finalists;
  }
}

async function makeRival(problem: DecisionProblem, { method, trials, seeds, signal }: RivalOptions, random: Random): Promise<Rival> {
  const own = trials - seeds.length;
  switch (method) {
    case 'random':
      return new RandomRival(problem, random);
    case 'evolutionary':
      return new EvolutionaryRival(problem, random);
    case 'greedy':
      return new SensitivityRival(problem, 'greedy', greedySolver(problem), own, random);
    case 'integer-program':
      return new SensitivityRival(problem, 'program', await integerProgramSolver(problem, signal), own, random);
  }
}
