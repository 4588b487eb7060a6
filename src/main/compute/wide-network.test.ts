/** A network of every kind of operator: gradients, intermediate values, quantization, memory, dropout across a resume. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeProgram } from './addon.ts';
import { addonInfo, createModel, type Model, setSimd, setThreads } from './index.ts';
import { inputsOf } from './program-check.ts';
import { ReferenceNetwork } from './reference-network.ts';
import { convolution, firstIndices, isClose, largest, randomImages, startingValues, wideProgram } from './test-kit.ts';

const batch = 6;
const images = randomImages(Random.fromSeed(21), 24, wideProgram.inputShape, wideProgram.classes);

function newModel(program: NativeProgram = wideProgram): { readonly model: Model; readonly start: Float32Array } {
  const model = createModel(program);
  const start = startingValues(model.parameters, Random.fromSeed(22));
  model.setState(start);
  return { model, start };
}

const step = { dataset: images.dataset, order: firstIndices(batch), batchSize: batch, momentum: 0, weightDecay: 0 } as const;
const inputs = Float32Array.from(images.batch(firstIndices(batch)));

const atStart = addonInfo();
beforeEach(() => {
  setSimd(atStart.simd);
  setThreads(2);
});

describe('a network of every kind of operator', () => {
  it('refuses outputs that it does not have, and inputs of another size', async () => {
    const { model } = newModel();
    await expect(model.forward({ inputs, batch, outputs: ['nothing'] })).rejects.toThrow(
      'outputs must name operators of the network, found nothing',
    );
    await expect(model.forward({ inputs, batch: 5 })).rejects.toThrow('inputs must have 840 values (5 of (8, 7, 3)), found 1008');
  });

  it('has the gradients of the slow twins', async () => {
    for (const simd of atStart.simdLevels) {
      setSimd(simd);
      const bits: Float32Array[] = [];
      for (const threads of [1, 2]) {
        setThreads(threads);
        const { model, start } = newModel();
        const labels = Uint8Array.from(step.order, (index) => images.labels[index] ?? 0);
        const reference = new ReferenceNetwork(wideProgram, model.parameters);
        const { gradients, loss } = reference.train(Float64Array.from(start), images.batch(step.order), labels);
        const { losses } = await model.train({ ...step, learningRates: Float32Array.of(0) });
        const { momentum } = model.getState();
        expect(losses[0]).toBeCloseTo(loss, 4);
        for (const { op, role, offset, length } of model.parameters) {
          const expected = gradients.subarray(offset, offset + length);
          expect(isClose(momentum.subarray(offset, offset + length), expected, 1e-3, 1e-3), `${op} ${role}, ${simd}`).toBe(true);
        }
        expect(largest(gradients)).toBeGreaterThan(0.01);
        bits.push(momentum);
      }
      expect(bits[0]).toEqual(bits[1]);
    }
  });

  it('gives logits and every intermediate value for float inputs, as the slow twins have them', async () => {
    const { model, start } = newModel();
    const reference = new ReferenceNetwork(wideProgram, model.parameters);
    const expected = reference.evaluate(Float64Array.from(start), Float64Array.from(inputs), batch);
    expect(isClose(await model.forward({ inputs, batch }), expected.logits, 1e-4)).toBe(true);
    const names = wideProgram.ops.map(({ name }) => name);
    const found = await model.forward({ inputs, batch, outputs: names });
    expect(Object.keys(found)).toEqual(names);
    wideProgram.ops.forEach(({ name, output }) => {
      expect(isClose(found[name] ?? [], expected.tensors[output] ?? [], 1e-4), name).toBe(true);
    });
  });

  it('gives the same for float inputs as for the images that they are', async () => {
    const { model } = newModel();
    const { logits } = await model.evaluate({ dataset: images.dataset, indices: firstIndices(batch), batchSize: 4, wantLogits: true });
    expect(await model.forward({ inputs, batch })).toEqual(logits);
  });

  it('counts the images whose label is among the five largest logits', async () => {
    const { model } = newModel();
    const { logits, correct, correctTop5 } = await model.evaluate({
      dataset: images.dataset,
      indices: firstIndices(24),
      batchSize: 7,
      wantLogits: true,
    });
    const ranks = [...images.labels].map((label, n) => {
      const row = [...(logits ?? []).slice(n * 6, n * 6 + 6)];
      const own = row[label] ?? Number.NaN;
      return row.filter((value, c) => value > own || (value === own && c < label)).length;
    });
    expect(correct).toBe(ranks.filter((rank) => rank < 1).length);
    expect(correctTop5).toBe(ranks.filter((rank) => rank < 5).length);
    expect(correctTop5).toBeGreaterThan(correct);
    expect(correctTop5).toBeLessThan(24);
  });

  it('calibrates with signs that follow from the operators, and evaluates what it calibrated, also on measured statistics', async () => {
    const { model } = newModel();
    const indices = firstIndices(24);
    const calibration = await model.calibrate({ dataset: images.dataset, indices, batchSize: 8 });
    const unsigned = calibration.filter(({ signed }) => !signed).map(({ op }) => op);
    // Behind ReLU; behind a clip from 0.01 on and flattening; behind a sigmoid. A gate of swish values may be negative.
    expect(unsigned).toEqual(['expand', 'hidden', 'fc']);
    for (const { op, signed, minimum } of calibration) if (!signed) expect(minimum, op).toBeGreaterThanOrEqual(0);
    const count = calibration.length;
    const quantization = {
      weightBits: new Uint8Array(count).fill(8),
      activationBits: new Uint8Array(count).fill(8),
      weightThresholds: Float32Array.from(calibration, ({ weightThresholds }) => weightThresholds[8] ?? 0),
      activationThresholds: Float32Array.from(calibration, ({ activationThresholds }) => activationThresholds[8] ?? 0),
    };
    const common = { dataset: images.dataset, indices, batchSize: 8, wantLogits: true };
    const float = await model.evaluate(common);
    const quantized = await model.evaluate({ ...common, quantization });
    expect(quantized.logits).not.toEqual(float.logits);
    expect(isClose(quantized.logits ?? [], float.logits ?? [], 0.1)).toBe(true); // 8 bits lose little
    const statistics = { dataset: images.dataset, indices };
    const measured = await model.evaluate({ ...common, quantization, statistics });
    expect(measured.logits).not.toEqual(quantized.logits);
    // Once more with the statistics that a training step with momentum 1 leaves behind: those of the float network.
    const own = await model.evaluate({ ...common, statistics });
    expect(isClose(measured.logits ?? [], own.logits ?? [], 0.15)).toBe(true);
  });

  it('measures statistics behind a channelAffine as the slow twins do', async () => {
    const { model, start } = newModel();
    const indices = firstIndices(24);
    const reference = new ReferenceNetwork(wideProgram, model.parameters);
    const expected = reference.evaluateOnOwnStatistics(Float64Array.from(start), images.batch(indices), 24, null).logits;
    const statistics = { dataset: images.dataset, indices };
    const { logits } = await model.evaluate({ dataset: images.dataset, indices, batchSize: 8, wantLogits: true, statistics });
    expect(isClose(logits ?? [], expected, 1e-3)).toBe(true);
  });
});

/** The network with a dropout in front of its last layer. */
function withDropout(): NativeProgram {
  const at = wideProgram.ops.findIndex(({ name }) => name === 'fc');
  const ops = wideProgram.ops.map((op, index) => {
    if (index < at) return op;
    const moved = { ...op, output: op.output + 1 };
    return 'input' in moved ? { ...moved, input: moved.input + 1 } : moved;
  });
  const dropout = { kind: 'dropout', name: 'dropout', input: at, output: at + 1, probability: 0.4 } as const;
  return { ...wideProgram, ops: [...ops.slice(0, at), dropout, ...ops.slice(at)] };
}

describe('dropout in a network', () => {
  const program = withDropout();
  const order = Uint32Array.from({ length: 4 * batch }, (_, i) => (i * 5) % 24);
  const rates = new Float32Array(4).fill(0.05);
  const common = { dataset: images.dataset, batchSize: batch, momentum: 0.9, weightDecay: 0 } as const;

  it('is numbered as the operators read', () => {
    expect(program.ops.every((op) => inputsOf(op).every((input) => input < op.output))).toBe(true);
  });

  it('draws the same with any number of threads and across a resume, and something else with another seed', async () => {
    const whole = async (seed: number, threads: number): Promise<Float32Array> => {
      setThreads(threads);
      const { model } = newModel(program);
      await model.train({ ...common, order, learningRates: rates, seed });
      return model.getState().parameters;
    };
    const expected = await whole(5, 2);
    expect(await whole(5, 2)).toEqual(expected);
    expect(await whole(5, 1)).toEqual(expected);
    expect(await whole(6, 2)).not.toEqual(expected);
    const { model } = newModel(program);
    await model.train({ ...common, order: order.slice(0, batch), learningRates: rates.slice(0, 1), seed: 5 });
    const { parameters, momentum } = model.getState();
    const resumed = createModel(program);
    resumed.setState(parameters, momentum);
    await resumed.train({ ...common, order: order.slice(batch), learningRates: rates.slice(1), seed: 5, firstStep: 1 });
    expect(resumed.getState().parameters).toEqual(expected);
  });

  it('drops nothing in evaluation', async () => {
    const { model } = newModel(program);
    const plain = newModel();
    expect(await model.forward({ inputs, batch })).toEqual(await plain.model.forward({ inputs, batch }));
  });
});

describe('softmax at the end', () => {
  const program: NativeProgram = {
    ...wideProgram,
    ops: [...wideProgram.ops, { kind: 'softmax', name: 'softmax', input: wideProgram.ops.length, output: wideProgram.ops.length + 1 }],
  };

  it('is refused in training, with a sentence that says what to do', async () => {
    const { model } = newModel(program);
    await expect(model.train({ ...step, learningRates: Float32Array.of(0.1) })).rejects.toThrow(
      "operator 'softmax': softmax is not trained; the loss takes logits, so leave it out of the network",
    );
  });

  it('gives probabilities in inference', async () => {
    const probabilities = await newModel(program).model.forward({ inputs, batch });
    for (let n = 0; n < batch; n += 1) {
      expect(probabilities.slice(n * 6, n * 6 + 6).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    }
  });
});

describe('memory', () => {
  // AddressSanitizer's allocator holds back what was freed, for resident memory to grow by.
  const sanitized = process.env['ASAN_OPTIONS'] !== undefined;
  it.skipIf(sanitized)('is known before the start: what training takes up is what was said', async () => {
    const { model } = newModel(bigProgram);
    const said = model.memoryBytes({ batch: 64 });
    expect(said.training).toBeGreaterThan(100e6);
    expect(model.memoryBytes({ batch: 128 }).training).toBeGreaterThan(1.7 * said.training);
    expect(said.inference).toBeLessThan(0.1 * said.training);
    const big = randomImages(Random.fromSeed(2), 64, bigProgram.inputShape, bigProgram.classes);
    const before = process.memoryUsage().rss;
    const options = { ...step, dataset: big.dataset, order: firstIndices(64), batchSize: 64 };
    await model.train({ ...options, learningRates: Float32Array.of(0.01) });
    const taken = process.memoryUsage().rss - before;
    expect(taken / said.training).toBeGreaterThan(0.8);
    expect(taken / said.training).toBeLessThan(1.15);
    const settled = process.memoryUsage().rss;
    await model.train({ ...options, order: Uint32Array.from({ length: 640 }, (_, i) => i % 64), learningRates: new Float32Array(10) });
    expect(process.memoryUsage().rss - settled).toBeLessThan(0.03 * said.training); // no step takes more
  });
});

const bigProgram: NativeProgram = {
  inputShape: [32, 32, 3],
  classes: 6,
  ops: [
    convolution(3, 64, [3, 3], { name: 'a' }),
    { kind: 'batchNorm', name: 'a_bn', input: 1, output: 2, channels: 64, epsilon: 1e-3, momentum: 0.1 },
    { kind: 'swish', name: 'a_act', input: 2, output: 3 },
    convolution(64, 64, [3, 3], { name: 'b', input: 3, output: 4 }),
    { kind: 'batchNorm', name: 'b_bn', input: 4, output: 5, channels: 64, epsilon: 1e-3, momentum: 0.1 },
    { kind: 'add', name: 'c', inputs: [3, 5], output: 6 },
    { kind: 'globalAveragePool', name: 'pool', input: 6, output: 7 },
    { kind: 'linear', name: 'fc', input: 7, output: 8, inFeatures: 64, outFeatures: 6, bias: true },
  ],
};
