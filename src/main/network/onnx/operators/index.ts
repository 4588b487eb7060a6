/** The operators of ONNX that become operators of a network, and what would help where one does not. */
import type { Context } from '../context.ts';
import { shortest, type OnnxNode } from '../model.ts';
import { batchNormalization, conv, gemm, matMul } from './convolution.ts';
import { activation, add, bound, clip, div, dropout, mul, negate, pRelu, softmax, sub, sumOf } from './elementwise.ts';
import {
  cast,
  concat,
  dequantizeLinear,
  flatten,
  identity,
  pad,
  quantizeLinear,
  reshape,
  shape,
  size,
  squeeze,
  transpose,
  unsqueeze,
} from './layouts.ts';
import { averagePool, globalAveragePool, globalMaxPool, maxPool, reduceMax, reduceMean } from './pooling.ts';

type Translator = (context: Context, node: OnnxNode) => void;

const simple = (kind: 'relu' | 'sigmoid' | 'tanh' | 'hardSwish'): Translator => activation((_, input) => ({ kind, input }));

const translators: Readonly<Record<string, Translator>> = {
  Conv: conv,
  Gemm: gemm,
  MatMul: matMul,
  BatchNormalization: batchNormalization,
  Relu: simple('relu'),
  Sigmoid: simple('sigmoid'),
  Tanh: simple('tanh'),
  HardSwish: simple('hardSwish'),
  HardSigmoid: activation((node, input) => ({
    kind: 'hardSigmoid',
    input,
    alpha: sixth(node.float('alpha') ?? 0.2),
    beta: node.float('beta') ?? 0.5,
  })),
  LeakyRelu: activation((node, input) => ({ kind: 'leakyRelu', input, slope: node.float('alpha') ?? 0.01 })),
  PRelu: pRelu,
  Clip: clip,
  Min: bound('maximum'),
  Max: bound('minimum'),
  Add: add,
  Sum: sumOf,
  Sub: sub,
  Neg: negate,
  Mul: mul,
  Div: div,
  Softmax: softmax,
  LogSoftmax: softmax,
  Dropout: dropout,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  ReduceMean: reduceMean,
  ReduceMax: reduceMax,
  Concat: concat,
  Pad: pad,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Identity: identity,
  Cast: cast,
  Shape: shape,
  Size: size,
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
};

/** The float32 next to 1/6 is 1/6. */
function sixth(value: number): number {
  return value === shortest(1 / 6) ? 1 / 6 : value;
}

export function translatorOf(node: OnnxNode): Translator | undefined {
  return node.domain === '' && Object.hasOwn(translators, node.op) ? translators[node.op] : undefined;
}

export const translatedOperators = (): readonly string[] => Object.keys(translators);

const controlFlow = 'a network whose operators depend on its input cannot be searched; export it with a fixed path';
const recurrent = 'recurrent networks are not taken; Lathe works on convolutional networks for images';
const normalisation = 'only batch normalization is taken; a network trained with that imports';
const enlarging = 'networks that enlarge images are not taken; Lathe works on classifiers: cut the network where its features are pooled';
const integer = 'export the float network, or a quantized one in the QDQ form (QuantizeLinear and DequantizeLinear), and import that';
const attention = 'attention is not taken; Lathe works on convolutional networks';
const cutOff = 'cut it off and let the network end in its scores';

/** What would help, by operator. */
const advice: Readonly<Record<string, string>> = {
  If: controlFlow,
  Loop: controlFlow,
  Scan: controlFlow,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  LayerNormalization: normalisation,
  InstanceNormalization: normalisation,
  GroupNormalization: normalisation,
  LRN: normalisation,
  LpNormalization: normalisation,
  MeanVarianceNormalization: normalisation,
  Resize: enlarging,
  Upsample: enlarging,
  ConvTranspose: enlarging,
  DepthToSpace: enlarging,
  MaxUnpool: enlarging,
  QLinearConv: integer,
  QLinearMatMul: integer,
  ConvInteger: integer,
  MatMulInteger: integer,
  DynamicQuantizeLinear: integer,
  Einsum: attention,
  Attention: attention,
  ArgMax: cutOff,
  ArgMin: cutOff,
  TopK: cutOff,
  NonMaxSuppression: cutOff,
};

export function adviceOn(node: OnnxNode): string {
  if (node.domain !== '') return `it is of the operators of ${node.domain}; export the network with standard ONNX operators alone`;
  const own = Object.hasOwn(advice, node.op) ? advice[node.op] : undefined;
  return own ?? 'docs/onnx.md lists the operators that are; replace it in the network, or export the part before it';
}
