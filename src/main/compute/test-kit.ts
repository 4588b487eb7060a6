/** What the tests of the addon share: seeded values, small programs, and how far two arrays are apart. Not part of the application. */
import type { Random } from '../../shared/random.ts';
import type {
  NativeDataset,
  NativeOp,
  NativeOperatorCall,
  NativeOperatorResult,
  NativeParameter,
  NativeProgram,
  Pair,
  SimdLevel,
} from './addon.ts';
import { addonInfo, createDataset, loadAddon, setSimd, setThreads } from './index.ts';

/** Values in [-range, range) that a float holds exactly, so that both precisions start from the same. */
export function values(random: Random, length: number, range = 1): Float64Array {
  return Float64Array.from({ length }, () => Math.fround((random.uniform() * 2 - 1) * range));
}

export function runOperator(call: NativeOperatorCall, implementation: 'fast' | 'reference'): NativeOperatorResult {
  return loadAddon().testing.runOperator(call, implementation);
}

type Numbers = ArrayLike<number>;

export function largest(a: Numbers): number {
  let most = 0;
  for (let i = 0; i < a.length; i += 1) most = Math.max(most, Math.abs(a[i] ?? Number.NaN));
  return most;
}

/** The largest difference; NaN where the lengths differ or a value is NaN. */
export function distance(a: Numbers, b: Numbers): number {
  if (a.length !== b.length) return Number.NaN;
  let most = 0;
  for (let i = 0; i < a.length; i += 1) most = Math.max(most, Math.abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN)));
  return most;
}

/** Whether every value of `found` is within tolerance x (the largest of `expected`, or `floor` if that is larger). */
export function isClose(found: Numbers, expected: Numbers, tolerance: number, floor = 1e-6): boolean {
  return distance(found, expected) <= tolerance * Math.max(largest(expected), floor); // false for NaN
}

/** Calls `body` at every instruction set of this machine with 1 and with 2 threads, and puts back what was. */
export function atEveryLevel(body: (level: SimdLevel, threads: number) => void): void {
  const before = addonInfo();
  try {
    for (const level of before.simdLevels) {
      for (const threads of [1, 2]) {
        setSimd(level);
        setThreads(threads);
        body(level, threads);
      }
    }
  } finally {
    setSimd(before.simd);
    setThreads(before.threads);
  }
}

/** Values for every role of an operator's parameters, with a running variance that is positive. */
export function parametersFor(random: Random, op: NativeOp): Record<string, Float64Array> {
  switch (op.kind) {
    case 'conv':
      return withBias(random, op.bias, op.outChannels, op.outChannels * op.kernel[0] * op.kernel[1] * (op.inChannels / op.groups));
    case 'linear':
      return withBias(random, op.bias, op.outFeatures, op.outFeatures * op.inFeatures);
    case 'batchNorm':
      return {
        gamma: values(random, op.channels),
        beta: values(random, op.channels),
        runningMean: values(random, op.channels),
        runningVariance: values(random, op.channels).map((x) => Math.fround(x * x + 0.125)),
      };
    case 'channelAffine':
      return { scale: values(random, op.channels), shift: values(random, op.channels) };
    default:
      return {};
  }
}

function withBias(random: Random, bias: boolean, outputs: number, weights: number): Record<string, Float64Array> {
  return { weight: values(random, weights), ...(bias ? { bias: values(random, outputs) } : {}) };
}

type Convolution = Extract<NativeOp, { readonly kind: 'conv' }>;

/** A convolution from tensor 0 to 1: stride 1, padded by half its kernel, no gaps, one group, no bias, but for what is told. */
export function convolution(inChannels: number, outChannels: number, kernel: Pair, told: Partial<Convolution> = {}): Convolution {
  const [up, left] = [Math.floor(kernel[0] / 2), Math.floor(kernel[1] / 2)];
  return {
    kind: 'conv',
    name: 'op',
    input: 0,
    output: 1,
    inChannels,
    outChannels,
    kernel,
    stride: [1, 1],
    padding: [up, left, up, left],
    dilation: [1, 1],
    groups: 1,
    bias: false,
    ...told,
  };
}

/** Conv, batch norm, ReLU6, depthwise, batch norm, ReLU, pointwise, batch norm, a residual add, pooling, linear. */
export const tinyProgram: NativeProgram = {
  inputShape: [6, 5, 2],
  classes: 3,
  ops: [
    convolution(2, 5, [3, 3], { name: 'conv', input: 0, output: 1 }),
    { kind: 'batchNorm', name: 'bn1', input: 1, output: 2, channels: 5, epsilon: 1e-3, momentum: 0.1 },
    { kind: 'relu6', name: 'act1', input: 2, output: 3 },
    convolution(5, 5, [3, 3], { name: 'dw', input: 3, output: 4, groups: 5, bias: true }),
    { kind: 'batchNorm', name: 'bn2', input: 4, output: 5, channels: 5, epsilon: 1e-3, momentum: 0.2 },
    { kind: 'relu', name: 'act2', input: 5, output: 6 },
    convolution(5, 5, [1, 1], { name: 'pw', input: 6, output: 7 }),
    { kind: 'batchNorm', name: 'bn3', input: 7, output: 8, channels: 5, epsilon: 1e-3, momentum: 0.1 },
    { kind: 'add', name: 'add', inputs: [3, 8], output: 9 },
    convolution(5, 7, [3, 3], { name: 'down', input: 9, output: 10, stride: [2, 2] }),
    { kind: 'relu', name: 'act3', input: 10, output: 11 },
    {
      kind: 'averagePool',
      name: 'pool',
      input: 11,
      output: 12,
      kernel: [2, 2],
      stride: [1, 1],
      padding: [0, 0, 0, 0],
      countPadding: false,
    },
    { kind: 'globalAveragePool', name: 'gap', input: 12, output: 13 },
    { kind: 'linear', name: 'fc', input: 13, output: 14, inFeatures: 7, outFeatures: 3, bias: true },
  ],
};

type Named<T> = T extends unknown ? Omit<T, 'output' | 'input' | 'inputs'> : never;

/** Numbers the tensors of a list of operators; `from` names what an operator reads, by default what stands before it. */
function program(
  inputShape: NativeProgram['inputShape'],
  classes: number,
  list: readonly (Named<NativeOp> & { readonly from?: readonly string[] })[],
): NativeProgram {
  const tensors = new Map<string, number>([['input', 0]]);
  const ops = list.map(({ from, ...op }, index) => {
    const inputs = from?.map((name) => tensors.get(name) ?? Number.NaN) ?? [index];
    tensors.set(op.name, index + 1);
    const reads = op.kind === 'add' || op.kind === 'mul' || op.kind === 'concat' ? { inputs } : { input: inputs[0] };
    return { ...op, ...reads, output: index + 1 } as NativeOp;
  });
  return { inputShape, classes, ops };
}

const norm = { kind: 'batchNorm', epsilon: 1e-3, momentum: 0.1 } as const;

/** Every kind of operator but dropout and softmax: a gate, branches, uneven windows, groups, gaps, a norm of a vector. */
export const wideProgram: NativeProgram = program([8, 7, 3], 6, [
  { kind: 'channelAffine', name: 'normalise', channels: 3 },
  convolution(3, 8, [3, 3], { name: 'stem' }),
  { ...norm, name: 'stem_bn', channels: 8 },
  { kind: 'hardSwish', name: 'stem_act' },
  convolution(8, 8, [3, 5], { name: 'dw', groups: 8, bias: true }),
  { ...norm, name: 'dw_bn', channels: 8 },
  { kind: 'swish', name: 'dw_act' },
  { kind: 'globalAveragePool', name: 'squeeze' },
  convolution(8, 4, [1, 1], { name: 'reduce', bias: true }),
  { kind: 'relu', name: 'reduce_act' },
  convolution(4, 8, [1, 1], { name: 'expand', bias: true }),
  { kind: 'hardSigmoid', name: 'gate', alpha: 1 / 6, beta: 0.5 },
  { kind: 'mul', name: 'gated', from: ['dw_act', 'gate'] },
  convolution(8, 8, [1, 1], { name: 'project' }),
  { ...norm, name: 'project_bn', channels: 8 },
  { kind: 'add', name: 'sum', from: ['gated', 'project_bn', 'stem_act'] },
  { kind: 'maxPool', name: 'most', kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] },
  { kind: 'averagePool', name: 'mean', from: ['sum'], kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1], countPadding: false },
  { kind: 'concat', name: 'both', from: ['most', 'mean'] },
  convolution(16, 12, [3, 3], { name: 'grouped', padding: [2, 2, 2, 2], dilation: [2, 2], groups: 4 }),
  { kind: 'leakyRelu', name: 'grouped_act', slope: 0.1 },
  { kind: 'pad', name: 'padded', padding: [1, 0, 0, 1], value: 0.25 },
  convolution(12, 5, [3, 2], { name: 'down', stride: [2, 1], padding: [0, 0, 0, 0] }),
  { kind: 'tanh', name: 'down_act' },
  { kind: 'mul', name: 'square', from: ['down_act', 'down_act'] },
  { kind: 'clip', name: 'clipped', minimum: 0.01, maximum: 0.9 },
  { kind: 'flatten', name: 'flat' },
  { kind: 'linear', name: 'hidden', inFeatures: 40, outFeatures: 10, bias: true },
  { ...norm, name: 'hidden_bn', channels: 10 },
  { kind: 'sigmoid', name: 'hidden_act' },
  { kind: 'linear', name: 'fc', inFeatures: 10, outFeatures: 6, bias: true },
  { kind: 'relu6', name: 'logits' },
]);

/** Starting values at which every operator of a small network has something to do. */
export function startingValues(layout: readonly NativeParameter[], random: Random): Float32Array {
  const all = new Float32Array(layout.reduce((end, { offset, length }) => Math.max(end, offset + length), 0));
  for (const { role, offset, length, shape } of layout) {
    const fanIn = length / (shape[0] ?? 1);
    for (let i = offset; i < offset + length; i += 1) {
      if (role === 'weight') all[i] = random.normal(0, Math.sqrt(2 / fanIn));
      else if (role === 'gamma' || role === 'runningVariance' || role === 'scale') all[i] = 0.75 + 0.5 * random.uniform();
      else all[i] = random.normal(0, 0.3);
    }
  }
  return all;
}

export interface TestImages {
  readonly dataset: NativeDataset;
  readonly labels: Uint8Array;
  /** The images of these indices as the network sees them, (count, H, W, C). */
  readonly batch: (indices: Uint32Array) => Float64Array;
}

/** Random images whose label shows in their brightness. */
export function randomImages(random: Random, count: number, shape: readonly [number, number, number], classes: number): TestImages {
  const [height, width, channels] = shape;
  const size = height * width * channels;
  const labels = Uint8Array.from({ length: count }, () => random.uniformInt(0, classes - 1));
  const images = Uint8Array.from(
    { length: count * size },
    (_, i) => random.uniformInt(0, 127) + Math.floor((127 * (labels[Math.floor(i / size)] ?? 0)) / classes),
  );
  const mean = Array.from({ length: channels }, (_, c) => 0.4 + 0.05 * c);
  const std = Array.from({ length: channels }, (_, c) => 0.25 + 0.05 * c);
  const dataset = createDataset({ images, labels, height, width, channels, mean, std });
  const valueAt = (index: number): number => {
    const c = index % channels;
    return Math.fround(((images[index] ?? 0) / 255 - (mean[c] ?? 0)) / (std[c] ?? 1));
  };
  const batch = (indices: Uint32Array): Float64Array =>
    Float64Array.from({ length: indices.length * size }, (_, i) => valueAt((indices[Math.floor(i / size)] ?? 0) * size + (i % size)));
  return { dataset, labels, batch };
}

/** 0, 1, 2, ... */
export function firstIndices(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}
