/** The executor's view of a graph, and the starting values of its parameters. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeParameter } from '../compute/addon.ts';
import { initialParameters, toNativeProgram } from './program.ts';
import { resolveNetwork } from './zoo.ts';

describe('toNativeProgram', () => {
  const { graph } = resolveNetwork({ id: 'mobilenet-v2-0.35' }, { shape: [28, 28, 1], classes: 10 });
  const program = toNativeProgram(graph);

  it('numbers tensors so that each operator reads what was written before it', () => {
    expect(program.inputShape).toEqual([32, 32, 1]);
    expect(program.classes).toBe(10);
    for (const [index, op] of program.ops.entries()) {
      expect(op.output).toBe(index + 1);
      for (const input of 'inputs' in op ? op.inputs : [op.input]) expect(input >= 0 && input <= index).toBe(true);
    }
  });

  it('writes out channels and features, and joins a block with its shortcut', () => {
    expect(program.ops[0]).toEqual({
      kind: 'conv',
      name: 'stem',
      input: 0,
      output: 1,
      inChannels: 1,
      outChannels: 16,
      kernel: [3, 3],
      stride: [1, 1],
      padding: [1, 1, 1, 1],
      dilation: [1, 1],
      groups: 1,
      bias: false,
    });
    expect(program.ops.at(-1)).toMatchObject({ kind: 'linear', inFeatures: 1280, outFeatures: 10, bias: true });
    const add = program.ops.find((op) => op.kind === 'add');
    const named = (tensor: number): string | undefined => program.ops[tensor - 1]?.name;
    expect(add?.kind === 'add' ? [add.name, ...add.inputs.map(named)] : []).toEqual(['b3_add', 'b2_project_bn', 'b3_project_bn']);
  });
});

describe('initialParameters', () => {
  const layout: NativeParameter[] = [
    { op: 'conv', role: 'weight', offset: 0, length: 64 * 9 * 32, shape: [64, 3, 3, 32] },
    { op: 'conv_bn', role: 'gamma', offset: 18_432, length: 64, shape: [64] },
    { op: 'conv_bn', role: 'beta', offset: 18_496, length: 64, shape: [64] },
    { op: 'conv_bn', role: 'runningMean', offset: 18_560, length: 64, shape: [64] },
    { op: 'conv_bn', role: 'runningVariance', offset: 18_624, length: 64, shape: [64] },
    { op: 'fc', role: 'weight', offset: 18_688, length: 10_000, shape: [10, 1000] },
    { op: 'fc', role: 'bias', offset: 28_688, length: 10, shape: [10] },
  ];
  const values = initialParameters(layout, Random.fromSeed(1));
  const sigma = (from: number, length: number): number =>
    Math.sqrt(values.subarray(from, from + length).reduce((sum, value) => sum + value * value, 0) / length);

  it('draws convolutions with variance 2 / fan-out, linear layers with sigma 0.01, and leaves batch norm the identity', () => {
    expect(values).toHaveLength(28_698);
    expect(sigma(0, 18_432) / Math.sqrt(2 / (9 * 64))).toBeCloseTo(1, 1);
    expect(sigma(18_688, 10_000) / 0.01).toBeCloseTo(1, 1);
    expect(new Set(values.subarray(18_432, 18_496))).toEqual(new Set([1]));
    expect(new Set(values.subarray(18_496, 18_624))).toEqual(new Set([0]));
    expect(new Set(values.subarray(18_624, 18_688))).toEqual(new Set([1]));
    expect(new Set(values.subarray(28_688))).toEqual(new Set([0]));
  });

  it('is decided by the seed, an operator at a time', () => {
    expect(initialParameters(layout, Random.fromSeed(1))).toEqual(values);
    expect(initialParameters(layout, Random.fromSeed(2)).subarray(0, 10)).not.toEqual(values.subarray(0, 10));
    const fcAlone = initialParameters([{ op: 'fc', role: 'weight', offset: 0, length: 10_000, shape: [10, 1000] }], Random.fromSeed(1));
    expect(fcAlone).toEqual(values.slice(18_688, 28_688));
  });

  it('refuses weights of another dimensionality', () => {
    expect(() => initialParameters([{ op: 'x', role: 'weight', offset: 0, length: 8, shape: [2, 2, 2] }], Random.fromSeed(1))).toThrow(
      'x: weights have 2 or 4 dimensions, found 3',
    );
  });
});
