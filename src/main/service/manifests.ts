/**
 * From what a user asks for to a manifest: every choice made, every input named by its hash, and refused now when it cannot
 * work, so that nothing has to be undone later.
 */
import type { Output, Parsed } from '../../shared/contract.ts';
import type { DatasetRecord } from '../../shared/dataset.ts';
import { budget as budgetText } from '../../shared/format.ts';
import type { QuantizePolicy } from '../../shared/policy.ts';
import type { LayerInfo, NetworkRef } from '../../shared/network.ts';
import { quantizeParametersSchema, trainingParametersSchema, type Manifest, type QuantizeParameters } from '../../shared/run.ts';
import { LatheError } from '../../shared/errors.ts';
import { imagesFor } from './images-for.ts';
import type { TargetInfo } from '../../shared/target.ts';
import { networkLabel, quantizableLayerInfos } from '../network/describe.ts';
import { graphSha256 } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { absoluteBudgets, fromPolicy, lockedLayers, protectedBits, requireFeasible } from '../search/quantize/bits.ts';
import { fewestTrials } from '../search/rivals/sensitivity.ts';
import { makePipelineManifest, type NetworkCost } from './pipelines.ts';
import { makePruneManifest } from './prunings.ts';
import type { FoundNetwork } from './own-networks.ts';
import { makeSpecializeManifest, type SpecializeSources } from './spaces.ts';

export interface MadeManifest {
  readonly manifest: Manifest;
  readonly name: string;
  readonly networkTitle: string;
  readonly layers: LayerInfo[];
}

/** What a manifest needs to know that is not in the request. */
export interface ManifestSources {
  /** The data set, ready to be read; throws a LatheError that says how to get it. */
  dataset(id: string): Promise<DatasetRecord>;
  /** The network that a reference means, fitted to the data set. */
  network(ref: NetworkRef, dataset: DatasetRecord): Promise<Pick<FoundNetwork, 'graph' | 'ref' | 'initialWeights'>>;
  /** A target by its id; throws a LatheError that names those there are. */
  target(id: string): TargetInfo;
  preview(input: Parsed<'run.preview'>): Promise<Output<'run.preview'>>;
  prunePreview(input: Parsed<'prune.preview'>): Promise<Output<'prune.preview'>>;
  /** Versions of all that decides a result, and the physical cores. */
  machine(): Promise<{ readonly versions: Readonly<Record<string, string>>; readonly cores: number }>;
}

/** Fewest training images that are left when the validation images are taken off. */
const minimumTrainingImages = 8;

type Sources = SpecializeSources & { readonly costOf: NetworkCost };

export class ManifestMaker {
  private readonly sources: Sources;

  constructor(sources: Sources) {
    this.sources = sources;
  }

  async make(request: Parsed<'run.create'>): Promise<MadeManifest> {
    const dataset = await this.sources.dataset(request.dataset);
    const { graph, ref, initialWeights } = await this.sources.network(request.network, dataset);
    const machine = await this.sources.machine();
    const given = givenImages(request);
    const search = quantizeParametersSchema.parse({ ...given, ...imagesFor(dataset, given) });
    requireImages(dataset, search.validationImages, search.calibrationImages);
    const base = {
      formatVersion: 1 as const,
      network: ref,
      networkSha256: graphSha256(graph),
      ...(initialWeights === null ? {} : { initialWeights }),
      dataset: dataset.id,
      datasetSha256: dataset.sha256,
      ...(dataset.origin ? { datasetListingSha256: dataset.origin.listingSha256 } : {}),
      validation: { images: search.validationImages, seed: dataset.validation?.seed ?? 0 },
      training: trainingParametersSchema.parse(request.training ?? {}),
      seed: request.seed,
      threads: request.threads ?? machine.cores,
      versions: { ...machine.versions },
    };
    if (base.training.epochs === 0 && initialWeights === null) {
      throw new LatheError(
        'bad-input',
        `epochs 0: network ${ref.id} has no weights of its own to start from; train it, or import a trained one`,
      );
    }
    if (request.method === 'specialize') return await makeSpecializeManifest(this.sources, request, dataset, base);
    const networkTitle = networkLabel(ref);
    if (request.method === 'pipeline') {
      const sources = { ...this.sources, make: (stage: Parsed<'run.create'>): Promise<MadeManifest> => this.make(stage) };
      return await makePipelineManifest(sources, request, base, networkTitle);
    }
    const layers = quantizableLayerInfos(graph);
    if (request.method === 'train') {
      return { manifest: { method: 'train', ...base }, name: `train ${networkTitle}`, networkTitle, layers };
    }
    if (request.method === 'prune') {
      const manifest = await makePruneManifest(this.sources, request, { base, images: search });
      const what = request.budgets.length > 0 ? request.budgets.map(budgetText).join(', ') : `${manifest.search.reward} against accuracy`;
      return { manifest, name: `prune ${networkTitle}, ${what}`, networkTitle, layers };
    }
    const { target, sha256: targetSha256 } = this.sources.target(request.target);
    const manifest: Manifest = {
      method: 'quantize',
      ...base,
      target: target.id,
      targetSha256,
      ...(request.agentRun === undefined ? {} : { agentRun: request.agentRun }),
      ...(request.start === undefined ? {} : { start: request.start }),
      batch: request.batch ?? target.defaultBatch,
      budgets: request.budgets,
      search,
    };
    await this.checkSearch(manifest, graph);
    return {
      manifest,
      name: `quantize ${networkTitle}${search.method === 'ddpg' ? '' : ` (${search.method})`}, ${request.budgets.map(budgetText).join(', ')}`,
      networkTitle,
      layers,
    };
  }

  private async checkSearch(manifest: Extract<Manifest, { method: 'quantize' }>, graph: Graph): Promise<void> {
    const { search } = manifest;
    if (search.minimumBits > search.maximumBits) {
      throw new LatheError(
        'bad-input',
        `fewest bits ${String(search.minimumBits)} is above most bits ${String(search.maximumBits)}; exchange them`,
      );
    }
    if (search.rewardImages > search.validationImages) {
      throw new LatheError(
        'bad-input',
        `reward images ${String(search.rewardImages)}: at most the ${String(search.validationImages)} validation images`,
      );
    }
    if (search.statisticsImages > search.calibrationImages || search.statisticsImages === 1) {
      throw new LatheError(
        'bad-input',
        `statistics images ${String(search.statisticsImages)}: expected 0, or 2 to the ${String(search.calibrationImages)} calibration images`,
      );
    }
    const layerCount = quantizableLayerInfos(graph).length;
    if (search.protectFirstAndLast && layerCount < 3) {
      throw new LatheError(
        'bad-input',
        `with the first and the last of ${String(layerCount)} layers protected there is nothing to search; turn the protection off`,
      );
    }
    requireTrials(search, layerCount);
    if (manifest.start) requireStart(manifest.start, graph, search);
    const duplicate = manifest.budgets.find((budget, index) =>
      manifest.budgets.some((other, at) => at < index && other.resource === budget.resource),
    );
    if (duplicate) throw new LatheError('bad-input', `budget ${duplicate.resource} is given twice; give one limit a resource`);
    const preview = await this.sources.preview({
      network: manifest.network,
      dataset: manifest.dataset,
      target: manifest.target,
      batch: manifest.batch,
      minimumBits: search.minimumBits,
      protectFirstAndLast: search.protectFirstAndLast,
    });
    const limits = absoluteBudgets(manifest.budgets, preview.reference, manifest.target);
    requireFeasible(preview.least, limits, search.minimumBits, preview.reference);
  }
}

/** A policy to start from fits the network, and has the bits that the search may give. */
function requireStart(start: QuantizePolicy, graph: Graph, search: QuantizeParameters): void {
  const names = quantizableLayerInfos(graph).map((layer) => layer.name);
  fromPolicy(names, start);
  const locked = lockedLayers(names.length, search.protectFirstAndLast);
  start.layers.forEach((layer, index) => {
    const [low, high] = locked[index] === true ? [protectedBits, protectedBits] : [search.minimumBits, search.maximumBits];
    for (const bits of [layer.weightBits, layer.activationBits]) {
      if (bits >= low && bits <= high) continue;
      throw new LatheError(
        'bad-input',
        `start policy, layer ${layer.name}: expected ${low === high ? String(low) : `${String(low)} to ${String(high)}`} bits${locked[index] === true ? ', as the layer is protected' : ''}, found ${String(bits)}; change the policy or the search`,
      );
    }
  });
}

/** A search by sensitivity measures every decision first, besides the uniform policies: at most the widths twice. */
function requireTrials(search: QuantizeParameters, layerCount: number): void {
  if (search.method !== 'greedy' && search.method !== 'integer-program') return;
  const free = lockedLayers(layerCount, search.protectFirstAndLast).filter((locked) => !locked).length;
  const needed = fewestTrials(2 * free) + 2 * (search.maximumBits - search.minimumBits + 1) + 1; // and a policy to start from
  if (search.trials >= needed) return;
  throw new LatheError(
    'bad-input',
    `trials ${String(search.trials)}: method ${search.method} measures the sensitivity of ${String(2 * free)} decisions first; give at least ${String(needed)}`,
  );
}

function givenImages(request: Parsed<'run.create'>): Parameters<typeof imagesFor>[1] {
  switch (request.method) {
    case 'train':
    case 'pipeline':
      return {};
    case 'quantize':
      return request.search ?? {};
    case 'prune': {
      const { validationImages, rewardImages, statisticsImages } = request.search ?? {};
      return { validationImages, rewardImages, statisticsImages };
    }
    case 'specialize':
      return { validationImages: request.search?.validationImages };
  }
}

function requireImages(dataset: DatasetRecord, validationImages: number, calibrationImages: number): void {
  const left = dataset.train - validationImages;
  if (left < Math.max(minimumTrainingImages, calibrationImages)) {
    throw new LatheError(
      'bad-input',
      `data set ${dataset.id} has ${String(dataset.train)} training images: ${String(validationImages)} for validation leave ${String(Math.max(0, left))}, too few; ask for fewer validation images`,
    );
  }
}
