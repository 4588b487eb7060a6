/**
 * An ONNX file as a network of Lathe's: its graph, its values, and in words what was decided on the way. Nothing is dropped
 * silently: what an operator does is in the graph, is noted, or is refused with the node, the operator and what would help.
 */
import { createGraph, inputName, type Graph } from '../graph.ts';
import { describeShape } from '../shape.ts';
import { Context, isConstant } from './context.ts';
import { simplify, type Draft, type Values } from './draft.ts';
import { foldNode, foldableOperators } from './fold.ts';
import { chooseInput } from './input.ts';
import { describeLayout, imageAxes, type Tensor } from './layout.ts';
import { decodeModel, newestOpset, type OnnxModel, type OnnxNode } from './model.ts';
import { adviceOn, translatorOf } from './operators/index.ts';
import { quoted, refuse } from './refuse.ts';
import { limits } from './limits.ts';

export interface ImportOptions {
  /** Height and width where the file leaves them free, or in place of those that it has. */
  readonly inputSize?: readonly [height: number, width: number];
  /** Which output, of several. */
  readonly output?: string;
  /** For comparisons: a final softmax stays, what rounds is refused, and an output of any shape is flattened. */
  readonly isExact?: boolean;
}

/** Bits that the file's quantizers name; null where it names none. */
export interface ImportedBits {
  readonly name: string;
  readonly weightBits: number | null;
  readonly activationBits: number | null;
}

export interface ImportedNetwork {
  readonly graph: Graph;
  readonly values: ReadonlyMap<string, Values>; // of each operator that has some
  readonly bits: readonly ImportedBits[];
  readonly notes: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly producer: string;
  readonly opset: number;
  readonly output: Tensor; // before it was flattened, if it was
  readonly inputTensor: Tensor;
}

/** Reads a network. `what` names the file in sentences. Throws LatheError bad-input. */
export function importOnnx(what: string, bytes: Uint8Array, options: ImportOptions = {}): ImportedNetwork {
  return importModel(decodeModel(what, bytes), options);
}

export function importModel(model: OnnxModel, options: ImportOptions = {}): ImportedNetwork {
  const output = chooseOutput(model, options);
  const producers = producersOf(model);
  const nodes = neededNodes(model, producers, output);
  requireKnownOperators(model, nodes);
  const context = new Context(model, {
    isExact: options.isExact === true,
    finalValues: finalValues(producers, output),
  });
  if (model.opset > newestOpset)
    context.note(`operator set ${model.opset} is newer than those that Lathe was checked with (up to ${newestOpset})`);
  const left = model.nodes.length - nodes.length;
  if (left > 0) context.note(`${left} ${left === 1 ? 'operator' : 'operators'} that the output does not need: left out`);
  const inputTensor = chooseInput(context, nodes, options.inputSize);
  for (const node of nodes) translate(context, node);
  const tensor = context.value(output);
  if (isConstant(tensor)) refuse(`${model.what}: its output does not depend on an image`);
  const drafts = finish(context, tensor, options);
  const values = new Map(
    drafts.flatMap((draft) => (Object.keys(draft.values).length > 0 ? [[draft.spec.name, draft.values] as const] : [])),
  );
  checkValues(drafts);
  return {
    graph: createGraph(
      imageShape(inputTensor),
      drafts.map((draft) => draft.spec),
    ),
    values,
    bits: drafts.flatMap(bitsOf),
    notes: context.notes,
    metadata: model.metadata,
    producer: model.producer,
    opset: model.opset,
    output: tensor,
    inputTensor,
  };
}

function translate(context: Context, node: OnnxNode): void {
  const constants = context.constants(node);
  const folded = constants && foldNode(node, context.opset, constants);
  if (folded) {
    context.setFolded(node, folded);
    return;
  }
  const translator = translatorOf(node);
  if (!translator || constants) {
    refuse(
      constants
        ? `${node.title}: this operator on constants is not computed; simplify the file (onnxsim) and import that`
        : `${node.title}: on features this operator is not taken: ${adviceOn(node)}`,
    );
  }
  translator(context, node);
}

function imageShape({ shape, sizes }: Tensor): readonly [number, number, number] {
  return shape.length === 3 ? [sizes.H, sizes.W, sizes.C] : [1, 1, sizes.C];
}

/** The operators that there are in the end, ending in a vector. */
function finish(context: Context, tensor: Tensor, options: ImportOptions): Draft[] {
  const drafts = [...context.drafts];
  const isPixel = tensor.sizes.H * tensor.sizes.W === 1;
  if (tensor.shape.length === 3) {
    if (!isPixel && options.isExact !== true) {
      refuse(
        `${context.model.what}: its output is ${describeLayout(tensor)} (${describeShape(tensor.shape)}), not a vector of class scores; Lathe works on classifiers: cut the network where its features are pooled`,
      );
    }
    if (options.isExact !== true) context.note('the output, an image of one pixel, was flattened to the vector of class scores');
    const features = tensor.shape.reduce((product, size) => product * size, 1);
    drafts.push({ spec: { kind: 'flatten', name: freeName(drafts, 'scores'), input: tensor.node }, values: {}, shape: [features] });
  } else if (!isPixel && options.isExact !== true && imageAxes(tensor.sizes).length > 1) {
    context.note('the output is a flattened image; its values are in the order height, width, channels');
  }
  if (drafts.length === 0) refuse(`${context.model.what}: nothing is left of it but its input`);
  return simplify(drafts);
}

function freeName(drafts: readonly Draft[], wanted: string): string {
  const names = new Set(drafts.map((draft) => draft.spec.name)).add(inputName);
  let name = wanted;
  for (let count = 2; names.has(name); count += 1) name = `${wanted}_${count}`;
  return name;
}

function bitsOf({ spec, bits }: Draft): ImportedBits[] {
  if (!bits || (bits.weight === null && bits.activation === null)) return [];
  return [{ name: spec.name, weightBits: bits.weight, activationBits: bits.activation }];
}

/** A plain loop: a network has up to hundreds of millions of values. */
function isFinite(list: Float32Array): boolean {
  let sum = 0;
  for (let at = 0; at < list.length; at += 1) sum += (list[at] ?? 0) * 0; // 0, or NaN from the first that is not finite
  return sum === 0;
}

function checkValues(drafts: readonly Draft[]): void {
  let total = 0;
  for (const { spec, values } of drafts) {
    for (const [role, list] of Object.entries(values)) {
      total += list.length;
      if (!isFinite(list))
        refuse(`${quoted(spec.name)}: its ${role} holds values that are not finite; the training that made them went wrong`);
      if (role === 'runningVariance' && list.some((value) => value < 0))
        refuse(`${quoted(spec.name)}: a variance is negative; the file is damaged, export it again`);
    }
  }
  if (total > limits.weightValues) refuse(`the network has ${total} weights; up to ${limits.weightValues} are taken`);
}

function chooseOutput(model: OnnxModel, { output }: ImportOptions): string {
  const names = model.outputs.map(({ name }) => name);
  const listed = names.slice(0, 8).map(quoted).join(', ');
  if (output !== undefined) {
    return names.find((name) => name === output) ?? refuse(`${model.what}: it has no output ${quoted(output)}; its outputs are ${listed}`);
  }
  const [only] = names;
  if (only === undefined) refuse(`${model.what}: it has no output; it is no whole network, export it again`);
  if (names.length > 1) {
    requireKnownOperators(model, model.nodes); // the better reason, if there is one
    refuse(`${model.what}: it has ${names.length} outputs (${listed}); choose one with --output`);
  }
  return only;
}

type Producers = ReadonlyMap<string, OnnxNode>;

function producersOf(model: OnnxModel): Producers {
  const producers = new Map<string, OnnxNode>();
  for (const node of model.nodes) {
    for (const name of node.outputs) {
      if (name === '') continue;
      if (producers.has(name)) refuse(`${model.what}: two operators give ${quoted(name)}; the file is damaged, export it again`);
      producers.set(name, node);
    }
  }
  return producers;
}

/** The operators that the output needs, each behind those that it reads. */
function neededNodes(model: OnnxModel, producers: Producers, output: string): OnnxNode[] {
  const done: OnnxNode[] = [];
  const state = new Map<OnnxNode, 'open' | 'done'>();
  const start = producers.get(output);
  const stack: { node: OnnxNode; next: number }[] = start ? [{ node: start, next: 0 }] : [];
  if (start) state.set(start, 'open');
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const name = top.node.inputs[top.next];
    top.next += 1;
    if (name === undefined) {
      state.set(top.node, 'done');
      done.push(top.node);
      stack.pop();
      continue;
    }
    const before = producers.get(name);
    if (!before || state.get(before) === 'done') continue;
    if (state.get(before) === 'open')
      refuse(`${model.what}: its operators read each other in a circle, at ${quoted(before.title)}; the file is damaged`);
    state.set(before, 'open');
    stack.push({ node: before, next: 0 });
  }
  // In the order of the file where that has every operator behind those that it reads: networks keep their order.
  const positions = new Map(model.nodes.map((node, at) => [node, at] as const));
  const inFileOrder = [...done].sort((a, b) => (positions.get(a) ?? 0) - (positions.get(b) ?? 0));
  const isInOrder = inFileOrder.every((node) =>
    node.inputs.every((name) => (positions.get(producers.get(name) ?? node) ?? 0) <= (positions.get(node) ?? 0)),
  );
  return isInOrder ? inFileOrder : done;
}

function requireKnownOperators(model: OnnxModel, nodes: readonly OnnxNode[]): void {
  const known = new Set(foldableOperators());
  for (const node of nodes) {
    if (node.hasSubgraph || (!translatorOf(node) && !(node.domain === '' && known.has(node.op)))) {
      refuse(`${model.what}: the operator ${node.title} is not taken: ${adviceOn(node)}`);
    }
  }
}

const layoutOperators = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Cast']);

/** Values from which only layout leads to the output. */
function finalValues(producers: Producers, output: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (let name = output; !names.has(name);) {
    names.add(name);
    const producer = producers.get(name);
    if (producer && layoutOperators.has(producer.op)) name = producer.inputs[0] ?? '';
  }
  return names;
}
