/** Operators that move values without changing them, join them, or put zeros around them; and the quantizers, which leave bits behind. */
import type { Padding } from '../../shape.ts';
import { refuseLayout, type Context } from '../context.ts';
import {
  axesOf,
  axisOf,
  integerBits,
  integers,
  listOf,
  permutationOf,
  reshapedDims,
  shapeConstant,
  squeezedDims,
  unsqueezedAxes,
} from '../fold.ts';
import { channelAxes, dimSizes, imageAxes, isLaidOut, memoryOrder, reshapeTensor, sameAxes, type Tensor } from '../layout.ts';
import type { OnnxNode } from '../model.ts';
import { quoted, refuse } from '../refuse.ts';
import { describeElementType, elementTypeOf, isFloat, valueCount } from '../tensor.ts';

export function identity(context: Context, node: OnnxNode): void {
  context.set(node, context.tensor(node, 0));
}

export function cast(context: Context, node: OnnxNode): void {
  const to = node.int('to') ?? 0;
  const type = elementTypeOf(to);
  if (type === null || !isFloat(type)) refuse(`${node.title}: it makes ${describeElementType(to)} of features; Lathe computes in float32`);
  if (type !== 'float') leaveOut(context, node, `Lathe computes in float32 where the file casts to ${type}`);
  identity(context, node);
}

function leaveOut(context: Context, node: OnnxNode, sentence: string): void {
  if (context.isExact) refuse(`${node.title}: it rounds; ${sentence}`);
  context.note(sentence);
}

export function shape(context: Context, node: OnnxNode): void {
  context.set(node, shapeConstant(node, dimSizes(context.tensor(node, 0))));
}

export function size(context: Context, node: OnnxNode): void {
  context.set(node, integers([valueCount(dimSizes(context.tensor(node, 0)))], []));
}

export function reshape(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const wanted = listOf(node, 'shape', context.constant(node, 1, 'shape'));
  context.set(node, reshaped(context, node, tensor, reshapedDims(node, dimSizes(tensor), wanted)));
}

export function flatten(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const sizes = dimSizes(tensor);
  const given = node.int('axis') ?? 1;
  const axis = given === sizes.length ? given : axisOf(node, given, sizes.length);
  context.set(node, reshaped(context, node, tensor, [valueCount(sizes.slice(0, axis)), valueCount(sizes.slice(axis))]));
}

export function squeeze(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const axes = axesOf(node, [undefined, context.optionalConstant(node, 1, 'axes')], 1);
  context.set(node, reshaped(context, node, tensor, squeezedDims(node, dimSizes(tensor), axes)));
}

export function unsqueeze(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const axes = axesOf(node, [undefined, context.optionalConstant(node, 1, 'axes')], 1) ?? refuse(`${node.title}: its axes are missing`);
  const dims = unsqueezedAxes(node, tensor.dims.length, axes).map((axis) => (axis === null ? [] : (tensor.dims[axis] ?? [])));
  context.set(node, { ...tensor, dims });
}

/** An image that becomes N x features is flattened. */
function reshaped(context: Context, node: OnnxNode, tensor: Tensor, sizes: readonly number[]): Tensor {
  const result = reshapeTensor(tensor, sizes);
  if (!result) {
    refuse(
      `${node.title}: from ${quoted(dimSizes(tensor).join(' x '))} to ${quoted(sizes.join(' x '))} it cuts a dimension in two, as a channel shuffle or attention does; only reshaping that flattens, or adds and drops dimensions of 1, is taken`,
    );
  }
  const [, features = result.dims[0] ?? []] = result.dims;
  const isVector = result.dims.length <= 2 && result.dims.length > 0 && sameAxes(features, imageAxes(tensor.sizes));
  return isVector ? context.flattened(node, result) : result;
}

export function transpose(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  context.set(node, { ...tensor, dims: permutationOf(node, tensor.dims.length).map((axis) => tensor.dims[axis] ?? []) });
}

/** Along the channels. */
export function concat(context: Context, node: OnnxNode): void {
  const tensors = node.inputs.map((_, position) => context.tensor(node, position));
  const [first] = tensors;
  if (!first) refuse(`${node.title}: it joins nothing`);
  const axis = axisOf(node, node.int('axis') ?? 1, first.dims.length);
  for (const tensor of tensors) {
    const isChannels = sameAxes(tensor.dims[axis] ?? [], channelAxes(tensor));
    const isAlike =
      tensor.dims.length === first.dims.length && tensor.dims.every((over, at) => at === axis || over.join() === first.dims[at]?.join());
    const isSameSize = tensor.sizes.H * tensor.sizes.W === first.sizes.H * first.sizes.W || tensor.shape.length === 1;
    if (!isChannels || !isAlike || !isSameSize) {
      refuse(`${node.title}: it joins along dimension ${axis}, which does not hold the channels; only channels are joined`);
    }
    if (tensor.shape.length === 1 && memoryOrder(tensor.sizes, tensor.dims[axis] ?? [])) {
      refuse(`${node.title}: it joins flattened images, whose values lie in another order in Lathe; pool them before they are joined`);
    }
  }
  if (tensors.length === 1) {
    context.set(node, first);
    return;
  }
  const isMixed = new Set(tensors.map((tensor) => tensor.shape.length)).size > 1;
  const inputs = tensors.map((tensor, at) => (isMixed ? context.flattened(node, tensor, `flatten ${at + 1}`) : tensor).node);
  const emitted = context.emit(node, { kind: 'concat', inputs });
  const dims = first.dims.map((over, at) => (at === axis ? (emitted.sizes.C === 1 ? [] : ['C' as const]) : over));
  context.set(node, { ...emitted, dims });
}

/** Around height and width, with a constant; a negative amount cuts. */
export function pad(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const mode = node.string('mode') ?? 'constant';
  const padsInput = context.optionalConstant(node, 1, 'pads');
  const pads = padsInput ? listOf(node, 'pads', padsInput) : (node.ints('pads') ?? refuse(`${node.title}: its pads are missing`));
  const rank = tensor.dims.length;
  const axesInput = context.optionalConstant(node, 3, 'axes');
  const padded = axesInput ? listOf(node, 'axes', axesInput).map((axis) => axisOf(node, axis, rank)) : tensor.dims.map((_, axis) => axis);
  if (pads.length !== 2 * padded.length) refuse(`${node.title}: expected ${2 * padded.length} pads, found ${pads.length}`);
  if (pads.every((amount) => amount === 0)) {
    context.set(node, tensor);
    return;
  }
  if (mode !== 'constant') refuse(`${node.title}: padding of mode ${quoted(mode)} is not taken; constant padding is`);
  const value = context.optionalNumber(node, 2, 'value') ?? node.float('value') ?? 0;
  const places = spatialDims(node, tensor);
  const at = (dim: number | undefined, end: boolean): number => {
    const index = dim === undefined ? -1 : padded.indexOf(dim);
    return index < 0 ? 0 : (pads[index + (end ? padded.length : 0)] ?? 0);
  };
  const padding: Padding = [at(places.height, false), at(places.width, false), at(places.height, true), at(places.width, true)];
  if (padding.filter((amount) => amount !== 0).length !== pads.filter((amount) => amount !== 0).length) {
    refuse(`${node.title}: it pads the batch or the channels; only height and width are padded`);
  }
  const emitted = context.emit(node, { kind: 'pad', input: tensor.node, padding, value });
  const dims = tensor.dims.map((over, dim) =>
    dim === places.height
      ? emitted.sizes.H > 1
        ? ['H' as const]
        : []
      : dim === places.width
        ? emitted.sizes.W > 1
          ? ['W' as const]
          : []
        : over,
  );
  context.set(node, { ...emitted, dims });
}

function spatialDims(node: OnnxNode, tensor: Tensor): { readonly height?: number; readonly width: number } {
  if (tensor.shape.length === 3) {
    if (isLaidOut(tensor, ['N', 'C', 'H', 'W'])) return { height: 2, width: 3 };
    if (isLaidOut(tensor, ['N', 'H', 'W', 'C'])) return { height: 1, width: 2 };
    if (isLaidOut(tensor, ['N', 'C', 'W'])) return { width: 2 };
  }
  return refuseLayout(node, tensor, 'an image of N x C x H x W');
}

/** The values are not rounded: how many bits they would have is noted for the layers that read them. */
export function quantizeLinear(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  context.constant(node, 1, 'scale');
  const zero = context.optionalConstant(node, 2, 'zero point');
  const type = zero?.type ?? elementTypeOf(node.int('output_dtype') ?? 2) ?? 'uint8';
  const bits = integerBits[type] ?? refuse(`${node.title}: it quantizes to ${type}; whole numbers of 4, 8 or 16 bits are read`);
  leaveOut(context, node, 'activations are not rounded to the scales of QuantizeLinear; their bits are kept for the layers that read them');
  context.set(node, { ...tensor, bits });
}

export function dequantizeLinear(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  if (tensor.bits === undefined) refuse(`${node.title}: it reads features that nothing has quantized`);
  context.set(node, tensor);
}
