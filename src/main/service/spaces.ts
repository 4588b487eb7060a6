/** Search spaces: which there are, what they cost on a target, and what a specialize run asks of them. */
import type { Output, Parsed } from '../../shared/contract.ts';
import type { DatasetRecord } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { budget as budgetText } from '../../shared/format.ts';
import type { Resource } from '../../shared/policy.ts';
import { trainingParametersSchema, type SpecializeManifest } from '../../shared/run.ts';
import { spacePreviewSchema, type SearchSpace, type SpacePreview, type SpaceRef } from '../../shared/space.ts';
import { specializeParametersSchema } from '../../shared/specialize.ts';
import type { EngineRequests } from '../engine/host.ts';
import { absoluteLimits, requireReachable, type SpaceCosts } from '../hardware/space-cost.ts';
import { findResources } from '../hardware/targets.ts';
import { fitOf, networksOf } from '../network/space/space.ts';
import { defaultSpace, findSpace, listSpaces } from '../network/space/spaces.ts';
import type { Datasets } from './datasets.ts';
import type { MadeManifest, ManifestSources } from './manifests.ts';
import type { OwnNetworks } from './own-networks.ts';
import type { Targets } from './targets.ts';

const referenceNetwork = { id: 'mobilenet-v2' };

export class Spaces {
  private readonly resources = findResources(import.meta.dirname);
  private readonly requests: EngineRequests;
  private readonly datasets: Datasets;
  private readonly targets: Targets;
  private readonly own: OwnNetworks;

  constructor(requests: EngineRequests, datasets: Datasets, targets: Targets, own: OwnNetworks) {
    this.requests = requests;
    this.datasets = datasets;
    this.targets = targets;
    this.own = own;
  }

  list(): Output<'space.list'> {
    return listSpaces(this.resources).map((space) => ({ space, networks: String(networksOf(space)) }));
  }

  /** One by its id or in whole; absent: what fits the images. */
  find(space: string | SearchSpace | undefined, dataset: { readonly shape: readonly [number, number, number] }): SearchSpace {
    if (typeof space === 'object') return space;
    return space === undefined
      ? defaultSpace(this.resources, Math.max(dataset.shape[0], dataset.shape[1]))
      : findSpace(this.resources, space);
  }

  /** What a reference means. Throws LatheError not-found, corrupt, or bad-input where the space at this input does not fit the data set. */
  async fitted(ref: SpaceRef, id: string | undefined): Promise<{ space: SearchSpace; fit: SpacePreview['fit'] }> {
    const space = typeof ref.space === 'object' ? ref.space : findSpace(this.resources, ref.space);
    const dataset = id === undefined ? null : await this.datasets.show(id);
    const { inputSize: side } = space;
    const { shape, classes } = dataset === null ? { shape: [side, side, 3] as const, classes: 1000 } : fitOf(space, dataset);
    const { inputSize = shape[0], inputChannels = shape[2] } = ref;
    const fit: SpacePreview['fit'] = { shape: [inputSize, inputSize, inputChannels], classes: ref.classes ?? classes };
    if (dataset !== null) checkFit(space, fit, dataset);
    return { space, fit };
  }

  async preview({ space: wanted, dataset: id, target: targetId, batch, network }: Parsed<'space.preview'>): Promise<SpacePreview> {
    const dataset = await this.datasets.show(id);
    const { target } = this.targets.find(targetId);
    const space = this.find(wanted, dataset);
    const fit = fitOf(space, dataset);
    const { question } = await this.own.find({ ...(network ?? referenceNetwork), inputSize: fit.shape[0] }, dataset);
    return spacePreviewSchema.parse(
      await this.requests.ask('space', { space, fit, target, batch: batch ?? target.defaultBatch, reference: question }),
    );
  }
}

function checkFit({ id }: SearchSpace, fit: SpacePreview['fit'], { shape, classes }: Pick<DatasetRecord, 'shape' | 'classes'>): void {
  const [height, width, channels] = shape;
  if (fit.shape[0] >= Math.max(height, width) && fit.shape[2] === channels && fit.classes >= classes) return;
  throw new LatheError(
    'bad-input',
    `space ${id}: at ${fit.shape.join(' x ')} with ${fit.classes} classes it does not fit the data set, which has images of ${shape.join(' x ')} and ${classes} classes; leave input size, channels and classes out`,
  );
}

/** What `ManifestMaker` has made of the request so far, and where it asks. */
export interface SpecializeSources extends ManifestSources {
  findSpace(space: Parsed<'space.preview'>['space'], dataset: DatasetRecord): SearchSpace;
  spacePreview(input: Parsed<'space.preview'>): Promise<SpacePreview>;
}

type Base = Omit<SpecializeManifest, 'method' | 'space' | 'fit' | 'target' | 'targetSha256' | 'batch' | 'budgets' | 'also' | 'search'>;

/** The manifest of a specialize run, refused now where it cannot work. */
export async function makeSpecializeManifest(
  sources: SpecializeSources,
  request: Extract<Parsed<'run.create'>, { method: 'specialize' }>,
  dataset: DatasetRecord,
  base: Base,
): Promise<MadeManifest> {
  const space = sources.findSpace(request.space, dataset);
  const { target, sha256: targetSha256 } = sources.target(request.target);
  const batch = request.batch ?? target.defaultBatch;
  const usual = specializeParametersSchema.parse({});
  const search = specializeParametersSchema.parse({
    evolutionImages: Math.min(usual.evolutionImages, base.validation.images),
    selectionImages: Math.min(usual.selectionImages, base.validation.images),
    ...request.search,
    validationImages: base.validation.images,
  });
  /** What the space costs on a target, where its budgets can be met. */
  const priced = async (
    input: Parsed<'space.preview'>,
    budgets: SpecializeManifest['budgets'] = request.budgets,
  ): Promise<SpacePreview> => {
    const shown = await sources.spacePreview(input);
    const costs = costsOf(shown);
    const reference = Object.fromEntries(shown.resources.map(({ resource, reference: amount }) => [resource, amount]));
    requireReachable(costs, absoluteLimits(budgets, reference, costs, input.target), space);
    return shown;
  };
  const duplicate = request.budgets.find(({ resource }, index) =>
    request.budgets.some((other, at) => at < index && other.resource === resource),
  );
  if (duplicate) throw new LatheError('bad-input', `budget ${duplicate.resource} is given twice; give one limit a resource`);
  const preview = await priced({ space, dataset: dataset.id, target: target.id, batch, network: base.network });
  const also: SpecializeManifest['also'] = [];
  for (const { target: id, budgets } of request.also) {
    const other = sources.target(id);
    if (other.target.id === target.id || also.some((one) => one.target === id)) {
      throw new LatheError('bad-input', `target ${id} is given twice; name each target once`);
    }
    await priced({ space, dataset: dataset.id, target: id, network: base.network }, budgets);
    also.push({ target: id, targetSha256: other.sha256, batch: other.target.defaultBatch, budgets });
  }
  const manifest: SpecializeManifest = {
    method: 'specialize',
    ...base,
    training: trainingParametersSchema.parse(request.training ?? {}),
    space,
    fit: preview.fit,
    target: target.id,
    targetSha256,
    batch,
    budgets: request.budgets,
    also,
    search,
  };
  for (const [what, images] of [
    ['evolution images', search.evolutionImages],
    ['selection images', search.selectionImages],
  ] as const) {
    if (images <= search.validationImages) continue;
    throw new LatheError('bad-input', `${what} ${String(images)}: at most the ${String(search.validationImages)} validation images`);
  }
  if (manifest.training.epochs === 0)
    throw new LatheError('bad-input', 'epochs 0: a network that was found must be trained by itself; give 1 or more');
  const networkTitle = `${space.id} @${String(preview.fit.shape[0])}`;
  return { manifest, name: `specialize ${networkTitle}, ${request.budgets.map(budgetText).join(', ')}`, networkTitle, layers: [] };
}

/** Enough of the tables to tell whether a limit can be reached. */
function costsOf({ resources }: SpacePreview): SpaceCosts {
  return Object.fromEntries(
    resources.map(({ resource, least }): [Resource, { fixed: number; blocks: [] }] => [resource, { fixed: least, blocks: [] }]),
  );
}
