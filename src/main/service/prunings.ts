/** Prunings before they run: what one could decide, and the manifest that a request for one becomes. */
import { contract, type Output, type Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { pruneParametersSchema, type PruneParameters } from '../../shared/prune.ts';
import {
  trainingParametersSchema,
  type PruneManifest,
  type PruneRequest,
  type TrainingParameters,
  type TrainManifest,
} from '../../shared/run.ts';
import { compatibleClip } from '../search/prune/compatible.ts';
import type { EngineRequests } from '../engine/host.ts';
import type { Datasets } from './datasets.ts';
import type { ManifestSources } from './manifests.ts';
import type { OwnNetworks } from './own-networks.ts';
import type { Targets } from './targets.ts';

export class Prunings {
  private readonly parts: {
    readonly requests: EngineRequests;
    readonly datasets: Datasets;
    readonly own: OwnNetworks;
    readonly targets: Targets;
  };

  constructor(parts: Prunings['parts']) {
    this.parts = parts;
  }

  /** Throws LatheError bad-input where the network is no chain of layers. */
  async compatible({ network, action, ...options }: Parsed<'prune.compatible'>): Promise<Output<'prune.compatible'>> {
    const { graph } = await this.parts.own.find(network);
    const { layers, ratio } = compatibleClip(graph, { ...options, actions: graph.nodes.map(() => action) });
    return { layers: [...layers], ratio };
  }

  async preview({ network, dataset, target, batch, budgets, search }: Parsed<'prune.preview'>): Promise<Output<'prune.preview'>> {
    const { requests, datasets, own, targets } = this.parts;
    const { question } = await own.find(network, await datasets.show(dataset));
    const answer = await requests.ask('prune.preview', {
      network: question,
      target: target === undefined ? null : targets.find(target).target,
      batch: batch ?? null,
      budgets,
      search: pruneParametersSchema.parse({ ...usualOf(search), ...search }),
    });
    return contract['prune.preview'].output.parse(answer);
  }
}

/** What every manifest has, and how many images a search reads. */
export interface ManifestBase {
  readonly base: Omit<TrainManifest, 'method'>;
  readonly images: { readonly validationImages: number; readonly rewardImages: number; readonly statisticsImages: number };
}

/** The manifest of a pruning; refuses what cannot work. */
export async function makePruneManifest(
  { target: findTarget, prunePreview }: Pick<ManifestSources, 'target' | 'prunePreview'>,
  request: PruneRequest,
  { base, images }: ManifestBase,
): Promise<PruneManifest> {
  const search = pruneParametersSchema.parse({
    ...usualOf(request.search),
    ...request.search,
    ...imagesOf(images, request),
    agent: agentOf(request),
  });
  if (search.rewardImages > search.validationImages) {
    throw new LatheError(
      'bad-input',
      `reward images ${String(search.rewardImages)}: at most the ${String(search.validationImages)} validation images`,
    );
  }
  if (request.budgets.length === 0 && search.reward === 'accuracy') {
    throw new LatheError(
      'bad-input',
      'a pruning needs a budget, such as macs=0.5, or a reward that weighs accuracy against a resource: macs, params or latency',
    );
  }
  if (search.reward === 'latency' && request.target === undefined) {
    throw new LatheError('bad-input', 'reward latency: it needs a target to be priced on');
  }
  requireStages(search, request);
  if (search.granularity === 'weights' && search.reward === 'latency') {
    throw new LatheError('bad-input', 'reward latency: single weights that are zero save none on any target here; choose macs or params');
  }
  const found = request.target === undefined ? null : findTarget(request.target);
  await prunePreview({
    network: request.network,
    dataset: base.dataset,
    budgets: request.budgets,
    search,
    ...(found ? { target: found.target.id } : {}),
    ...(request.batch === undefined ? {} : { batch: request.batch }),
  });
  return {
    method: 'prune',
    ...base,
    target: found?.target.id ?? null,
    targetSha256: found?.sha256 ?? null,
    ...(request.agentRun === undefined ? {} : { agentRun: request.agentRun }),
    batch: request.batch ?? found?.target.defaultBatch ?? 1,
    budgets: request.budgets,
    search,
    tuning: tuningOf(base.training, request.tuning ?? {}),
  };
}

/** Single weights: of a layer a twentieth may stay, and the smallest are chosen by magnitude alone. */
function usualOf(search: PruneRequest['search']): Partial<PruneParameters> {
  return search?.granularity === 'weights' ? { minimumRatio: 0.05 } : {};
}

function requireStages({ stages, trials }: PruneParameters, { budgets }: PruneRequest): void {
  if (stages === 1) return;
  if (budgets.length === 0) {
    throw new LatheError(
      'bad-input',
      `stages ${String(stages)}: they are steps towards a budget; give one, such as macs=0.1, or one stage`,
    );
  }
  if (trials < stages)
    throw new LatheError('bad-input', `stages ${String(stages)}: each needs a trial; give at least ${String(stages)} trials`);
}

/** Fewer statistics images than a quantization reads: the pruned network's batch norm needs no more, and they are a part of every trial. */
function imagesOf(
  { validationImages, rewardImages, statisticsImages }: ManifestBase['images'],
  { search }: PruneRequest,
): ManifestBase['images'] {
  const usual = pruneParametersSchema.parse({}).statisticsImages;
  return { validationImages, rewardImages, statisticsImages: search?.statisticsImages ?? Math.min(usual, statisticsImages) };
}

/** A quarter of few trials warms up, at most AMC's hundred. */
function agentOf({ search }: PruneRequest): unknown {
  if (search?.agent !== undefined) return search.agent;
  const usual = pruneParametersSchema.parse({});
  const trials = search?.trials ?? usual.trials;
  return { ...usual.agent, warmupTrials: Math.min(usual.agent.warmupTrials, Math.ceil(trials / 4)) };
}

/** As the training, from half its peak rate; what is given stands. */
function tuningOf(training: TrainingParameters, given: NonNullable<PruneRequest['tuning']>): TrainingParameters {
  const usual = trainingParametersSchema.parse({});
  return trainingParametersSchema.parse({
    ...training,
    epochs: training.epochs > 0 ? training.epochs : usual.epochs,
    learningRate: training.learningRate / 2,
    ...given,
  });
}
