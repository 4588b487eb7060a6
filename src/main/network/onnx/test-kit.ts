/** For tests: small ONNX files, written operator by operator, and the reading of exported ones by ONNX Runtime. */
import onnxProto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import { elementTypes, type ElementType } from './tensor.ts';

const { AttributeType } = onnxProto.onnx.AttributeProto;

type Attribute = number | string | readonly number[] | { readonly float: number };

export interface TestNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface TestModel {
  readonly input?: { readonly name?: string; readonly dims?: readonly (number | string)[]; readonly type?: ElementType };
  readonly moreInputs?: readonly string[];
  readonly output?: string | readonly string[]; // default: of the last node
  readonly nodes: readonly TestNode[];
  readonly weights?: Readonly<Record<string, onnx.ITensorProto>>;
  readonly opset?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

export function node(
  op: string,
  inputs: string,
  output: string,
  attributes: Readonly<Record<string, Attribute>> = {},
  more: Partial<TestNode> = {},
): TestNode {
  return { op, inputs: inputs.split(' ').filter((name) => name !== ''), outputs: output.split(' '), attributes, ...more };
}

/** Float32 in raw data. Without values: 0.01, 0.02, ... in both signs. */
export function floats(dims: readonly number[], values?: readonly number[]): onnx.ITensorProto {
  const count = dims.reduce((product, size) => product * size, 1);
  const list = Float32Array.from({ length: count }, (_, at) => values?.[at] ?? ((at * 7) % 19) / 19 - 0.45);
  return { dims: [...dims], dataType: elementTypes.float, rawData: new Uint8Array(list.buffer) };
}

export function ints(values: readonly number[]): onnx.ITensorProto {
  return { dims: [values.length], dataType: elementTypes.int64, rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) };
}

export function scalar(value: number): onnx.ITensorProto {
  return floats([], [value]);
}

function toAttribute([name, value]: [string, Attribute]): onnx.IAttributeProto {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  return 'float' in value ? { name, type: AttributeType.FLOAT, f: value.float } : { name, type: AttributeType.INTS, ints: [...value] };
}

/** The bytes of a model with an input `x` of 1 x 3 x 8 x 8, unless said otherwise. */
export function modelBytes(model: TestModel): Uint8Array {
  const { input = {}, nodes, weights = {}, opset = 17 } = model;
  const last = nodes.at(-1)?.outputs[0] ?? 'y';
  const outputs = typeof model.output === 'string' ? [model.output] : (model.output ?? [last]);
  const dims = input.dims ?? ['N', 3, 8, 8];
  const shape = { dim: dims.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size })) };
  const elemType = elementTypes[input.type ?? 'float'];
  const proto: onnx.IModelProto = {
    irVersion: 8,
    producerName: 'test',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: Object.entries(model.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: 'test',
      node: nodes.map(({ op, inputs, outputs: out, name, domain, attributes }) => ({
        opType: op,
        input: [...inputs],
        output: [...out],
        name: name ?? '',
        domain: domain ?? '',
        attribute: Object.entries(attributes ?? {}).map(toAttribute),
      })),
      input: [input.name ?? 'x', ...(model.moreInputs ?? [])].map((name) => ({ name, type: { tensorType: { elemType, shape } } })),
      output: outputs.map((name) => ({ name, type: { tensorType: { elemType: elementTypes.float } } })),
      initializer: Object.entries(weights).map(([name, tensor]) => ({ ...tensor, name })),
    },
  };
  return onnxProto.onnx.ModelProto.encode(proto).finish();
}

/** A small classifier in the way PyTorch writes them: convolution, batch norm, ReLU, pooling, linear. */
export function smallClassifier(): Uint8Array {
  return modelBytes({
    nodes: [
      node('Conv', 'x w b', 'c', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }, { name: 'conv' }),
      node('BatchNormalization', 'c gamma beta mean variance', 'n', { epsilon: { float: 1e-5 }, momentum: { float: 0.9 } }, { name: 'bn' }),
      node('Relu', 'n', 'r', {}, { name: 'relu' }),
      node('GlobalAveragePool', 'r', 'p', {}, { name: 'pool' }),
      node('Flatten', 'p', 'f', {}, { name: 'flat' }),
      node('Gemm', 'f fw fb', 'y', { transB: 1 }, { name: 'fc' }),
    ],
    weights: {
      w: floats([4, 3, 3, 3]),
      b: floats([4]),
      gamma: floats([4], [1, 1.5, 0.5, 2]),
      beta: floats([4]),
      mean: floats([4]),
      variance: floats([4], [1, 2, 0.5, 1]),
      fw: floats([5, 4]),
      fb: floats([5]),
    },
  });
}
