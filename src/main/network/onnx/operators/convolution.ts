/** Conv, Gemm, MatMul and BatchNormalization. */
import { channelAxes, dimsOver, memoryOrder, sameAxes, type Axis, type Tensor } from '../layout.ts';
import { type Context, channelDim, isConstant, refuseLayout, vectorSizes, withoutBatch } from '../context.ts';
import type { OnnxNode } from '../model.ts';
import { quoted, refuse } from '../refuse.ts';
import type { Constant } from '../tensor.ts';
import { valueCount } from '../tensor.ts';
import { floats, reordered } from './values.ts';
import { requireImage, windowOf } from './windows.ts';

/** Weights (out, in / groups, kh, kw) become (out, kh, kw, in / groups). */
export function conv(context: Context, node: OnnxNode): void {
  const image = context.tensor(node, 0);
  const weights = context.constant(node, 1, 'weights');
  const bias = context.optionalConstant(node, 2, 'biases');
  const rank = requireImage(node, image);
  const [outChannels = 0, channelsEach = 0, ...spatial] = weights.dims;
  if (spatial.length !== rank || spatial.includes(0))
    refuse(`${node.title}: its weights ${quoted(weights.dims.join(' x '))} do not fit its image`);
  const groups = node.int('group') ?? 1;
  if (channelsEach * groups !== image.sizes.C) {
    refuse(`${node.title}: its weights are for ${channelsEach * groups} channels, its image has ${image.sizes.C}`);
  }
  if (bias && bias.values.length !== outChannels) refuse(`${node.title}: expected ${outChannels} biases, found ${bias.values.length}`);
  const { padding, ...window } = windowOf(node, image, spatial);
  const reach = window.kernel.map((size, at) => (size - 1) * (window.dilation[at] ?? 1) + 1);
  const isWide = padding.some((amount, at) => amount >= (reach[at % 2] ?? 1));
  const input = isWide ? context.emit(node, { kind: 'pad', input: image.node, padding, value: 0 }, { suffix: 'pad' }).node : image.node;
  const { kernel, stride, dilation } = window;
  const spec = { kind: 'conv', input, outChannels, kernel, stride, dilation, groups, bias: bias !== undefined } as const;
  const [kernelHeight, kernelWidth] = kernel;
  const emitted = context.emit(
    node,
    { ...spec, padding: isWide ? [0, 0, 0, 0] : padding },
    {
      values: {
        weight: channelsLast(floats(weights), outChannels, channelsEach, kernelHeight * kernelWidth),
        ...(bias ? { bias: floats(bias) } : {}),
      },
      bits: { weight: weights.bits ?? null, activation: image.bits ?? null },
    },
  );
  context.set(node, { ...emitted, dims: dimsOver(emitted.sizes, rank === 2 ? ['N', 'C', 'H', 'W'] : ['N', 'C', 'W']) });
}

function channelsLast(values: Float32Array, outChannels: number, channels: number, pixels: number): Float32Array {
  if (channels === 1 || pixels === 1) return values;
  const result = new Float32Array(values.length);
  for (let out = 0; out < outChannels; out += 1) {
    const base = out * channels * pixels;
    for (let channel = 0; channel < channels; channel += 1) {
      for (let pixel = 0; pixel < pixels; pixel += 1) {
        result[base + pixel * channels + channel] = values[base + channel * pixels + pixel] ?? 0;
      }
    }
  }
  return result;
}

/** y = alpha * A * B + beta * C with A the features; B and C constants. */
export function gemm(context: Context, node: OnnxNode): void {
  const features = context.tensor(node, 0);
  const matrix = context.constant(node, 1, 'weights');
  const added = context.optionalConstant(node, 2, 'biases');
  if (node.int('transA') === 1) refuse(`${node.title}: transposed features (transA) are not taken`);
  if (features.dims.length !== 2) refuseLayout(node, features, 'features of N x C');
  const [alpha, beta] = [node.float('alpha') ?? 1, node.float('beta') ?? 1];
  const isTransposed = node.int('transB') === 1;
  const outFeatures = matrix.dims[isTransposed ? 0 : 1] ?? 0;
  const bias = added && beta !== 0 ? biasOf(node, added, outFeatures, beta) : undefined;
  linear(context, node, { features, matrix, isTransposed, alpha, bias });
}

function biasOf(node: OnnxNode, added: Constant, outFeatures: number, beta: number): Float32Array {
  const values = floats(added);
  const isOneEach = values.length === outFeatures && (added.dims.at(-1) === outFeatures || values.length === 1);
  if (values.length !== 1 && !isOneEach)
    refuse(`${node.title}: expected ${outFeatures} biases, found a constant of ${quoted(added.dims.join(' x '))}`);
  return Float32Array.from({ length: outFeatures }, (_, at) => beta * (values[values.length === 1 ? 0 : at] ?? 0));
}

export function matMul(context: Context, node: OnnxNode): void {
  const [first, second] = [context.input(node, 0), context.input(node, 1)];
  if (isConstant(first))
    refuse(`${node.title}: a constant times features; features times a constant, as a linear layer has it, would be taken`);
  if (!isConstant(second)) refuse(`${node.title}: features times features, as attention has it, are not taken; only constant weights are`);
  const leading = second.dims.slice(0, -2);
  if (second.dims.length < 2 || valueCount(leading) !== 1) {
    refuse(`${node.title}: expected weights of in x out, found ${quoted(second.dims.join(' x '))}`);
  }
  linear(context, node, { features: first, matrix: second, isTransposed: false, alpha: 1, bias: undefined });
}

interface Product {
  readonly features: Tensor;
  readonly matrix: Constant; // (in, out), or (out, in) if transposed
  readonly isTransposed: boolean;
  readonly alpha: number;
  readonly bias: Float32Array | undefined;
}

/** A product over the last dimension: a linear layer if that holds all of an image, a 1 x 1 convolution if it holds the channels. */
function linear(context: Context, node: OnnxNode, { features, matrix, isTransposed, alpha, bias }: Product): void {
  const last = features.dims.at(-1) ?? [];
  const [rows = 0, columns = 0] = matrix.dims.slice(-2);
  const [inFeatures, outFeatures] = isTransposed ? [columns, rows] : [rows, columns];
  const found = last.reduce((product, axis) => product * features.sizes[axis], 1);
  if (inFeatures !== found) refuse(`${node.title}: its weights are for ${inFeatures} features, it reads ${found}`);
  if (outFeatures === 0) refuse(`${node.title}: its weights are empty`);
  const values = {
    weight: matrixOf(floats(matrix), inFeatures, outFeatures, { isTransposed, alpha, order: memoryOrder(features.sizes, last) }),
    ...(bias ? { bias } : {}),
  };
  const bits = { weight: matrix.bits ?? null, activation: features.bits ?? null };
  const others = features.dims.slice(0, -1);
  const imageAxes = channelAxes({ ...features, shape: [0] });
  if (sameAxes(last, imageAxes)) {
    const from =
      features.shape.length === 1 || features.sizes.H * features.sizes.W === 1 ? features : context.flattened(node, features, 'flatten');
    const emitted = context.emit(node, { kind: 'linear', input: from.node, outFeatures, bias: bias !== undefined }, { values, bits });
    const sizes = vectorSizes(features.sizes.N, outFeatures);
    context.set(node, { ...emitted, sizes, dims: [...others, outFeatures === 1 ? [] : ['C' as const]] });
    return;
  }
  if (features.shape.length !== 3 || !sameAxes(last, channelAxes(features)))
    refuseLayout(node, features, 'the features, or the channels, in the last dimension');
  const one = { kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
  const spec = { kind: 'conv', input: features.node, outChannels: outFeatures, ...one, bias: bias !== undefined } as const;
  const emitted = context.emit(node, spec, { values, bits });
  context.set(node, { ...emitted, dims: [...others, outFeatures === 1 ? [] : ['C' as const]] });
}

interface MatrixOptions {
  readonly isTransposed: boolean;
  readonly alpha: number;
  readonly order: Int32Array | null; // of the features in memory
}

/** (out, in) with the features in the order of memory. */
function matrixOf(
  values: Float32Array,
  inFeatures: number,
  outFeatures: number,
  { isTransposed, alpha, order }: MatrixOptions,
): Float32Array {
  if (isTransposed && order === null && alpha === 1) return values;
  const result = new Float32Array(values.length);
  // In tiles: one of the two sides is read or written with a stride.
  const tile = 32;
  for (let outStart = 0; outStart < outFeatures; outStart += tile) {
    const outEnd = Math.min(outFeatures, outStart + tile);
    for (let at = 0; at < inFeatures; at += 1) {
      const source = order?.[at] ?? at;
      for (let out = outStart; out < outEnd; out += 1) {
        const value = values[isTransposed ? out * inFeatures + source : source * outFeatures + out] ?? 0;
        result[out * inFeatures + at] = alpha * value;
      }
    }
  }
  return result;
}

/** Over dimension 1. ONNX keeps the part of the old statistics that stays as momentum, Lathe the part that is new. */
export function batchNormalization(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  if (node.int('training_mode') === 1) refuse(`${node.title}: it is in training mode; export the network for inference (model.eval())`);
  if (node.int('spatial') === 0) refuse(`${node.title}: statistics of each pixel (spatial = 0) are not taken`);
  context.requireOneOutput(node, 'running statistics');
  const channels = channelAxes(tensor);
  const over: readonly Axis[] = tensor.dims[1] ?? [];
  if (!sameAxes(withoutBatch(over), channels) || (channels.length > 0 && channelDim(tensor) !== 1))
    refuseLayout(node, tensor, 'channels in the second dimension');
  const count = tensor.shape.at(-1) ?? 0;
  const order = memoryOrder(tensor.sizes, over);
  const parameter = (position: number, what: string): Float32Array => {
    const values = floats(context.constant(node, position, what));
    if (values.length !== count) refuse(`${node.title}: expected ${count} values of its ${what}, found ${values.length}`);
    return reordered(values, order);
  };
  const values = {
    gamma: parameter(1, 'scale'),
    beta: parameter(2, 'shift'),
    runningMean: parameter(3, 'mean'),
    runningVariance: parameter(4, 'variance'),
  };
  const kept = node.float('momentum') ?? 0.9;
  const spec = {
    kind: 'batchNorm',
    input: tensor.node,
    epsilon: node.float('epsilon') ?? 1e-5,
    momentum: decimalComplement(kept),
  } as const;
  context.set(node, context.emitSame(node, tensor, spec, { values }));
}

/** 1 - value without the last bits that the subtraction leaves: 0.1 for 0.9. */
function decimalComplement(value: number): number {
  return Number((1 - value).toPrecision(9));
}
