/** Training with quantized weights and activations against surrogates and slow twins; its exact resume; codebooks. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeCodebook, NativeParameter, NativeProgram, NativeQuantization, NativeQuantizedTraining } from './addon.ts';
import { addonInfo, createDataset, createModel, loadAddon, setSimd, setThreads, type Model } from './index.ts';
import { ReferenceNetwork } from './reference-network.ts';
import { firstIndices, isClose, randomImages, startingValues, tinyProgram } from './test-kit.ts';

const batchSize = 16;
const images = randomImages(Random.fromSeed(51), 64, tinyProgram.inputShape, tinyProgram.classes);
const { testing } = loadAddon();

const atStart = addonInfo();
beforeEach(() => {
  setSimd(atStart.simd);
  setThreads(2);
});

function newModel(seed = 52): { model: Model; start: Float32Array } {
  const model = createModel(tinyProgram);
  const start = startingValues(model.parameters, Random.fromSeed(seed));
  model.setState(start);
  return { model, start };
}

function uniform(model: Model, weightBits: number, activationBits: number, range = 2): NativeQuantization {
  const count = model.quantizableOps.length;
  return {
    weightBits: new Uint8Array(count).fill(weightBits),
    activationBits: new Uint8Array(count).fill(activationBits),
    weightThresholds: new Float32Array(count).fill(0.6),
    activationThresholds: new Float32Array(count).fill(range),
  };
}

function quantizedTraining(quantization: NativeQuantization, change: Partial<NativeQuantizedTraining> = {}): NativeQuantizedTraining {
  return { quantization, learnRanges: true, rangeDecay: 0, rangeMomentum: 0, clusterGradient: 'sum', ...change };
}

async function train(model: Model, count: number, learningRate: number, quantized: NativeQuantizedTraining, from = 0, momentum = 0.9) {
  return model.train({
    dataset: images.dataset,
    order: Uint32Array.from({ length: count * batchSize }, (_, i) => ((i + from * batchSize) * 5) % images.labels.length),
    batchSize,
    learningRates: new Float32Array(count).fill(learningRate),
    momentum,
    weightDecay: 0,
    quantized,
  });
}

const weightOf = (model: Model, op: string): NativeParameter => {
  const found = model.parameters.find((parameter) => parameter.op === op && parameter.role === 'weight');
  if (!found) throw new Error(`no weight of ${op}`);
  return found;
};
const slice = (values: Float32Array, { offset, length }: NativeParameter): Float32Array => values.subarray(offset, offset + length);

describe('quantized training', () => {
  it('refuses what does not fit the network, and changes nothing', async () => {
    const { model, start } = newModel();
    const good = uniform(model, 4, 4);
    const refused = [
      [{ ...good, weightBits: new Uint8Array(2) }, 'quantization.weightBits must have 5 values'],
      [{ ...good, activationBits: Uint8Array.of(4, 9, 4, 4, 4) }, 'quantization.activationBits of dw must be from 0 to 8, found 9'],
      [{ ...good, channelThresholds: new Float32Array(3) }, 'quantization.channelThresholds must have 25 values'],
      [
        { ...good, channelThresholds: new Float32Array(25) },
        'quantization.channelThresholds of conv, channel 0, must be positive and finite',
      ],
      [
        {
          ...good,
          codebooks: [{ centroids: Float32Array.of(1), assignment: new Uint8Array(90).fill(1), keepsZeros: false }, null, null, null, null],
        },
        'assignment of conv must name one of 1 centroids, found 1',
      ],
    ] as const;
    for (const [quantization, message] of refused) {
      await expect(train(model, 1, 0.1, quantizedTraining(quantization)), message).rejects.toMatchObject({
        code: 'bad-input',
        message: expect.stringContaining(message) as string,
      });
    }
    await expect(train(model, 1, 0.1, quantizedTraining(good, { rangeDecay: -1 }))).rejects.toThrow('rangeDecay');
    expect(model.getState().parameters).toEqual(start);
  });

  it('passes gradients straight through the rounding of weights, per tensor and per channel: those of the quantized network', async () => {
    for (const perChannel of [false, true]) {
      for (const threads of [1, 2]) {
        setThreads(threads);
        const { model, start } = newModel();
        const quantization = {
          ...uniform(model, 3, 0),
          ...(perChannel ? { channelThresholds: Float32Array.from({ length: 25 }, (_, i) => 0.2 + 0.03 * i) } : {}),
        };
        const quantizedStart = Float64Array.from(start);
        let channel = 0;
        for (const op of model.quantizableOps) {
          const weight = weightOf(model, op);
          const row = weight.length / (weight.shape[0] ?? 1);
          for (let c = 0; c < (weight.shape[0] ?? 0); c += 1, channel += 1) {
            const from = weight.offset + c * row;
            const threshold = quantization.channelThresholds?.[channel] ?? 0.6;
            quantizedStart.set(testing.quantizeWeights(start.slice(from, from + row), 3, threshold, 'reference'), from);
          }
        }
        const order = Uint32Array.from({ length: batchSize }, (_, i) => (i * 5) % images.labels.length);
        const labels = Uint8Array.from(order, (index) => images.labels[index] ?? 0);
        const expected = new ReferenceNetwork(tinyProgram, model.parameters).train(quantizedStart, images.batch(order), labels).gradients;
        await train(model, 1, 0, quantizedTraining(quantization), 0, 0);
        const found = model.getState().momentum; // without momentum and decay: the gradient
        for (const op of model.quantizableOps) {
          const { offset, length } = weightOf(model, op);
          expect(isClose(found.subarray(offset, offset + length), expected.subarray(offset, offset + length), 1e-4), op).toBe(true);
        }
      }
    }
  });

  it('has the gradients of the clipping surrogate at activations and their ranges, by finite differences', async () => {
    // linear, ReLU, linear; and the same without the ReLU, where activations have a sign
    for (const relu of [true, false]) {
      const program: NativeProgram = {
        inputShape: [1, 1, 4],
        classes: 3,
        ops: [
          { kind: 'linear', name: 'a', input: 0, output: 1, inFeatures: 4, outFeatures: 6, bias: true },
          ...(relu ? [{ kind: 'relu', name: 'r', input: 1, output: 2 } as const] : []),
          { kind: 'linear', name: 'b', input: relu ? 2 : 1, output: relu ? 3 : 2, inFeatures: 6, outFeatures: 3, bias: false },
        ],
      };
      const random = Random.fromSeed(53);
      const model = createModel(program);
      const start = Float32Array.from({ length: 4 * 6 + 6 + 6 * 3 }, () => random.normal(0, 0.8));
      model.setState(start);
      const count = 32;
      const bytes = Uint8Array.from({ length: count * 4 }, () => random.uniformInt(0, 255));
      const labels = Uint8Array.from({ length: count }, () => random.uniformInt(0, 2));
      const dataset = createDataset({
        images: bytes,
        labels,
        height: 1,
        width: 1,
        channels: 4,
        mean: [0.5, 0.5, 0.5, 0.5],
        std: [0.25, 0.25, 0.25, 0.25],
      });
      const x = Float64Array.from(bytes, (byte) => Math.fround((byte / 255 - 0.5) / 0.25));
      const range = 1.1;
      const bits = 3;
      const hidden = (w: Float64Array, image: number, unit: number): number => {
        let sum = w[24 + unit] ?? NaN;
        for (let i = 0; i < 4; i += 1) sum += (w[unit * 4 + i] ?? NaN) * (x[image * 4 + i] ?? NaN);
        return relu ? Math.max(sum, 0) : sum;
      };
      const clip = (value: number, r: number): number => Math.min(Math.max(value, relu ? 0 : -r), r);
      const base = Float64Array.from(start);
      // The surrogate: what rounding adds at the starting point stays as it is; the clipping moves.
      const rounding = Float64Array.from({ length: count * 6 }, (_, at) => {
        const value = hidden(base, Math.floor(at / 6), at % 6);
        const [quantized = NaN] = testing.quantizeActivations(Float32Array.of(value), bits, range, !relu, 'reference');
        return quantized - clip(value, range);
      });
      const loss = (w: Float64Array, r: number): number => {
        const logits = Float64Array.from({ length: count * 3 }, (_, at) => {
          const [image, o] = [Math.floor(at / 3), at % 3];
          let sum = 0;
          for (let u = 0; u < 6; u += 1)
            sum += (w[30 + o * 6 + u] ?? NaN) * (clip(hidden(w, image, u), r) + (rounding[image * 6 + u] ?? NaN));
          return sum;
        });
        return testing.softmaxCrossEntropy(logits, labels, 3, 'reference').loss;
      };
      const result = await model.train({
        dataset,
        order: firstIndices(count),
        batchSize: count,
        learningRates: Float32Array.of(0),
        momentum: 0,
        weightDecay: 0,
        quantized: quantizedTraining({
          weightBits: Uint8Array.of(0, 0),
          activationBits: Uint8Array.of(0, bits),
          weightThresholds: Float32Array.of(0, 0),
          activationThresholds: Float32Array.of(0, range),
        }),
      });
      const step = 1e-5;
      const expected = base.map((value, i) => {
        const moved = (by: number): number => loss(base.with(i, value + by), range);
        return (moved(step) - moved(-step)) / (2 * step);
      });
      expect(isClose(model.getState().momentum, expected, 2e-4), `weights, relu ${String(relu)}`).toBe(true);
      const ofRange = (loss(base, range + step) - loss(base, range - step)) / (2 * step);
      expect(Math.abs(ofRange)).toBeGreaterThan(1e-3);
      expect(result.quantized?.rangeVelocities[1]).toBeCloseTo(ofRange, 5);
      expect(result.quantized?.rangeVelocities[0]).toBe(0); // not quantized
    }
  });

  it('takes ranges down by their decay, and leaves fixed ones alone', async () => {
    const { model } = newModel();
    const quantization = uniform(model, 8, 8, 1000); // nothing is clipped: no gradient
    const learned = await train(model, 1, 0.5, quantizedTraining(quantization, { rangeDecay: 0.1 }));
    expect([...(learned.quantized?.quantization.activationThresholds ?? [])]).toEqual([950, 950, 950, 950, 950]);
    const fixed = await train(model, 3, 0.01, quantizedTraining(quantization, { learnRanges: false, rangeDecay: 0.1 }));
    expect(fixed.quantized?.quantization.activationThresholds).toEqual(quantization.activationThresholds);
  });

  it('goes on to the same bits after a stop in the middle, ranges, codebooks and one-bit scales included', async () => {
    for (const threads of [1, 2]) {
      setThreads(threads);
      const { model, start } = newModel();
      const books = await model.cluster({
        bits: Uint8Array.of(0, 0, 2, 0, 0),
        iterations: 20,
        keepZeros: false,
        uniforms: Float64Array.from({ length: 5 * 256 }, (_, i) => (i % 97) / 97),
      });
      const base = uniform(model, 4, 4);
      const quantization: NativeQuantization = { ...base, weightBits: Uint8Array.of(8, 1, 2, 3, 4), codebooks: books };
      const options = { rangeMomentum: 0.9, rangeDecay: 1e-3 };
      const whole = await train(model, 6, 0.02, quantizedTraining(quantization, options));
      const wholeState = model.getState();

      const again = createModel(tinyProgram);
      again.setState(start);
      const first = await train(again, 3, 0.02, quantizedTraining(quantization, options));
      const stopped = again.getState();
      const resumed = createModel(tinyProgram);
      resumed.setState(stopped.parameters, stopped.momentum);
      if (!first.quantized) throw new Error('no quantization came back');
      const { quantization: between, rangeVelocities } = first.quantized;
      const second = await train(resumed, 3, 0.02, quantizedTraining(between, { ...options, rangeVelocities }), 3);
      expect(resumed.getState()).toEqual(wholeState);
      expect(second.quantized).toEqual(whole.quantized);
      expect(whole.quantized?.quantization.activationThresholds).not.toEqual(base.activationThresholds);
    }
  });

  it('lowers the loss of the arithmetic that evaluation uses', async () => {
    const { model } = newModel();
    const lossOf = async (quantization: NativeQuantization): Promise<number> =>
      (await model.evaluate({ dataset: images.dataset, indices: firstIndices(64), batchSize: 16, quantization })).meanLoss;
    let quantization = uniform(model, 3, 3);
    const before = await lossOf(quantization);
    for (let call = 0; call < 6; call += 1) {
      const result = await train(model, 10, 0.02, quantizedTraining(quantization), call * 10);
      quantization = result.quantized?.quantization ?? quantization;
    }
    expect(await lossOf(quantization)).toBeLessThan(before * 0.8);
  });
});

describe('codebooks', () => {
  const uniforms = (seed: number): Float64Array => {
    const random = Random.fromSeed(seed);
    return Float64Array.from({ length: 5 * 256 }, () => random.uniform());
  };
  const cluster = async (model: Model, bits: number, keepZeros = false, iterations = 50): Promise<readonly NativeCodebook[]> =>
    (await model.cluster({ bits: new Uint8Array(5).fill(bits), iterations, keepZeros, uniforms: uniforms(7) })).flatMap(
      (book) => book ?? [],
    );

  it('have at most 2^bits centroids, each the mean of its weights, and every weight at its nearest', async () => {
    const { model, start } = newModel();
    for (const bits of [1, 2, 4]) {
      const books = await cluster(model, bits, false, 1000);
      expect(books.length).toBe(5);
      books.forEach(({ centroids, assignment }, index) => {
        const weights = slice(start, weightOf(model, model.quantizableOps[index] ?? ''));
        expect(centroids.length).toBeLessThanOrEqual(2 ** bits);
        centroids.forEach((centroid, c) => {
          const own = weights.filter((_, i) => assignment[i] === c);
          expect(centroid).toBeCloseTo(own.reduce((sum, w) => sum + w, 0) / own.length, 5);
        });
        weights.forEach((w, i) => {
          const distances = [...centroids].map((centroid) => Math.abs(centroid - w));
          expect(distances[assignment[i] ?? -1]).toBeLessThanOrEqual(Math.min(...distances) + 1e-7);
        });
      });
    }
  });

  it('are what one computes by hand: 0, 0.1, 1, 1.1 in two clusters; one value; all zeros', async () => {
    const { model, start } = newModel();
    const weight = weightOf(model, 'pw'); // 25 weights
    const put = (value: (i: number) => number): void => {
      model.setState(start.map((old, i) => (i >= weight.offset && i < weight.offset + weight.length ? value(i - weight.offset) : old)));
    };
    put((i) => [0, 0.1, 1, 1.1][i % 4] ?? 0);
    const pairs = (await cluster(model, 1))[2];
    expect(pairs?.centroids[0]).toBeCloseTo((7 * 0 + 6 * 0.1) / 13, 6);
    expect(pairs?.centroids[1]).toBeCloseTo((6 * 1 + 6 * 1.1) / 12, 6);
    put(() => 0.25);
    expect([...((await cluster(model, 3))[2]?.centroids ?? [])]).toEqual([0.25]);
    put(() => -0);
    expect([...((await cluster(model, 3))[2]?.centroids ?? [])].map((c) => c + 0)).toEqual([0]);
    expect([...((await cluster(model, 3, true))[2]?.centroids ?? [])]).toEqual([0]);
    put((i) => [0, 0.001, -1, 1][i % 4] ?? 0);
    const kept = (await cluster(model, 2, true))[2];
    expect(kept?.keepsZeros).toBe(true);
    kept?.assignment.forEach((centroid, i) => expect(kept.centroids[centroid] === 0).toBe(i % 4 === 0));
  });

  it('move by the sum or the mean of their weights’ gradients, and what was pruned stays zero', async () => {
    for (const clusterGradient of ['sum', 'mean'] as const) {
      const { model, start } = newModel();
      const pruned = start.map((w) => (Math.abs(w) < 0.2 ? 0 : w));
      for (const { role, offset, length } of model.parameters)
        if (role !== 'weight') pruned.set(start.subarray(offset, offset + length), offset);
      model.setState(pruned);
      const books = await cluster(model, 2, true);
      const quantization = { ...uniform(model, 0, 0), codebooks: books };
      const onCentroids = Float64Array.from(pruned);
      books.forEach(({ centroids, assignment }, index) => {
        const { offset } = weightOf(model, model.quantizableOps[index] ?? '');
        assignment.forEach((centroid, i) => (onCentroids[offset + i] = centroids[centroid] ?? NaN));
      });
      const order = Uint32Array.from({ length: batchSize }, (_, i) => (i * 5) % images.labels.length);
      const labels = Uint8Array.from(order, (index) => images.labels[index] ?? 0);
      const reference = new ReferenceNetwork(tinyProgram, model.parameters).train(onCentroids, images.batch(order), labels).gradients;
      const rate = 0.05;
      const result = await train(model, 1, rate, quantizedTraining(quantization, { clusterGradient }), 0, 0);
      const after = model.getState().parameters;
      books.forEach(({ centroids, assignment }, index) => {
        const weight = weightOf(model, model.quantizableOps[index] ?? '');
        centroids.forEach((centroid, c) => {
          const members = [...assignment.keys()].filter((i) => assignment[i] === c);
          const sum = members.reduce((total, i) => total + (reference[weight.offset + i] ?? NaN), 0);
          const moved = centroid === 0 ? 0 : centroid - rate * (clusterGradient === 'mean' ? sum / members.length : sum);
          for (const i of members) expect(after[weight.offset + i]).toBeCloseTo(moved, 4);
          expect(new Set(members.map((i) => after[weight.offset + i])).size).toBe(1);
          expect(result.quantized?.quantization.codebooks?.[index]?.centroids[c]).toBe(after[weight.offset + (members[0] ?? 0)]);
        });
      });
    }
  });
});

it('one-bit weights are sign(w) times the mean of |w|, taken anew for each step', async () => {
  const { model } = newModel();
  const result = await train(model, 4, 0.05, quantizedTraining(uniform(model, 1, 0)));
  const after = model.getState().parameters;
  model.quantizableOps.forEach((op, index) => {
    const weights = slice(after, weightOf(model, op));
    const mean = weights.reduce((sum, w) => sum + Math.abs(w), 0) / weights.length;
    expect(result.quantized?.quantization.weightThresholds[index]).toBeCloseTo(mean, 5);
  });
});
