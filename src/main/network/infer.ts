/** What each operator may read, and the shape, multiply-accumulates and parameters that follow. One sentence for what does not fit. */
import { LatheError } from '../../shared/errors.ts';
import type { LayerKind } from '../../shared/network.ts';
import type { ConvSpec, LinearSpec, NodeSpec } from './graph.ts';
import type { Pair, Padding, Shape } from './shape.ts';
import { describeShape, product } from './shape.ts';

// Keep every count of a graph below 2^53: a convolution has at most 2^14 * 2^14 * 2^12 weights.
export const largestChannels = 16_384;
export const largestSide = 4096;
const largestKernel = 64;
const largestFeatures = 2 ** 22; // of a flattened image
const largestValues = 2 ** 28; // of one tensor: 1 GiB in floats

export interface Inferred {
  readonly outputShape: Shape;
  readonly macs?: number;
  readonly params?: number;
  readonly kind?: LayerKind;
}

type Image = readonly [height: number, width: number, channels: number];

interface Sliding {
  readonly name: string;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
}

/** Throws LatheError bad-input naming the operator, what was expected and what was found. */
export function inferNode(spec: NodeSpec, inputShapes: readonly Shape[]): Inferred {
  const inferred = inferKind(spec, inputShapes);
  const values = product(inferred.outputShape);
  if (values > largestValues) {
    throw refused(spec, `its output ${describeShape(inferred.outputShape)} has ${values} values; at most ${largestValues} are taken`);
  }
  return inferred;
}

function inferKind(spec: NodeSpec, inputShapes: readonly Shape[]): Inferred {
  const input = inputShapes[0] ?? [];
  switch (spec.kind) {
    case 'conv':
      return inferConv(spec, input);
    case 'linear':
      return inferLinear(spec, input);
    case 'batchNorm':
      checkNumber(spec, 'epsilon', spec.epsilon, Number.MIN_VALUE, 1);
      checkNumber(spec, 'momentum', spec.momentum, 0, 1);
      return { outputShape: input, params: 2 * channelsOf(input) };
    case 'channelAffine':
    case 'relu':
    case 'relu6':
    case 'hardSwish':
    case 'sigmoid':
    case 'swish':
    case 'tanh':
    case 'softmax':
      return { outputShape: input };
    case 'hardSigmoid':
      checkNumber(spec, 'alpha', spec.alpha, -1e6, 1e6);
      checkNumber(spec, 'beta', spec.beta, -1e6, 1e6);
      return { outputShape: input };
    case 'leakyRelu':
      checkNumber(spec, 'slope', spec.slope, -1e6, 1e6);
      return { outputShape: input };
    case 'clip':
      if (!(spec.minimum < spec.maximum)) {
        throw refused(spec, `minimum must be below maximum, found ${spec.minimum} and ${spec.maximum}`);
      }
      return { outputShape: input };
    case 'dropout':
      checkNumber(spec, 'probability', spec.probability, 0, 0.999);
      return { outputShape: input };
    case 'add':
      return inferAdd(spec, inputShapes);
    case 'mul':
      return inferMul(spec, inputShapes);
    case 'concat':
      return inferConcat(spec, inputShapes);
    case 'maxPool':
    case 'averagePool':
      return { outputShape: [...slide(spec, imageShape(spec, input)), channelsOf(input)] };
    case 'globalAveragePool':
      return { outputShape: [imageShape(spec, input)[2]] };
    case 'pad':
      return inferPad(spec, input);
    case 'flatten':
      imageShape(spec, input);
      checkInteger(spec.name, 'features behind it', product(input), 1, largestFeatures);
      return { outputShape: [product(input)] };
  }
}

function inferConv(spec: ConvSpec, input: Shape): Inferred {
  const [height, width, inChannels] = input.length === 1 ? ([1, 1, channelsOf(input)] as const) : imageShape(spec, input);
  checkInteger(spec.name, 'outChannels', spec.outChannels, 1, largestChannels);
  checkInteger(spec.name, 'groups', spec.groups, 1, largestChannels);
  if (inChannels % spec.groups !== 0 || spec.outChannels % spec.groups !== 0) {
    throw refused(
      spec,
      `groups must divide the channels in and out; found ${spec.groups} groups, ${inChannels} channels in, ${spec.outChannels} out`,
    );
  }
  spec.dilation.forEach((value) => {
    checkInteger(spec.name, 'dilation', value, 1, largestKernel);
  });
  const [outHeight, outWidth] = slide(spec, [height, width, inChannels], spec.dilation);
  const weights = spec.outChannels * product(spec.kernel) * (inChannels / spec.groups);
  const isDepthwise = spec.groups > 1 && spec.groups === inChannels && spec.outChannels === inChannels;
  const isPointwise = spec.groups === 1 && product(spec.kernel) === 1;
  return {
    outputShape: [outHeight, outWidth, spec.outChannels],
    macs: weights * outHeight * outWidth,
    params: weights + (spec.bias ? spec.outChannels : 0),
    kind: isDepthwise ? 'depthwise' : isPointwise ? 'pointwise' : 'conv',
  };
}

function inferLinear(spec: LinearSpec, input: Shape): Inferred {
  const inFeatures = channelsOf(input);
  if (product(input) !== inFeatures) {
    throw refused(spec, `a linear layer reads a vector of features, found the shape ${describeShape(input)}; put a flatten before it`);
  }
  checkInteger(spec.name, 'outFeatures', spec.outFeatures, 1, 100_000);
  const weights = inFeatures * spec.outFeatures;
  return { outputShape: [spec.outFeatures], macs: weights, params: weights + (spec.bias ? spec.outFeatures : 0), kind: 'linear' };
}

function inferAdd(spec: NodeSpec, shapes: readonly Shape[]): Inferred {
  const [first = []] = shapes;
  if (shapes.length < 2) throw refused(spec, `expected two or more shapes to add, found ${shapes.length}`);
  const other = shapes.find((shape) => shape.join() !== first.join());
  if (other) throw refused(spec, `expected equal shapes to add, found ${describeShape(first)} and ${describeShape(other)}`);
  return { outputShape: first };
}

function inferMul(spec: NodeSpec, shapes: readonly Shape[]): Inferred {
  const [first = [], second = []] = shapes;
  const isGate = product(second) === channelsOf(second) && channelsOf(second) === channelsOf(first);
  if (shapes.length !== 2 || (first.join() !== second.join() && !isGate)) {
    throw refused(
      spec,
      `expected two equal shapes to multiply, or one factor a channel as the second; found ${shapes.map(describeShape).join(' and ')}`,
    );
  }
  return { outputShape: first };
}

function inferConcat(spec: NodeSpec, shapes: readonly Shape[]): Inferred {
  const [first = []] = shapes;
  if (shapes.length < 2) throw refused(spec, `expected two or more shapes to join, found ${shapes.length}`);
  const spatial = first.slice(0, -1);
  const other = shapes.find((shape) => shape.slice(0, -1).join() !== spatial.join());
  if (other) {
    throw refused(spec, `expected shapes of one height and width to join, found ${describeShape(first)} and ${describeShape(other)}`);
  }
  const channels = shapes.reduce((sum, shape) => sum + channelsOf(shape), 0);
  checkInteger(spec.name, 'channels', channels, 1, spatial.length === 0 ? largestFeatures : largestChannels);
  return { outputShape: [...spatial, channels] };
}

function inferPad(spec: Extract<NodeSpec, { kind: 'pad' }>, input: Shape): Inferred {
  const [height, width, channels] = imageShape(spec, input);
  const [top, left, bottom, right] = spec.padding;
  for (const amount of spec.padding) checkInteger(spec.name, 'padding', amount, -largestSide, largestSide);
  if (!Number.isFinite(spec.value)) throw refused(spec, `value must be a finite number, found ${spec.value}`);
  checkInteger(spec.name, 'height', height + top + bottom, 1, largestSide);
  checkInteger(spec.name, 'width', width + left + right, 1, largestSide);
  return { outputShape: [height + top + bottom, width + left + right, channels] };
}

/** Positions of a window along height and width. Padding stays narrower than the window, so that each position sees the image. */
function slide(spec: Sliding, [height, width]: Image, dilation: Pair = [1, 1]): Pair {
  const [top, left, bottom, right] = spec.padding;
  const reach = spec.kernel.map((size, axis) => (size - 1) * (dilation[axis] ?? 1) + 1);
  const padded = [height + top + bottom, width + left + right];
  for (const axis of [0, 1] as const) {
    checkInteger(spec.name, 'kernel', spec.kernel[axis], 1, largestKernel);
    checkInteger(spec.name, 'stride', spec.stride[axis], 1, largestKernel);
    for (const amount of [spec.padding[axis], spec.padding[axis + 2] ?? 0]) {
      checkInteger(spec.name, 'padding', amount, 0, (reach[axis] ?? 1) - 1);
    }
  }
  const counts = padded.map((side, axis) => Math.floor((side - (reach[axis] ?? 1)) / (spec.stride[axis] ?? 1)) + 1);
  const [rows = 0, columns = 0] = counts;
  if (rows < 1 || columns < 1) {
    throw refused(spec, `its window of ${reach.join(' x ')} pixels does not fit into ${padded.join(' x ')} (padding included)`);
  }
  return [rows, columns];
}

function imageShape(spec: { readonly name: string; readonly kind: string }, shape: Shape): Image {
  const [height, width, channels] = shape;
  if (height === undefined || width === undefined || channels === undefined) {
    throw refused(spec, `${spec.kind} reads an image of H x W x C, found the shape ${describeShape(shape)}`);
  }
  return [height, width, channels];
}

function channelsOf(shape: Shape): number {
  return shape.at(-1) ?? 0;
}

/** Throws LatheError bad-input unless the value is an integer within the bounds. */
export function checkInteger(where: string, what: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new LatheError('bad-input', `${where}: ${what} must be an integer from ${low} to ${high}, found ${value}`);
  }
}

function checkNumber(spec: NodeSpec, what: string, value: number, low: number, high: number): void {
  if (!(value >= low && value <= high)) throw refused(spec, `${what} must be from ${low} to ${high}, found ${value}`);
}

function refused(spec: { readonly name: string }, sentence: string): LatheError {
  return new LatheError('bad-input', `${spec.name}: ${sentence}`);
}
