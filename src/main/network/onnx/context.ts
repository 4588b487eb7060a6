/** What a translator of an operator works with: the values known so far, and the network that it adds to. */
import { inferNode } from '../infer.ts';
import { inputName, inputsOf, type NodeSpec } from '../graph.ts';
import type { Shape } from '../shape.ts';
import type { Draft, Values } from './draft.ts';
import type { FoldInputs } from './fold.ts';
import { axes, channelAxes, describeLayout, type Axis, type Sizes, type Tensor } from './layout.ts';
import { limits } from './limits.ts';
import { shortest, type OnnxModel, type OnnxNode } from './model.ts';
import { quoted, refuse } from './refuse.ts';
import { decodeTensor, type Constant } from './tensor.ts';

/** A value of the file: part of the network, or a constant. */
export type Value = Tensor | Constant;

export function isConstant(value: Value): value is Constant {
  return 'values' in value;
}

/** An operator without its name, or with `suffix` one of several that stand for an ONNX node. */
export type NamelessSpec = NodeSpec extends infer Spec ? (Spec extends NodeSpec ? Omit<Spec, 'name'> : never) : never;

interface Emission {
  readonly values?: Values;
  readonly suffix?: string;
  readonly bits?: Draft['bits'];
}

export class Context {
  readonly model: OnnxModel;
  readonly drafts: Draft[] = [];
  readonly isExact: boolean; // nothing that Lathe leaves out may be left out
  /** Names of values behind which only layout follows until the output. */
  readonly finalValues: ReadonlySet<string>;
  readonly #values = new Map<string, Value>();
  readonly #shapes: Map<string, Shape>;
  readonly #names = new Set<string>([inputName]);
  readonly #notes = new Set<string>();
  #foldedValues = 0;

  constructor(model: OnnxModel, options: { readonly isExact: boolean; readonly finalValues: ReadonlySet<string> }) {
    this.model = model;
    this.isExact = options.isExact;
    this.finalValues = options.finalValues;
    this.#shapes = new Map();
  }

  get opset(): number {
    return this.model.opset;
  }

  get notes(): readonly string[] {
    return [...this.#notes];
  }

  /** One sentence for the user; the same one once. */
  note(sentence: string): void {
    this.#notes.add(sentence);
  }

  setInput(name: string, tensor: Tensor): void {
    this.#shapes.set(inputName, tensor.shape);
    this.#values.set(name, tensor);
  }

  set(node: OnnxNode, value: Value): void {
    this.#values.set(node.outputs[0] ?? '', value);
  }

  setFolded(node: OnnxNode, constant: Constant): void {
    this.#foldedValues += constant.values.length;
    if (this.#foldedValues > limits.foldedTotalValues)
      refuse(`${node.title}: too much is computed from constants; simplify the file (onnxsim) and import that`);
    this.set(node, constant);
  }

  /** The value of this name. Throws LatheError bad-input for one that nothing gives. */
  value(name: string): Value {
    const known = this.#values.get(name);
    if (known) return known;
    const stored = this.model.initializers.get(name);
    if (stored) {
      const constant = decodeTensor(`weights ${quoted(name)}`, stored);
      if (constant.type === 'float16' || constant.type === 'bfloat16' || constant.type === 'double') {
        this.note(`weights of ${constant.type} were converted to float32`);
      }
      return constant;
    }
    return refuse(`${this.model.what}: an operator reads ${quoted(name)}, which nothing in the file gives; it is damaged, export it again`);
  }

  /** The inputs if all of them are constants, else null. */
  constants(node: OnnxNode): FoldInputs | null {
    const inputs: (Constant | undefined)[] = [];
    for (const name of node.inputs) {
      if (name === '') {
        inputs.push(undefined);
        continue;
      }
      const value = this.value(name);
      if (!isConstant(value)) return null;
      inputs.push(value);
    }
    return inputs;
  }

  input(node: OnnxNode, position: number): Value {
    const name = node.inputs[position] ?? '';
    return name === ''
      ? refuse(`${node.title}: its input ${position + 1} is missing; the file is damaged, export it again`)
      : this.value(name);
  }

  /** An input that the image decides. */
  tensor(node: OnnxNode, position: number): Tensor {
    const value = this.input(node, position);
    return isConstant(value) ? refuse(`${node.title}: it reads a constant where an image or its features are expected`) : value;
  }

  /** An input that the image must not decide; `what` is what it is: 'weights'. */
  constant(node: OnnxNode, position: number, what: string): Constant {
    const value = this.input(node, position);
    if (!isConstant(value)) refuse(`${node.title}: its ${what} are computed from the image; only constant ones are taken`);
    return value;
  }

  optionalConstant(node: OnnxNode, position: number, what: string): Constant | undefined {
    return (node.inputs[position] ?? '') === '' ? undefined : this.constant(node, position, what);
  }

  /** A constant of one number, as the shortest decimal of its float32. */
  optionalNumber(node: OnnxNode, position: number, what: string): number | undefined {
    const constant = this.optionalConstant(node, position, what);
    if (constant && constant.values.length !== 1) refuse(`${node.title}: its ${what} must be one number, found ${constant.values.length}`);
    const value = constant?.values[0];
    return value === undefined ? undefined : shortest(value);
  }

  /** Refuses the node if somebody reads one of its further outputs. */
  requireOneOutput(node: OnnxNode, what: string): void {
    if (node.outputs.slice(1).some((name) => name !== '' && this.#isRead(name)))
      refuse(`${node.title}: its ${what} are read as well; only its first output is taken`);
  }

  /** Adds an operator and returns its name, shape and sizes. The operator itself is checked as in any network. */
  emit(node: OnnxNode, spec: NamelessSpec, { values = {}, suffix, bits }: Emission = {}): Omit<Tensor, 'dims'> {
    const name = this.#freeName(suffix === undefined ? node.name : `${node.name}/${suffix}`);
    const full = { ...spec, name } as NodeSpec;
    const inputShapes = inputsOf(full).map((input) => this.#shapes.get(input) ?? []);
    const shape = inferNode(full, inputShapes).outputShape;
    if (this.drafts.length >= limits.nodes) refuse(`${this.model.what}: it becomes more than ${limits.nodes} operators`);
    this.#shapes.set(name, shape);
    this.drafts.push({ spec: full, values, shape, ...(bits ? { bits } : {}) });
    const [height = 1, width = 1, channels = 1] = shape.length === 1 ? [1, 1, shape[0]] : shape;
    return { node: name, shape, sizes: { N: this.batch, H: height, W: width, C: channels } };
  }

  /** An operator that changes the values and nothing else. */
  emitSame(node: OnnxNode, from: Tensor, spec: NamelessSpec, emission: Emission = {}): Tensor {
    const { node: name, shape } = this.emit(node, spec, emission);
    return { node: name, shape, sizes: from.sizes, dims: from.dims };
  }

  /** The image as a vector in the order of memory; its axes are still known. */
  flattened(node: OnnxNode, tensor: Tensor, suffix?: string): Tensor {
    if (tensor.shape.length === 1) return tensor;
    const { node: name, shape } = this.emit(node, { kind: 'flatten', input: tensor.node }, suffix === undefined ? {} : { suffix });
    return { ...tensor, node: name, shape };
  }

  batch = 1;
  #isRead(name: string): boolean {
    return this.model.nodes.some((node) => node.inputs.includes(name)) || this.model.outputs.some((output) => output.name === name);
  }

  #freeName(wanted: string): string {
    const base = wanted.replace(/\p{C}+/gu, ' ').trim() || 'operator';
    let name = base;
    for (let count = 2; this.#names.has(name); count += 1) name = `${base}_${count}`;
    this.#names.add(name);
    return name;
  }
}

/** Refuses a layout that the operator does not have in Lathe. */
export function refuseLayout(node: OnnxNode, tensor: Tensor, expected: string): never {
  refuse(`${node.title}: expected ${expected}, found the layout ${describeLayout(tensor)}; axes in another order are not taken`);
}

/** Sizes of a vector. */
export function vectorSizes(batch: number, features: number): Sizes {
  return { N: batch, H: 1, W: 1, C: features };
}

/** The axes of one dimension without the batch. */
export function withoutBatch(over: readonly Axis[]): readonly Axis[] {
  return over.filter((axis) => axis !== 'N');
}

/** The ONNX dimension that holds the node's channels, or -1. Of a single channel: where it stands in NCHW or NHWC. */
export function channelDim(tensor: Tensor): number {
  const wanted = channelAxes(tensor);
  if (wanted.length === 0) return -1;
  return tensor.dims.findIndex((over) => over.length === wanted.length && over.every((axis) => wanted.includes(axis)));
}

export { axes };
