/**
 * Whether a program is consistent: every operator gets the shapes it expects, tensors are numbered in order and all used, and
 * the end gives one value a class. The addon checks again; here an error names the operator and the parameter.
 */
import type { NativeOp, NativeProgram, Padding, Pair } from './addon.ts';
import { checkInteger, checkNumber, fail } from './check.ts';

/** Of one image. */
export type Shape = readonly [height: number, width: number, channels: number];

const largestExtent = 65_536; // of an image side, a channel count, a kernel
const largestTensor = 2 ** 28; // values of one image: 1 GiB
const largestInputs = 64; // of one operator

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

/** The tensors that an operator reads. */
export function inputsOf(op: NativeOp): readonly number[] {
  return 'inputs' in op ? op.inputs : [op.input];
}

/** The output (H, W, C) of one image. Throws LatheError: bad-input, naming the operator and what is wrong. */
export function outputShape(op: NativeOp, inputs: readonly Shape[]): Shape {
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
  const number = (parameter: string, value: number, least: number, most: number): void =>
    checkNumber(`operator ${op.name}: ${parameter}`, value, least, most);
  switch (op.kind) {
    case 'conv':
      checkInteger(`operator ${op.name}: outChannels`, op.outChannels, 1, largestExtent);
      checkPair(op, 'dilation', op.dilation);
      expect('inChannels', op.inChannels, channels);
      checkInteger(`operator ${op.name}: groups`, op.groups, 1, largestExtent);
      if (op.inChannels % op.groups !== 0 || op.outChannels % op.groups !== 0) {
        fail(
          `operator ${op.name}: groups must divide the ${op.inChannels} input channels and the ${op.outChannels} output channels, found ${op.groups}`,
        );
      }
      return [...slide(op, height, width, op.dilation), op.outChannels];
    case 'linear':
      checkInteger(`operator ${op.name}: outFeatures`, op.outFeatures, 1, largestExtent);
      expect('inFeatures', op.inFeatures, height * width * channels);
      return [1, 1, op.outFeatures];
    case 'batchNorm':
      expect('channels', op.channels, channels);
      number('epsilon', op.epsilon, Number.MIN_VALUE, 1e6);
      number('momentum', op.momentum, 0, 1);
      return input;
    case 'channelAffine':
      expect('channels', op.channels, channels);
      return input;
    case 'hardSigmoid':
      number('alpha', op.alpha, -Number.MAX_VALUE, Number.MAX_VALUE);
      number('beta', op.beta, -Number.MAX_VALUE, Number.MAX_VALUE);
      return input;
    case 'leakyRelu':
      number('slope', op.slope, -Number.MAX_VALUE, Number.MAX_VALUE);
      return input;
    case 'clip':
      if (!(op.minimum < op.maximum)) {
        fail(`operator ${op.name}: minimum must be below maximum, found ${op.minimum} and ${op.maximum}`);
      }
      return input;
    case 'dropout':
      number('probability', op.probability, 0, 0.999);
      return input;
    case 'relu':
    case 'relu6':
    case 'hardSwish':
    case 'sigmoid':
    case 'swish':
    case 'tanh':
    case 'softmax':
      return input;
    case 'add':
    case 'mul':
    case 'concat':
      return combinedShape(op, input, inputs);
    case 'maxPool':
    case 'averagePool': {
      const [top, left, bottom, right] = op.padding;
      const [kernelHeight, kernelWidth] = op.kernel;
      const windows = slide(op, height, width, [1, 1]);
      if (Math.max(top, bottom) >= kernelHeight || Math.max(left, right) >= kernelWidth) {
        fail(`operator ${op.name}: padding must be smaller than the kernel of ${op.kernel.join(' x ')}, found ${op.padding.join(', ')}`);
      }
      return [...windows, channels];
    }
    case 'globalAveragePool':
      return [1, 1, channels];
    case 'pad': {
      op.padding.forEach((extent, side) => checkInteger(`operator ${op.name}: padding[${side}]`, extent, -largestExtent, largestExtent));
      number('value', op.value, -Number.MAX_VALUE, Number.MAX_VALUE);
      const [top, left, bottom, right] = op.padding;
      if (height + top + bottom < 1 || width + left + right < 1) {
        fail(`operator ${op.name}: padding must leave a row and a column of ${height} x ${width}, found ${op.padding.join(', ')}`);
      }
      return [height + top + bottom, width + left + right, channels];
    }
    case 'flatten':
      return [1, 1, height * width * channels];
  }
}

function combinedShape(op: Extract<NativeOp, { inputs: readonly number[] }>, input: Shape, inputs: readonly Shape[]): Shape {
  const [height, width, channels] = input;
  const most = op.kind === 'mul' ? 2 : largestInputs;
  if (inputs.length < 2 || inputs.length > most) {
    fail(`operator ${op.name}: must have ${most === 2 ? '2' : `2 to ${most}`} inputs, found ${inputs.length}`);
  }
  const shapes = inputs.map((shape) => `(${shape.join(', ')})`).join(' and ');
  if (op.kind === 'concat') {
    if (inputs.some((other) => other[0] !== height || other[1] !== width)) {
      fail(`operator ${op.name}: its inputs must have one height and width, found ${shapes}`);
    }
    return [height, width, inputs.reduce((sum, other) => sum + other[2], 0)];
  }
  const isGate = (other: Shape): boolean => op.kind === 'mul' && other.join() === `1,1,${channels}`;
  if (inputs.slice(1).some((other) => other.join() !== input.join() && !isGate(other))) {
    fail(`operator ${op.name}: its inputs must have one shape, found ${shapes}`);
  }
  return input;
}

function checkPair(op: NativeOp, parameter: string, [height, width]: Pair): void {
  checkInteger(`operator ${op.name}: ${parameter}[0]`, height, 1, largestExtent);
  checkInteger(`operator ${op.name}: ${parameter}[1]`, width, 1, largestExtent);
}

function checkPadding(op: NativeOp, padding: Padding): void {
  padding.forEach((extent, side) => checkInteger(`operator ${op.name}: padding[${side}]`, extent, 0, largestExtent));
}

/** Positions of a window over a padded image, along both sides. */
function slide(op: Extract<NativeOp, { kernel: Pair }>, height: number, width: number, dilation: Pair): [number, number] {
  checkPair(op, 'kernel', op.kernel);
  checkPair(op, 'stride', op.stride);
  checkPadding(op, op.padding);
  const [top, left, bottom, right] = op.padding;
  const along = (side: string, size: number, kernel: number, stride: number, spread: number): number => {
    const span = (kernel - 1) * spread + 1;
    if (size < span) fail(`operator ${op.name}: kernel must fit into the padded ${side} of ${size}, found ${span}`);
    return Math.floor((size - span) / stride) + 1;
  };
  return [
    along('height', height + top + bottom, op.kernel[0], op.stride[0], dilation[0]),
    along('width', width + left + right, op.kernel[1], op.stride[1], dilation[1]),
  ];
}
