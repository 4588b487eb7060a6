/** Prunings that take a few seconds. */
import type { RunRequest } from '../../src/shared/run.ts';

/** A thin network on the generated set, read by one thread. */
export function smallPruning(trials: number, seed = 7): Extract<RunRequest, { method: 'prune' }> {
  return {
    method: 'prune',
    network: { id: 'mobilenet-v1', width: 0.125 },
    dataset: 'generated',
    budgets: [{ resource: 'macs', kind: 'fraction', value: 0.6 }],
    training: { epochs: 1, warmupSteps: 20 },
    tuning: { epochs: 1 },
    search: {
      trials,
      roundTo: 2,
      validationImages: 1000,
      rewardImages: 300,
      statisticsImages: 64,
      reconstructionImages: 200,
      sensitivitySteps: 1,
      finalists: 2,
    },
    seed,
    threads: 1,
  };
}
