/**
 * The long quantized training (PACT) at the end of a search of bits, where it was asked for: of the winner, of the uniform policy within
 * the budget that was the most accurate before, and of the one with the most bits w = a; all alike and from the same float weights.
 */
import { LatheError } from '../../shared/errors.ts';
import type { QuantizedNetwork } from '../search/evaluator.ts';
import { QuantizedTraining, type QuantizedTrainingState } from '../search/training/quantized-training.ts';
import { saveState, type BitTuningCheckpoint, type TestedPolicy } from './checkpoint.ts';
import { fineTuning, tuningBatch } from './fine-tuning.ts';
import { throwIfCancelled } from './job.ts';
import { keepFound, type TestedPolicies } from './quantize-finish.ts';
import type { QuantizeSetting } from './quantize-job.ts';
import { RateMeter } from './reporter.ts';
import { openTest } from './workbench.ts';

/** Seconds of work that a crash may cost, at most about twice this. */
const checkpointIntervalMs = 15_000;
/** Steps of one call into the addon: a metric point each, and a safe place to stop. */
const stepsPerCall = 25;

/** Which of the tested policies are trained on; the winner first. */
export function policiesToTune({ found, baselines }: TestedPolicies): TestedPolicy[] {
  const uniform = baselines.filter(({ solution }) => solution.withinBudget);
  const accuracyOf = ({ solution }: TestedPolicy): number => solution.validationAccuracy ?? -1;
  const best = [...uniform].sort((a, b) => accuracyOf(b) - accuracyOf(a))[0];
  const equal = uniform.find(({ solution }) => /^w(\d)a\1$/.test(solution.label)); // from the most bits down
  return [...new Set([found, best, equal])].filter((policy) => policy !== undefined);
}

/** Goes on from `start`, the beginning or a checkpoint; the model has the float weights, and has them again in the end. */
export async function tunePolicies(setting: QuantizeSetting, start: BitTuningCheckpoint): Promise<void> {
  const { context, manifest, bench, evaluator } = setting;
  const float = bench.model.getState().parameters;
  const stepsPerEpoch = Math.floor(bench.trainImages.length / tuningBatch(bench, manifest));
  const how = fineTuning(bench, manifest, manifest.search.finetuneEpochs * stepsPerEpoch);
  const { policies } = start;
  const test = await openTest(context, bench);
  evaluator.fineTune(null); // trained here, not before each measurement
  for (let index = start.done; index < policies.length; index += 1) {
    const policy = policies[index];
    if (!policy) throw new RangeError(`there is no policy ${index} to fine-tune`);
    bench.model.setState(float);
    const training = new QuantizedTraining(bench.model, bench.dataset, how, evaluator.quantizationOf(policy.bits), context.control);
    const resumed = index === start.done ? start.training : null;
    if (resumed) training.restore(resumed);
    await train(setting, policy.solution.label, training, async (state) => {
      const blob = await saveState(context.job.dataDir, { ...start, done: index, training: state });
      const step = index * training.totalSteps + state.stepsDone;
      await context.reporter.checkpoint({ phase: 'tuning', step, ...blob, atMs: context.now() });
    });
    await measure(setting, policy, training, test);
  }
  bench.model.setState(float);
}

async function train(
  { context, manifest }: QuantizeSetting,
  label: string,
  training: QuantizedTraining,
  checkpoint: (state: QuantizedTrainingState) => Promise<void>,
): Promise<void> {
  const { reporter, control } = context;
  if (training.stepsDone === 0)
    await checkpoint(training.save()); // what was measured before stays
  else reporter.log('info', `fine-tuning of ${label} continues at step ${String(training.stepsDone)} of ${String(training.totalSteps)}`);
  const meter = new RateMeter(context.now, training.stepsDone);
  let lastCheckpointMs = context.now();
  while (!training.finished) {
    const before = training.save(); // steps that are cut short are done again
    const { complete, metrics } = await training.advance(stepsPerCall);
    if (!complete) {
      await checkpoint(before);
      throwIfCancelled(context);
      throw new LatheError('internal', `the fine-tuning of ${label} ended early without having been asked to`);
    }
    if (metrics.some(({ value }) => !Number.isFinite(value))) {
      throw new LatheError(
        'bad-input',
        `the fine-tuning of ${label} diverged: its loss is not finite; give a lower learning rate than ${manifest.search.finetuneRate}`,
      );
    }
    reporter.metrics(metrics.map(({ series, step, value }) => ({ series: `tuning/${label}/${series}`, step, value })));
    reporter.progress(meter.progress('tuning', training.stepsDone, training.totalSteps));
    if (control.cancelled || context.now() - lastCheckpointMs > checkpointIntervalMs) {
      await checkpoint(training.save());
      lastCheckpointMs = context.now();
    }
    throwIfCancelled(context);
  }
}

/** Reads the trained network on validation and test images; the winner is kept. */
async function measure(
  setting: QuantizeSetting,
  { bits, solution }: TestedPolicy,
  { quantization }: QuantizedTraining,
  test: Awaited<ReturnType<typeof openTest>>,
): Promise<void> {
  const { context, manifest, bench, evaluator } = setting;
  const parts = [{ dataset: bench.dataset, indices: bench.validationImages }, test];
  const [validation, onTest] = await evaluator.measureWith(parts, quantization);
  if (!validation || !onTest) throw new Error('two sets of images have two readings');
  const tuned = { ...solution, tunedValidationAccuracy: validation.accuracy, tunedTestAccuracy: onTest.accuracy };
  context.reporter.solution(tuned);
  if (solution.role !== 'best') return;
  if (!manifest.search.codebooks) {
    const [inIntegers] = await evaluator.measureWith([test], quantization, 'integer');
    context.reporter.log(
      'info',
      `found policy behind fine-tuning, on the test split: ${(onTest.accuracy * 100).toFixed(2)} % fake-quantized, ${((inIntegers?.accuracy ?? 0) * 100).toFixed(2)} % in integer arithmetic`,
    );
  }
  const network: QuantizedNetwork = { quantization, parameters: await evaluator.parametersWith(quantization), signed: evaluator.signed };
  await keepFound(setting, { bits, solution: tuned }, network);
}
