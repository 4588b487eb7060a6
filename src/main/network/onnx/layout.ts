/**
 * What an ONNX tensor is of a network's: the tensor of a node, seen through the exporter's reshaping and transposing. Lathe keeps
 * images as (H, W, C) and vectors as (features); ONNX files have (N, C, H, W), (N, H, W, C), (N, C * H * W) and others. Each ONNX
 * dimension is written as the axes that it runs over, so that layout operators only rename, and what a weight must be reordered by
 * can be read off. Axes of size 1 are left out: they may stand anywhere.
 */
import type { Shape } from '../shape.ts';

/** Batch, height, width, channels; in the order in which they lie in memory. */
export const axes = ['N', 'H', 'W', 'C'] as const;
export type Axis = (typeof axes)[number];
export type Sizes = Readonly<Record<Axis, number>>;

export interface Tensor {
  readonly node: string; // the node that gives it, or the input's name
  readonly shape: Shape; // of the node: (H, W, C), or (features)
  readonly sizes: Sizes; // a flattened image keeps its height and width here
  readonly dims: readonly (readonly Axis[])[]; // of the ONNX tensor, outermost first
  readonly bits?: number; // of the quantizer that it has just come through
}

export function dimSizes({ sizes, dims }: Tensor): number[] {
  return dims.map((over) => over.reduce((product, axis) => product * sizes[axis], 1));
}

/** Dimensions that run over one axis each, those of size 1 left out. */
export function dimsOver(sizes: Sizes, order: readonly Axis[]): (readonly Axis[])[] {
  return order.map((axis) => (sizes[axis] === 1 ? [] : [axis]));
}

/** Whether each dimension runs over the axis given for it. */
export function isLaidOut({ dims }: Tensor, order: readonly Axis[]): boolean {
  return dims.length === order.length && dims.every((over, at) => over.every((axis) => axis === order[at]));
}

/** The axes of one image that are larger than 1, as they lie in memory. */
export function imageAxes(sizes: Sizes): Axis[] {
  return axes.filter((axis) => axis !== 'N' && sizes[axis] > 1);
}

/** The axes that are the node's channels: C of an image, all of a vector. */
export function channelAxes({ shape, sizes }: Tensor): Axis[] {
  if (shape.length === 1) return imageAxes(sizes);
  return sizes.C === 1 ? [] : ['C'];
}

export function sameAxes(a: readonly Axis[], b: readonly Axis[]): boolean {
  return a.length === b.length && a.every((axis) => b.includes(axis));
}

/** The same tensor in other dimensions of the same values, or null where a dimension would have to be cut. */
export function reshapeTensor(tensor: Tensor, sizes: readonly number[]): Tensor | null {
  const rest = tensor.dims.flat();
  const dims: Axis[][] = [];
  for (const size of sizes) {
    const over: Axis[] = [];
    let product = 1;
    while (product < size) {
      const axis = rest.shift();
      if (axis === undefined) return null;
      product *= tensor.sizes[axis];
      over.push(axis);
    }
    if (product !== size) return null;
    dims.push(over);
  }
  return rest.length === 0 ? { ...tensor, dims } : null;
}

/**
 * For values that an ONNX file has in the order of these axes: where each lies there, in the order of memory. Null: the orders
 * are the same.
 */
export function memoryOrder(sizes: Sizes, fileAxes: readonly Axis[]): Int32Array | null {
  const inMemory = axes.filter((axis) => fileAxes.includes(axis));
  if (inMemory.every((axis, at) => axis === fileAxes[at])) return null;
  const strides = new Map<Axis, number>();
  let stride = 1;
  for (const axis of [...fileAxes].reverse()) {
    strides.set(axis, stride);
    stride *= sizes[axis];
  }
  let order = Int32Array.of(0);
  for (const axis of inMemory) {
    const step = strides.get(axis) ?? 0;
    const next = new Int32Array(order.length * sizes[axis]);
    order.forEach((start, at) => {
      for (let index = 0; index < sizes[axis]; index += 1) next[at * sizes[axis] + index] = start + index * step;
    });
    order = next;
  }
  return order;
}

/** 'N x C x H x W' for a person; 1 for a dimension of one value. */
export function describeLayout({ dims }: Tensor): string {
  return dims.map((over) => (over.length === 0 ? '1' : over.join('*'))).join(' x ') || 'a single value';
}
