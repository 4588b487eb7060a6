/** Activations, and sums, products, differences and quotients of features with each other or with a constant for each channel. */
import { isConstant, type Context, type NamelessSpec, type Value } from '../context.ts';
import { legacyBroadcast } from '../fold.ts';
import { channelAxes, describeLayout, imageAxes, sameAxes, type Tensor } from '../layout.ts';
import type { OnnxNode } from '../model.ts';
import { quoted, refuse } from '../refuse.ts';
import type { Constant } from '../tensor.ts';
import { perChannel } from './values.ts';

/** An activation with what its attributes say. */
export function activation(specOf: (node: OnnxNode, input: string) => NamelessSpec): (context: Context, node: OnnxNode) => void {
  return (context, node) => {
    const tensor = context.tensor(node, 0);
    context.set(node, context.emitSame(node, tensor, specOf(node, tensor.node)));
  };
}

/** One slope for all channels is a leaky ReLU. */
export function pRelu(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const { values } = context.constant(node, 1, 'slopes');
  const [slope = 0] = values;
  if (values.some((value) => value !== slope)) refuse(`${node.title}: a slope for each channel is not taken; one for all channels is`);
  context.set(node, context.emitSame(node, tensor, { kind: 'leakyRelu', input: tensor.node, slope }));
}

export function clip(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const minimum = context.optionalNumber(node, 1, 'minimum') ?? node.float('min') ?? -Infinity;
  const maximum = context.optionalNumber(node, 2, 'maximum') ?? node.float('max') ?? Infinity;
  context.set(node, bounded(context, node, tensor, minimum, maximum));
}

function bounded(context: Context, node: OnnxNode, tensor: Tensor, minimum: number, maximum: number): Tensor {
  if (minimum <= -3.4e38 && maximum >= 3.4e38) return tensor;
  const input = tensor.node;
  if (minimum === 0 && maximum === 6) return context.emitSame(node, tensor, { kind: 'relu6', input });
  if (minimum === 0 && maximum >= 3.4e38) return context.emitSame(node, tensor, { kind: 'relu', input });
  return context.emitSame(node, tensor, { kind: 'clip', input, minimum, maximum });
}

/** Min and Max with a number are a clip. */
export function bound(side: 'minimum' | 'maximum'): (context: Context, node: OnnxNode) => void {
  return (context, node) => {
    if (node.inputs.length === 1) {
      context.set(node, context.tensor(node, 0));
      return;
    }
    const inputs = node.inputs.map((_, position) => context.input(node, position));
    const [first, second] = inputs;
    const tensor = inputs.find((value): value is Tensor => !isConstant(value));
    const limit = inputs.find(isConstant);
    if (!first || !second || inputs.length !== 2 || !tensor || limit?.values.length !== 1) {
      refuse(`${node.title}: only ${side === 'minimum' ? 'Max' : 'Min'} of features and one number is taken`);
    }
    const [value = 0] = limit.values;
    context.set(
      node,
      side === 'minimum' ? bounded(context, node, tensor, value, Infinity) : bounded(context, node, tensor, -Infinity, value),
    );
  };
}

export function add(context: Context, node: OnnxNode): void {
  const { tensor, constant, other } = operands(context, node);
  if (other) context.set(node, sum(context, node, [tensor, other]));
  else
    context.set(
      node,
      affine(context, node, tensor, constant, (value) => ({ scale: 1, shift: value })),
    );
}

/** Any number of features; constants are added one by one. */
export function sumOf(context: Context, node: OnnxNode): void {
  const values = node.inputs.map((_, position) => context.input(node, position));
  const tensors = values.filter((value): value is Tensor => !isConstant(value));
  const constants = values.filter(isConstant);
  const [first] = tensors;
  if (!first) throw new TypeError('a sum of constants is folded');
  let result = tensors.length === 1 ? first : sum(context, node, tensors);
  for (const constant of constants) result = affine(context, node, result, constant, (value) => ({ scale: 1, shift: value }));
  context.set(node, result);
}

export function sub(context: Context, node: OnnxNode): void {
  const { tensor, constant, other, isSwapped } = operands(context, node);
  if (other) {
    const negative = context.emitSame(node, other, negation(other), { suffix: 'negative', values: allChannels(other, -1) });
    context.set(node, sum(context, node, [tensor, negative]));
    return;
  }
  context.set(
    node,
    affine(context, node, tensor, constant, (value) => (isSwapped ? { scale: -1, shift: value } : { scale: 1, shift: -value })),
  );
}

export function negate(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  context.set(node, context.emitSame(node, tensor, negation(tensor), { values: allChannels(tensor, -1) }));
}

function negation(tensor: Tensor): NamelessSpec {
  return { kind: 'channelAffine', input: tensor.node, trained: false };
}

function allChannels(tensor: Tensor, scale: number): { scale: Float32Array; shift: Float32Array } {
  const channels = tensor.shape.at(-1) ?? 0;
  return { scale: new Float32Array(channels).fill(scale), shift: new Float32Array(channels) };
}

export function mul(context: Context, node: OnnxNode): void {
  const { tensor, constant, other } = operands(context, node);
  if (!other) {
    context.set(
      node,
      affine(context, node, tensor, constant, (value) => ({ scale: value, shift: 0 })),
    );
    return;
  }
  if (isSameLayout(tensor, other)) {
    const [first, second] = alike(context, node, [tensor, other]);
    if (!first || !second) throw new TypeError('two tensors stay two');
    const { node: name, shape } = context.emit(node, { kind: 'mul', inputs: [first.node, second.node] });
    context.set(node, { node: name, shape, sizes: first.sizes, dims: longerDims(tensor, other) });
    return;
  }
  for (const [image, gate] of [
    [tensor, other],
    [other, tensor],
  ] as const) {
    if (!isGateOf(gate, image)) continue;
    const { node: name, shape } = context.emit(node, { kind: 'mul', inputs: [image.node, gate.node] });
    context.set(node, { node: name, shape, sizes: image.sizes, dims: image.dims });
    return;
  }
  refuse(
    `${node.title}: features of ${describeLayout(tensor)} times features of ${describeLayout(other)}; equal ones are taken, and one factor a channel`,
  );
}

/** One factor a channel of an image: squeeze and excitation. */
function isGateOf(gate: Tensor, image: Tensor): boolean {
  const offset = image.dims.length - gate.dims.length;
  const isPixel = gate.sizes.H * gate.sizes.W === 1 && gate.sizes.C === image.sizes.C && image.shape.length === 3;
  return isPixel && offset >= 0 && gate.dims.every((over, at) => over.length === 0 || sameAxes(over, image.dims[at + offset] ?? []));
}

export function div(context: Context, node: OnnxNode): void {
  const { tensor, constant, other, isSwapped } = operands(context, node);
  if (other || isSwapped) refuse(`${node.title}: a division by features is not taken; by a constant is`);
  context.set(
    node,
    affine(context, node, tensor, constant, (value) => ({ scale: 1 / value, shift: 0 })),
  );
}

type Operands =
  | { readonly tensor: Tensor; readonly other: Tensor; readonly constant: null; readonly isSwapped: false }
  | { readonly tensor: Tensor; readonly other: null; readonly constant: Constant; readonly isSwapped: boolean };

function operands(context: Context, node: OnnxNode): Operands {
  const [first, second]: [Value, Value] = [context.input(node, 0), context.input(node, 1)];
  if (isConstant(first)) {
    if (isConstant(second)) throw new TypeError('an operator on constants is folded');
    return { tensor: second, other: null, constant: first, isSwapped: true };
  }
  if (!isConstant(second)) return { tensor: first, other: second, constant: null, isSwapped: false };
  const dims = first.dims.map((over) => over.reduce((product, axis) => product * first.sizes[axis], 1));
  return { tensor: first, other: null, constant: legacyBroadcast(node, context.opset, dims, second), isSwapped: false };
}

function affine(
  context: Context,
  node: OnnxNode,
  tensor: Tensor,
  constant: Constant,
  map: (value: number) => { readonly scale: number; readonly shift: number },
): Tensor {
  const values = perChannel(tensor, constant);
  if (!values) {
    refuse(
      `${node.title}: a constant of ${quoted(constant.dims.join(' x '))} with features of ${describeLayout(tensor)}; one number, or one for each channel, is taken`,
    );
  }
  const spec = { kind: 'channelAffine', input: tensor.node, trained: false } as const;
  const [scale, shift] = [values.map((value) => map(value).scale), values.map((value) => map(value).shift)];
  const result = context.emitSame(node, tensor, spec, { values: { scale, shift } });
  const added = Math.max(0, constant.dims.length - tensor.dims.length); // a constant of more dimensions gives more
  return { ...result, dims: [...new Array<readonly []>(added).fill([]), ...result.dims] };
}

function sum(context: Context, node: OnnxNode, tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (!first) throw new TypeError('a sum has operands');
  const other = tensors.find((tensor) => !isSameLayout(first, tensor));
  if (other) {
    refuse(`${node.title}: features of ${describeLayout(first)} and of ${describeLayout(other)}; only equal ones can be added`);
  }
  const inputs = alike(context, node, tensors);
  const { node: name, shape } = context.emit(node, { kind: 'add', inputs: inputs.map((tensor) => tensor.node) });
  return {
    node: name,
    shape,
    sizes: first.sizes,
    dims: tensors.reduce((dims, tensor) => (tensor.dims.length > dims.length ? tensor.dims : dims), first.dims),
  };
}

/** As vectors where one of them is: (C) and (1, 1, C) are the same to ONNX. */
function alike(context: Context, node: OnnxNode, tensors: readonly Tensor[]): readonly Tensor[] {
  const isMixed = new Set(tensors.map((tensor) => tensor.shape.length)).size > 1;
  return isMixed ? tensors.map((tensor) => context.flattened(node, tensor, 'flatten')) : tensors;
}

function longerDims(a: Tensor, b: Tensor): Tensor['dims'] {
  return a.dims.length >= b.dims.length ? a.dims : b.dims;
}

/** The same axes in the same places, counted from the last, and of the same sizes. */
function isSameLayout(a: Tensor, b: Tensor): boolean {
  if (imageAxes(a.sizes).some((axis) => a.sizes[axis] !== b.sizes[axis]) || imageAxes(b.sizes).length !== imageAxes(a.sizes).length)
    return false;
  const rank = Math.max(a.dims.length, b.dims.length);
  return Array.from({ length: rank }, (_, at) => at).every((at) => {
    const [over, others] = [a.dims[at - rank + a.dims.length] ?? [], b.dims[at - rank + b.dims.length] ?? []];
    return over.length === others.length && over.every((axis, index) => axis === others[index]);
  });
}

/** Over the channels. A final one is taken off: its input, the logits, decides as well and is what training needs. */
export function softmax(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  const isFinal = context.finalValues.has(node.outputs[0] ?? '');
  if (isFinal && !context.isExact) {
    context.note(`the final ${node.op} was taken off: the network ends in logits, of which the largest is the same class`);
    context.set(node, tensor);
    return;
  }
  if (node.op !== 'Softmax') refuse(`${node.title}: it is taken at the end of a network only`);
  const rank = tensor.dims.length;
  const axis = node.int('axis') ?? (context.opset < 13 ? 1 : -1);
  const from = axis < 0 ? axis + rank : axis;
  const over = context.opset < 13 ? tensor.dims.slice(from).flat() : (tensor.dims[from] ?? []);
  if (!sameAxes(over, channelAxes(tensor))) refuse(`${node.title}: it is not over the channels; only over them is it taken`);
  context.set(node, context.emitSame(node, tensor, { kind: 'softmax', input: tensor.node }));
}

/** Does nothing in inference; kept, for training goes on from it. */
export function dropout(context: Context, node: OnnxNode): void {
  const tensor = context.tensor(node, 0);
  context.requireOneOutput(node, 'mask');
  if (context.optionalConstant(node, 2, 'mode')?.values[0] === 1) {
    refuse(`${node.title}: it is in training mode; export the network for inference (model.eval())`);
  }
  const probability = context.optionalNumber(node, 1, 'ratio') ?? node.float('ratio') ?? 0.5;
  const isKept = probability > 0 && probability < 1;
  context.set(node, isKept ? context.emitSame(node, tensor, { kind: 'dropout', input: tensor.node, probability }) : tensor);
}
