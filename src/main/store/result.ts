/** The figures of a run's row, from its points: pure, so that a test can compare them with what the rows say. */
import type { RunMethod, RunSummary, Solution, Trial } from '../../shared/run.ts';

export type RunResult = Pick<
  RunSummary,
  | 'bestReward'
  | 'bestAccuracy'
  | 'bestTestAccuracy'
  | 'bestLatencyMs'
  | 'bestEnergyMj'
  | 'bestSizeBytes'
  | 'baselineAccuracy'
  | 'baselineTestAccuracy'
>;

export interface Points {
  readonly bestTrial: Trial | null;
  readonly solutions: readonly Solution[];
  readonly lastValidationAccuracy: number | null; // of the series `validation/accuracy`
}

/** The series whose last point is a training run's accuracy. */
export const validationSeries = 'validation/accuracy';

/**
 * A training run shows its network: the last validation accuracy until there is a float solution, then that one's. A search shows its
 * best trial (accuracy on the reward images) until there is a best solution (accuracy on all validation images), whose
 * figures then stand together; and beside it the most accurate baseline within the budget, its test accuracy of the same one.
 */
export function resultOf(method: RunMethod, { bestTrial, solutions, lastValidationAccuracy }: Points): RunResult {
  const baseline = mostAccurate(solutions.filter((solution) => solution.role === 'baseline' && solution.withinBudget));
  const best = mostAccurate(solutions.filter((solution) => solution.role === 'best'));
  const shown = best ?? bestTrial;
  const common = {
    bestReward: bestTrial?.reward ?? null,
    bestLatencyMs: shown?.latencyMs ?? null,
    bestEnergyMj: shown?.energyMj ?? null,
    bestSizeBytes: shown?.sizeBytes ?? null,
    baselineAccuracy: baseline?.validationAccuracy ?? null,
    baselineTestAccuracy: baseline?.testAccuracy ?? null,
  };
  switch (method) {
    case 'train': {
      const float = solutions.find((solution) => solution.role === 'float');
      return {
        ...common,
        bestAccuracy: float?.validationAccuracy ?? lastValidationAccuracy,
        bestTestAccuracy: float?.testAccuracy ?? null,
      };
    }
    case 'quantize':
    case 'prune':
    case 'specialize':
    case 'pipeline': {
      const bestAccuracy = best ? best.validationAccuracy : (bestTrial?.accuracy ?? null);
      return { ...common, bestAccuracy, bestTestAccuracy: best?.testAccuracy ?? null };
    }
  }
}

/** By validation accuracy, one that was not measured last; of equals the first. */
function mostAccurate(solutions: readonly Solution[]): Solution | null {
  const accuracy = (solution: Solution): number => solution.validationAccuracy ?? -Infinity;
  return solutions.reduce<Solution | null>((best, solution) => (best && accuracy(best) >= accuracy(solution) ? best : solution), null);
}
