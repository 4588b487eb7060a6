/**
 * A network as an immutable, typed graph of operators, with the shape, the multiply-accumulates and the parameters of each.
 * It holds no weights. Shapes are (H, W, C) of one image, or (features) behind the global pooling. All convolutions are
 * square, padded with zeros alike on all sides, and either dense (groups 1) or depthwise (groups = channels in = out).
 */
import { LatheError } from '../../shared/errors.ts';
import type { LayerKind } from '../../shared/network.ts';
import { sha256OfJson } from '../compute/hash.ts';

/** (H, W, C) or (features). */
export type Shape = readonly number[];

/** The name under which the network's input is read. */
export const inputName = 'input';

/** An operator as a builder writes it. `input` names an earlier node, or `inputName`. */
export type NodeSpec =
  | {
      readonly kind: 'conv';
      readonly name: string;
      readonly input: string;
      readonly outChannels: number;
      readonly kernel: number;
      readonly stride: number;
      readonly padding: number;
      readonly groups: number;
      readonly bias: boolean;
    }
  | { readonly kind: 'batchNorm'; readonly name: string; readonly input: string; readonly epsilon: number; readonly momentum: number }
  | { readonly kind: 'relu' | 'relu6'; readonly name: string; readonly input: string }
  | { readonly kind: 'add'; readonly name: string; readonly inputs: readonly [string, string] }
  | { readonly kind: 'averagePool'; readonly name: string; readonly input: string; readonly kernel: number; readonly stride: number }
  | { readonly kind: 'globalAveragePool'; readonly name: string; readonly input: string }
  | { readonly kind: 'linear'; readonly name: string; readonly input: string; readonly outFeatures: number; readonly bias: boolean };

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
  readonly kernel: number; // 1 of a linear layer
  readonly stride: number; // 1 of a linear layer
  readonly groups: number;
  readonly weights: number; // without the bias
  readonly macs: number; // of one image
  readonly inputPixels: number; // H * W; 1 of a linear layer
  readonly outputPixels: number;
}

// Keeps every count of a graph below 2^53: a convolution has at most 2^14 * 2^14 * 2^8 weights.
const maximumChannels = 16_384;
const maximumKernel = 16;
const maximumSide = 4096;

/**
 * Checks the operators and infers every shape. Throws LatheError bad-input naming the operator, what was expected and what
 * was found.
 */
export function createGraph(inputShape: readonly [number, number, number], specs: readonly NodeSpec[]): Graph {
  const [height, width, channels] = inputShape;
  checkRange('input', 'height', height, 1, maximumSide);
  checkRange('input', 'width', width, 1, maximumSide);
  checkRange('input', 'channels', channels, 1, maximumChannels);
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
    const node = inferNode(spec, inputShapes);
    shapes.set(spec.name, node.outputShape);
    nodes.push(node);
  }
  const last = nodes.at(-1);
  const classes = last?.outputShape[0];
  if (!last || last.outputShape.length !== 1 || classes === undefined) {
    throw new LatheError('bad-input', `${last?.spec.name ?? 'the network'}: expected a vector of class scores at the end`);
  }
  return Object.freeze({
    inputShape: Object.freeze([height, width, channels] as const),
    classes,
    nodes: Object.freeze(nodes),
    macs: nodes.reduce((sum, node) => sum + node.macs, 0),
    params: nodes.reduce((sum, node) => sum + node.params, 0),
  });
}

/** The names of the nodes that an operator reads. */
export function inputsOf(spec: NodeSpec): readonly string[] {
  return spec.kind === 'add' ? spec.inputs : [spec.input];
}

/** The layers that carry a bit-width, in network order: one decision each in a policy. */
export function quantizableLayers(graph: Graph): readonly QuantizableLayer[] {
  return graph.nodes.flatMap((node) => {
    const layer = quantizableLayer(node);
    return layer ? [layer] : [];
  });
}

function quantizableLayer({ spec, kind, inputShapes, outputShape, macs, params }: GraphNode): QuantizableLayer | null {
  const inputShape = inputShapes[0] ?? [];
  if (kind === null) return null;
  if (spec.kind === 'conv') {
    const weights = params - (spec.bias ? spec.outChannels : 0);
    const { outChannels, kernel, stride, groups } = spec;
    const inChannels = inputShape[2] ?? 0;
    const pixels = { inputPixels: product(inputShape.slice(0, 2)), outputPixels: product(outputShape.slice(0, 2)) };
    return { name: spec.name, kind, inChannels, outChannels, kernel, stride, groups, weights, macs, ...pixels };
  }
  if (spec.kind === 'linear') {
    const inChannels = inputShape[0] ?? 0;
    const weights = inChannels * spec.outFeatures;
    const one = { kernel: 1, stride: 1, groups: 1, inputPixels: 1, outputPixels: 1 };
    return { name: spec.name, kind, inChannels, outChannels: spec.outFeatures, weights, macs, ...one };
  }
  return null;
}

/** The JSON value that identifies a graph: its input and operators, nothing that is inferred. */
export function graphToJson(graph: Graph): unknown {
  return { format: 'lathe-graph', formatVersion: 1, inputShape: graph.inputShape, nodes: graph.nodes.map((node) => node.spec) };
}

/** SHA-256 over the canonical text of `graphToJson`. */
export function graphSha256(graph: Graph): string {
  return sha256OfJson(graphToJson(graph));
}

function inferNode(spec: NodeSpec, inputShapes: readonly Shape[]): GraphNode {
  const input = inputShapes[0] ?? [];
  const node = (outputShape: Shape, counts: { macs?: number; params?: number; kind?: LayerKind } = {}): GraphNode =>
    Object.freeze({
      spec: Object.freeze({ ...spec }),
      inputShapes,
      outputShape: Object.freeze([...outputShape]),
      macs: counts.macs ?? 0,
      params: counts.params ?? 0,
      kind: counts.kind ?? null,
    });
  switch (spec.kind) {
    case 'conv': {
      const [height, width, inChannels] = imageShape(spec, input);
      checkRange(spec.name, 'outChannels', spec.outChannels, 1, maximumChannels);
      checkRange(spec.name, 'kernel', spec.kernel, 1, maximumKernel);
      checkRange(spec.name, 'stride', spec.stride, 1, maximumKernel);
      checkRange(spec.name, 'padding', spec.padding, 0, spec.kernel - 1);
      const isDepthwise = spec.groups > 1 && spec.groups === inChannels && spec.outChannels === inChannels;
      if (spec.groups !== 1 && !isDepthwise) {
        throw new LatheError(
          'bad-input',
          `${spec.name}: groups must be 1 or, for a depthwise convolution, equal to the channels in and out; ` +
            `found ${spec.groups} groups, ${inChannels} channels in, ${spec.outChannels} out`,
        );
      }
      const outHeight = slidden(spec, height, spec.padding);
      const outWidth = slidden(spec, width, spec.padding);
      const weights = spec.outChannels * spec.kernel * spec.kernel * (inChannels / spec.groups);
      return node([outHeight, outWidth, spec.outChannels], {
        macs: weights * outHeight * outWidth,
        params: weights + (spec.bias ? spec.outChannels : 0),
        kind: isDepthwise ? 'depthwise' : spec.kernel === 1 ? 'pointwise' : 'conv',
      });
    }
    case 'batchNorm':
      return node(input, { params: 2 * imageShape(spec, input)[2] });
    case 'relu':
    case 'relu6':
      return node(input);
    case 'add': {
      const [first = [], second = []] = inputShapes;
      if (first.join() !== second.join()) {
        throw new LatheError(
          'bad-input',
          `${spec.name}: expected two equal shapes to add, found ${describeShape(first)} and ${describeShape(second)}`,
        );
      }
      return node(first);
    }
    case 'averagePool': {
      const [height, width, channels] = imageShape(spec, input);
      checkRange(spec.name, 'kernel', spec.kernel, 1, maximumSide);
      checkRange(spec.name, 'stride', spec.stride, 1, maximumSide);
      return node([slidden(spec, height, 0), slidden(spec, width, 0), channels]);
    }
    case 'globalAveragePool':
      return node([imageShape(spec, input)[2]]);
    case 'linear': {
      const [inFeatures] = input;
      if (input.length !== 1 || inFeatures === undefined) {
        throw new LatheError(
          'bad-input',
          `${spec.name}: a linear layer reads a vector of features, found the shape ${describeShape(input)}`,
        );
      }
      checkRange(spec.name, 'outFeatures', spec.outFeatures, 1, 100_000);
      const weights = inFeatures * spec.outFeatures;
      return node([spec.outFeatures], { macs: weights, params: weights + (spec.bias ? spec.outFeatures : 0), kind: 'linear' });
    }
  }
}

/** Positions of a window along one side. */
function slidden(spec: { readonly name: string; readonly kernel: number; readonly stride: number }, side: number, padding: number): number {
  const room = side + 2 * padding - spec.kernel;
  if (room < 0) {
    throw new LatheError(
      'bad-input',
      `${spec.name}: its window of ${spec.kernel} pixels does not fit into ${side + 2 * padding} (padding included)`,
    );
  }
  return Math.floor(room / spec.stride) + 1;
}

function imageShape(spec: NodeSpec, shape: Shape): readonly [number, number, number] {
  const [height, width, channels] = shape;
  if (height === undefined || width === undefined || channels === undefined) {
    throw new LatheError('bad-input', `${spec.name}: ${spec.kind} reads an image of H x W x C, found the shape ${describeShape(shape)}`);
  }
  return [height, width, channels];
}

function checkRange(where: string, what: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new LatheError('bad-input', `${where}: ${what} must be an integer from ${low} to ${high}, found ${value}`);
  }
}

/** '32 x 32 x 1' for a person. */
export function describeShape(shape: Shape): string {
  return shape.length === 0 ? 'of nothing' : shape.join(' x ');
}

function product(values: readonly number[]): number {
  return values.reduce((result, value) => result * value, 1);
}
