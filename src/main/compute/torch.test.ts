/** Every operator against PyTorch: golden values that test/fixtures/torch/make.py wrote, at every instruction set. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NativeOp } from './addon.ts';
import { loadAddon } from './index.ts';
import { atEveryLevel, isClose, runOperator } from './test-kit.ts';

interface Case {
  readonly op: NativeOp;
  readonly training: boolean;
  readonly batch: number;
  readonly shapes: readonly (readonly [number, number, number])[];
  readonly inputs: readonly (readonly number[])[];
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  readonly output: readonly number[];
  readonly dOutput?: readonly number[];
  readonly dInputs?: readonly (readonly number[])[];
  readonly dParameters?: Readonly<Record<string, readonly number[]>>;
  readonly state?: Readonly<Record<string, readonly number[]>>;
}
interface Golden {
  readonly cases: readonly Case[];
  readonly losses: readonly {
    readonly smoothing: number;
    readonly classes: number;
    readonly logits: readonly number[];
    readonly labels: readonly number[];
    readonly loss: number;
    readonly dLogits: readonly number[];
  }[];
}

const file = path.join(import.meta.dirname, '../../../test/fixtures/torch/operators.json');
const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden;
const tolerance = 2e-5; // both sides sum in single precision

const arrays = (record: Readonly<Record<string, readonly number[]>>): Record<string, Float64Array> =>
  Object.fromEntries(Object.entries(record).map(([role, numbers]) => [role, Float64Array.from(numbers)]));

/** What differs from PyTorch, by name. */
function differences(one: Case, implementation: 'fast' | 'reference'): string[] {
  const { op, training, batch, shapes, dOutput } = one;
  const [height, width, channels] = shapes[0] ?? [0, 0, 0];
  const found = runOperator(
    {
      op,
      batch,
      height,
      width,
      channels,
      shapes,
      training,
      inputs: one.inputs.map((values) => Float64Array.from(values)),
      parameters: arrays(one.parameters),
      ...(dOutput ? { dOutput: Float64Array.from(dOutput) } : {}),
    },
    implementation,
  );
  const pairs: (readonly [string, ArrayLike<number> | undefined, readonly number[]])[] = [['output', found.output, one.output]];
  one.dInputs?.forEach((expected, i) => pairs.push([`dInputs[${i}]`, found.dInputs?.[i], expected]));
  for (const [role, expected] of Object.entries(one.dParameters ?? {})) pairs.push([`d${role}`, found.dParameters?.[role], expected]);
  if (training) for (const [role, expected] of Object.entries(one.state ?? {})) pairs.push([role, found.state[role], expected]);
  return pairs.filter(([, values, expected]) => !isClose(values ?? [], expected, tolerance)).map(([name]) => name);
}

describe('as PyTorch computes it, forward and backward:', () => {
  it.each(golden.cases.map((one) => [one.op.kind, one] as const))('%s (%#)', (_, one) => {
    expect(one.output.length).toBeGreaterThan(1);
    expect(differences(one, 'reference')).toEqual([]);
    atEveryLevel((level, threads) => {
      expect(differences(one, 'fast'), `${level}, ${threads} threads`).toEqual([]);
    });
  });

  it('has golden values of every kind of operator but dropout, whose draws are its own', () => {
    expect(new Set(golden.cases.map(({ op }) => op.kind)).size).toBe(22);
  });

  it.each(golden.losses)('softmax cross-entropy, label smoothing $smoothing', ({ smoothing, classes, logits, labels, loss, dLogits }) => {
    for (const implementation of ['fast', 'reference'] as const) {
      const { softmaxCrossEntropy } = loadAddon().testing;
      const found = softmaxCrossEntropy(Float64Array.from(logits), Uint8Array.from(labels), classes, implementation, smoothing);
      expect(found.loss).toBeCloseTo(loss, 5);
      expect(isClose(found.dLogits, dLogits, tolerance)).toBe(true);
    }
  });
});
