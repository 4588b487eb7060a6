/** What a run works on: the network as a model in the addon, and its training and validation images. Never the test split. */
import type { DatasetRecord } from '../../shared/dataset.ts';
import type { Job } from '../../shared/engine-messages.ts';
import type { Manifest } from '../../shared/run.ts';
import { LatheError } from '../../shared/errors.ts';
import { Random } from '../../shared/random.ts';
import type { NativeDataset, NativeModel } from '../compute/addon.ts';
import { createDataset, createModel, setThreads } from '../compute/index.ts';
import { openTestSplit, openTrainSplit, type ImageNormalisation, type OpenOptions } from '../data/datasets.ts';
import { givenValidation, splitValidation } from '../data/splits.ts';
import { graphSha256 } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { initialParameters, toNativeProgram } from '../network/program.ts';
import { loadState } from './checkpoint.ts';
import type { JobContext } from './job.ts';
import { openGraph } from './networks.ts';

export interface Workbench {
  readonly graph: Graph;
  readonly model: NativeModel;
  readonly dataset: NativeDataset; // the training part of the data set
  readonly trainImages: Uint32Array; // indices to train and calibrate on
  readonly validationImages: Uint32Array; // indices held out for the search
  readonly normalisation: ImageNormalisation;
  readonly random: Random; // derive streams from it; never drawn from itself
}

/** Builds the network, loads the images and sets the threads. The model has its initial weights. */
export async function openWorkbench(context: JobContext, manifest: Manifest): Promise<Workbench> {
  const { reporter, job } = context;
  reporter.progress({ phase: 'loading', done: 0, total: 1, ratePerSecond: null, etaSeconds: null });
  const graph = await openGraph(job.dataDir, manifest.network);
  const hash = graphSha256(graph);
  if (hash !== manifest.networkSha256) {
    throw new LatheError(
      'conflict',
      `network ${manifest.network.id} is built differently by this version of Lathe (${hash.slice(0, 12)}, the run was made with ${manifest.networkSha256.slice(0, 12)}); start a new run`,
    );
  }
  setThreads(threadsOf(job));
  const random = Random.fromSeed(manifest.seed);
  const model = createModel(toNativeProgram(graph));
  if (manifest.initialWeights === undefined) {
    model.setState(initialParameters(model.parameters, random.derive('initial weights')));
  } else {
    model.setState((await loadState(job.dataDir, manifest.initialWeights, 'weights')).parameters);
    reporter.log('info', `starts from the weights ${manifest.initialWeights.slice(0, 12)} that came with the network`);
  }

  const [height, width] = graph.inputShape;
  const training = await openTraining(job.dataset, manifest, openOptions(context, height, width));
  const { dataset, trainIndices, validationIndices, normalisation } = training;
  reporter.log(
    'info',
    `${job.dataset.id}: ${String(trainIndices.length)} training and ${String(validationIndices.length)} validation images; the test split stays closed until the end`,
  );
  reporter.progress({ phase: 'loading', done: 1, total: 1, ratePerSecond: null, etaSeconds: null });
  return { graph, model, dataset, trainImages: trainIndices, validationImages: validationIndices, normalisation, random };
}

/** The manifest's threads, or as many as this machine gives to a run: how many there are decides no bit of the result. */
export function threadsOf({ manifest, maximumThreads }: Job): number {
  return Math.min(manifest.threads, maximumThreads ?? manifest.threads);
}

export interface TrainingImages {
  readonly dataset: NativeDataset;
  readonly trainIndices: Uint32Array;
  readonly validationIndices: Uint32Array;
  readonly normalisation: ImageNormalisation;
}

/** The training part of a data set, split and scaled as the manifest says. */
export async function openTraining(
  record: DatasetRecord,
  manifest: Pick<Manifest, 'validation'>,
  options: OpenOptions,
): Promise<TrainingImages> {
  const train = await openTrainSplit(record, options);
  const { images, seed } = manifest.validation;
  const given = record.validation?.given === true ? record.validation.images : 0;
  const { trainIndices, validationIndices } =
    given > 0 ? givenValidation(train.count, given, images, seed) : splitValidation(train.labels, images, seed);
  const normalisation = await train.normalisationOf(trainIndices);
  return { dataset: createDataset({ ...train, ...normalisation }), trainIndices, validationIndices, normalisation };
}

/** Images that the cache has no longer are decoded again: it can be seen, and stopped. */
export function openOptions({ job, reporter, control }: JobContext, height: number, width: number): OpenOptions {
  const stop = new AbortController();
  return {
    dataDir: job.dataDir,
    height,
    width,
    signal: stop.signal,
    onProgress: ({ done, total }) => {
      if (control.cancelled) stop.abort();
      reporter.progress({ phase: 'loading', done, total, ratePerSecond: null, etaSeconds: null });
    },
  };
}

/** The test images, normalised as in training, with the indices of all of them. */
export async function openTest(
  context: JobContext,
  bench: Pick<Workbench, 'graph' | 'normalisation'>,
): Promise<{ dataset: NativeDataset; indices: Uint32Array }> {
  const [height, width] = bench.graph.inputShape;
  const test = await openTestSplit(context.job.dataset, openOptions(context, height, width));
  return { dataset: createDataset({ ...test, ...bench.normalisation }), indices: Uint32Array.from(test.labels, (_, index) => index) };
}
