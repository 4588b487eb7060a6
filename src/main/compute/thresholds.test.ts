/** Thresholds by maximum, percentile and HAQ's divergence against slow twins and by hand; thresholds of single channels. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeCalibration, ThresholdRule } from './addon.ts';
import { createModel, loadAddon, setThreads } from './index.ts';
import { ReferenceNetwork } from './reference-network.ts';
import { firstIndices, randomImages, startingValues, tinyProgram } from './test-kit.ts';

const { testing } = loadAddon();
const images = randomImages(Random.fromSeed(71), 40, tinyProgram.inputShape, tinyProgram.classes);
const indices = firstIndices(40);
const model = createModel(tinyProgram);
const start = startingValues(model.parameters, Random.fromSeed(72));
beforeEach(() => {
  setThreads(2);
  model.setState(start);
});

const calibrate = (
  rule: ThresholdRule,
  change: { percentile?: number; perChannel?: boolean } = {},
): Promise<readonly NativeCalibration[]> => model.calibrate({ dataset: images.dataset, indices, batchSize: 16, rule, ...change });

const weightOf = (op: string): Float32Array => {
  const found = model.parameters.find((parameter) => parameter.op === op && parameter.role === 'weight');
  return found ? start.slice(found.offset, found.offset + found.length) : new Float32Array();
};
const channelsOf = (op: string): number =>
  model.parameters.find((parameter) => parameter.op === op && parameter.role === 'weight')?.shape[0] ?? 0;

/** numpy.interp at equidistant points of [0, 1]. */
function resample(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const position = count > 1 ? (i * (values.length - 1)) / (count - 1) : 0;
    const left = Math.min(Math.floor(position), values.length - 1);
    const [a = NaN, b = a] = [values[left], values[left + 1]];
    return a + (position - left) * (b - a);
  });
}

/** The procedure of docs/algorithms/quantizers.md, straight from its words. */
function divergenceThreshold(counts: readonly number[], width: number, bits: number): number {
  const n = 2 ** Math.max(0, bits - 1);
  const bins = counts.length;
  if (n + 1 > bins) return bins * width;
  const total = counts.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  const cumulative = counts.map((count) => (sum += count) / total);
  let best = { divergence: Infinity, threshold: bins * width };
  for (let i = n + 1; i <= bins; i += 1) {
    const p = [...cumulative.slice(0, i - 1), 1];
    const q = [...resample(resample(p, n), i), ...Array.from({ length: bins - i }, () => 1)];
    const divergence = cumulative.reduce(
      (all, c, j) => all + (c > 0 && (q[j] ?? 0) > 0 ? (c - (q[j] ?? 0)) * Math.log2(c / (q[j] ?? 0)) : 0),
      0,
    );
    if (divergence < best.divergence) best = { divergence, threshold: (i + 0.5) * width };
  }
  return best.threshold;
}

describe('threshold rules', () => {
  it('refuse a percentile that is none', async () => {
    await expect(calibrate('percentile', { percentile: 0 })).rejects.toThrow('percentile');
    await expect(calibrate('percentile', { percentile: 1.5 })).rejects.toThrow('percentile');
    await expect(calibrate('percentile')).rejects.toThrow('percentile');
  });

  it('maximum: the largest magnitude of weights and of activations, at every width but one bit of weights', async () => {
    for (const { op, minimum, maximum, signed, weightThresholds, activationThresholds } of await calibrate('maximum')) {
      const largest = Math.max(...weightOf(op).map(Math.abs));
      expect([...weightThresholds.slice(2)]).toEqual(Array.from({ length: 7 }, () => largest));
      expect(weightThresholds[1]).toBeCloseTo(weightOf(op).reduce((sum, w) => sum + Math.abs(w), 0) / weightOf(op).length, 5);
      const most = Math.fround(Math.max(Math.abs(minimum), Math.abs(maximum)));
      expect([...activationThresholds.slice(signed ? 2 : 1)].every((threshold) => threshold === most)).toBe(true);
    }
  });

  it('percentile: an order statistic of weights, and a share of the activations', async () => {
    const share = 0.9;
    const network = new ReferenceNetwork(tinyProgram, model.parameters);
    const { tensors } = network.evaluate(Float64Array.from(start), images.batch(indices), indices.length);
    for (const { op, maximum, signed, weightThresholds, activationThresholds } of await calibrate('percentile', { percentile: share })) {
      const sorted = [...weightOf(op).map(Math.abs)].sort((a, b) => a - b);
      expect(weightThresholds[4]).toBe(sorted[Math.ceil(share * sorted.length) - 1]);
      if (op !== 'pw') continue; // behind a ReLU: never negative
      expect(signed).toBe(false);
      const entering = [...(tensors[6] ?? [])].sort((a, b) => a - b);
      const expected = entering[Math.ceil(share * entering.length) - 1] ?? Number.NaN;
      expect(Math.abs((activationThresholds[4] ?? Number.NaN) - expected)).toBeLessThan((2 * maximum) / 2048 + 0.02 * maximum);
    }
  });

  it('divergence: as its slow twin finds it, for weights of every layer at every width', async () => {
    for (const { op, weightThresholds } of await calibrate('kl')) {
      const magnitudes = weightOf(op).map(Math.abs);
      const largest = Math.max(...magnitudes);
      const bins = Math.ceil(Math.sqrt(magnitudes.length));
      const counts = Array.from({ length: bins }, () => 0);
      for (const w of magnitudes) {
        const bin = Math.min(bins - 1, Math.floor(w / (largest / bins)));
        counts[bin] = (counts[bin] ?? 0) + 1;
      }
      for (let bits = 2; bits <= 8; bits += 1) {
        const expected = Math.min(divergenceThreshold(counts, largest / bins, bits), largest);
        expect(weightThresholds[bits], `${op}, ${bits} bits`).toBeCloseTo(expected, 5);
      }
    }
  });

  it('all give 1 where every weight is zero, and the value where there is one', async () => {
    for (const rule of ['mse', 'maximum', 'kl', 'percentile'] as const) {
      model.setState(start.map(() => 0));
      for (const { weightThresholds } of await calibrate(rule, { percentile: 0.5, perChannel: true })) {
        expect([...weightThresholds.slice(1)], rule).toEqual(Array.from({ length: 8 }, () => 1));
      }
      model.setState(start.map(() => 0.25));
      for (const { weightThresholds } of await calibrate(rule, { percentile: 0.5 })) expect(weightThresholds[8], rule).toBeCloseTo(0.25, 6);
    }
  });
});

describe('thresholds of channels', () => {
  it('are each channel’s own: the largest magnitude, or no worse in squared error than any of 128 others', async () => {
    const [mse, maximum] = [await calibrate('mse', { perChannel: true }), await calibrate('maximum', { perChannel: true })];
    mse.forEach(({ op, channelThresholds }, index) => {
      const channels = channelsOf(op);
      const row = weightOf(op).length / channels;
      expect(channelThresholds?.length).toBe(9 * channels);
      for (let c = 0; c < channels; c += 1) {
        const own = weightOf(op).slice(c * row, (c + 1) * row);
        const largest = Math.max(...own.map(Math.abs));
        for (const bits of [2, 4, 8]) {
          expect(maximum[index]?.channelThresholds?.[bits * channels + c]).toBe(largest);
          const error = (threshold: number): number => {
            const quantized = testing.quantizeWeights(own, bits, threshold, 'reference');
            return own.reduce((sum, w, i) => sum + (w - (quantized[i] ?? Number.NaN)) ** 2, 0);
          };
          const best = Math.min(...Array.from({ length: 128 }, (_, i) => error((largest * (i + 1)) / 128)));
          expect(error(channelThresholds?.[bits * channels + c] ?? Number.NaN)).toBeLessThanOrEqual(best * 1.0001 + 1e-12);
        }
      }
    });
  });
});
