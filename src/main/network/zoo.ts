/**
 * The networks that Lathe knows by name, with width multiplier, input size, channels and classes:
 * MobileNet-V1 (Howard et al. 2017, arXiv 1704.04861, table 1) and MobileNet-V2 (Sandler et al. 2018, arXiv 1801.04381, table 2).
 * The 'small' stem, for images up to 64 pixels, keeps the resolution in the first convolution (stride 1 instead of 2).
 */
import { LatheError } from '../../shared/errors.ts';
import { suggest } from '../../shared/nearest.ts';
import type { NetworkRef, ResolvedNetworkRef } from '../../shared/network.ts';
import { resolvedNetworkRefSchema } from '../../shared/network.ts';
import { createGraph, inputName } from './graph.ts';
import type { Graph, NodeSpec } from './graph.ts';
import { describeShape, evenPadding } from './shape.ts';

/** What a network is fitted to. */
export interface DatasetShape {
  readonly shape: readonly [number, number, number]; // H, W, C
  readonly classes: number;
}

interface Variant {
  readonly width: number;
  readonly stemStride: 1 | 2;
  readonly classes: number;
}

interface Family {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  /** The widths that are listed; any other up to 4 is built as well. */
  readonly listedWidths: readonly number[];
  readonly build: (variant: Variant) => readonly NodeSpec[];
}

const batchNormEpsilon = 1e-5;
const batchNormMomentum = 0.1;
const maximumWidth = 4;
const smallestInput = 32;
const largestSmallInput = 64; // up to this side the 'small' stem is the default

const families: readonly Family[] = [
  {
    id: 'mobilenet-v1',
    title: 'MobileNet-V1',
    source: 'Howard et al. 2017, arXiv 1704.04861',
    listedWidths: [1, 0.75, 0.5, 0.25],
    build: mobilenetV1,
  },
  {
    id: 'mobilenet-v2',
    title: 'MobileNet-V2',
    source: 'Sandler et al. 2018, arXiv 1801.04381',
    listedWidths: [1, 0.75, 0.5, 0.35],
    build: mobilenetV2,
  },
];

/** Every listed id: the families, and their usual widths as a suffix. */
export const networkIds: readonly string[] = families.flatMap((family) => family.listedWidths.map((width) => widthId(family.id, width)));

/**
 * The graph that a reference means, and the reference with every choice made (resolving that one again gives the same).
 * Absent fields: with a data set what fits it (its channels and classes; the smallest multiple of 32 that holds its images;
 * the 'small' stem up to 64 pixels), otherwise 224 x 224 x 3, 1000 classes and the 'imagenet' stem; width 1.
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
  const inputSize = ref.inputSize ?? (dataset ? fittingInputSize(dataset.shape) : 224);
  const resolved: ResolvedNetworkRef = {
    id: family.id,
    width: ref.width ?? idWidth ?? 1,
    inputSize,
    inputChannels: ref.inputChannels ?? dataset?.shape[2] ?? 3,
    classes: ref.classes ?? dataset?.classes ?? 1000,
    stem: ref.stem ?? (dataset && inputSize <= largestSmallInput ? 'small' : 'imagenet'),
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
export function familyOf(ref: NetworkRef): { readonly title: string; readonly source: string } {
  const { title, source } = findFamily(ref.id).family;
  return { title, source };
}

function findFamily(id: string): { readonly family: Family; readonly width: number | null } {
  const found = families.find((family) => id === family.id || id.startsWith(`${family.id}-`));
  if (!found) throw new LatheError('not-found', `there is no network ${id}; ${suggest(id, networkIds)}`);
  if (id === found.id) return { family: found, width: null };
  const suffix = id.slice(found.id.length + 1);
  const width = /^\d+(\.\d+)?$/.test(suffix) ? Number(suffix) : Number.NaN;
  if (!(width > 0 && width <= maximumWidth)) {
    throw new LatheError(
      'not-found',
      `there is no network ${id}: behind ${found.id}- a width above 0 and up to ${maximumWidth} is expected; ${suggest(id, networkIds)}`,
    );
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
  const specs = family.build({ width: ref.width, stemStride: ref.stem === 'small' ? 1 : 2, classes: ref.classes });
  const graph = createGraph([ref.inputSize, ref.inputSize, ref.inputChannels], specs);
  if (graph.classes !== ref.classes)
    throw new Error(`${family.id}: built for ${ref.classes} classes, ends in ${describeShape([graph.classes])}`);
  return graph;
}

/** Lists operators; each convolution is followed by its batch norm and, where asked, its activation. Returns the last name. */
function convolution(
  specs: NodeSpec[],
  input: string,
  layer: { name: string; outChannels: number; kernel: 1 | 3; stride: number; groups?: number; activation: 'relu' | 'relu6' | null },
): string {
  const { name, outChannels, kernel, stride, groups = 1, activation } = layer;
  specs.push({
    kind: 'conv',
    name,
    input,
    outChannels,
    kernel: [kernel, kernel],
    stride: [stride, stride],
    padding: evenPadding((kernel - 1) / 2),
    dilation: [1, 1],
    groups,
    bias: false,
  });
  specs.push({ kind: 'batchNorm', name: `${name}_bn`, input: name, epsilon: batchNormEpsilon, momentum: batchNormMomentum });
  if (activation === null) return `${name}_bn`;
  specs.push({ kind: activation, name: `${name}_${activation}`, input: `${name}_bn` });
  return `${name}_${activation}`;
}

function classifier(specs: NodeSpec[], input: string, classes: number): void {
  specs.push({ kind: 'globalAveragePool', name: 'pool', input });
  specs.push({ kind: 'linear', name: 'fc', input: 'pool', outFeatures: classes, bias: true });
}

/** Channels of MobileNet-V1 at a width: rounded down, at least 8, as in the authors' code (TF-Slim, mobilenet_v1.py). */
function channelsV1(channels: number, width: number): number {
  return Math.max(8, Math.floor(channels * width));
}

// Pointwise output channels and depthwise stride of the 13 blocks.
const blocksV1: readonly (readonly [outChannels: number, stride: number])[] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
];

function mobilenetV1({ width, stemStride, classes }: Variant): readonly NodeSpec[] {
  const specs: NodeSpec[] = [];
  let channels = channelsV1(32, width);
  let last = convolution(specs, inputName, { name: 'conv1', outChannels: channels, kernel: 3, stride: stemStride, activation: 'relu' });
  for (const [index, [outChannels, stride]] of blocksV1.entries()) {
    const name = `conv${index + 2}`;
    last = convolution(specs, last, { name: `${name}_dw`, outChannels: channels, kernel: 3, stride, groups: channels, activation: 'relu' });
    channels = channelsV1(outChannels, width);
    last = convolution(specs, last, { name: `${name}_pw`, outChannels: channels, kernel: 1, stride: 1, activation: 'relu' });
  }
  classifier(specs, last, classes);
  return specs;
}

/**
 * Channels of MobileNet-V2 at a width: the nearest multiple of 8, at least 8, one more where rounding would lose over a tenth
 * (the authors' `make_divisible`).
 */
function channelsV2(channels: number, width: number): number {
  const wanted = channels * width;
  const rounded = Math.max(8, Math.floor((wanted + 4) / 8) * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

// Table 2: expansion t, output channels c, repetitions n, stride s of the first.
const stagesV2: readonly (readonly [t: number, c: number, n: number, s: number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

function mobilenetV2({ width, stemStride, classes }: Variant): readonly NodeSpec[] {
  const specs: NodeSpec[] = [];
  let channels = channelsV2(32, width);
  let last = convolution(specs, inputName, { name: 'stem', outChannels: channels, kernel: 3, stride: stemStride, activation: 'relu6' });
  const blocks = stagesV2.flatMap(([t, c, n, s]) => Array.from({ length: n }, (_, i) => ({ t, c, s: i === 0 ? s : 1 })));
  for (const [index, { t, c, s }] of blocks.entries()) {
    const name = `b${index + 1}`;
    const outChannels = channelsV2(c, width);
    const expanded = channels * t;
    const start = last;
    if (t !== 1)
      last = convolution(specs, last, { name: `${name}_expand`, outChannels: expanded, kernel: 1, stride: 1, activation: 'relu6' });
    last = convolution(specs, last, {
      name: `${name}_dw`,
      outChannels: expanded,
      kernel: 3,
      stride: s,
      groups: expanded,
      activation: 'relu6',
    });
    last = convolution(specs, last, { name: `${name}_project`, outChannels, kernel: 1, stride: 1, activation: null });
    if (s === 1 && outChannels === channels) {
      specs.push({ kind: 'add', name: `${name}_add`, inputs: [start, last] });
      last = `${name}_add`;
    }
    channels = outChannels;
  }
  // The last convolution does not shrink below 1280 channels (section 6.1 of the paper).
  last = convolution(specs, last, {
    name: 'last_1x1',
    outChannels: channelsV2(1280, Math.max(1, width)),
    kernel: 1,
    stride: 1,
    activation: 'relu6',
  });
  classifier(specs, last, classes);
  return specs;
}
