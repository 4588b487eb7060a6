/** The slow twins against mathematics: their gradients against central finite differences of their own forward pass. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeOp, NativeOperatorCall } from './addon.ts';
import { loadAddon } from './index.ts';
import { inputsOf, type Shape } from './program-check.ts';
import { convolution, distance, largest, parametersFor, runOperator, values } from './test-kit.ts';

const step = 1e-5; // of the difference; in double precision its error is some 1e-10
const tolerance = 1e-7;

interface Case {
  readonly op: NativeOp;
  readonly batch: number;
  readonly shape: Shape; // of the first input
  readonly others?: readonly Shape[]; // where their shapes are not the same
}

const base = { name: 'op', input: 0, output: 1 } as const;
const cases: readonly Case[] = [
  {
    op: convolution(2, 3, [3, 3], { bias: true }),
    batch: 2,
    shape: [4, 3, 2],
  },
  {
    op: convolution(2, 3, [3, 3], { stride: [2, 2], padding: [0, 0, 0, 0] }),
    batch: 1,
    shape: [5, 6, 2],
  },
  {
    op: convolution(3, 2, [1, 1], { stride: [2, 2], bias: true }),
    batch: 2,
    shape: [3, 4, 3],
  },
  {
    op: convolution(3, 3, [3, 3], { groups: 3 }),
    batch: 2,
    shape: [3, 4, 3],
  },
  {
    op: convolution(2, 2, [5, 5], { stride: [2, 2], groups: 2, bias: true }),
    batch: 1,
    shape: [5, 4, 2],
  },
  {
    op: convolution(4, 6, [3, 2], { stride: [2, 1], padding: [2, 0, 1, 3], dilation: [1, 2], groups: 2, bias: true }),
    batch: 2,
    shape: [5, 4, 4],
  },
  { op: { ...base, kind: 'batchNorm', channels: 3, epsilon: 1e-3, momentum: 0.1 }, batch: 2, shape: [2, 3, 3] },
  ...(['relu', 'relu6', 'hardSwish', 'sigmoid', 'swish', 'tanh'] as const).map((kind): Case => ({
    op: { ...base, kind },
    batch: 2,
    shape: [2, 3, 3],
  })),
  { op: { ...base, kind: 'hardSigmoid', alpha: 1 / 6, beta: 0.5 }, batch: 2, shape: [2, 3, 3] },
  { op: { ...base, kind: 'leakyRelu', slope: 0.2 }, batch: 2, shape: [2, 3, 3] },
  { op: { ...base, kind: 'clip', minimum: -2, maximum: 3 }, batch: 2, shape: [2, 3, 3] },
  { op: { ...base, kind: 'channelAffine', channels: 3 }, batch: 2, shape: [2, 3, 3] },
  { op: { kind: 'add', name: 'op', inputs: [0, 1], output: 2 }, batch: 2, shape: [2, 3, 3] },
  { op: { kind: 'add', name: 'op', inputs: [0, 1, 2], output: 3 }, batch: 2, shape: [2, 3, 3] },
  { op: { kind: 'mul', name: 'op', inputs: [0, 1], output: 2 }, batch: 2, shape: [2, 3, 3] },
  { op: { kind: 'mul', name: 'op', inputs: [0, 1], output: 2 }, batch: 2, shape: [2, 3, 3], others: [[1, 1, 3]] },
  { op: { kind: 'concat', name: 'op', inputs: [0, 1], output: 2 }, batch: 2, shape: [2, 3, 3], others: [[2, 3, 2]] },
  { op: { ...base, kind: 'maxPool', kernel: [2, 3], stride: [1, 2], padding: [1, 0, 0, 2] }, batch: 2, shape: [3, 4, 2] },
  {
    op: { ...base, kind: 'averagePool', kernel: [2, 2], stride: [1, 1], padding: [0, 0, 0, 0], countPadding: false },
    batch: 2,
    shape: [3, 4, 2],
  },
  {
    op: { ...base, kind: 'averagePool', kernel: [3, 2], stride: [2, 1], padding: [1, 1, 2, 0], countPadding: false },
    batch: 1,
    shape: [5, 4, 3],
  },
  {
    op: { ...base, kind: 'averagePool', kernel: [3, 2], stride: [2, 1], padding: [1, 1, 2, 0], countPadding: true },
    batch: 1,
    shape: [5, 4, 3],
  },
  { op: { ...base, kind: 'globalAveragePool' }, batch: 2, shape: [3, 2, 4] },
  { op: { ...base, kind: 'pad', padding: [1, 0, 2, 1], value: 0.5 }, batch: 2, shape: [2, 3, 2] },
  { op: { ...base, kind: 'flatten' }, batch: 2, shape: [2, 3, 2] },
  { op: { ...base, kind: 'dropout', probability: 0.4 }, batch: 2, shape: [2, 3, 2] },
  { op: { ...base, kind: 'linear', inFeatures: 12, outFeatures: 5, bias: true }, batch: 3, shape: [2, 3, 2] },
];

/** The gradient of sum(output * weights) with respect to `array`, whose values `output` reads, by central differences. */
function finiteDifferences(array: Float64Array, weights: Float64Array, output: () => Float64Array): Float64Array {
  const dot = (): number => output().reduce((sum, y, i) => sum + y * (weights[i] ?? 0), 0);
  return array.map((value, i) => {
    array[i] = value + step;
    const above = dot();
    array[i] = value - step;
    const below = dot();
    array[i] = value;
    return (above - below) / (2 * step);
  });
}

describe('the slow twins', () => {
  it.each(cases)('have the gradients of $op.kind that finite differences give (%#)', ({ op, batch, shape, others }) => {
    const random = Random.fromSeed(17).derive(JSON.stringify(op));
    const [height, width, channels] = shape;
    const shapes = [
      shape,
      ...(others ??
        inputsOf(op)
          .slice(1)
          .map(() => shape)),
    ];
    const inputs = shapes.map((extents) => values(random, batch * extents[0] * extents[1] * extents[2], 8));
    const parameters = parametersFor(random, op);
    const call: NativeOperatorCall = { op, batch, height, width, channels, shapes, training: true, inputs, parameters };
    const output = (): Float64Array => runOperator(call, 'reference').output;
    const dOutput = values(random, output().length);
    const { dInputs, dParameters } = runOperator({ ...call, dOutput }, 'reference');

    inputs.forEach((input, i) => {
      const expected = finiteDifferences(input, dOutput, output);
      expect(largest(expected)).toBeGreaterThan(0.01);
      expect(distance(dInputs?.[i] ?? [], expected)).toBeLessThan(tolerance);
    });
    for (const [role, parameter] of Object.entries(parameters)) {
      if (role.startsWith('running') || role === 'scale' || role === 'shift') continue; // not trained
      const expected = finiteDifferences(parameter, dOutput, output);
      expect(largest(expected)).toBeGreaterThan(0.01);
      expect(distance(dParameters?.[role] ?? [], expected)).toBeLessThan(tolerance);
    }
  });

  it('have the gradient of softmax cross-entropy that finite differences give', () => {
    const random = Random.fromSeed(3);
    const logits = values(random, 4 * 5, 3);
    const labels = Uint8Array.of(0, 4, 2, 2);
    const { dLogits } = loadAddon().testing.softmaxCrossEntropy(logits, labels, 5, 'reference');
    const loss = (): Float64Array => Float64Array.of(loadAddon().testing.softmaxCrossEntropy(logits, labels, 5, 'reference').loss);
    expect(distance(dLogits, finiteDifferences(logits, Float64Array.of(1), loss))).toBeLessThan(tolerance);
  });

  it('give a convolution known by hand', () => {
    const call: NativeOperatorCall = {
      op: convolution(1, 1, [3, 3], { stride: [2, 2], bias: true }),
      batch: 1,
      height: 3,
      width: 3,
      channels: 1,
      training: true,
      inputs: [Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)],
      parameters: { weight: Float64Array.of(1, 0, 2, 0, 3, 0, 4, 0, 5), bias: Float64Array.of(10) },
    };
    // Top left: 3 x 1 (centre) + 5 x 5 (below right); the others likewise, what lies outside is zero.
    expect([...runOperator(call, 'reference').output]).toEqual([10 + 3 + 25, 10 + 9 + 20, 10 + 21 + 10, 10 + 27 + 5]);
  });

  it('move running statistics towards the batch: mean, and variance divided by count - 1', () => {
    const call: NativeOperatorCall = {
      op: { ...base, kind: 'batchNorm', channels: 1, epsilon: 1e-5, momentum: 0.25 },
      batch: 4,
      height: 1,
      width: 1,
      channels: 1,
      training: true,
      inputs: [Float64Array.of(1, 2, 3, 6)],
      parameters: {
        gamma: Float64Array.of(1),
        beta: Float64Array.of(0),
        runningMean: Float64Array.of(1),
        runningVariance: Float64Array.of(2),
      },
    };
    const { state } = runOperator(call, 'reference');
    expect(state['runningMean']?.[0]).toBeCloseTo(0.75 * 1 + 0.25 * 3, 12);
    expect(state['runningVariance']?.[0]).toBeCloseTo(0.75 * 2 + 0.25 * (14 / 3), 12);
  });
});
