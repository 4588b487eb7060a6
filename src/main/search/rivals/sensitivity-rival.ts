/**
 * Searches that measure sensitivities first and then solve for the policy with the least expected loss within the budgets. What
 * trials are left try solutions of sensitivities that were changed a little: losses do not add up exactly.
 */
import { Random, type RandomState } from '../../../shared/random.ts';
import { keyOf, type Choices, type DecisionProblem, type Proposal, type Reading, type Rival, type RivalOrigin } from './problem.ts';
import { atTheEdge } from './repair.ts';
import { choicesOf, lossTable, planProbes, type Probe } from './sensitivity.ts';

/** Expected rise of the loss, a row a decision, an entry a choice. */
export type LossTable = readonly (readonly number[])[];

/** The policy of least expected loss within the budgets; `exact`: as well as the solver can, else nearly is enough. */
export type Solver = (table: LossTable, exact: boolean) => number[] | Promise<number[]>;

/** Standard deviation of the logarithm by which a decision's sensitivities are changed. */
const perturbation = 0.4;
export interface MeasuredSensitivity {
  readonly decision: number;
  readonly choice: number;
  readonly accuracyLoss: number;
  readonly lossRise: number;
}

interface State {
  readonly kind: 'sensitivity';
  readonly random: RandomState;
  readonly readings: readonly Reading[];
  readonly tried: readonly string[];
}

export class SensitivityRival implements Rival {
  private readonly problem: DecisionProblem;
  private readonly origin: RivalOrigin;
  private readonly solve: Solver;
  private readonly probes: readonly Probe[];
  private random: Random;
  private readings: Reading[] = [];
  private tried = new Set<string>();
  private probed = 0; // probes that were asked for

  /** `trials`: how many policies the search may measure in all, those of this rival. */
  constructor(problem: DecisionProblem, origin: RivalOrigin, solve: Solver, trials: number, random: Random) {
    this.problem = problem;
    this.origin = origin;
    this.solve = solve;
    this.random = random;
    this.probes = planProbes(problem, trials);
  }

  async ask(): Promise<Proposal> {
    const probe = this.probes[this.probed];
    if (probe) {
      this.probed += 1;
      const choices = choicesOf(this.problem, probe);
      return { origin: 'sensitivity', asked: choices, choices };
    }
    const table = lossTable(this.problem, this.probes, this.readings);
    const asked = await this.solve(this.tried.size === 0 ? table : this.perturbed(table), this.tried.size === 0);
    // One that was tried before teaches nothing: chance changes it.
    return { origin: this.origin, asked, choices: this.tried.has(keyOf(asked)) ? this.nudged(asked) : asked };
  }

  /** Every measurement of one decision alone is known before the first is made; what follows from them is not. */
  get ahead(): number {
    return Math.max(1, this.probes.length - this.probed);
  }

  tell({ origin, choices }: Proposal, reading: Reading): void {
    if (origin === 'sensitivity') this.readings.push(reading);
    else this.tried.add(keyOf(choices));
  }

  /** Rises against the top, for each decision and choice that was measured. */
  get measured(): MeasuredSensitivity[] {
    const top = this.readings[0];
    return this.readings.flatMap(({ accuracy, loss }, index) => {
      const probe = this.probes[index];
      if (!top || !probe || probe.decision === null) return [];
      return [{ decision: probe.decision, choice: probe.choice, accuracyLoss: top.accuracy - accuracy, lossRise: loss - top.loss }];
    });
  }

  private perturbed(table: LossTable): number[][] {
    return table.map((row) => {
      const factor = Math.exp(this.random.normal(0, perturbation));
      return row.map((loss) => loss * factor);
    });
  }

  /** One decision a choice lower, and what that frees spent at random. */
  private nudged(choices: Choices): number[] {
    const changed = [...choices];
    const index = this.random.uniformInt(0, changed.length - 1);
    changed[index] = Math.max(0, (changed[index] ?? 0) - 1);
    return atTheEdge(this.problem, changed, this.random);
  }

  save(): State {
    return { kind: 'sensitivity', random: this.random.getState(), readings: [...this.readings], tried: [...this.tried] };
  }

  restore(state: unknown): void {
    const { random, readings, tried } = state as State;
    this.random = Random.fromState(random);
    this.readings = [...readings];
    this.probed = readings.length;
    this.tried = new Set(tried);
  }
}
