/** The integer path: what it refuses, and that it is what fake quantization computes. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeProgram, NativeQuantization } from './addon.ts';
import { addonInfo, createModel, setSimd, setThreads, type Model } from './index.ts';
import { convolution, distance, firstIndices, largest, randomImages, startingValues, tinyProgram } from './test-kit.ts';

const atStart = addonInfo();
beforeEach(() => {
  setSimd(atStart.simd);
  setThreads(2);
});

const count = 300;
const images = randomImages(Random.fromSeed(61), count, tinyProgram.inputShape, tinyProgram.classes);
const indices = firstIndices(count);

function newModel(program: NativeProgram = tinyProgram): Model {
  const model = createModel(program);
  model.setState(startingValues(model.parameters, Random.fromSeed(62)));
  return model;
}

async function quantizationOf(
  model: Model,
  bits: readonly (readonly [weight: number, activation: number])[],
  perChannel = false,
): Promise<NativeQuantization> {
  const calibrations = await model.calibrate({ dataset: images.dataset, indices, batchSize: 32, perChannel });
  const bitsOf = (index: number): readonly [number, number] => bits[index % bits.length] ?? [8, 8];
  const channelThresholds = calibrations.flatMap((layer, index) => {
    const table = layer.channelThresholds ?? new Float32Array();
    const channels = table.length / 9;
    return [...table.subarray(bitsOf(index)[0] * channels, (bitsOf(index)[0] + 1) * channels)];
  });
  return {
    weightBits: Uint8Array.from(calibrations, (_, index) => bitsOf(index)[0]),
    activationBits: Uint8Array.from(calibrations, (_, index) => bitsOf(index)[1]),
    weightThresholds: Float32Array.from(calibrations, (layer, index) => layer.weightThresholds[bitsOf(index)[0]] ?? 0),
    activationThresholds: Float32Array.from(calibrations, (layer, index) => layer.activationThresholds[bitsOf(index)[1]] ?? 0),
    ...(perChannel ? { channelThresholds: Float32Array.from(channelThresholds) } : {}),
  };
}

async function logitsOf(model: Model, quantization: NativeQuantization, arithmetic: 'fake' | 'integer'): Promise<Float32Array> {
  const options = { dataset: images.dataset, indices, batchSize: 50, quantization, arithmetic, wantLogits: true };
  return (await model.evaluate(options)).logits ?? new Float32Array();
}

describe('integer arithmetic', () => {
  it('is refused without quantization, without bits, and with a codebook, by name', async () => {
    const model = newModel();
    const plain = { dataset: images.dataset, indices, batchSize: 50, arithmetic: 'integer' } as const;
    await expect(model.evaluate(plain)).rejects.toThrow('arithmetic integer needs a quantization');
    const none = await quantizationOf(model, [[0, 8]]);
    await expect(model.evaluate({ ...plain, quantization: none })).rejects.toThrow('needs an operator with weight and activation bits');
    const books = await model.cluster({
      bits: Uint8Array.of(0, 2, 0, 0, 0),
      iterations: 5,
      keepZeros: false,
      uniforms: new Float64Array(5 * 256),
    });
    const quantization = { ...(await quantizationOf(model, [[8, 8]])), codebooks: books };
    await expect(model.evaluate({ ...plain, quantization })).rejects.toThrow("operator 'dw': its weights are a k-means codebook");
  });

  it('refuses an operator whose sums could leave 32 bits, by name, and takes the same one with fewer bits', async () => {
    const features = 70_000; // 70,000 * 127 * 255 is above 2^31
    const program: NativeProgram = {
      inputShape: [1, 2, features / 2],
      classes: 2,
      ops: [
        { kind: 'relu', name: 'act', input: 0, output: 1 },
        { kind: 'linear', name: 'wide', input: 1, output: 2, inFeatures: features, outFeatures: 2, bias: false },
      ],
    };
    const model = createModel(program);
    model.setState(new Float32Array(2 * features).fill(1));
    const data = randomImages(Random.fromSeed(63), 2, [1, 2, features / 2], 2);
    const run = async (weightBits: number): Promise<unknown> =>
      model.evaluate({
        dataset: data.dataset,
        indices: firstIndices(2),
        batchSize: 2,
        arithmetic: 'integer',
        quantization: {
          weightBits: Uint8Array.of(weightBits),
          activationBits: Uint8Array.of(8),
          weightThresholds: Float32Array.of(1),
          activationThresholds: Float32Array.of(1),
        },
      });
    await expect(run(8)).rejects.toThrow("operator 'wide': the sums of its 70000 products could leave 32 bits");
    await expect(run(4)).resolves.toMatchObject({ count: 2 });
  });

  it('equals fake quantization bit for bit at 1 to 8 bits, mixed widths, per tensor and per channel, at every level and thread count', async () => {
    const model = newModel();
    for (const bits of [
      [[8, 8]],
      [[4, 4]],
      [[2, 3]],
      [[1, 1]],
      [
        [8, 4],
        [3, 8],
        [1, 5],
        [6, 2],
      ],
      [
        [8, 8],
        [0, 4],
        [5, 0],
        [0, 0],
        [8, 8],
      ],
    ] as const) {
      for (const perChannel of [false, true]) {
        const quantization = await quantizationOf(model, bits, perChannel);
        for (const simd of atStart.simdLevels) {
          setSimd(simd);
          const fake = await logitsOf(model, quantization, 'fake');
          expect(largest(fake)).toBeGreaterThan(0);
          for (const threads of [1, 2]) {
            setThreads(threads);
            const integer = await logitsOf(model, quantization, 'integer');
            const where = `${JSON.stringify(bits)}, per channel ${String(perChannel)}, ${simd}, ${threads} threads`;
            expect(distance(integer, fake), where).toBe(0);
          }
        }
        setSimd(atStart.simd);
      }
    }
  });

  it('equals it where convolutions have groups, gaps, uneven kernels and paddings, and signed inputs', async () => {
    const program: NativeProgram = {
      inputShape: [6, 5, 2],
      classes: 3,
      ops: [
        convolution(2, 8, [3, 2], { name: 'a', stride: [1, 2], padding: [1, 0, 2, 1], dilation: [2, 1], groups: 2, bias: true }),
        { kind: 'batchNorm', name: 'bn', input: 1, output: 2, channels: 8, epsilon: 1e-3, momentum: 0.1 },
        convolution(8, 8, [3, 3], { name: 'b', input: 2, output: 3, groups: 8, bias: true }),
        convolution(8, 6, [1, 1], { name: 'c', input: 3, output: 4, stride: [2, 1], groups: 2, bias: true }),
        { kind: 'relu', name: 'act', input: 4, output: 5 },
        { kind: 'globalAveragePool', name: 'gap', input: 5, output: 6 },
        { kind: 'linear', name: 'fc', input: 6, output: 7, inFeatures: 6, outFeatures: 3, bias: true },
      ],
    };
    const model = newModel(program);
    for (const bits of [[[8, 8]], [[4, 3]]] as const) {
      const quantization = await quantizationOf(model, bits);
      for (const simd of atStart.simdLevels) {
        setSimd(simd);
        const fake = await logitsOf(model, quantization, 'fake');
        expect(largest(fake)).toBeGreaterThan(0);
        expect(distance(await logitsOf(model, quantization, 'integer'), fake), `${JSON.stringify(bits)}, ${simd}`).toBe(0);
      }
      setSimd(atStart.simd);
    }
  });

  it('gives the same bits with any number of threads and any batch size', async () => {
    const model = newModel();
    const quantization = await quantizationOf(model, [[5, 6]]);
    const two = await logitsOf(model, quantization, 'integer');
    setThreads(1);
    const options = { dataset: images.dataset, indices, batchSize: 7, quantization, arithmetic: 'integer', wantLogits: true } as const;
    expect((await model.evaluate(options)).logits).toEqual(two);
  });
});
