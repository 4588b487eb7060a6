/**
 * The networks that Lathe knows by name, with width multiplier, input size, channels and classes. Each family is a file of `zoo/`
 * with its source. The 'small' stem, for images up to 64 pixels, keeps the resolution where the 'imagenet' one halves it first.
 */
import { LatheError } from '../../shared/errors.ts';
import { nearestFew } from '../../shared/nearest.ts';
import type { NetworkRef, Published, ResolvedNetworkRef } from '../../shared/network.ts';
import { resolvedNetworkRefSchema } from '../../shared/network.ts';
import { createGraph } from './graph.ts';
import type { Graph } from './graph.ts';
import { describeShape } from './shape.ts';
import type { Family } from './zoo/family.ts';
import { mnasnetA1 } from './zoo/mnasnet.ts';
import { mobilenetV1, mobilenetV1Amc50Flops, mobilenetV1Amc50Time } from './zoo/mobilenet-v1.ts';
import { mobilenetV2, mobilenetV2Amc70 } from './zoo/mobilenet-v2.ts';
import { mobilenetV3Large, mobilenetV3Small } from './zoo/mobilenet-v3.ts';
import { nasnetAMobile } from './zoo/nasnet.ts';
import { proxylessCpu, proxylessGpu, proxylessMobile, proxylessMobile14 } from './zoo/proxyless.ts';
import { plain20, resnet18, resnet20, resnet34, resnet50, resnet56 } from './zoo/resnet.ts';
import { squeezenet11 } from './zoo/squeezenet.ts';
import { vgg16 } from './zoo/vgg.ts';

/** What a network is fitted to. */
export interface DatasetShape {
  readonly shape: readonly [number, number, number]; // H, W, C
  readonly classes: number;
}

const maximumWidth = 4;
const smallestInput = 32;
const largestSmallInput = 64; // up to this side the 'small' stem is the default

const families: readonly Family[] = [
  mobilenetV1,
  mobilenetV2,
  mobilenetV3Large,
  mobilenetV3Small,
  resnet18,
  resnet34,
  resnet50,
  resnet20,
  resnet56,
  plain20,
  vgg16,
  squeezenet11,
  mnasnetA1,
  nasnetAMobile,
  proxylessGpu,
  proxylessCpu,
  proxylessMobile,
  proxylessMobile14,
  mobilenetV1Amc50Flops,
  mobilenetV1Amc50Time,
  mobilenetV2Amc70,
];

/** Every listed id: the families, and their usual widths as a suffix. */
export const networkIds: readonly string[] = families.flatMap((family) =>
  (family.listedWidths ?? [1]).map((width) => widthId(family.id, width)),
);

/**
 * The graph that a reference means, and the reference with every choice made (resolving that one again gives the same).
 * Absent fields: with a data set what fits it (its channels and classes; the smallest multiple of 32 that holds its images;
 * the 'small' stem up to 64 pixels), otherwise what the family was published for (mostly 224 x 224 x 3, 1000 classes and the
 * 'imagenet' stem); width 1.
 * Throws LatheError: not-found for an unknown id, bad-input for a choice that cannot be, or that the data set does not fit.
 */
export function resolveNetwork(ref: NetworkRef, dataset?: DatasetShape): { readonly graph: Graph; readonly ref: ResolvedNetworkRef } {
  const { family, width: idWidth } = findFamily(ref.id);
  if (idWidth !== null && ref.width !== undefined && ref.width !== idWidth) {
    throw new LatheError(
      'bad-input',
      `network ${ref.id}: its name says width ${idWidth}, but width ${ref.width} is asked for; leave one out`,
    );
  }
  if (family.listedWidths === null && (ref.width ?? 1) !== 1) {
    throw new LatheError('bad-input', `network ${ref.id}: its channels are fixed, found width ${ref.width}; leave the width out`);
  }
  const { defaults } = family;
  const inputSize = ref.inputSize ?? (dataset ? fittingInputSize(dataset.shape) : defaults.inputSize);
  const isSmall = inputSize <= largestSmallInput && (dataset !== undefined || defaults.inputSize <= largestSmallInput);
  const resolved: ResolvedNetworkRef = {
    id: family.id,
    width: ref.width ?? idWidth ?? 1,
    inputSize,
    inputChannels: ref.inputChannels ?? dataset?.shape[2] ?? 3,
    classes: ref.classes ?? dataset?.classes ?? defaults.classes,
    stem: ref.stem ?? (isSmall ? 'small' : 'imagenet'),
  };
  const checked = resolvedNetworkRefSchema.safeParse(resolved);
  if (!checked.success) {
    const issues = checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
    throw new LatheError('bad-input', `network ${ref.id}: ${issues}`);
  }
  if (dataset) checkFit(resolved, dataset);
  return { graph: buildGraph(family, resolved), ref: resolved };
}

/** 'mobilenet-v1' for width 1, else 'mobilenet-v1-0.25'. */
export function networkIdOf(ref: ResolvedNetworkRef): string {
  return widthId(ref.id, ref.width);
}

/** The family's name as its paper writes it, and where it is from. */
export function familyOf(ref: NetworkRef): Pick<Family, 'title' | 'source'> {
  return findFamily(ref.id).family;
}

/** Whether a reference's id is a family of the zoo. */
export function isZooNetwork(id: string): boolean {
  return families.some((family) => family.id === id);
}

/** Whether a listed id takes a width: a family's own does unless its channels are fixed; one that says a width already does not. */
export function isScalable(id: string): boolean {
  return families.some((family) => family.id === id && family.listedWidths !== null);
}

/** What was published about a network of width `ref.width` at the size and classes that its family is made for. */
export function publishedOf(ref: ResolvedNetworkRef): readonly Published[] {
  return findFamily(ref.id).family.published.filter(({ width = 1 }) => width === ref.width);
}

/** Throws LatheError not-found where the zoo has no network of this id; `own` are the user's, which may have been meant. */
export function requireZooNetwork(id: string, own: readonly string[]): void {
  findFamily(id, own);
}

function notFound(id: string, own: readonly string[], why = ''): LatheError {
  const near = nearestFew(id, [...own, ...networkIds], 3);
  const meant = near.length === 0 ? '' : `did you mean ${near.join(' or ')}? `;
  const shown = own.slice(0, 8);
  const yours = own.length === 0 ? '' : `your own: ${shown.join(', ')}${own.length > shown.length ? ', …' : ''}; `;
  return new LatheError('not-found', `there is no network ${id}${why}; ${meant}${yours}"network list" shows all`);
}

function findFamily(id: string, own: readonly string[] = []): { readonly family: Family; readonly width: number | null } {
  const exact = families.find((family) => family.id === id);
  if (exact) return { family: exact, width: null };
  const [found] = families
    .filter((family) => family.listedWidths !== null && id.startsWith(`${family.id}-`))
    .sort((a, b) => b.id.length - a.id.length);
  if (!found) throw notFound(id, own);
  const suffix = id.slice(found.id.length + 1);
  const width = /^\d+(\.\d+)?$/.test(suffix) ? Number(suffix) : Number.NaN;
  if (!(width > 0 && width <= maximumWidth)) {
    throw notFound(id, own, `: behind ${found.id}- a width above 0 and up to ${maximumWidth} is expected`);
  }
  return { family: found, width };
}

function checkFit(ref: ResolvedNetworkRef, dataset: DatasetShape): void {
  const [height, width, channels] = dataset.shape;
  if (ref.inputChannels !== channels) {
    throw new LatheError(
      'bad-input',
      `network ${ref.id}: its input has ${ref.inputChannels} channels, the data set's images have ${channels}`,
    );
  }
  if (ref.inputSize < Math.max(height, width)) {
    throw new LatheError(
      'bad-input',
      `network ${ref.id}: the data set's images of ${height} x ${width} do not fit into an input of ${ref.inputSize} x ${ref.inputSize}`,
    );
  }
  if (ref.classes < dataset.classes) {
    throw new LatheError('bad-input', `network ${ref.id}: it tells ${ref.classes} classes apart, the data set has ${dataset.classes}`);
  }
}

function fittingInputSize([height, width]: DatasetShape['shape']): number {
  return Math.max(smallestInput, Math.ceil(Math.max(height, width) / 32) * 32);
}

function widthId(id: string, width: number): string {
  return width === 1 ? id : `${id}-${width}`;
}

function buildGraph(family: Family, ref: ResolvedNetworkRef): Graph {
  const graph = createGraph([ref.inputSize, ref.inputSize, ref.inputChannels], family.build(ref));
  if (graph.classes !== ref.classes)
    throw new Error(`${family.id}: built for ${ref.classes} classes, ends in ${describeShape([graph.classes])}`);
  return graph;
}
