/** The training phase of a run: from initial weights, from a checkpoint, or not at all where the same weights exist already. */
import { LatheError } from '../../shared/errors.ts';
import { bytes } from '../../shared/format.ts';
import type { Manifest, Metric } from '../../shared/run.ts';
import { Evaluator } from '../search/evaluator.ts';
import { Training } from '../search/training/training.ts';
import { loadState, saveState } from './checkpoint.ts';
import { throwIfCancelled, type JobContext } from './job.ts';
import { RateMeter } from './reporter.ts';
import { trainingKey } from './training-key.ts';
import type { Workbench } from './workbench.ts';

/** Seconds of work that a crash may cost, at most about twice this. */
const checkpointIntervalMs = 15_000;

export interface TrainedWeights {
  readonly sha256: string;
  readonly seconds: number; // of the run that trained them, validation passes included
  readonly imagesPerSecond: number;
}

/** Leaves the trained weights in the workbench's model and returns the hash of their blob. */
export async function trainWeights(context: JobContext, manifest: Manifest, bench: Workbench): Promise<TrainedWeights> {
  const { job, reporter } = context;
  if (job.weights) {
    const blob = await loadState(job.dataDir, job.weights.sha256, 'weights');
    bench.model.setState(blob.parameters);
    reporter.log('info', `weights ${job.weights.sha256.slice(0, 12)}: trained before with the same settings, seed, threads and addon`);
    return { sha256: job.weights.sha256, seconds: job.weights.trainSeconds, imagesPerSecond: job.weights.imagesPerSecond };
  }
  const training = new Training(
    bench.model,
    bench.dataset,
    bench.trainImages,
    manifest.training,
    bench.random.derive('training'),
    context.control,
  );
  let secondsBefore = 0;
  if (job.checkpoint?.phase === 'training') {
    const checkpoint = await loadState(job.dataDir, job.checkpoint.sha256, 'training');
    training.restore(checkpoint.state);
    secondsBefore = checkpoint.seconds;
    reporter.log('info', `training continues at step ${String(training.stepsDone)} of ${String(training.totalSteps)}`);
  }
  return await train(context, manifest, bench, training, secondsBefore);
}

/** What the wall clock and the machine say; never the same twice, so these series have a name of their own. */
function speedOf(training: Training, before: { readonly step: number; readonly ms: number }, nowMs: number): Metric[] {
  const images = (training.stepsDone - before.step) * training.batchSize;
  const seconds = (nowMs - before.ms) / 1000;
  if (images === 0 || seconds <= 0) return [];
  return [
    { series: 'machine/imagesPerSecond', step: before.step, value: images / seconds },
    { series: 'machine/residentBytes', step: before.step, value: process.memoryUsage.rss() },
  ];
}

/** Validates the epoch that has ended, and lets the training decide whether it goes on. */
async function judgeEpoch({ reporter }: JobContext, bench: Workbench, evaluator: Evaluator, training: Training): Promise<void> {
  const { accuracy, top5Accuracy, loss } = await evaluator.measure(bench.validationImages);
  const epoch = training.epochsDone;
  if (!Number.isFinite(loss)) {
    throw new LatheError(
      'bad-input',
      `training diverged: the loss on the validation images is not finite after epoch ${String(epoch)}; lower the learning rate, warm up longer or clip the gradient`,
    );
  }
  reporter.metrics([
    { series: 'validation/accuracy', step: training.stepsDone, value: accuracy },
    { series: 'validation/top5Accuracy', step: training.stepsDone, value: top5Accuracy },
    { series: 'validation/loss', step: training.stepsDone, value: loss },
  ]);
  reporter.log(
    'info',
    `epoch ${String(epoch)}: validation accuracy ${(accuracy * 100).toFixed(2)} %, top-5 ${(top5Accuracy * 100).toFixed(2)} %, loss ${loss.toFixed(4)}`,
  );
  const kept = training.judge(accuracy);
  if (kept === null) return;
  reporter.log(
    'info',
    `${training.stepsDone < training.totalSteps ? `stopped early after epoch ${String(epoch)}` : 'training ended'}: the weights of epoch ${String(kept.epoch)} are kept, validation accuracy ${(kept.accuracy * 100).toFixed(2)} %`,
  );
}

async function train(
  context: JobContext,
  manifest: Manifest,
  bench: Workbench,
  training: Training,
  secondsBefore: number,
): Promise<TrainedWeights> {
  const { job, reporter, control } = context;
  const evaluator = new Evaluator(bench.model, bench.dataset, control);
  const startMs = context.now();
  const meter = new RateMeter(context.now, training.stepsDone);
  let lastCheckpointMs = startMs;
  const plannedBytes = bench.model.memoryBytes({ batch: training.batchSize, optimizer: manifest.training.optimizer }).training;
  reporter.metrics([{ series: 'train/plannedBytes', step: 0, value: plannedBytes }]);
  reporter.log('info', `training needs at most ${bytes(plannedBytes)} besides the program itself`);
  const seconds = (): number => secondsBefore + (context.now() - startMs) / 1000;
  const checkpoint = async (): Promise<void> => {
    const blob = await saveState(job.dataDir, { kind: 'training', state: training.save(), seconds: seconds() });
    await reporter.checkpoint({ phase: 'training', step: training.stepsDone, ...blob, atMs: context.now() });
    lastCheckpointMs = context.now();
  };
  while (!training.finished) {
    const before = { step: training.stepsDone, ms: context.now() };
    try {
      if (training.awaitsJudgement) await judgeEpoch(context, bench, evaluator, training);
      else reporter.metrics(await training.advance());
    } finally {
      if (control.cancelled) await checkpoint();
    }
    throwIfCancelled(context);
    reporter.metrics(speedOf(training, before, context.now()));
    reporter.progress(meter.progress('training', training.stepsDone, training.totalSteps));
    if (context.now() - lastCheckpointMs > checkpointIntervalMs) await checkpoint();
  }
  await checkpoint(); // what was told of the training stays, wherever the run is stopped later
  const trainSeconds = seconds();
  const imagesPerSecond = (training.stepsDone * training.batchSize) / trainSeconds;
  const blob = await saveState(job.dataDir, {
    kind: 'weights',
    networkSha256: manifest.networkSha256,
    parameters: bench.model.getState().parameters,
  });
  await reporter.weights({
    trainingKey: trainingKey(manifest),
    ...blob,
    network: manifest.network.id,
    dataset: manifest.dataset,
    testAccuracy: null,
    trainSeconds,
    imagesPerSecond,
    atMs: context.now(),
  });
  reporter.log(
    'info',
    `trained ${String(training.stepsDone)} steps in ${trainSeconds.toFixed(1)} s (${imagesPerSecond.toFixed(0)} images/s, validation passes included)`,
  );
  return { sha256: blob.sha256, seconds: trainSeconds, imagesPerSecond };
}
