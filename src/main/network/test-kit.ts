/** Operators for tests, written short. */
import { inputName } from './graph.ts';
import type { ConvSpec, NodeSpec } from './graph.ts';

/** A 3 x 3 convolution that keeps the resolution; `more` overrides. */
export function conv(name: string, input: string, outChannels: number, more: Partial<ConvSpec> = {}): ConvSpec {
  const window = { kernel: [3, 3], stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1] } as const;
  return { kind: 'conv', name, input, outChannels, ...window, groups: 1, bias: false, ...more };
}

/** Global pooling and a linear layer of five classes. */
export function head(input: string): NodeSpec[] {
  return [
    { kind: 'globalAveragePool', name: 'pool', input },
    { kind: 'linear', name: 'fc', input: 'pool', outFeatures: 5, bias: true },
  ];
}

/** Every kind of operator once at least, for images of 12 x 10 x 6. */
export function everyKind(): NodeSpec[] {
  const square = { stride: [2, 2], padding: [0, 0, 1, 1] } as const;
  return [
    { kind: 'channelAffine', name: 'normalised', input: inputName, trained: false },
    conv('grouped', 'normalised', 8, { groups: 2, bias: true }),
    { kind: 'batchNorm', name: 'bn', input: 'grouped', epsilon: 1e-5, momentum: 0.1 },
    { kind: 'relu', name: 'relu', input: 'bn' },
    conv('depthwise', 'relu', 8, { groups: 8, kernel: [1, 5], padding: [0, 4, 0, 4], dilation: [1, 2] }),
    { kind: 'relu6', name: 'relu6', input: 'depthwise' },
    conv('pointwise', 'relu6', 8, { kernel: [1, 1], padding: [0, 0, 0, 0] }),
    { kind: 'hardSwish', name: 'hardSwish', input: 'pointwise' },
    { kind: 'add', name: 'sum', inputs: ['relu', 'hardSwish', 'relu6'] },
    { kind: 'globalAveragePool', name: 'squeeze', input: 'sum' },
    conv('reduce', 'squeeze', 4, { kernel: [1, 1], padding: [0, 0, 0, 0], bias: true }),
    { kind: 'swish', name: 'swish', input: 'reduce' },
    conv('expand', 'swish', 8, { kernel: [1, 1], padding: [0, 0, 0, 0], bias: true }),
    { kind: 'hardSigmoid', name: 'gate', input: 'expand', alpha: 1 / 6, beta: 0.5 },
    { kind: 'mul', name: 'scaled', inputs: ['sum', 'gate'] },
    { kind: 'pad', name: 'padded', input: 'scaled', padding: [1, 0, 0, 2], value: 0 },
    { kind: 'maxPool', name: 'max', input: 'padded', kernel: [3, 2], ...square },
    { kind: 'averagePool', name: 'average', input: 'padded', kernel: [3, 2], ...square, countPadding: false },
    { kind: 'concat', name: 'joined', inputs: ['max', 'average', 'max'] },
    { kind: 'leakyRelu', name: 'leaky', input: 'joined', slope: 0.1 },
    { kind: 'clip', name: 'clipped', input: 'leaky', minimum: -Infinity, maximum: 3 },
    { kind: 'tanh', name: 'tanh', input: 'clipped' },
    { kind: 'sigmoid', name: 'sigmoid', input: 'tanh' },
    { kind: 'mul', name: 'product', inputs: ['tanh', 'sigmoid'] },
    { kind: 'flatten', name: 'flat', input: 'product' },
    { kind: 'dropout', name: 'dropped', input: 'flat', probability: 0.2 },
    { kind: 'linear', name: 'fc', input: 'dropped', outFeatures: 5, bias: true },
    { kind: 'softmax', name: 'softmax', input: 'fc' },
  ];
}
