/**
 * Operators on constants, computed while a network is read: the arithmetic on shapes that exporters write out (Shape, Gather,
 * Concat, Reshape), weights that are transposed or dequantized, and simple arithmetic. Follows the ONNX operator
 * specification (onnx/docs/Operators.md, opsets 6 to 25). What is computed is bounded in size; stored weights are not copied here.
 */
import { limits } from './limits.ts';
import type { OnnxNode } from './model.ts';
import { quoted, refuse } from './refuse.ts';
import { elementTypeOf, isFloat, valueCount, type Constant, type ElementType } from './tensor.ts';

export type FoldInputs = readonly (Constant | undefined)[];

interface Call {
  readonly node: OnnxNode;
  readonly opset: number;
  readonly inputs: FoldInputs;
}

/** The operator's output, or null where it is none that is computed on constants. Throws LatheError bad-input naming the node. */
export function foldNode(node: OnnxNode, opset: number, inputs: FoldInputs): Constant | null {
  if (node.domain !== '' || node.outputs.slice(1).some((name) => name !== '')) return null;
  const call: Call = { node, opset, inputs };
  const fold = Object.hasOwn(folds, node.op) ? folds[node.op] : undefined;
  return fold ? fold(call) : null;
}

export const foldableOperators = (): readonly string[] => Object.keys(folds);

/** What Shape gives for a tensor of these dimensions; `start` and `end` since opset 15. */
export function shapeConstant(node: OnnxNode, dims: readonly number[]): Constant {
  const start = node.int('start') ?? 0;
  const end = node.int('end');
  return integers(dims.slice(start, end ?? dims.length));
}

export function integers(values: readonly number[], dims: readonly number[] = [values.length]): Constant {
  return { dims, type: 'int64', values: Float64Array.from(values) };
}

/** A whole-number constant as a list, as axes and shapes are given. Throws LatheError bad-input. */
export function listOf(node: OnnxNode, what: string, constant: Constant): readonly number[] {
  if (isFloat(constant.type) || constant.dims.length > 1 || constant.values.length > 1000) {
    refuse(
      `${node.title}: its ${what} must be a short list of whole numbers, found ${constant.type} of shape ${constant.dims.join(' x ')}`,
    );
  }
  return Array.from(constant.values);
}

/** An axis counted from the end where negative. Throws LatheError bad-input for one that there is not. */
export function axisOf(node: OnnxNode, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= Math.max(1, rank)) {
    refuse(`${node.title}: axis ${axis} is none of the ${rank} of its input; the file is damaged, export it again`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Axes from an attribute (older opsets) or an input (newer ones); undefined where neither is given. */
export function axesOf(node: OnnxNode, inputs: FoldInputs, position: number): readonly number[] | undefined {
  const input = inputs[position];
  return input ? listOf(node, 'axes', input) : node.ints('axes');
}

/** The dimensions that Reshape asks for: 0 keeps one (unless allowzero), -1 takes what is left. Throws LatheError bad-input. */
export function reshapedDims(node: OnnxNode, dims: readonly number[], wanted: readonly number[]): number[] {
  const allowZero = node.int('allowzero') === 1;
  const result = wanted.map((size, index) => (size === 0 && !allowZero ? (dims[index] ?? 0) : size));
  const free = result.indexOf(-1);
  const rest = valueCount(result.filter((size) => size !== -1));
  const total = valueCount(dims);
  if (free >= 0) result[free] = rest === 0 ? 0 : total / rest;
  if (result.some((size) => !Number.isInteger(size) || size < 0) || valueCount(result) !== total) {
    refuse(
      `${node.title}: ${quoted(dims.join(' x '))} values cannot take the shape ${quoted(wanted.join(' x '))}; with a batch other than 1 in it, export the network with a batch of 1`,
    );
  }
  return result;
}

/** Dimensions without those of the axes (all ones where none are given), which must be 1. */
export function squeezedDims(node: OnnxNode, dims: readonly number[], axes: readonly number[] | undefined): number[] {
  const dropped = new Set(axes?.map((axis) => axisOf(node, axis, dims.length)) ?? dims.flatMap((size, axis) => (size === 1 ? [axis] : [])));
  for (const axis of dropped) {
    if (dims[axis] !== 1) refuse(`${node.title}: axis ${axis} has ${dims[axis] ?? 0} values, so it cannot be dropped`);
  }
  return dims.filter((_, axis) => !dropped.has(axis));
}

/** Where each dimension of the result comes from: an axis of the input, or null for a new one of size 1. */
export function unsqueezedAxes(node: OnnxNode, rank: number, axes: readonly number[]): (number | null)[] {
  const outRank = rank + axes.length;
  if (outRank > limits.rank) refuse(`${node.title}: it would give ${outRank} dimensions; up to ${limits.rank} are taken`);
  const added = new Set(axes.map((axis) => axisOf(node, axis, outRank)));
  if (added.size !== axes.length) refuse(`${node.title}: an axis is given twice; the file is damaged, export it again`);
  let next = 0;
  return Array.from({ length: outRank }, (_, axis) => (added.has(axis) ? null : next++));
}

export function permutationOf(node: OnnxNode, rank: number): readonly number[] {
  const permutation = node.ints('perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  if ([...permutation].sort((a, b) => a - b).some((axis, index) => axis !== index) || permutation.length !== rank) {
    refuse(`${node.title}: perm ${quoted(permutation.join(', '))} is no order of ${rank} axes; the file is damaged, export it again`);
  }
  return permutation;
}

function input(call: Call, position: number): Constant {
  return call.inputs[position] ?? refuse(`${call.node.title}: its input ${position + 1} is missing; the file is damaged, export it again`);
}

function checkSize(node: OnnxNode, dims: readonly number[]): void {
  if (dims.length > limits.rank || dims.some((size) => !Number.isInteger(size) || size < 0) || valueCount(dims) > limits.foldedValues) {
    refuse(`${node.title}: the constant that it computes, ${quoted(dims.join(' x '))}, is too large`);
  }
}

function like(type: ElementType, count: number): Float32Array | Float64Array {
  return isFloat(type) ? new Float32Array(count) : new Float64Array(count);
}

function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis -= 1) strides[axis] = (strides[axis + 1] ?? 1) * (dims[axis + 1] ?? 1);
  return strides;
}

/** Calls `visit` with the positions, row-major, of a tensor that lies in its source with these strides. */
function visitStrided(
  dims: readonly number[],
  strides: readonly number[],
  offset: number,
  visit: (source: number, at: number) => void,
): void {
  const count = valueCount(dims);
  const index = new Array<number>(dims.length).fill(0);
  let source = offset;
  for (let at = 0; at < count; at += 1) {
    visit(source, at);
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      const next = (index[axis] ?? 0) + 1;
      source += strides[axis] ?? 0;
      if (next < (dims[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      source -= (strides[axis] ?? 0) * (dims[axis] ?? 0);
    }
  }
}

function strided(node: OnnxNode, constant: Constant, dims: readonly number[], strides: readonly number[], offset = 0): Constant {
  checkSize(node, dims);
  const values = like(constant.type, valueCount(dims));
  visitStrided(dims, strides, offset, (source, at) => {
    values[at] = constant.values[source] ?? 0;
  });
  return { ...constant, dims, values };
}

function reshaped(constant: Constant, dims: readonly number[]): Constant {
  return { ...constant, dims };
}

function broadcastDims(node: OnnxNode, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((dims) => dims.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((dims) => dims[axis - rank + dims.length] ?? 1);
    const size = sizes.find((candidate) => candidate !== 1) ?? 1;
    if (sizes.some((candidate) => candidate !== 1 && candidate !== size)) {
      refuse(`${node.title}: the shapes ${quoted(shapes.map((dims) => dims.join(' x ')).join(' and '))} do not fit together`);
    }
    return size;
  });
}

function broadcastStrides(dims: readonly number[], outRank: number): number[] {
  const own = stridesOf(dims);
  return Array.from({ length: outRank }, (_, axis) => {
    const at = axis - outRank + dims.length;
    return (dims[at] ?? 1) === 1 ? 0 : (own[at] ?? 0);
  });
}

/** An operand of the first opsets' broadcasting: its axes are those of the other from `axis` on. */
export function legacyBroadcast(node: OnnxNode, opset: number, first: readonly number[], second: Constant): Constant {
  const axis = node.int('axis');
  if (opset >= 7 || axis === undefined || node.int('broadcast') !== 1) return second;
  const missing = first.length - axisOf(node, axis, first.length) - second.dims.length;
  return missing > 0 ? reshaped(second, [...second.dims, ...new Array<number>(missing).fill(1)]) : second;
}

function broadcast(node: OnnxNode, constant: Constant, dims: readonly number[]): Constant {
  if (constant.dims.join() === dims.join()) return constant;
  return strided(node, constant, dims, broadcastStrides(constant.dims, dims.length));
}

type Binary = (a: number, b: number, isWhole: boolean) => number;

function binary(compute: Binary, resultType?: ElementType): (call: Call) => Constant {
  return (call) => {
    const first = input(call, 0);
    const second = legacyBroadcast(call.node, call.opset, first.dims, input(call, 1));
    const dims = broadcastDims(call.node, [first.dims, second.dims]);
    checkSize(call.node, dims);
    const a = broadcast(call.node, first, dims).values;
    const b = broadcast(call.node, second, dims).values;
    const isWhole = !isFloat(first.type);
    const type = resultType ?? first.type;
    const values = like(type, a.length);
    for (let at = 0; at < values.length; at += 1) values[at] = compute(a[at] ?? 0, b[at] ?? 0, isWhole);
    return { dims, type, values };
  };
}

/** Min, Max, Sum, Mean: any number of inputs. */
function nary(compute: (a: number, b: number) => number, finish: (value: number, count: number) => number = (value) => value) {
  return (call: Call): Constant => {
    const all = call.inputs.map((_, position) => input(call, position));
    const dims = broadcastDims(
      call.node,
      all.map((constant) => constant.dims),
    );
    checkSize(call.node, dims);
    const type = all[0]?.type ?? 'float';
    const lists = all.map((constant) => broadcast(call.node, constant, dims).values);
    const values = like(type, valueCount(dims));
    for (let at = 0; at < values.length; at += 1) {
      let value = lists[0]?.[at] ?? 0;
      for (let list = 1; list < lists.length; list += 1) value = compute(value, lists[list]?.[at] ?? 0);
      values[at] = finish(value, lists.length);
    }
    return { dims, type, values };
  };
}

function unary(compute: (value: number, node: OnnxNode) => number, resultType?: ElementType): (call: Call) => Constant {
  return (call) => {
    const constant = input(call, 0);
    checkSize(call.node, constant.dims);
    const type = resultType ?? constant.type;
    const values = like(type, constant.values.length);
    for (let at = 0; at < values.length; at += 1) values[at] = compute(constant.values[at] ?? 0, call.node);
    return { dims: constant.dims, type, values };
  };
}

function reduce(
  start: number,
  combine: (sum: number, value: number) => number,
  finish: (sum: number, count: number) => number = (sum) => sum,
) {
  return (call: Call): Constant => {
    const constant = input(call, 0);
    checkSize(call.node, constant.dims);
    const rank = constant.dims.length;
    const given = axesOf(call.node, call.inputs, 1);
    if (given?.length === 0 && call.node.int('noop_with_empty_axes') === 1) return constant;
    const axes = new Set(
      (given && given.length > 0 ? given : constant.dims.map((_, axis) => axis)).map((axis) => axisOf(call.node, axis, rank)),
    );
    const keep = call.node.int('keepdims') !== 0;
    const kept = constant.dims.map((size, axis) => (axes.has(axis) ? 1 : size));
    const target = broadcastStrides(kept, rank);
    const values = like(constant.type, valueCount(kept)).fill(start);
    visitStrided(constant.dims, target, 0, (at, source) => {
      values[at] = combine(values[at] ?? 0, constant.values[source] ?? 0);
    });
    const count = constant.values.length / Math.max(1, values.length);
    for (let at = 0; at < values.length; at += 1) values[at] = finish(values[at] ?? 0, count);
    return { dims: keep ? kept : constant.dims.filter((_, axis) => !axes.has(axis)), type: constant.type, values };
  };
}

function concat(call: Call): Constant {
  const all = call.inputs.map((_, position) => input(call, position));
  const first = input(call, 0);
  const axis = axisOf(call.node, call.node.int('axis') ?? 1, first.dims.length);
  const misfit = all.find(
    ({ dims }) => dims.length !== first.dims.length || dims.some((size, at) => at !== axis && size !== first.dims[at]),
  );
  if (misfit)
    refuse(
      `${call.node.title}: the shapes ${quoted(all.map(({ dims }) => dims.join(' x ')).join(', '))} cannot be joined along axis ${axis}`,
    );
  const dims = first.dims.map((size, at) => (at === axis ? all.reduce((sum, { dims: own }) => sum + (own[axis] ?? 0), 0) : size));
  checkSize(call.node, dims);
  const values = like(first.type, valueCount(dims));
  const inner = valueCount(dims.slice(axis + 1));
  const outer = valueCount(dims.slice(0, axis));
  let at = 0;
  for (let row = 0; row < outer; row += 1) {
    for (const constant of all) {
      const length = (constant.dims[axis] ?? 0) * inner;
      values.set(constant.values.subarray(row * length, (row + 1) * length), at);
      at += length;
    }
  }
  return { dims, type: first.type, values };
}

function gather(call: Call): Constant {
  const data = input(call, 0);
  const indices = input(call, 1);
  const axis = axisOf(call.node, call.node.int('axis') ?? 0, data.dims.length);
  const size = data.dims[axis] ?? 0;
  const dims = [...data.dims.slice(0, axis), ...indices.dims, ...data.dims.slice(axis + 1)];
  checkSize(call.node, dims);
  const inner = valueCount(data.dims.slice(axis + 1));
  const outer = valueCount(data.dims.slice(0, axis));
  const values = like(data.type, valueCount(dims));
  let at = 0;
  for (let row = 0; row < outer; row += 1) {
    for (const index of indices.values) {
      const from = (row * size + axisOf(call.node, index, size)) * inner;
      values.set(data.values.subarray(from, from + inner), at);
      at += inner;
    }
  }
  return { dims, type: data.type, values };
}

function slice(call: Call): Constant {
  const { node } = call;
  const data = input(call, 0);
  const list = (position: number, name: string): readonly number[] | undefined => {
    const given = call.inputs[position];
    return given ? listOf(node, name, given) : call.opset < 10 ? node.ints(name) : undefined;
  };
  const starts = list(1, 'starts') ?? refuse(`${node.title}: its starts are missing`);
  const ends = list(2, 'ends') ?? refuse(`${node.title}: its ends are missing`);
  const axes = list(3, 'axes') ?? starts.map((_, axis) => axis);
  const steps = list(4, 'steps') ?? starts.map(() => 1);
  const strides = stridesOf(data.dims);
  const dims = [...data.dims];
  let offset = 0;
  axes.forEach((given, at) => {
    const axis = axisOf(node, given, data.dims.length);
    const size = data.dims[axis] ?? 0;
    const step = steps[at] ?? 1;
    if (step === 0) refuse(`${node.title}: a step of 0`);
    const clamp = (position: number, low: number, high: number): number =>
      Math.min(high, Math.max(low, position < 0 ? position + size : position));
    const start = step > 0 ? clamp(starts[at] ?? 0, 0, size) : clamp(starts[at] ?? 0, 0, size - 1);
    const end = step > 0 ? clamp(ends[at] ?? size, 0, size) : clamp(ends[at] ?? size, -1, size - 1);
    dims[axis] = Math.max(0, Math.ceil((end - start) / step));
    offset += start * (strides[axis] ?? 0);
    strides[axis] = (strides[axis] ?? 0) * step;
  });
  return strided(node, data, dims, strides, offset);
}

function cast(call: Call): Constant {
  const { node } = call;
  const constant = input(call, 0);
  checkSize(node, constant.dims);
  const number = node.int('to') ?? 0;
  const type = elementTypeOf(number);
  if (type === null || type === 'string') refuse(`${node.title}: it casts to element type ${number}, which is not read`);
  // Some versions of ONNX cut the lower digits off, others round.
  if (type === 'bfloat16') refuse(`${node.title}: constants are not cast to bfloat16; float16 and float32 are taken`);
  const values = like(type, constant.values.length);
  for (let at = 0; at < values.length; at += 1) values[at] = castValue(constant.values[at] ?? 0, type);
  return { dims: constant.dims, type, values };
}

function castValue(value: number, type: ElementType): number {
  if (type === 'bool') return value === 0 ? 0 : 1;
  if (type === 'float16') return roundFraction(value, 10, -14, 65_504);
  return isFloat(type) ? value : Math.trunc(value);
}

/** The nearest number with this many binary digits behind the leading one, ties to even. */
function roundFraction(value: number, digits: number, lowestExponent: number, largest: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const unit = 2 ** (Math.max(lowestExponent, Math.floor(Math.log2(Math.abs(value)))) - digits);
  const rounded = roundEven(value / unit) * unit;
  return Math.abs(rounded) > largest ? Math.sign(rounded) * Infinity : rounded;
}

export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  return rest > 0.5 || floor % 2 !== 0 ? floor + 1 : floor;
}

/** Scale and zero point, one for all or one a slice along an axis, as broadcast over the values. */
function quantizationAt(call: Call, constant: Constant): { scaleAt: (at: number) => number; zeroAt: (at: number) => number } {
  const { node } = call;
  if ((node.int('block_size') ?? 0) !== 0) refuse(`${node.title}: quantization in blocks is not read; quantize by tensor or by channel`);
  const scale = input(call, 1);
  const zero = call.inputs[2];
  if (scale.values.length === 1) {
    const [one = 1] = scale.values;
    const [zeroPoint = 0] = zero?.values ?? [];
    return { scaleAt: () => one, zeroAt: () => zeroPoint };
  }
  const axis = axisOf(node, node.int('axis') ?? 1, constant.dims.length);
  const size = constant.dims[axis] ?? 0;
  if (scale.values.length !== size) refuse(`${node.title}: ${scale.values.length} scales for an axis of ${size}`);
  const inner = valueCount(constant.dims.slice(axis + 1));
  const sliceOf = (at: number): number => Math.floor(at / inner) % size;
  return { scaleAt: (at) => scale.values[sliceOf(at)] ?? 1, zeroAt: (at) => zero?.values[sliceOf(at)] ?? 0 };
}

const integerRanges: Readonly<Partial<Record<ElementType, readonly [low: number, high: number]>>> = {
  uint4: [0, 15],
  int4: [-8, 7],
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
};

function quantizeLinear(call: Call): Constant {
  const constant = input(call, 0);
  const { scaleAt, zeroAt } = quantizationAt(call, constant);
  const type = call.inputs[2]?.type ?? elementTypeOf(call.node.int('output_dtype') ?? 2) ?? 'uint8';
  const range = integerRanges[type] ?? refuse(`${call.node.title}: it quantizes to ${type}; whole numbers of 4, 8 or 16 bits are read`);
  const [low, high] = range;
  const values = new Float64Array(constant.values.length);
  for (let at = 0; at < values.length; at += 1) {
    const scaled = Math.fround((constant.values[at] ?? 0) / scaleAt(at)); // in float32, as everybody computes it
    values[at] = Math.min(high, Math.max(low, roundEven(scaled) + zeroAt(at)));
  }
  return { dims: constant.dims, type, values };
}

function dequantizeLinear(call: Call): Constant {
  const constant = input(call, 0);
  const { scaleAt, zeroAt } = quantizationAt(call, constant);
  const values = new Float32Array(constant.values.length);
  for (let at = 0; at < values.length; at += 1) values[at] = ((constant.values[at] ?? 0) - zeroAt(at)) * scaleAt(at);
  const bits = integerBits[constant.type];
  return { dims: constant.dims, type: 'float', values, ...(bits === undefined ? {} : { bits }) };
}

/** Bits of the types to which weights and activations are quantized. */
export const integerBits: Readonly<Partial<Record<ElementType, number>>> = { uint4: 4, int4: 4, uint8: 8, int8: 8, uint16: 16, int16: 16 };

function constantNode({ node }: Call): Constant | null {
  const tensor = node.tensor('value');
  if (tensor) return tensor;
  const float = node.float('value_float');
  if (float !== undefined) return { dims: [], type: 'float', values: Float32Array.of(float) };
  const floats = node.floats('value_floats');
  if (floats) return { dims: [floats.length], type: 'float', values: Float32Array.from(floats) };
  const int = node.int('value_int');
  if (int !== undefined) return integers([int], []);
  const ints = node.ints('value_ints');
  return ints ? integers(ints) : null;
}

function constantOfShape(call: Call): Constant {
  const dims = listOf(call.node, 'shape', input(call, 0));
  checkSize(call.node, dims);
  const value = call.node.tensor('value');
  const type = value?.type ?? 'float';
  return { dims, type, values: like(type, valueCount(dims)).fill(value?.values[0] ?? 0) };
}

function range(call: Call): Constant {
  const [start = 0] = input(call, 0).values;
  const [limit = 0] = input(call, 1).values;
  const [delta = 1] = input(call, 2).values;
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  checkSize(call.node, [count]);
  const { type } = input(call, 0);
  const values = like(type, count);
  for (let at = 0; at < count; at += 1) values[at] = start + at * delta;
  return { dims: [count], type, values };
}

function where(call: Call): Constant {
  const [condition, yes, no] = [input(call, 0), input(call, 1), input(call, 2)];
  const dims = broadcastDims(call.node, [condition.dims, yes.dims, no.dims]);
  checkSize(call.node, dims);
  const [which, a, b] = [condition, yes, no].map((constant) => broadcast(call.node, constant, dims).values);
  const values = like(yes.type, valueCount(dims));
  for (let at = 0; at < values.length; at += 1) values[at] = (which?.[at] ? a?.[at] : b?.[at]) ?? 0;
  return { dims, type: yes.type, values };
}

function clip(call: Call): Constant {
  const low = call.inputs[1]?.values[0] ?? call.node.float('min') ?? -Infinity;
  const high = call.inputs[2]?.values[0] ?? call.node.float('max') ?? Infinity;
  return unary((value) => Math.min(high, Math.max(low, value)))(call);
}

/** A shape in an input since opset 5. */
function reshape(call: Call): Constant {
  const constant = input(call, 0);
  return reshaped(constant, reshapedDims(call.node, constant.dims, listOf(call.node, 'shape', input(call, 1))));
}

function unsqueeze(call: Call): Constant {
  const constant = input(call, 0);
  const axes = axesOf(call.node, call.inputs, 1) ?? refuse(`${call.node.title}: its axes are missing`);
  return reshaped(
    constant,
    unsqueezedAxes(call.node, constant.dims.length, axes).map((axis) => (axis === null ? 1 : (constant.dims[axis] ?? 1))),
  );
}

function flatten(call: Call): Constant {
  const constant = input(call, 0);
  const rank = constant.dims.length;
  const given = call.node.int('axis') ?? 1;
  const axis = given === rank ? rank : axisOf(call.node, given, rank);
  return reshaped(constant, [valueCount(constant.dims.slice(0, axis)), valueCount(constant.dims.slice(axis))]);
}

function transpose(call: Call): Constant {
  const constant = input(call, 0);
  const permutation = permutationOf(call.node, constant.dims.length);
  const strides = stridesOf(constant.dims);
  return strided(
    call.node,
    constant,
    permutation.map((axis) => constant.dims[axis] ?? 1),
    permutation.map((axis) => strides[axis] ?? 0),
  );
}

function expand(call: Call): Constant {
  const constant = input(call, 0);
  const wanted = listOf(call.node, 'shape', input(call, 1));
  return broadcast(call.node, constant, broadcastDims(call.node, [constant.dims, wanted]));
}

const folds: Readonly<Record<string, (call: Call) => Constant | null>> = {
  Constant: constantNode,
  ConstantOfShape: constantOfShape,
  Identity: (call) => input(call, 0),
  Dropout: (call) => (call.inputs[2]?.values[0] === 1 && call.inputs[1]?.values[0] !== 0 ? null : input(call, 0)),
  Shape: (call) => shapeConstant(call.node, input(call, 0).dims),
  Size: (call) => integers([valueCount(input(call, 0).dims)], []),
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: (call) => reshaped(input(call, 0), squeezedDims(call.node, input(call, 0).dims, axesOf(call.node, call.inputs, 1))),
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Gather: gather,
  Slice: slice,
  Cast: cast,
  Expand: expand,
  Range: range,
  Where: where,
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b, isWhole) => (isWhole ? Math.trunc(a / b) : a / b)),
  Pow: binary((a, b) => a ** b),
  Equal: binary((a, b) => Number(a === b), 'bool'),
  Greater: binary((a, b) => Number(a > b), 'bool'),
  Less: binary((a, b) => Number(a < b), 'bool'),
  And: binary((a, b) => Number(a !== 0 && b !== 0), 'bool'),
  Or: binary((a, b) => Number(a !== 0 || b !== 0), 'bool'),
  Not: unary((value) => Number(value === 0), 'bool'),
  Min: nary(Math.min),
  Max: nary(Math.max),
  Sum: nary((a, b) => a + b),
  Mean: nary(
    (a, b) => a + b,
    (sum, count) => sum / count,
  ),
  Neg: unary((value) => -value),
  Abs: unary(Math.abs),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((value) => 1 / value),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Round: unary(roundEven),
  Relu: unary((value) => Math.max(0, value)),
  Sigmoid: unary((value) => 1 / (1 + Math.exp(-value))),
  Tanh: unary(Math.tanh),
  LeakyRelu: unary((value, node) => (value < 0 ? value * (node.float('alpha') ?? 0.01) : value)),
  HardSigmoid: unary((value, node) => Math.max(0, Math.min(1, value * (node.float('alpha') ?? 0.2) + (node.float('beta') ?? 0.5)))),
  HardSwish: unary((value) => value * Math.max(0, Math.min(1, value / 6 + 0.5))),
  Clip: clip,
  ReduceSum: reduce(0, (sum, value) => sum + value),
  ReduceProd: reduce(1, (product, value) => product * value),
  ReduceMax: reduce(-Infinity, Math.max),
  ReduceMin: reduce(Infinity, Math.min),
  ReduceMean: reduce(
    0,
    (sum, value) => sum + value,
    (sum, count) => sum / count,
  ),
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
};
