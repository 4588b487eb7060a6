/**
 * Whether a program is consistent: every operator gets the shapes it expects, tensors are numbered in order and all used, and
 * the end gives one value a class. The addon checks again; here an error names the operator and the parameter.
 */
import type { NativeOp, NativeProgram } from './addon.ts';
import { checkInteger, checkNumber, fail } from './check.ts';

type Shape = readonly [height: number, width: number, channels: number];

const largestExtent = 65_536; // of an image side, a channel count, a kernel
const largestTensor = 2 ** 28; // values of one image: 1 GiB

/** Throws LatheError: bad-input. */
export function checkProgram(program: NativeProgram): void {
  program.inputShape.forEach((extent, index) => checkInteger(`inputShape[${index}]`, extent, 1, largestExtent));
  checkInteger('classes', program.classes, 2, 100_000);
  if (program.ops.length === 0) fail('ops must hold at least one operator, found none');
  const shapes: Shape[] = [program.inputShape];
  const used = new Set<number>();
  const names = new Set<string>();
  program.ops.forEach((op, index) => {
    if (names.has(op.name)) fail(`ops[${index}].name must be unique, found ${op.name} twice`);
    names.add(op.name);
    if (op.output !== index + 1) fail(`operator ${op.name}: output must be tensor ${index + 1}, found ${op.output}`);
    const inputs = inputsOf(op).map((tensor) => {
      used.add(tensor);
      const shape = shapes[tensor];
      return shape ?? fail(`operator ${op.name}: input must be a tensor that an earlier operator writes, found ${tensor}`);
    });
    shapes.push(outputShape(op, inputs));
  });
  for (const op of program.ops.slice(0, -1)) {
    if (!used.has(op.output)) fail(`operator ${op.name}: its output must be read by a later operator, found none that does`);
  }
  const [height, width, channels] = shapes.at(-1) ?? fail('ops must hold at least one operator, found none');
  if (height !== 1 || width !== 1 || channels !== program.classes) {
    fail(`the last operator must give (1, 1, ${program.classes}), one value a class, found (${height}, ${width}, ${channels})`);
  }
}

function inputsOf(op: NativeOp): readonly number[] {
  return op.kind === 'add' ? op.inputs : [op.input];
}

function outputShape(op: NativeOp, inputs: readonly Shape[]): Shape {
  const [input] = inputs;
  if (input === undefined) fail(`operator ${op.name}: must have an input, found none`);
  const shape = outputShapeOf(op, input, inputs);
  if (shape[0] * shape[1] * shape[2] > largestTensor) {
    fail(`operator ${op.name}: its output must have at most ${largestTensor} values an image, found (${shape.join(', ')})`);
  }
  return shape;
}

function outputShapeOf(op: NativeOp, input: Shape, inputs: readonly Shape[]): Shape {
  const [height, width, channels] = input;
  const expect = (parameter: string, found: number, expected: number): void => {
    if (found !== expected) fail(`operator ${op.name}: ${parameter} must be ${expected}, as its input has it, found ${found}`);
  };
  const slide = (side: string, size: number, kernel: number, stride: number, padding: number): number => {
    if (size + 2 * padding < kernel)
      fail(`operator ${op.name}: kernel must fit into the padded ${side} of ${size + 2 * padding}, found ${kernel}`);
    return Math.floor((size + 2 * padding - kernel) / stride) + 1;
  };
  switch (op.kind) {
    case 'conv': {
      checkInteger(`operator ${op.name}: outChannels`, op.outChannels, 1, largestExtent);
      checkInteger(`operator ${op.name}: kernel`, op.kernel, 1, largestExtent);
      checkInteger(`operator ${op.name}: stride`, op.stride, 1, largestExtent);
      checkInteger(`operator ${op.name}: padding`, op.padding, 0, largestExtent);
      expect('inChannels', op.inChannels, channels);
      if (op.groups !== 1 && (op.groups !== op.inChannels || op.groups !== op.outChannels)) {
        fail(`operator ${op.name}: groups must be 1, or inChannels = outChannels (depthwise), found ${op.groups}`);
      }
      return [
        slide('height', height, op.kernel, op.stride, op.padding),
        slide('width', width, op.kernel, op.stride, op.padding),
        op.outChannels,
      ];
    }
    case 'batchNorm':
      expect('channels', op.channels, channels);
      checkNumber(`operator ${op.name}: epsilon`, op.epsilon, Number.MIN_VALUE, 1e6);
      checkNumber(`operator ${op.name}: momentum`, op.momentum, 0, 1);
      return input;
    case 'relu':
    case 'relu6':
      return input;
    case 'add': {
      const other = inputs[1];
      if (other === undefined || other.join() !== input.join()) {
        fail(`operator ${op.name}: its inputs must have one shape, found (${input.join(', ')}) and (${other?.join(', ') ?? 'none'})`);
      }
      return input;
    }
    case 'averagePool':
      checkInteger(`operator ${op.name}: kernel`, op.kernel, 1, largestExtent);
      checkInteger(`operator ${op.name}: stride`, op.stride, 1, largestExtent);
      return [slide('height', height, op.kernel, op.stride, 0), slide('width', width, op.kernel, op.stride, 0), channels];
    case 'globalAveragePool':
      return [1, 1, channels];
    case 'linear':
      checkInteger(`operator ${op.name}: outFeatures`, op.outFeatures, 1, largestExtent);
      expect('inFeatures', op.inFeatures, height * width * channels);
      return [1, 1, op.outFeatures];
  }
}
