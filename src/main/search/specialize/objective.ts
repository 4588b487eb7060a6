/**
 * The hardware-aware loss (Han et al., equation 3) in three forms that are defined for every E > 0 and every reference, and do not
 * depend on the unit. Each gives the weight of the cross-entropy's gradient and that of dE/dalpha. Pure but for the multipliers.
 */
import type { Budget, Resource } from '../../../shared/policy.ts';

export type ObjectiveForm = 'constraint' | 'power' | 'additive';

export interface ObjectiveWeights {
  readonly loss: number;
  readonly crossEntropy: number; // dL/dCE
  readonly costs: readonly number[]; // dL/dE of each limit, in its order
}

export interface ObjectiveState {
  readonly multipliers: readonly number[];
  readonly start: readonly number[] | null; // E / T at the first step
}

/** Of the search, in which a constraint moves from where the search started to its limit. */
const approachShare = 0.5;

export class Objective {
  readonly form: ObjectiveForm;
  private readonly limits: readonly Budget[];
  private readonly weight: number;
  private readonly multiplierRate: number;
  private multipliers: number[];
  private start: readonly number[] | null = null;

  /**
   * `constraint`: L = CE + sum lambda ln(E / T), with multipliers that grow while E is above T and shrink below it (dual ascent), and the quadratic
   * part of the augmented Lagrangian, so that E settles at T. T itself moves from the first expectation to the limit over the first
   * half of the search, so that no block is decided by the first steep descent. `power`: L = CE (E / T)^weight, whose pull d ln L / d ln E is the weight
   * wherever E is. `additive`: L = CE + weight (E / T - 1).
   */
  constructor(form: ObjectiveForm, limits: readonly Budget[], weight: number, multiplierRate: number) {
    this.form = form;
    this.limits = limits;
    this.weight = weight;
    this.multiplierRate = multiplierRate;
    this.multipliers = limits.map(() => 0);
  }

  get resources(): readonly Resource[] {
    return this.limits.map((limit) => limit.resource);
  }

  get multiplierValues(): readonly number[] {
    return [...this.multipliers];
  }

  /** Of the constraint form. */
  save(): ObjectiveState {
    return { multipliers: [...this.multipliers], start: this.start };
  }

  restore(state: ObjectiveState): void {
    this.multipliers = [...state.multipliers];
    this.start = state.start;
  }

  /** What REINFORCE maximises of a network with this accuracy and these costs; in the constraint form that of TuNAS (arXiv 2008.06120). */
  reward(accuracy: number, costs: readonly number[]): number {
    const ratios = this.limits.map((limit, i) => (costs[i] ?? 0) / limit.value);
    switch (this.form) {
      case 'power':
        return ratios.reduce((product, ratio) => product * ratio ** -this.weight, accuracy);
      case 'additive':
        return ratios.reduce((sum, ratio) => sum - this.weight * (ratio - 1), accuracy);
      case 'constraint':
        return ratios.reduce((sum, ratio) => sum - this.weight * Math.abs(ratio - 1), accuracy);
    }
  }

  /**
   * Weights at this cross-entropy and these expected costs; in the constraint form the multipliers take their step. `progress`, from 0
   * to 1, is how much of the search is done.
   */
  weigh(crossEntropy: number, expected: readonly number[], progress: number): ObjectiveWeights {
    const ratios = this.limits.map((limit, i) => (expected[i] ?? 0) / limit.value);
    switch (this.form) {
      case 'power': {
        const factor = ratios.reduce((product, ratio) => product * ratio ** this.weight, 1);
        const loss = crossEntropy * factor;
        return { loss, crossEntropy: factor, costs: expected.map((value) => (this.weight * loss) / value) };
      }
      case 'additive': {
        const loss = crossEntropy + ratios.reduce((sum, ratio) => sum + this.weight * (ratio - 1), 0);
        return { loss, crossEntropy: 1, costs: this.limits.map((limit) => this.weight / limit.value) };
      }
      case 'constraint': {
        this.start ??= ratios;
        const approach = Math.max(0, 1 - progress / approachShare);
        const excess = ratios.map((ratio, i) => Math.log(ratio) - approach * Math.max(0, Math.log(this.start?.[i] ?? 1)));
        this.multipliers = this.multipliers.map((multiplier, i) => Math.max(0, multiplier + this.multiplierRate * (excess[i] ?? 0)));
        const pulls = this.multipliers.map((multiplier, i) => Math.max(0, multiplier + this.weight * (excess[i] ?? 0)));
        const loss = crossEntropy + pulls.reduce((sum, pull, i) => sum + pull * (excess[i] ?? 0), 0);
        return { loss, crossEntropy: 1, costs: expected.map((value, i) => (pulls[i] ?? 0) / value) };
      }
    }
  }
}
