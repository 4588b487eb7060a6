/** Which of a file's inputs is the image, how large it is, and whether its channels come first (PyTorch) or last (TensorFlow). */
import type { Context } from './context.ts';
import { dimsOver, type Axis, type Sizes, type Tensor } from './layout.ts';
import { inputName } from '../graph.ts';
import type { OnnxNode, OnnxValue } from './model.ts';
import { quoted, refuse } from './refuse.ts';
import { describeElementType, elementTypeOf, isFloat } from './tensor.ts';

/** Where a file leaves height and width free and nobody says more. */
const usualSide = 224;

/** Sets the one input that the nodes read and returns it. Throws LatheError bad-input. */
export function chooseInput(context: Context, nodes: readonly OnnxNode[], inputSize: readonly [number, number] | undefined): Tensor {
  const { model } = context;
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const candidates = model.inputs.filter(({ name }) => read.has(name));
  const [image] = candidates;
  if (!image) refuse(`${model.what}: its output does not depend on an input`);
  if (candidates.length > 1) {
    const listed = candidates
      .slice(0, 8)
      .map(({ name }) => quoted(name))
      .join(', ');
    refuse(
      `${model.what}: it reads ${candidates.length} inputs (${listed}); a network of one image is taken: make the others constants in the export`,
    );
  }
  for (const { name } of model.inputs) if (!read.has(name)) context.note(`the input ${quoted(name)}, which nothing reads, was left out`);
  const type = elementTypeOf(image.elementType);
  if (type === null || type === 'string')
    refuse(`${model.what}: its input ${quoted(image.name)} is of ${describeElementType(image.elementType)}, not an image`);
  if (!isFloat(type)) context.note(`the input is of ${type} in the file; Lathe gives it as float32`);
  const dims = image.dims ?? refuse(`${model.what}: its input ${quoted(image.name)} has no shape; export it with one`);
  const order = orderOf(context, image, dims, nodes);
  const tensor = inputTensor(context, image, dims, order, inputSize);
  context.batch = tensor.sizes.N;
  context.setInput(image.name, tensor);
  return tensor;
}

const orders: Readonly<Record<number, readonly Axis[]>> = { 0: [], 1: ['C'], 2: ['N', 'C'], 3: ['N', 'C', 'W'], 4: ['N', 'C', 'H', 'W'] };
const channelsLast: readonly Axis[] = ['N', 'H', 'W', 'C'];

function orderOf(context: Context, image: OnnxValue, dims: readonly (number | string)[], nodes: readonly OnnxNode[]): readonly Axis[] {
  const order =
    orders[dims.length] ??
    refuse(`${context.model.what}: its input ${quoted(image.name)} has ${dims.length} dimensions; an image of N x C x H x W is expected`);
  return dims.length === 4 && hasChannelsLast(image.name, dims, nodes) ? channelsLast : order;
}

/** What the first operators that care say, and where none does, the sizes: few channels, many pixels. */
function hasChannelsLast(name: string, dims: readonly (number | string)[], nodes: readonly OnnxNode[]): boolean {
  const reached = new Set([name]);
  for (const node of nodes) {
    if (!node.inputs.some((input) => reached.has(input))) continue;
    switch (node.op) {
      case 'Transpose':
        return node.ints('perm')?.join() === '0,3,1,2';
      case 'Conv':
      case 'MaxPool':
      case 'AveragePool':
      case 'GlobalAveragePool':
      case 'BatchNormalization':
        return false;
      case 'Shape':
        continue;
      case 'ReduceMean':
      case 'Reshape':
      case 'Flatten':
      case 'MatMul':
        return looksChannelsLast(dims);
      default:
        for (const output of node.outputs) reached.add(output);
    }
  }
  return looksChannelsLast(dims);
}

function looksChannelsLast([, second, , last]: readonly (number | string)[]): boolean {
  const isFew = (size: number | string | undefined): boolean => size === 1 || size === 3 || size === 4;
  return isFew(last) && !isFew(second);
}

function inputTensor(
  context: Context,
  image: OnnxValue,
  dims: readonly (number | string)[],
  order: readonly Axis[],
  inputSize: readonly [number, number] | undefined,
): Tensor {
  const { what } = context.model;
  const sizeOf = (axis: Axis): number => {
    const at = order.indexOf(axis);
    const size = at < 0 ? 1 : (dims[at] ?? 1);
    const asked = axis === 'H' ? inputSize?.[0] : axis === 'W' ? inputSize?.[1] : undefined;
    if (asked !== undefined && at >= 0) return asked;
    if (typeof size === 'number' && size > 0) return size;
    if (axis === 'N') return 1;
    if (axis === 'C' || order.length < 4) {
      return refuse(
        `${what}: dimension ${at + 1} of its input ${quoted(image.name)} is free; export it with a fixed number of ${axis === 'C' ? 'channels' : 'values'}`,
      );
    }
    context.note(`the file leaves the height or width of its image free: ${usualSide} pixels were taken; --input-size chooses others`);
    return usualSide;
  };
  const sizes: Sizes = { N: sizeOf('N'), H: sizeOf('H'), W: sizeOf('W'), C: sizeOf('C') };
  if (sizes.N > 65_536) refuse(`${what}: a batch of ${sizes.N} images is none that a network is exported with`);
  if (sizes.N > 1) context.note(`the file has a batch of ${sizes.N} images; the network is of one image`);
  if (inputSize && order.length === 4) context.note(`the image has ${sizes.H} x ${sizes.W} pixels, as asked for`);
  const shape = [sizes.H, sizes.W, sizes.C];
  return { node: inputName, shape, sizes, dims: dimsOver(sizes, order) };
}
