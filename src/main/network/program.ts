/** A graph as the addon's executor takes it, and the values that its parameters start from. */
import type { NativeOp, NativeParameter, NativeProgram } from '../compute/addon.ts';
import type { Random } from '../../shared/random.ts';
import { inputName } from './graph.ts';
import type { Graph, GraphNode } from './graph.ts';

/** Tensor 0 is the input batch; the operator at index i writes tensor i + 1. */
export function toNativeProgram(graph: Graph): NativeProgram {
  const tensors = new Map<string, number>([[inputName, 0]]);
  const tensorOf = (name: string): number => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`no operator writes ${name}`); // createGraph has checked it
    return tensor;
  };
  const ops = graph.nodes.map((node, index) => {
    const op = toNativeOp(node, tensorOf, index + 1);
    tensors.set(node.spec.name, index + 1);
    return op;
  });
  return { inputShape: graph.inputShape, classes: graph.classes, ops };
}

function toNativeOp({ spec, inputShapes }: GraphNode, tensorOf: (name: string) => number, output: number): NativeOp {
  const channels = inputShapes[0]?.at(-1) ?? 0; // or features
  switch (spec.kind) {
    case 'conv':
      return { ...spec, input: tensorOf(spec.input), output, inChannels: channels };
    case 'linear':
      return { ...spec, input: tensorOf(spec.input), output, inFeatures: channels };
    case 'batchNorm':
      return { ...spec, input: tensorOf(spec.input), output, channels };
    case 'channelAffine':
      return { kind: spec.kind, name: spec.name, input: tensorOf(spec.input), output, channels };
    case 'add':
    case 'concat':
      return { ...spec, inputs: spec.inputs.map(tensorOf), output };
    case 'mul':
      return { ...spec, inputs: [tensorOf(spec.inputs[0]), tensorOf(spec.inputs[1])], output };
    default:
      return { ...spec, input: tensorOf(spec.input), output };
  }
}

const linearSigma = 0.01;

/**
 * Starting values for a model's parameters, laid out as `layout` (NativeModel.parameters) says. Convolution weights are
 * normal with variance 2 / (kernel^2 * outChannels): He et al. 2015 (arXiv 1502.01852), equation (14), the fan-out form, in
 * which also a depthwise convolution counts all of its output channels, as the usual MobileNet recipes have it. Linear weights
 * are normal with sigma 0.01; biases, beta and running means 0; gamma and running variances 1. Every parameter has its own
 * stream, so that its values depend on the generator, its operator and its role alone.
 */
export function initialParameters(layout: readonly NativeParameter[], random: Random): Float32Array {
  const values = new Float32Array(layout.reduce((end, { offset, length }) => Math.max(end, offset + length), 0));
  for (const parameter of layout) {
    const target = values.subarray(parameter.offset, parameter.offset + parameter.length);
    if (parameter.role === 'gamma' || parameter.role === 'runningVariance') target.fill(1);
    if (parameter.role === 'weight') fillNormal(target, weightSigma(parameter), random.derive(`${parameter.op}/weight`));
  }
  return values;
}

function weightSigma({ op, shape }: NativeParameter): number {
  const [outChannels, kernelHeight, kernelWidth] = shape;
  if (shape.length === 2) return linearSigma;
  if (shape.length !== 4 || outChannels === undefined || kernelHeight === undefined || kernelWidth === undefined) {
    throw new Error(`${op}: weights have 2 or 4 dimensions, found ${shape.length}`);
  }
  return Math.sqrt(2 / (kernelHeight * kernelWidth * outChannels));
}

function fillNormal(target: Float32Array, sigma: number, random: Random): void {
  for (let i = 0; i < target.length; i++) target[i] = random.normal(0, sigma);
}
