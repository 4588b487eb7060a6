/** What the charts of a run draw, taken from its trials. Pure; a search of 100,000 trials takes milliseconds. */
import type { Resource } from '../../../shared/policy.ts';
import type { RunDetail, Solution, Trial } from '../../../shared/run.ts';

export interface TrialSeries {
  readonly steps: readonly number[];
  readonly reward: readonly number[];
  readonly bestReward: readonly number[];
  readonly accuracy: readonly number[]; // per cent
  readonly bestAccuracy: readonly number[]; // per cent, of the trial with the best reward so far
  readonly latencyMs: readonly (number | null)[]; // null: without a target
  readonly noise: readonly (number | null)[];
  readonly criticLoss: readonly (number | null)[];
}

export function trialSeries(trials: readonly Trial[]): TrialSeries {
  const series = {
    steps: [] as number[],
    reward: [] as number[],
    bestReward: [] as number[],
    accuracy: [] as number[],
    bestAccuracy: [] as number[],
    latencyMs: [] as (number | null)[],
    noise: [] as (number | null)[],
    criticLoss: [] as (number | null)[],
  };
  let bestReward = Number.NEGATIVE_INFINITY;
  let accuracyOfBest = 0;
  for (const trial of trials) {
    if (trial.reward > bestReward) {
      bestReward = trial.reward;
      accuracyOfBest = trial.accuracy * 100;
    }
    series.steps.push(trial.step);
    series.reward.push(trial.reward);
    series.bestReward.push(bestReward);
    series.accuracy.push(trial.accuracy * 100);
    series.bestAccuracy.push(accuracyOfBest);
    series.latencyMs.push(trial.latencyMs);
    series.noise.push(trial.noise);
    series.criticLoss.push(trial.criticLoss);
  }
  return series;
}

export interface Points {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** Several series over one axis: all their steps in order, and for each series its values there, null where it has none. */
export function onOneAxis(...series: readonly Points[]): {
  readonly x: readonly number[];
  readonly ys: readonly (readonly (number | null)[])[];
} {
  const [only] = series;
  if (series.length === 1 && only !== undefined) return { x: only.steps, ys: [only.values] };
  const x = [...new Set(series.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
  const ys = series.map(({ steps, values }) => {
    const at = new Map(steps.map((step, i) => [step, values[i] ?? null]));
    return x.map((step) => at.get(step) ?? null);
  });
  return { x, ys };
}

/** The last trial that was the best so far: of a search in stages the best of the last one, whose rewards alone are of the final budget. */
export function bestTrial(trials: readonly Trial[]): Trial | null {
  return trials.findLast(({ isBest }) => isBest) ?? null;
}

/** The uniform policy within the budget that is the most accurate, on the test split where all are known there. */
export function bestBaseline(solutions: readonly Solution[]): Solution | null {
  const within = solutions.filter((solution) => solution.role === 'baseline' && solution.withinBudget);
  const tested = within.length > 0 && within.every((solution) => solution.testAccuracy !== null);
  let best: Solution | null = null;
  for (const solution of within) {
    const of = (s: Solution): number => (tested ? s.testAccuracy : s.validationAccuracy) ?? Number.NEGATIVE_INFINITY;
    if (best === null || of(solution) > of(best)) best = solution;
  }
  return best;
}

/** Bits as the bars draw them. */
export interface ShownPolicy {
  readonly title: string;
  readonly weightBits: readonly number[];
  readonly activationBits: readonly number[];
  readonly askedWeightBits: readonly number[] | null;
  readonly askedActivationBits: readonly number[] | null;
  readonly clippedBy: readonly Resource[]; // the budgets that what was asked for did not meet
}

export function policyOfTrial(trial: Trial, title: string): ShownPolicy {
  const { weightBits, activationBits, askedWeightBits, askedActivationBits, clippedBy } = trial;
  return { title, weightBits, activationBits, askedWeightBits, askedActivationBits, clippedBy };
}

/** A solution's bits in the order of the run's layers, matched by name; null for one without a policy. */
export function policyOfSolution(solution: Solution, layers: RunDetail['layers'], title: string): ShownPolicy | null {
  if (solution.policy === null) return null;
  const byName = new Map(solution.policy.layers.map((layer) => [layer.name, layer]));
  return {
    title,
    weightBits: layers.map((layer) => byName.get(layer.name)?.weightBits ?? 0),
    activationBits: layers.map((layer) => byName.get(layer.name)?.activationBits ?? 0),
    askedWeightBits: null,
    askedActivationBits: null,
    clippedBy: [],
  };
}
