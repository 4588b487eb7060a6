/**
 * A network as an immutable, typed graph of operators, with the shape, the multiply-accumulates and the parameters of each.
 * It holds no weights. Shapes are (H, W, C) of one image, or (features). What each operator may read and gives is in `infer.ts`,
 * the JSON and text forms are in `graph-form.ts`.
 */
import { LatheError } from '../../shared/errors.ts';
import type { LayerKind } from '../../shared/network.ts';
import { checkInteger, inferNode, largestChannels, largestSide } from './infer.ts';
import type { Pair, Padding, Shape } from './shape.ts';
import { product } from './shape.ts';

/** The name under which the network's input is read. */
export const inputName = 'input';

interface Unary<Kind extends string> {
  readonly kind: Kind;
  readonly name: string;
  readonly input: string;
}

interface Merging<Kind extends string, Inputs> {
  readonly kind: Kind;
  readonly name: string;
  readonly inputs: Inputs;
}

interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
}

/** Weights (outChannels, kernel height, kernel width, inChannels / groups); zeros around. A vector is read as (1, 1, C). */
export interface ConvSpec extends Unary<'conv'>, Window {
  readonly outChannels: number;
  readonly dilation: Pair;
  readonly groups: number; // divides the channels in and out
  readonly bias: boolean;
}

/** Weights (outFeatures, features). Reads (features) or (1, 1, C). */
export interface LinearSpec extends Unary<'linear'> {
  readonly outFeatures: number;
  readonly bias: boolean;
}

/** Over the channels of an image or the features of a vector. running = (1 - momentum) * running + momentum * batch. */
export interface BatchNormSpec extends Unary<'batchNorm'> {
  readonly epsilon: number;
  readonly momentum: number;
}

/** An operator as a builder writes it. `input` names an earlier node, or `inputName`. */
export type NodeSpec =
  | ConvSpec
  | LinearSpec
  | BatchNormSpec
  /** y = x * scale + shift a channel: constants that came with the network (parameter roles scale, shift). */
  | (Unary<'channelAffine'> & { readonly trained: false })
  | Unary<'relu' | 'relu6' | 'hardSwish' | 'sigmoid' | 'swish' | 'tanh'>
  /** max(0, min(1, alpha * x + beta)). */
  | (Unary<'hardSigmoid'> & { readonly alpha: number; readonly beta: number })
  | (Unary<'leakyRelu'> & { readonly slope: number })
  /** Either bound may be infinite. */
  | (Unary<'clip'> & { readonly minimum: number; readonly maximum: number })
  /** Two or more of one shape. */
  | Merging<'add', readonly string[]>
  /** Of one shape, or the second (1, 1, C) or (C): one factor a channel. */
  | Merging<'mul', readonly [string, string]>
  /** Two or more, along the channels. */
  | Merging<'concat', readonly string[]>
  /** Padding never wins. */
  | (Unary<'maxPool'> & Window)
  | (Unary<'averagePool'> & Window & { readonly countPadding: boolean })
  /** (H, W, C) -> (C). */
  | Unary<'globalAveragePool'>
  /** Values around the image; a negative number takes rows or columns away instead. */
  | (Unary<'pad'> & { readonly padding: Padding; readonly value: number })
  /** (H, W, C) -> (H * W * C), in that order. */
  | Unary<'flatten'>
  /** In training alone; what stays is divided by 1 - probability. */
  | (Unary<'dropout'> & { readonly probability: number })
  /** Over the channels; in inference alone. */
  | Unary<'softmax'>;

export type NodeKind = NodeSpec['kind'];

/** An operator with what follows from the operators before it. */
export interface GraphNode {
  readonly spec: NodeSpec;
  readonly inputShapes: readonly Shape[];
  readonly outputShape: Shape;
  /** Multiply-accumulates of one image; convolution and linear only, biases not counted. */
  readonly macs: number;
  /** Trained values: convolution and linear weights with their biases, batch norm's gamma and beta. */
  readonly params: number;
  /** Of a quantizable operator (convolution, linear); null for the others. */
  readonly kind: LayerKind | null;
}

export interface Graph {
  readonly inputShape: readonly [number, number, number]; // H, W, C
  readonly classes: number; // the last node's features
  readonly nodes: readonly GraphNode[]; // in an order in which each reads earlier ones only
  readonly macs: number;
  readonly params: number;
}

/** What a search and a target see of a quantizable layer. */
export interface QuantizableLayer {
  readonly name: string;
  readonly kind: LayerKind;
  readonly inChannels: number; // features of a linear layer
  readonly outChannels: number;
  readonly kernel: Pair; // 1 x 1 of a linear layer
  readonly stride: Pair; // 1 x 1 of a linear layer
  readonly dilation: Pair; // 1 x 1 of a linear layer
  readonly groups: number;
  readonly weights: number; // without the bias
  readonly macs: number; // of one image
  readonly inputShape: Shape; // (H, W, C) or (features)
  readonly outputShape: Shape;
  readonly inputPixels: number; // H * W; 1 of a vector
  readonly outputPixels: number;
}

/**
 * Checks the operators and infers every shape. Throws LatheError bad-input naming the operator, what was expected and what
 * was found.
 */
export function createGraph(inputShape: readonly [number, number, number], specs: readonly NodeSpec[]): Graph {
  const [height, width, channels] = inputShape;
  checkInteger('input', 'height', height, 1, largestSide);
  checkInteger('input', 'width', width, 1, largestSide);
  checkInteger('input', 'channels', channels, 1, largestChannels);
  const shapes = new Map<string, Shape>([[inputName, Object.freeze([...inputShape])]]);
  const nodes: GraphNode[] = [];
  for (const spec of specs) {
    if (spec.name === '') throw new LatheError('bad-input', `operator ${nodes.length}: expected a name, found none`);
    if (shapes.has(spec.name)) throw new LatheError('bad-input', `${spec.name}: two operators have this name; each needs its own`);
    const inputShapes = inputsOf(spec).map((name) => {
      const shape = shapes.get(name);
      if (!shape) throw new LatheError('bad-input', `${spec.name}: reads ${name}, which no earlier operator gives`);
      return shape;
    });
    const node = createNode(spec, inputShapes);
    shapes.set(spec.name, node.outputShape);
    nodes.push(node);
  }
  return Object.freeze({
    inputShape: Object.freeze([height, width, channels] as const),
    classes: classesOf(nodes),
    nodes: Object.freeze(nodes),
    macs: nodes.reduce((sum, node) => sum + node.macs, 0),
    params: nodes.reduce((sum, node) => sum + node.params, 0),
  });
}

/** The names of the nodes that an operator reads. */
export function inputsOf(spec: NodeSpec): readonly string[] {
  return 'inputs' in spec ? spec.inputs : [spec.input];
}

/** The layers that carry a bit-width, in network order: one decision each in a policy. */
export function quantizableLayers(graph: Graph): readonly QuantizableLayer[] {
  return graph.nodes.flatMap((node) => {
    const layer = quantizableLayer(node);
    return layer ? [layer] : [];
  });
}

function quantizableLayer({ spec, kind, inputShapes, outputShape, macs, params }: GraphNode): QuantizableLayer | null {
  if (kind === null || (spec.kind !== 'conv' && spec.kind !== 'linear')) return null;
  const inputShape = inputShapes[0] ?? [];
  const outChannels = outputShape.at(-1) ?? 0;
  const window = spec.kind === 'conv' ? spec : ({ kernel: [1, 1], stride: [1, 1], dilation: [1, 1], groups: 1 } as const);
  return {
    name: spec.name,
    kind,
    inChannels: inputShape.at(-1) ?? 0,
    outChannels,
    kernel: window.kernel,
    stride: window.stride,
    dilation: window.dilation,
    groups: window.groups,
    weights: params - (spec.bias ? outChannels : 0),
    macs,
    inputShape,
    outputShape,
    inputPixels: product(inputShape.slice(0, -1)),
    outputPixels: product(outputShape.slice(0, -1)),
  };
}

function createNode(spec: NodeSpec, inputShapes: readonly Shape[]): GraphNode {
  const { outputShape, macs = 0, params = 0, kind = null } = inferNode(spec, inputShapes);
  return Object.freeze({
    spec: frozenSpec(spec),
    inputShapes: Object.freeze(inputShapes),
    outputShape: Object.freeze([...outputShape]),
    macs,
    params,
    kind,
  });
}

function frozenSpec(spec: NodeSpec): NodeSpec {
  const copy = { ...spec };
  for (const [key, value] of Object.entries(copy)) {
    if (Array.isArray(value)) Object.assign(copy, { [key]: Object.freeze([...(value as readonly unknown[])]) });
  }
  return Object.freeze(copy);
}

function classesOf(nodes: readonly GraphNode[]): number {
  const last = nodes.at(-1);
  const classes = last?.outputShape[0];
  if (!last || last.outputShape.length !== 1 || classes === undefined) {
    throw new LatheError('bad-input', `${last?.spec.name ?? 'the network'}: expected a vector of class scores at the end`);
  }
  return classes;
}
