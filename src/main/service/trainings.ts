/** Trainings: how long one is and what memory it takes, and the weights that one has left. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { trainingParametersSchema, type RunDetail } from '../../shared/run.ts';
import type { EngineRequests } from '../engine/host.ts';
import { trainingLength } from '../search/training/schedule.ts';
import type { Datasets } from './datasets.ts';
import { imagesFor } from './images-for.ts';
import type { OwnNetworks } from './own-networks.ts';

export class Trainings {
  private readonly options: {
    readonly requests: EngineRequests;
    readonly datasets: Datasets;
    readonly own: OwnNetworks;
    readonly dataDir: string;
  };

  constructor(options: Trainings['options']) {
    this.options = options;
  }

  async preview({
    network,
    dataset: id,
    training,
    validationImages: asked,
  }: Parsed<'training.preview'>): Promise<Output<'training.preview'>> {
    const { requests, datasets, own } = this.options;
    const dataset = await datasets.show(id);
    const { question } = await own.find(network, dataset);
    const options = trainingParametersSchema.parse(training ?? {});
    const { validationImages, trainingImages } = imagesFor(dataset, { validationImages: asked });
    const { optimizer } = options;
    const batchSize = Math.max(1, Math.min(options.batchSize, trainingImages));
    const answer = await requests.ask('training', { network: question, batchSize, optimizer });
    const { memoryBytes } = z.object({ memoryBytes: z.number() }).parse(answer);
    const { stepsPerEpoch, totalSteps } = trainingLength(Math.max(1, trainingImages), options);
    return { trainingImages, validationImages, steps: totalSteps, stepsPerEpoch, memoryBytes };
  }

  /** Throws LatheError: not-found where the run has trained no weights, or has found no quantized network. */
  async weights(run: RunDetail, form: Parsed<'run.weights'>['form']): Promise<Output<'run.weights'>> {
    if (form === 'onnx') return await this.onnx(run);
    const { summary, manifest, solutions } = run;
    const sha256 = form === 'float' ? (solutions.find(({ role }) => role === 'float')?.weights ?? null) : quantizedOf(run);
    if (sha256 === null) {
      throw new LatheError(
        'not-found',
        `run ${summary.id} is ${summary.status} and has no trained weights; they are there once it has ended`,
      );
    }
    const { requests, own, dataDir } = this.options;
    const { question } = await own.networkOfRun(manifest, manifest.network);
    const base64 = z.string().parse(await requests.ask('weights', { network: question, dataDir, sha256, form }));
    return { fileName: `${manifest.network.id}-${summary.id}${form === 'float' ? '' : '-quantized'}.safetensors`, sha256, base64 };
  }

  /** The quantized network that a search found, as `network.export` writes it, for faces without paths. */
  private async onnx(run: RunDetail): Promise<Output<'run.weights'>> {
    const { summary, manifest } = run;
    const sha256 = quantizedOf(run);
    const folder = await mkdtemp(join(tmpdir(), 'lathe-onnx-'));
    try {
      const path = join(folder, 'network.onnx');
      const { own } = this.options;
      const network = { id: manifest.network.id };
      await own.export({ network, path, weights: summary.id, found: true });
      return { fileName: `${manifest.network.id}-${summary.id}.onnx`, sha256, base64: (await readFile(path)).toString('base64') };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

function quantizedOf({ summary, solutions }: RunDetail): string {
  const sha256 = solutions.find(({ role }) => role === 'best')?.quantized ?? null;
  if (sha256 !== null) return sha256;
  throw new LatheError(
    'not-found',
    `run ${summary.id} has kept no quantized network: it is ${summary.status}, of method ${summary.method}; searches of bits keep theirs once they are completed`,
  );
}
