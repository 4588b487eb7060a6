/** The bytes of an ONNX file as a model: its graph with named nodes, typed attributes and constants that are decoded when needed. */
import onnxProto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import { LatheError } from '../../../shared/errors.ts';
import { limits } from './limits.ts';
import { quoted, refuse } from './refuse.ts';
import { decodeTensor, toNumber, type Constant } from './tensor.ts';
import { checkWire } from './wire.ts';

const { AttributeType } = onnxProto.onnx.AttributeProto;

/** A graph input or output. A dimension that is free is its name, or '?'; null: the file says nothing of the shape. */
export interface OnnxValue {
  readonly name: string;
  readonly elementType: number; // 0: not a tensor
  readonly dims: readonly (number | string)[] | null;
}

export interface OnnxModel {
  readonly what: string; // what a sentence about it begins with: the file's name
  readonly irVersion: number;
  readonly opset: number; // of the standard operators
  readonly otherDomains: readonly string[];
  readonly producer: string; // 'pytorch 2.3'
  readonly graphName: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValue[]; // without those that an initializer gives
  readonly outputs: readonly OnnxValue[];
  readonly initializers: ReadonlyMap<string, onnx.ITensorProto>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Reads a file's bytes. `what` names it in sentences. Throws LatheError bad-input for what is no ONNX model or not one that is read. */
export function decodeModel(what: string, bytes: Uint8Array): OnnxModel {
  if (bytes.length === 0) refuse(`${what}: the file is empty`);
  if (bytes.length > limits.fileBytes) {
    refuse(`${what}: it has ${Math.round(bytes.length / 2 ** 20)} MiB; networks of up to ${limits.fileBytes / 2 ** 20} MiB are read`);
  }
  checkWire(what, bytes);
  const proto = decode(what, bytes);
  const graph = proto.graph;
  if (!graph || (graph.node ?? []).length === 0) refuse(`${what}: it is no ONNX model, or one without a single operator`);
  if ((graph.node ?? []).length > limits.nodes) refuse(`${what}: it has more than ${limits.nodes} operators`);
  if ((graph.sparseInitializer ?? []).length > 0) refuse(`${what}: it has sparse weights; export it with dense ones`);
  const initializers = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor] as const));
  return {
    what,
    irVersion: toNumber(proto.irVersion ?? 0),
    ...opsetsOf(what, proto),
    producer: quoted([proto.producerName, proto.producerVersion].filter((part) => part).join(' ')),
    graphName: quoted(graph.name ?? ''),
    nodes: (graph.node ?? []).map((node, index) => new OnnxNode(node, index)),
    inputs: (graph.input ?? []).map(toValue).filter(({ name }) => !initializers.has(name)),
    outputs: (graph.output ?? []).map(toValue),
    initializers,
    metadata: new Map((proto.metadataProps ?? []).map(({ key, value }) => [key ?? '', value ?? ''] as const)),
  };
}

function decode(what: string, bytes: Uint8Array): onnx.IModelProto {
  try {
    return onnxProto.onnx.ModelProto.decode(bytes);
  } catch (error) {
    if (error instanceof LatheError) throw error;
    refuse(`${what}: it is no ONNX model, or it is damaged; export it again`);
  }
}

const oldestOpset = 6; // what is older has other forms of many operators
/** Those that have not changed since the first set in what is read of them. */
const unchangedOperators = new Set(
  [
    'Conv',
    'Relu',
    'Sigmoid',
    'Tanh',
    'LeakyRelu',
    'MaxPool',
    'GlobalAveragePool',
    'GlobalMaxPool',
    'Concat',
    'Flatten',
    'Transpose',
  ].concat(['Identity', 'Constant', 'Not', 'And', 'Or', 'Neg', 'Abs', 'Sqrt']),
);
/** The newest that the operators here were compared with; a newer one is read with a note. */
export const newestOpset = 25;

function opsetsOf(what: string, proto: onnx.IModelProto): { opset: number; otherDomains: string[] } {
  const imports = (proto.opsetImport ?? []).map(({ domain, version }) => ({ domain: domain ?? '', version: toNumber(version ?? 0) }));
  const isStandard = (domain: string): boolean => domain === '' || domain === 'ai.onnx';
  const nodes = (proto.graph?.node ?? []).filter(({ domain }) => isStandard(domain ?? ''));
  const opset = imports.find(({ domain }) => isStandard(domain))?.version ?? (nodes.length === 0 ? newestOpset : undefined);
  if (opset === undefined) refuse(`${what}: it does not say which set of standard operators it uses; it is no whole ONNX model`);
  const isOld = opset < oldestOpset && nodes.some(({ opType }) => !unchangedOperators.has(opType ?? ''));
  if (opset < 1 || isOld) {
    refuse(
      `${what}: it uses operator set ${opset}; 7 and newer are read: convert it with onnx.version_converter.convert_version(model, 13), or export it again`,
    );
  }
  return { opset, otherDomains: imports.filter(({ domain }) => !isStandard(domain)).map(({ domain }) => quoted(domain)) };
}

function toValue(info: onnx.IValueInfoProto): OnnxValue {
  const tensor = info.type?.tensorType;
  const dims = tensor?.shape?.dim?.map((dim) => {
    if (dim.dimParam) return quoted(dim.dimParam);
    // A dimension that says neither is free as well.
    return dim.dimValue === null || dim.dimValue === undefined || !Object.hasOwn(dim, 'dimValue') ? '?' : toNumber(dim.dimValue);
  });
  return { name: info.name ?? '', elementType: tensor?.elemType ?? 0, dims: dims ?? null };
}

/** A node with its attributes by name; reading one of another type is refused by a sentence that names both. */
export class OnnxNode {
  readonly op: string;
  readonly domain: string; // '' for the standard operators
  readonly inputs: readonly string[]; // '' where an optional one is left out
  readonly outputs: readonly string[];
  readonly #ownName: string;
  readonly #index: number;
  readonly #attributes: ReadonlyMap<string, onnx.IAttributeProto>;

  constructor(node: onnx.INodeProto, index: number) {
    this.op = quoted(node.opType ?? '');
    this.domain = node.domain === 'ai.onnx' ? '' : quoted(node.domain ?? '');
    this.inputs = node.input ?? [];
    this.outputs = node.output ?? [];
    this.#ownName = (node.name ?? '').slice(0, limits.nameCharacters);
    this.#index = index;
    this.#attributes = new Map((node.attribute ?? []).map((attribute) => [attribute.name ?? '', attribute] as const));
  }

  /** Its name, else that of its first output. */
  get name(): string {
    if (this.#ownName !== '') return this.#ownName;
    const output = (this.outputs.find((name) => name !== '') ?? '').slice(0, limits.nameCharacters);
    return output === '' ? `node ${this.#index}` : output;
  }

  /** 'Conv conv1', for the beginning of a sentence. */
  get title(): string {
    return `${this.op} ${quoted(this.name)}`;
  }

  has(name: string): boolean {
    return this.#attributes.has(name);
  }

  /** A whole number. */
  int(name: string): number | undefined {
    const attribute = this.#attribute(name, AttributeType.INT, 'a whole number');
    return attribute && toNumber(attribute.i ?? 0);
  }

  /** The shortest decimal number whose float32 is the one in the file: 0.1, not 0.10000000149011612. */
  float(name: string): number | undefined {
    const attribute = this.#attribute(name, AttributeType.FLOAT, 'a number');
    return attribute && shortest(attribute.f ?? 0);
  }

  string(name: string): string | undefined {
    const attribute = this.#attribute(name, AttributeType.STRING, 'a text');
    return attribute && quoted(new TextDecoder().decode(attribute.s ?? new Uint8Array()));
  }

  ints(name: string): readonly number[] | undefined {
    return this.#attribute(name, AttributeType.INTS, 'whole numbers')?.ints?.map(toNumber);
  }

  floats(name: string): readonly number[] | undefined {
    return this.#attribute(name, AttributeType.FLOATS, 'numbers')?.floats ?? undefined;
  }

  tensor(name: string): Constant | undefined {
    const tensor = this.#attribute(name, AttributeType.TENSOR, 'a tensor')?.t;
    return tensor ? decodeTensor(`${this.title}: ${name}`, tensor) : undefined;
  }

  /** Does it hold a graph of its own, as If and Loop do? */
  get hasSubgraph(): boolean {
    return [...this.#attributes.values()].some(({ g, graphs }) => (g !== null && g !== undefined) || (graphs ?? []).length > 0);
  }

  #attribute(name: string, type: onnx.AttributeProto.AttributeType, described: string): onnx.IAttributeProto | undefined {
    const attribute = this.#attributes.get(name);
    // The first exporters wrote no type.
    if (attribute && (attribute.type ?? AttributeType.UNDEFINED) !== AttributeType.UNDEFINED && attribute.type !== type) {
      refuse(`${this.title}: its attribute ${name} must be ${described}; the file is damaged, export it again`);
    }
    return attribute;
  }
}

/** The decimal with the fewest digits that rounds to the same float32. */
export function shortest(value: number): number {
  const single = Math.fround(value);
  if (!Number.isFinite(single)) return single;
  for (let digits = 1; digits < 9; digits += 1) {
    const candidate = Number(single.toPrecision(digits));
    if (Math.fround(candidate) === single) return candidate;
  }
  return Number(single.toPrecision(9));
}
