/** Quantizers against their definition, and calibration against the values it has seen. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeCalibration } from './addon.ts';
import { addonInfo, createControl, createModel, loadAddon, setSimd, setThreads } from './index.ts';
import { ReferenceNetwork } from './reference-network.ts';
import { atEveryLevel, firstIndices, randomImages, startingValues, tinyProgram, values } from './test-kit.ts';

const { testing } = loadAddon();
const f = Math.fround;

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Straight from the comment of NativeQuantization, in single precision. */
function byDefinition(x: number, bits: number, threshold: number, signed: boolean): number {
  if (signed && bits === 1) return x >= 0 ? f(threshold) : -f(threshold);
  const high = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const scale = f(f(threshold) / high);
  const code = Math.min(Math.max(f(f(x) / scale), signed ? -high : 0), high);
  return f(roundHalfEven(code) * scale);
}

/** -0 and 0 are the same value. */
const plain = (values: Float32Array): number[] => Array.from(values, (x) => x + 0);

const interesting = Float32Array.of(0, -0, 1e-30, -1e-30, 0.5, -0.5, 0.25, 1.5, 2.5, -2.5, 3.5, 1, -1, 7, -7, 100, -100, 0.124, 1e9, -1e9);

describe('quantizers', () => {
  it('follow their definition at 1 to 8 bits, and the fast ones are equal to the slow ones, bit for bit', () => {
    const random = Random.fromSeed(21);
    // 0 to 67 values: around every vector width
    const arrays = [
      interesting,
      ...Array.from({ length: 20 }, (_, i) => Float32Array.from({ length: (i * 17) % 68 }, () => random.normal(0, 2))),
    ];
    atEveryLevel((level) => {
      for (let bits = 1; bits <= 8; bits += 1) {
        for (const threshold of [1, 0.7, 3, 6.02]) {
          for (const x of arrays) {
            const expected = (signed: boolean): number[] => Array.from(x, (value) => byDefinition(value, bits, threshold, signed) + 0);
            for (const how of ['fast', 'reference'] as const) {
              const where = `${level}, ${how}, ${bits} bits, threshold ${threshold}`;
              expect(plain(testing.quantizeWeights(x, bits, threshold, how)), where).toEqual(expected(true));
              expect(plain(testing.quantizeActivations(x, bits, threshold, true, how)), where).toEqual(expected(true));
              expect(plain(testing.quantizeActivations(x, bits, threshold, false, how)), where).toEqual(expected(false));
            }
          }
        }
      }
    });
  });

  it('clip at the threshold and round ties to even', () => {
    // 3 bits signed, threshold 3: steps of 1 from -3 to 3.
    expect(plain(testing.quantizeWeights(Float32Array.of(-9, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 9), 3, 3, 'fast'))).toEqual([
      -3, -2, -2, 0, 0, 2, 2, 3,
    ]);
    // 2 bits unsigned, threshold 3: steps of 1 from 0 to 3.
    expect(plain(testing.quantizeActivations(Float32Array.of(-1, 0.5, 1.5, 2.5, 4), 2, 3, false, 'fast'))).toEqual([0, 0, 2, 2, 3]);
  });

  it('keep the sign of weights at 1 bit, zero counting as positive', () => {
    expect(plain(testing.quantizeWeights(Float32Array.of(-3, -1e-20, 0, 1e-20, 5), 1, 0.25, 'fast'))).toEqual([
      -0.25, -0.25, 0.25, 0.25, 0.25,
    ]);
  });

  it('change nothing when applied twice, use at most 2^bits values, and are off by half a step inside the threshold', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2, max: 8 }),
        fc.float({ min: Math.fround(0.01), max: 8, noNaN: true }),
        fc.boolean(),
        (array, bits, threshold, signed) => {
          const x = Float32Array.from(array);
          const once = testing.quantizeActivations(x, bits, threshold, signed, 'fast');
          expect(plain(testing.quantizeActivations(once, bits, threshold, signed, 'fast'))).toEqual(plain(once));
          expect(new Set(plain(once)).size).toBeLessThanOrEqual(2 ** bits);
          const half = threshold / (signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1) / 2;
          x.forEach((value, i) => {
            if (Math.abs(value) <= threshold && (signed || value >= 0))
              expect(Math.abs((once[i] ?? NaN) - value)).toBeLessThanOrEqual(half * 1.0001);
          });
        },
      ),
    );
  });

  it('refuse bits and thresholds that mean nothing', () => {
    const x = Float32Array.of(1);
    expect(() => testing.quantizeWeights(x, 0, 1, 'fast')).toThrow('bits must be 1..8');
    expect(() => testing.quantizeWeights(x, 9, 1, 'fast')).toThrow('bits must be 1..8');
    expect(() => testing.quantizeWeights(x, 4, 0, 'fast')).toThrow('threshold must be positive');
  });
});

describe('calibration', () => {
  const images = randomImages(Random.fromSeed(31), 40, tinyProgram.inputShape, tinyProgram.classes);
  const indices = firstIndices(40);
  const model = createModel(tinyProgram);
  const start = startingValues(model.parameters, Random.fromSeed(32));
  model.setState(start);
  const calibrate = (): Promise<readonly NativeCalibration[]> => model.calibrate({ dataset: images.dataset, indices, batchSize: 16 });

  const network = new ReferenceNetwork(tinyProgram, model.parameters);
  const { tensors } = network.evaluate(Float64Array.from(start), images.batch(indices), indices.length);
  const inputOf: Readonly<Record<string, number>> = { conv: 0, dw: 3, pw: 6, down: 9, fc: 13 };
  const entering = (op: string): Float64Array => tensors[inputOf[op] ?? -1] ?? new Float64Array();
  const weightsOf = (op: string): Float64Array => {
    const { offset, length } = model.parameters.find((p) => p.op === op && p.role === 'weight') ?? { offset: 0, length: 0 };
    return Float64Array.from(start.subarray(offset, offset + length));
  };

  it('finds the range of what enters each operator, and which of it can be negative by construction', async () => {
    const found = await calibrate();
    expect(found.map(({ op, signed }) => [op, signed])).toEqual([
      ['conv', true], // the images
      ['dw', false], // behind ReLU6
      ['pw', false], // behind ReLU
      ['down', true], // behind a sum with a branch that ends in a batch norm
      ['fc', false], // behind ReLU and pooling
    ]);
    for (const { op, minimum, maximum } of found) {
      expect(minimum).toBeCloseTo(Math.min(...entering(op)), 4);
      expect(maximum).toBeCloseTo(Math.max(...entering(op)), 4);
    }
  });

  /** Mean squared error of quantizing `x`. */
  function error(x: Float64Array, bits: number, threshold: number, signed: boolean): number {
    return x.reduce((sum, value) => sum + (byDefinition(value, bits, threshold, signed) - value) ** 2, 0) / x.length;
  }

  it('takes thresholds whose squared error no other one undercuts', async () => {
    for (const { op, signed, activationThresholds, weightThresholds } of await calibrate()) {
      expect([activationThresholds.length, weightThresholds.length]).toEqual([9, 9]);
      expect([activationThresholds[0], weightThresholds[0]]).toEqual([0, 0]);
      for (let bits = 1; bits <= 8; bits += 1) {
        const x = entering(op);
        const chosen = error(x, bits, activationThresholds[bits] ?? NaN, signed);
        const top = Math.max(...x.map(Math.abs));
        const others = Array.from({ length: 200 }, (_, i) => error(x, bits, (top * (i + 1)) / 200, signed));
        // The search sees values by histogram bin: a two-thousandth of the range, which matters at 8 bits alone.
        expect(chosen, `${op}, activations, ${bits} bits`).toBeLessThan(Math.min(...others) * 1.03 + 1e-12);

        if (bits === 1) continue;
        const w = weightsOf(op);
        const chosenWeights = error(w, bits, weightThresholds[bits] ?? NaN, true);
        const topWeight = Math.max(...w.map(Math.abs));
        const otherWeights = Array.from({ length: 200 }, (_, i) => error(w, bits, (topWeight * (i + 1)) / 200, true));
        expect(chosenWeights, `${op}, weights, ${bits} bits`).toBeLessThan(Math.min(...otherWeights) * 1.1 + 1e-12);
      }
      const magnitudes = weightsOf(op).map(Math.abs);
      expect(weightThresholds[1]).toBeCloseTo(magnitudes.reduce((sum, x) => sum + x, 0) / magnitudes.length, 5);
    }
  });

  it('gives the same bits with any number of threads', async () => {
    const { simd } = addonInfo();
    setThreads(2);
    const two = await calibrate();
    setThreads(1);
    const one = await calibrate();
    setThreads(2);
    setSimd(simd);
    expect(one).toEqual(two);
  });

  it('gives thresholds that can be used where everything is zero', async () => {
    const zeros = createModel(tinyProgram);
    const [conv] = await zeros.calibrate({ dataset: images.dataset, indices, batchSize: 16 });
    expect([...(conv?.weightThresholds ?? [])]).toEqual([0, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('is refused without images, and rejects when cancelled', async () => {
    await expect(model.calibrate({ dataset: images.dataset, indices: new Uint32Array(), batchSize: 4 })).rejects.toMatchObject({
      code: 'bad-input',
      message: 'indices must name at least one image, found none',
    });
    const control = createControl();
    control.cancel();
    await expect(model.calibrate({ dataset: images.dataset, indices, batchSize: 4, control })).rejects.toMatchObject({ code: 'cancelled' });
  });
});

it('softmax cross-entropy agrees with its slow twin, also for logits that would overflow', () => {
  const random = Random.fromSeed(2);
  const logits = Float64Array.from({ length: 50 }, () => f(random.normal(0, 200)));
  const labels = Uint8Array.of(0, 3, 9, 1, 4);
  const fast = testing.softmaxCrossEntropy(logits, labels, 10, 'fast');
  const slow = testing.softmaxCrossEntropy(logits, labels, 10, 'reference');
  expect(fast.loss / slow.loss).toBeCloseTo(1, 6);
  expect(slow.loss).toBeGreaterThan(10);
  fast.dLogits.forEach((value, i) => expect(value).toBeCloseTo(slow.dLogits[i] ?? NaN, 6));
});

it('smooths labels as defined: the cross-entropy against targets of 1 - s + s / classes and s / classes', () => {
  const { testing } = loadAddon();
  const logits = values(Random.fromSeed(6), 50, 3);
  const labels = Uint8Array.from({ length: 10 }, (_, i) => i % 5);
  const loss = (s: number, kind: 'fast' | 'reference'): number => testing.softmaxCrossEntropy(logits, labels, 5, kind, s).loss;
  let expected = 0;
  for (let n = 0; n < 10; n += 1) {
    const row = [...logits.subarray(n * 5, n * 5 + 5)];
    const total = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
    row.forEach((z, c) => (expected -= ((c === labels[n] ? 0.7 : 0) + 0.3 / 5) * ((z - total) / 10)));
  }
  expect(loss(0.3, 'reference')).toBeCloseTo(expected, 10);
  expect(loss(0.3, 'fast')).toBeCloseTo(expected, 5);
  const fast = testing.softmaxCrossEntropy(logits, labels, 5, 'fast', 0.3).dLogits;
  const slow = testing.softmaxCrossEntropy(logits, labels, 5, 'reference', 0.3).dLogits;
  fast.forEach((value, i) => expect(value).toBeCloseTo(slow[i] ?? NaN, 6));
  // By a finite difference, so that both cannot be wrong alike.
  const moved = logits.slice();
  moved[7] = (moved[7] ?? 0) + 1e-5;
  const slope = (testing.softmaxCrossEntropy(moved, labels, 5, 'reference', 0.3).loss - expected) / 1e-5;
  expect(slow[7]).toBeCloseTo(slope, 5);
});
