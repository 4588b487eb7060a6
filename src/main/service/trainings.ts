/** Trainings: how long one is and what memory it takes, and the weights that one has left. */
import { z } from 'zod';
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { quantizeParametersSchema, trainingParametersSchema, type RunDetail } from '../../shared/run.ts';
import type { EngineRequests } from '../engine/host.ts';
import { trainingLength } from '../search/training/schedule.ts';
import type { Datasets } from './datasets.ts';
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

  async preview({ network, dataset: id, training }: Parsed<'training.preview'>): Promise<Output<'training.preview'>> {
    const { requests, datasets, own } = this.options;
    const dataset = await datasets.show(id);
    const { question } = await own.find(network, dataset);
    const options = trainingParametersSchema.parse(training ?? {});
    const { validationImages } = quantizeParametersSchema.parse({});
    const trainingImages = Math.max(0, dataset.train - validationImages);
    const { optimizer } = options;
    const batchSize = Math.max(1, Math.min(options.batchSize, trainingImages));
    const answer = await requests.ask('training', { network: question, batchSize, optimizer });
    const { memoryBytes } = z.object({ memoryBytes: z.number() }).parse(answer);
    const { stepsPerEpoch, totalSteps } = trainingLength(Math.max(1, trainingImages), options);
    return { trainingImages, validationImages, steps: totalSteps, stepsPerEpoch, memoryBytes };
  }

  /** Throws LatheError: not-found where the run has trained no weights. */
  async weights({ summary, manifest, solutions }: RunDetail): Promise<Output<'run.weights'>> {
    const sha256 = solutions.find((solution) => solution.role === 'float')?.weights ?? null;
    if (sha256 === null) {
      throw new LatheError(
        'not-found',
        `run ${summary.id} is ${summary.status} and has no trained weights; they are there once it has ended`,
      );
    }
    const { requests, own, dataDir } = this.options;
    const { question } = await own.networkOfRun(manifest, manifest.network);
    const base64 = z.string().parse(await requests.ask('weights', { network: question, dataDir, sha256 }));
    return { fileName: `${manifest.network.id}-${summary.id}.safetensors`, sha256, base64 };
  }
}
