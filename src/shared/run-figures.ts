/** Figures that follow from a run's row: the same in tables, filters and reports. */
import type { RunSummary } from './run.ts';

/** Seconds that a run has taken; of a running one up to now. Null: not started. */
export function elapsedSeconds(run: RunSummary, nowMs: number): number | null {
  if (run.startedAtMs === null) return null;
  const end = run.status === 'running' ? nowMs : run.finishedAtMs;
  return end === null ? null : Math.max(0, (end - run.startedAtMs) / 1000);
}

export interface Gain {
  readonly value: number; // fraction of accuracy over the best uniform policy within the budget
  readonly measure: 'test' | 'validation';
}

/** The gain over the best uniform baseline: on the test split where it is known, else on the validation images. */
export function gainOf(run: RunSummary): Gain | null {
  if (run.bestTestAccuracy !== null && run.baselineTestAccuracy !== null) {
    return { value: run.bestTestAccuracy - run.baselineTestAccuracy, measure: 'test' };
  }
  if (run.bestAccuracy !== null && run.baselineAccuracy !== null)
    return { value: run.bestAccuracy - run.baselineAccuracy, measure: 'validation' };
  return null;
}

/** How much of its tightest budget the best policy uses, 1 is all of it; null while unknown. */
export function budgetUse(run: RunSummary): number | null {
  const uses = run.budgetLimits.flatMap((limit) => {
    const reached =
      limit.resource === 'latency'
        ? run.bestLatencyMs
        : limit.resource === 'energy'
          ? run.bestEnergyMj
          : limit.resource === 'size'
            ? run.bestSizeBytes
            : null;
    return reached === null || limit.kind !== 'absolute' ? [] : [reached / limit.value];
  });
  return uses.length === 0 ? null : Math.max(...uses);
}
