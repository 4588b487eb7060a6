/** What a pruning does behind its trials: the found network and its rival fine-tuned alike, kept, and read on the test split once. */
import { canonicalJson } from '../../shared/canonical.ts';
import { LatheError } from '../../shared/errors.ts';
import type { NetworkRecord } from '../../shared/network.ts';
import type { Solution, TrainingParameters } from '../../shared/run.ts';
import type { NativeModel } from '../compute/addon.ts';
import { sha256Hex } from '../compute/hash.ts';
import { graphSha256, graphToJson } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { Evaluator } from '../search/evaluator.ts';
import { meets } from '../search/prune/clip.ts';
import { Training, type TrainingState } from '../search/training/training.ts';
import { writeBlob } from '../store/blobs.ts';
import { saveState, type TunedNetwork, type TuningCheckpoint } from './checkpoint.ts';
import { throwIfCancelled, type JobContext } from './job.ts';
import { measureSpeed } from './prune-speed.ts';
import { ofWhole, openStage, type PruneRun, type PruneStage } from './prune-stage.ts';
import { RateMeter } from './reporter.ts';
import { floatSolution, foundNetwork, unmeasured } from './results.ts';
import { openTest } from './workbench.ts';

const checkpointIntervalMs = 15_000;

/** A network behind its fine-tuning. */
interface Tuned {
  readonly network: TunedNetwork;
  readonly stage: PruneStage; // whose network it was cut out of
  readonly graph: Graph;
  readonly model: NativeModel;
  readonly validationAccuracy: number;
}

/** Where the network of a stage before the last stands behind its fine-tuning. */
export interface StageResult {
  readonly graph: Graph;
  readonly weights: string; // SHA-256 of the blob
}

/** Fine-tunes what a stage before the last has found, from its beginning or from a checkpoint, and keeps it. */
export async function tuneStage(stage: PruneStage, state: TuningCheckpoint): Promise<StageResult> {
  const { run } = stage;
  reportWhole(run, state.wholeAccuracy, null);
  const done = await tune(stage, state, 0);
  const label = stageLabel(stage);
  // Over the budgets of the run, and no rival: a stop on the way.
  const solution: Solution = { ...(await solutionOf(done, null, false)), role: 'baseline', label, withinBudget: false };
  run.context.reporter.solution(solution);
  if (solution.weights === null) throw new Error('a fine-tuned network has weights');
  return { graph: done.graph, weights: solution.weights };
}

function stageLabel({ run, index }: PruneStage): string {
  return `stage ${String(index + 1)} of ${String(run.manifest.search.stages)}`;
}

/** From the networks that the last stage has left, or a checkpoint among their fine-tunings, to the run's end. */
export async function finishNetworks(stage: PruneStage, state: TuningCheckpoint): Promise<void> {
  const { run } = stage;
  const { context } = run;
  const networks = [...state.networks];
  const tuned: Tuned[] = [];
  let training = state.training;
  reportWhole(run, state.wholeAccuracy, null);
  const first = stage.from ? await openStage(run, null) : stage;
  for (const [index, network] of networks.entries()) {
    const done = await tune(network.role === 'best' ? stage : first, { ...state, networks, training }, index);
    training = null;
    networks[index] = done.network;
    tuned.push(done);
    context.reporter.solution(await solutionOf(done, null, network.role === 'best'));
  }
  const test = await openTest(context, run.bench);
  context.reporter.log(
    'info',
    `test split opened: ${String(test.indices.length)} images, read once for ${String(tuned.length + 1)} networks`,
  );
  const accuracyOf = async (model: NativeModel): Promise<number> =>
    await new Evaluator(model, test.dataset, context.control).accuracyOf(test.indices);
  const meter = new RateMeter(context.now, 0);
  reportWhole(run, state.wholeAccuracy, await accuracyOf(run.bench.model));
  for (const [index, done] of tuned.entries()) {
    context.reporter.progress(meter.progress('testing', index + 1, tuned.length + 1));
    context.reporter.solution(await solutionOf(done, await accuracyOf(done.model), false));
  }
  await measureSpeed(run, [
    { label: 'whole', graph: run.bench.graph },
    ...tuned.map(({ network, graph }) => ({ label: network.label, graph })),
  ]);
  context.reporter.progress({ phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null });
}

/**
 * How a network is fine-tuned. The rival of uniform width is cut out of the whole network at once; it gets as many epochs as all
 * stages of the found one together.
 */
function tuningOf({ manifest }: PruneRun, { role }: TunedNetwork): TrainingParameters {
  const { tuning, search } = manifest;
  return role === 'best' ? tuning : { ...tuning, epochs: tuning.epochs * search.stages };
}

/** Fine-tunes one network, from its beginning or from where the checkpoint left it. */
async function tune(stage: PruneStage, state: TuningCheckpoint, index: number): Promise<Tuned> {
  const { run, pruner } = stage;
  const { context, manifest, bench } = run;
  const network = state.networks[index];
  if (!network) throw new RangeError(`there is no network ${index}`);
  const pruned = await pruner.prune(network.groups.map(({ kept }) => kept));
  const { graph, model } = pruned;
  const evaluator = new Evaluator(model, bench.dataset, context.control);
  if (network.parameters) {
    model.setState(network.parameters);
    return { network, stage, graph, model, validationAccuracy: await evaluator.accuracyOf(bench.validationImages) };
  }
  await pruner.recalibrate(pruned);
  const tuning = tuningOf(run, network);
  if (tuning.epochs > 0) {
    const training = new Training(
      model,
      bench.dataset,
      bench.trainImages,
      tuning,
      // The same images in the same order for each: else chance alone sets two equal networks apart by some tenths of a point.
      bench.random.derive('fine-tuning'),
      context.control,
      { keepZeros: manifest.search.granularity === 'weights' },
    );
    if (state.training) training.restore(state.training);
    const checkpoint = async (now: TrainingState): Promise<void> => {
      const blob = await saveState(context.job.dataDir, { ...state, training: now });
      await context.reporter.checkpoint({ phase: 'tuning', step: training.stepsDone, ...blob, atMs: context.now() });
    };
    const isLast = stage.index === manifest.search.stages - 1 || network.role === 'baseline';
    await train(context, isLast ? network.label : stageLabel(stage), training, evaluator, bench.validationImages, checkpoint);
  }
  const done = { ...network, parameters: model.getState().parameters };
  return { network: done, stage, graph, model, validationAccuracy: await evaluator.accuracyOf(bench.validationImages) };
}

async function train(
  context: JobContext,
  label: string,
  training: Training,
  evaluator: Evaluator,
  validationImages: Uint32Array,
  checkpoint: (state: TrainingState) => Promise<void>,
): Promise<void> {
  const { reporter, control } = context;
  const meter = new RateMeter(context.now, training.stepsDone);
  let lastCheckpointMs = context.now();
  while (!training.finished) {
    try {
      if (training.awaitsJudgement) {
        const { accuracy, loss } = await evaluator.measure(validationImages);
        if (!Number.isFinite(loss))
          throw new LatheError('bad-input', `fine-tuning of ${label} diverged: the loss is not finite; lower its learning rate`);
        reporter.metrics([{ series: `tuning/${label}/accuracy`, step: training.stepsDone, value: accuracy }]);
        training.judge(accuracy);
      } else {
        const metrics = await training.advance();
        reporter.metrics(metrics.map((metric) => ({ ...metric, series: metric.series.replace('train/', `tuning/${label}/`) })));
      }
    } finally {
      if (control.cancelled) await checkpoint(training.save());
    }
    throwIfCancelled(context);
    reporter.progress(meter.progress('tuning', training.stepsDone, training.totalSteps));
    if (context.now() - lastCheckpointMs > checkpointIntervalMs) {
      await checkpoint(training.save());
      lastCheckpointMs = context.now();
    }
  }
}

function reportWhole({ context, whole, bench, weights }: PruneRun, validationAccuracy: number, testAccuracy: number | null): void {
  const { latencyMs, energyMj, macs } = whole.pricing.costOf(whole.counts.all);
  const network = { graph: bench.graph, weights: weights.sha256, label: 'whole', cost: { latencyMs, energyMj, macs } };
  context.reporter.solution(floatSolution(network, { validationAccuracy, testAccuracy, withinBudget: false }));
}

/** With `keep` the found network becomes one of the user's. */
async function solutionOf(
  { network, stage, graph, model, validationAccuracy }: Tuned,
  testAccuracy: number | null,
  keep: boolean,
): Promise<Solution> {
  const { run, pricing } = stage;
  const { context, limits } = run;
  const { dataDir } = context.job;
  const units = network.groups.map(({ kept }) => kept);
  const { params, ...cost } = pricing.costOf(units);
  const weights = await saveState(dataDir, { kind: 'weights', networkSha256: graphSha256(graph), parameters: model.getState().parameters });
  const written = await writeBlob(dataDir, new TextEncoder().encode(canonicalJson(graphToJson(graph))));
  const id = network.role === 'best' && stage.index === run.manifest.search.stages - 1 ? networkIdOf(run) : null;
  if (keep && id !== null) context.reporter.network(recordOf(run, id, graph, written.sha256, weights.sha256));
  return {
    ...cost,
    role: network.role,
    label: network.label,
    policy: null,
    validationAccuracy,
    testAccuracy,
    ...unmeasured,
    withinBudget: meets(pricing.price, units, limits),
    weights: weights.sha256,
    prune: {
      groups: ofWhole(run, network.groups),
      params,
      beforeTuning: network.beforeTuning,
      tunedEpochs: tuningOf(run, network).epochs,
      graph: written.sha256,
      network: id,
    },
  };
}

function networkIdOf({ manifest, context }: PruneRun): string {
  return `${manifest.network.id}-${context.job.runId}`.slice(0, 100);
}

function recordOf({ context, manifest }: PruneRun, id: string, graph: Graph, graphBlob: string, weights: string): NetworkRecord {
  const fileSha256 = sha256Hex(new TextEncoder().encode(canonicalJson(graphToJson(graph))));
  const note = `pruned from ${manifest.network.id} by run ${context.job.runId}, trained on ${manifest.dataset}`;
  return foundNetwork(context, graph, { id, fileSha256, graphBlob, weights, note });
}
