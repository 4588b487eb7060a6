/** A run that trains: the weights, their validation accuracy, and once, at the end, their accuracy on the test split. */
import type { TrainManifest } from '../../shared/run.ts';
import { Evaluator } from '../search/evaluator.ts';
import { throwIfCancelled, type JobContext } from './job.ts';
import { floatSolution } from './results.ts';
import { trainWeights } from './train-phase.ts';
import { openTest, openWorkbench } from './workbench.ts';

export async function runTrain(context: JobContext, manifest: TrainManifest): Promise<void> {
  const { reporter } = context;
  const bench = await openWorkbench(context, manifest);
  throwIfCancelled(context);
  const weights = await trainWeights(context, manifest, bench);
  reporter.metrics([
    { series: 'train/seconds', step: 0, value: weights.seconds },
    { series: 'train/imagesPerSecond', step: 0, value: weights.imagesPerSecond },
  ]);
  reporter.progress({ phase: 'testing', done: 0, total: 1, ratePerSecond: null, etaSeconds: null });
  const validationAccuracy = await new Evaluator(bench.model, bench.dataset, context.control).accuracyOf(bench.validationImages);
  const test = await openTest(context, bench);
  const testAccuracy = await new Evaluator(bench.model, test.dataset, context.control).accuracyOf(test.indices);
  const { graph } = bench;
  reporter.solution(
    floatSolution(
      { graph, weights: weights.sha256, label: 'float32', cost: null },
      { validationAccuracy, testAccuracy, withinBudget: true },
    ),
  );
  reporter.progress({ phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null });
}
