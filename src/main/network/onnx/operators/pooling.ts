/** Pooling, also in the form of a mean or maximum over height and width. */
import { channelAxes, dimsOver, type Axis, type Tensor } from '../layout.ts';
import type { Context } from '../context.ts';
import { axesOf, axisOf } from '../fold.ts';
import type { OnnxNode } from '../model.ts';
import { refuse } from '../refuse.ts';
import { requireImage, windowOf } from './windows.ts';
import type { Padding } from '../../shape.ts';

const layouts = { 1: ['N', 'C', 'W'], 2: ['N', 'C', 'H', 'W'] } as const satisfies Record<1 | 2, readonly Axis[]>;

export function maxPool(context: Context, node: OnnxNode): void {
  context.requireOneOutput(node, 'indices');
  const image = context.tensor(node, 0);
  const rank = requireImage(node, image);
  const { kernel, stride, padding, extra } = poolWindow(node, image);
  const emitted = context.emit(node, { kind: 'maxPool', input: image.node, kernel, stride, padding: withExtra(padding, extra) });
  context.set(node, { ...emitted, dims: dimsOver(emitted.sizes, layouts[rank]), ...bitsOf(image) });
}

export function averagePool(context: Context, node: OnnxNode): void {
  const image = context.tensor(node, 0);
  const rank = requireImage(node, image);
  const { kernel, stride, padding, extra } = poolWindow(node, image);
  const counts = node.int('count_include_pad') === 1;
  const hasExtra = extra.some((amount) => amount > 0);
  const isWide = counts && hasExtra && padding.some((amount) => amount > 0);
  // Padding that counts and padding of ceil_mode that does not: the first becomes pixels of its own.
  const input = isWide ? context.emit(node, { kind: 'pad', input: image.node, padding, value: 0 }, { suffix: 'pad' }).node : image.node;
  const own: Padding = isWide ? [0, 0, 0, 0] : padding;
  const spec = { kind: 'averagePool', input, kernel, stride, padding: withExtra(own, extra), countPadding: counts && !hasExtra } as const;
  const emitted = context.emit(node, spec);
  context.set(node, { ...emitted, dims: dimsOver(emitted.sizes, layouts[rank]) });
}

function poolWindow(node: OnnxNode, image: Tensor): ReturnType<typeof windowOf> {
  const window = windowOf(node, image);
  if (window.dilation.some((value) => value !== 1)) refuse(`${node.title}: a pooling with dilations is not taken`);
  if ((node.int('storage_order') ?? 0) !== 0) refuse(`${node.title}: storage_order is not taken`);
  return window;
}

function withExtra([top, left, bottom, right]: Padding, [below, beside]: readonly [number, number]): Padding {
  return [top, left, bottom + below, right + beside];
}

export function globalAveragePool(context: Context, node: OnnxNode): void {
  const image = context.tensor(node, 0);
  const rank = requireImage(node, image);
  const pooled = averaged(context, node, image);
  context.set(node, { ...pooled, dims: dimsOver(pooled.sizes, layouts[rank]) });
}

export function globalMaxPool(context: Context, node: OnnxNode): void {
  const image = context.tensor(node, 0);
  const rank = requireImage(node, image);
  const emitted = context.emit(node, { kind: 'maxPool', input: image.node, ...wholeWindow([image.sizes.H, image.sizes.W]) });
  context.set(node, { ...emitted, dims: dimsOver(emitted.sizes, layouts[rank]) });
}

/** A vector is its own mean. */
function averaged(context: Context, node: OnnxNode, image: Tensor): Omit<Tensor, 'dims'> {
  return image.shape.length === 1 ? image : context.emit(node, { kind: 'globalAveragePool', input: image.node });
}

function wholeWindow(kernel: readonly [number, number]) {
  return { kernel, stride: [1, 1], padding: [0, 0, 0, 0] } as const;
}

export function reduceMean(context: Context, node: OnnxNode): void {
  reduce(context, node, (image, kernel) => {
    const isWhole = kernel[0] === image.sizes.H && kernel[1] === image.sizes.W;
    return isWhole
      ? averaged(context, node, image)
      : context.emit(node, { kind: 'averagePool', input: image.node, ...wholeWindow(kernel), countPadding: false });
  });
}

export function reduceMax(context: Context, node: OnnxNode): void {
  reduce(context, node, (image, kernel) => context.emit(node, { kind: 'maxPool', input: image.node, ...wholeWindow(kernel) }));
}

type Reduction = (image: Tensor, kernel: readonly [number, number]) => Omit<Tensor, 'dims'>;

/** Over height, width or both, in whichever dimensions they are. */
function reduce(context: Context, node: OnnxNode, emit: Reduction): void {
  const tensor = context.tensor(node, 0);
  const rank = tensor.dims.length;
  const axesInput = context.optionalConstant(node, 1, 'axes');
  const given = axesOf(node, [undefined, axesInput], 1) ?? [];
  if (given.length === 0 && node.int('noop_with_empty_axes') === 1) {
    context.set(node, tensor);
    return;
  }
  const reduced = new Set((given.length > 0 ? given : tensor.dims.map((_, axis) => axis)).map((axis) => axisOf(node, axis, rank)));
  const over = [...reduced].flatMap((axis) => tensor.dims[axis] ?? []);
  if (over.some((axis) => axis === 'N' || axis === 'C' || (tensor.shape.length === 1 && channelAxes(tensor).includes(axis)))) {
    refuse(`${node.title}: it reduces the batch or the channels; only height and width can be`);
  }
  const isNothing = over.length === 0 && tensor.shape.length === 1;
  const kernel = [over.includes('H') ? tensor.sizes.H : 1, over.includes('W') ? tensor.sizes.W : 1] as const;
  const result = isNothing ? tensor : emit(tensor, kernel);
  const keeps = node.int('keepdims') !== 0;
  const dims = tensor.dims.flatMap((axes, at) => (!reduced.has(at) ? [axes] : keeps ? [[]] : []));
  context.set(node, { ...result, dims });
}

function bitsOf({ bits }: Tensor): { bits?: number } {
  return bits === undefined ? {} : { bits };
}
