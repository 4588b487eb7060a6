/** Model: gradients, the optimiser, determinism, cancelling, quantized evaluation; and what it refuses. */
import { beforeEach, describe, expect, it } from 'vitest';
import { LatheError } from '../../shared/errors.ts';
import { Random } from '../../shared/random.ts';
import type { NativeParameter, NativeProgress, NativeQuantization, NativeTrainOptions } from './addon.ts';
import { addonInfo, createControl, createModel, loadAddon, type Model, setSimd, setThreads } from './index.ts';
import { ReferenceNetwork, type Quantize } from './reference-network.ts';
import { atEveryLevel, distance, firstIndices, isClose, largest, randomImages, startingValues, tinyProgram } from './test-kit.ts';

const batchSize = 6;
const images = randomImages(Random.fromSeed(11), 48, tinyProgram.inputShape, tinyProgram.classes);

function newModel(): { model: Model; start: Float32Array } {
  const model = createModel(tinyProgram);
  const start = startingValues(model.parameters, Random.fromSeed(12));
  model.setState(start);
  return { model, start };
}

/** Options for steps over the images in order. */
function steps(count: number, learningRate: number, change: Partial<NativeTrainOptions> = {}): NativeTrainOptions {
  return {
    dataset: images.dataset,
    order: Uint32Array.from({ length: count * batchSize }, (_, i) => (i * 5) % images.labels.length),
    batchSize,
    learningRates: new Float32Array(count).fill(learningRate),
    momentum: 0.9,
    weightDecay: 1e-3,
    ...change,
  };
}

/** Gradients of the first step: with momentum 0 and no decay they are what the velocity becomes. */
async function gradientsOf(model: Model): Promise<Float32Array> {
  await model.train(steps(1, 0, { momentum: 0, weightDecay: 0 }));
  return model.getState().momentum;
}

function firstBatch(): { batch: Float64Array; labels: Uint8Array } {
  const { order } = steps(1, 0);
  return { batch: images.batch(order), labels: Uint8Array.from(order, (index) => images.labels[index] ?? 0) };
}

const isTrained = ({ role }: NativeParameter): boolean => role !== 'runningMean' && role !== 'runningVariance';

const atStart = addonInfo();
beforeEach(() => {
  setSimd(atStart.simd);
  setThreads(2);
});

describe('training', () => {
  it('has the gradients of the slow twins, through every kind of operator and a residual connection', async () => {
    for (const simd of atStart.simdLevels) {
      for (const threads of [1, 2]) {
        setSimd(simd);
        setThreads(threads);
        const { model, start } = newModel();
        const { batch, labels } = firstBatch();
        const reference = new ReferenceNetwork(tinyProgram, model.parameters).train(Float64Array.from(start), batch, labels);
        const found = await gradientsOf(model);
        for (const parameter of model.parameters.filter(isTrained)) {
          const { op, role, offset, length } = parameter;
          const expected = reference.gradients.subarray(offset, offset + length);
          // A bias in front of a batch norm has no effect: its gradient is nothing but rounding.
          const floor = op === 'dw' && role === 'bias' ? 1 : 1e-3;
          if (floor < 1) expect(largest(expected), `${op} ${role}`).toBeGreaterThan(1e-3);
          expect(
            isClose(found.subarray(offset, offset + length), expected, 1e-4, floor),
            `${op} ${role}, ${simd}, ${threads} threads`,
          ).toBe(true);
        }
      }
    }
  });

  it('is checked against gradients that finite differences of the whole network confirm', () => {
    const { model, start } = newModel();
    const { batch, labels } = firstBatch();
    const network = new ReferenceNetwork(tinyProgram, model.parameters);
    const parameters = Float64Array.from(start);
    const { gradients } = network.train(parameters, batch, labels);
    const random = Random.fromSeed(4);
    for (const { op, role, offset, length } of model.parameters.filter(isTrained)) {
      const i = offset + random.uniformInt(0, length - 1);
      const value = parameters[i] ?? Number.NaN;
      const lossAt = (x: number): number => {
        parameters[i] = x;
        return network.train(parameters, batch, labels).loss;
      };
      const slope = (lossAt(value + 1e-5) - lossAt(value - 1e-5)) / 2e-5;
      parameters[i] = value;
      expect(gradients[i], `${op} ${role}`).toBeCloseTo(slope, 6);
    }
  });

  it('reports the loss and the number of correct images of each step', async () => {
    const { model, start } = newModel();
    const { batch, labels } = firstBatch();
    const { loss, logits } = new ReferenceNetwork(tinyProgram, model.parameters).train(Float64Array.from(start), batch, labels);
    const correct = labels.filter((label, n) => {
      const row = [...logits.subarray(n * tinyProgram.classes, (n + 1) * tinyProgram.classes)];
      return row.indexOf(Math.max(...row)) === label;
    }).length;
    const result = await model.train(steps(1, 0.1));
    expect(result).toMatchObject({ stepsDone: 1, cancelled: false });
    expect(result.losses[0]).toBeCloseTo(loss, 5);
    expect([...result.correct]).toEqual([correct]);
  });

  it('moves running statistics as the batches ask', async () => {
    const { model, start } = newModel();
    await model.train(steps(1, 0));
    const { parameters } = model.getState();
    const { batch, labels } = firstBatch();
    const { tensors } = new ReferenceNetwork(tinyProgram, model.parameters).train(Float64Array.from(start), batch, labels);
    const bn2 = tensors[4] ?? new Float64Array(); // what enters it: 5 channels
    const offsetOf = (role: string): number => model.parameters.find((p) => p.op === 'bn2' && p.role === role)?.offset ?? Number.NaN;
    for (let channel = 0; channel < 5; channel += 1) {
      const own = bn2.filter((_, i) => i % 5 === channel);
      const mean = own.reduce((sum, x) => sum + x, 0) / own.length;
      const variance = own.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (own.length - 1);
      const meanAt = offsetOf('runningMean') + channel;
      const varianceAt = offsetOf('runningVariance') + channel;
      expect(parameters[meanAt]).toBeCloseTo(0.8 * (start[meanAt] ?? 0) + 0.2 * mean, 5);
      expect(parameters[varianceAt]).toBeCloseTo(0.8 * (start[varianceAt] ?? 0) + 0.2 * variance, 5);
    }
  });

  it('steps by v = momentum * v + g + decay * w; w = w - rate * v, with decay on weights alone', async () => {
    const { model, start } = newModel();
    const gradients = await gradientsOf(model);
    const velocity = gradients.map((_, i) => Math.sin(i) / 8);
    model.setState(start, velocity);
    await model.train(steps(1, 0.5, { momentum: 0.75, weightDecay: 0.25 }));
    const after = model.getState();
    for (const { op, role, offset, length } of model.parameters.filter((p) => isTrained(p))) {
      for (let i = offset; i < offset + length; i += 1) {
        const w = start[i] ?? Number.NaN;
        const decay = role === 'weight' ? 0.25 * w : 0;
        const v = 0.75 * (velocity[i] ?? Number.NaN) + (gradients[i] ?? Number.NaN) + decay;
        expect(after.momentum[i], `${op} ${role}`).toBeCloseTo(v, 5);
        expect(after.parameters[i], `${op} ${role}`).toBeCloseTo(w - 0.5 * v, 5);
      }
    }
  });

  it('refuses settings that are none, each by its name', async () => {
    const { model } = newModel();
    const refused: readonly (readonly [Partial<NativeTrainOptions>, RegExp])[] = [
      [{ beta1: 1 }, /^beta1 must be a finite number from 0 to 0.999999, found 1$/],
      [{ beta2: Number.NaN }, /^beta2 must be/],
      [{ epsilon: -1 }, /^epsilon must be/],
      [{ clipNorm: -1 }, /^clipNorm must be a finite number of at least 0, found -1$/],
      [{ labelSmoothing: 1.5 }, /^labelSmoothing must be a finite number from 0 to 1, found 1.5$/],
      [{ seed: -1 }, /^seed must be a whole number from 0 to 4294967295, found -1$/],
      [{ firstStep: 0.5 }, /^firstStep must be a whole number/],
      [
        { augmentation: { cropPadding: -1, flip: false, cutout: 0 } },
        /^augmentation.cropPadding must be a whole number from 0 to 65536, found -1$/,
      ],
      [{ augmentation: { cropPadding: 0, flip: false, cutout: 1e9 } }, /^augmentation.cutout must be/],
    ];
    for (const [change, message] of refused) {
      await expect(model.train(steps(1, 0.1, change))).rejects.toMatchObject({
        code: 'bad-input',
        message: expect.stringMatching(message) as unknown,
      });
    }
    expect(() => model.setState(newModel().start, undefined, new Float32Array(1))).toThrow(/^secondMoment must have/);
  });

  /** What a step makes of each parameter, by `expected(w, g, role)`; and that it did. */
  async function expectStep(change: Partial<NativeTrainOptions>, expected: (w: number, g: number, role: string) => number): Promise<void> {
    const { model, start } = newModel();
    const gradients = await gradientsOf(model);
    model.setState(start);
    await model.train(steps(1, 0.5, change));
    const after = model.getState().parameters;
    for (const { op, role, offset, length } of model.parameters.filter(isTrained)) {
      for (let i = offset; i < offset + length; i += 1) {
        expect(after[i], `${op} ${role}`).toBeCloseTo(expected(start[i] ?? NaN, gradients[i] ?? NaN, role), 4);
      }
    }
  }

  it("looks ahead with Nesterov's momentum, and decays everything where asked", async () => {
    const change = { momentum: 0.75, nesterov: true, weightDecay: 0.25, decayAll: true };
    await expectStep(change, (w, g) => w - 0.5 * (1 + 0.75) * (g + 0.25 * w));
  });

  it.each(['sgd', 'adam'] as const)('keeps weights that are zero at zero where asked, and no other parameter: %s', async (optimizer) => {
    const { model, start } = newModel();
    const isWeight = ({ role }: { readonly role: string }): boolean => role === 'weight';
    const zeros = start.slice();
    for (const { offset, length } of model.parameters.filter(isWeight)) {
      for (let i = offset; i < offset + length; i += 3) zeros[i] = 0;
    }
    model.setState(zeros);
    const change = { optimizer, momentum: 0.9, weightDecay: 0.1, keepZeros: true };
    await model.train(steps(3, 0.1, change));
    const after = model.getState().parameters;
    let changed = 0;
    for (const { op, role, offset, length } of model.parameters.filter(isTrained)) {
      for (let i = offset; i < offset + length; i += 1) {
        if (role === 'weight' && zeros[i] === 0) expect(after[i], op).toBe(0);
        else if (after[i] !== zeros[i]) changed += 1;
      }
    }
    const free =
      model.parameters.filter(isTrained).reduce((sum, { length }) => sum + length, 0) -
      zeros.filter((w, i) => w === 0 && start[i] !== 0).length;
    expect(changed).toBeGreaterThan(0.8 * free);
    model.setState(zeros);
    await model.train(steps(3, 0.1, { ...change, keepZeros: false }));
    expect(model.getState().parameters.filter((w) => w === 0).length).toBeLessThan(zeros.filter((w) => w === 0).length);
  });

  it('scales a gradient down to the norm that was asked for, and not up; the norm is that of all parameters', async () => {
    const { model } = newModel();
    const gradients = await gradientsOf(model);
    const norm = Math.sqrt(
      model.parameters
        .filter(isTrained)
        .reduce((sum, { offset, length }) => sum + gradients.subarray(offset, offset + length).reduce((s, g) => s + g * g, 0), 0),
    );
    const plain = { momentum: 0, weightDecay: 0 };
    await expectStep({ ...plain, clipNorm: norm / 4 }, (w, g) => w - 0.5 * (g / 4));
    await expectStep({ ...plain, clipNorm: norm * 4 }, (w, g) => w - 0.5 * g);
    const { gradientNorms } = await newModel().model.train(steps(1, 0, { ...plain, clipNorm: 1e-3 }));
    expect(gradientNorms[0]).toBeCloseTo(norm, 4);
  });

  it('steps as Adam with decoupled decay, by its definition in double precision over three steps', async () => {
    const { model, start } = newModel();
    const rate = 0.01;
    const adam = { optimizer: 'adam', beta1: 0.8, beta2: 0.9, epsilon: 1e-3, momentum: 0, weightDecay: 0.5 } as const;
    const { order } = steps(3, rate);
    const w = Float64Array.from(start);
    const m = new Float64Array(w.length);
    const v = new Float64Array(w.length);
    const reference = new ReferenceNetwork(tinyProgram, model.parameters);
    for (let t = 1; t <= 3; t += 1) {
      const indices = order.subarray((t - 1) * batchSize, t * batchSize);
      const { gradients } = reference.train(
        w,
        images.batch(indices),
        Uint8Array.from(indices, (index) => images.labels[index] ?? 0),
      );
      for (const { role, offset, length } of model.parameters.filter(isTrained)) {
        for (let i = offset; i < offset + length; i += 1) {
          const g = gradients[i] ?? NaN;
          m[i] = 0.8 * (m[i] ?? NaN) + 0.2 * g;
          v[i] = 0.9 * (v[i] ?? NaN) + 0.1 * g * g;
          const decayed = (w[i] ?? NaN) * (role === 'weight' ? 1 - rate * 0.5 : 1);
          w[i] = decayed - (rate * ((m[i] ?? NaN) / (1 - 0.8 ** t))) / (Math.sqrt((v[i] ?? NaN) / (1 - 0.9 ** t)) + 1e-3);
        }
      }
    }
    // Two calls: the second goes on from the state of the first.
    await model.train(steps(1, rate, adam));
    const { parameters, momentum, secondMoment } = model.getState();
    const second = createModel(tinyProgram);
    second.setState(parameters, momentum, secondMoment);
    await second.train({ ...steps(2, rate, adam), order: order.slice(batchSize), firstStep: 1 });
    const after = second.getState();
    // A bias in front of a batch norm has a gradient of nothing but rounding, which Adam blows up.
    for (const { op, role, offset, length } of model.parameters.filter((p) => isTrained(p) && !(p.op === 'dw' && p.role === 'bias'))) {
      expect(
        distance(after.parameters.subarray(offset, offset + length), w.subarray(offset, offset + length)),
        `${op} ${role}`,
      ).toBeLessThan(2e-4);
    }
  });

  it('learns what there is to learn', async () => {
    const { model } = newModel();
    const { losses } = await model.train(steps(150, 0.02));
    expect(losses[0]).toBeGreaterThan(0.8);
    expect(largest(losses.subarray(140))).toBeLessThan(0.5);
  });

  it('gives the same bits again: run after run, with 1 or 2 threads, and when continued from a saved state', async () => {
    for (const simd of atStart.simdLevels) {
      setSimd(simd);
      const whole = newModel().model;
      await whole.train(steps(8, 0.05));
      const expected = whole.getState();
      for (const threads of [1, 2, 2]) {
        setThreads(threads);
        const again = newModel().model;
        await again.train(steps(8, 0.05));
        expect(again.getState()).toEqual(expected);
      }
      const { order, learningRates } = steps(8, 0.05);
      const first = newModel().model;
      await first.train(steps(3, 0.05));
      const { parameters, momentum } = first.getState();
      const second = createModel(tinyProgram);
      second.setState(parameters, momentum);
      await second.train(steps(5, 0.05, { order: order.slice(3 * batchSize), learningRates: learningRates.slice(3) }));
      expect(second.getState()).toEqual(expected);
    }
  });

  it('stops soon after a cancel and stands exactly behind the steps it reports', async () => {
    const { model } = newModel();
    const control = createControl();
    let cancelledAt = 0;
    const onProgress = (): void => {
      cancelledAt ||= performance.now();
      control.cancel();
    };
    const result = await model.train(steps(200_000, 1e-4, { control, onProgress }));
    expect(performance.now() - cancelledAt).toBeLessThan(5000); // all steps take minutes; how soon exactly: test/long/cancel.test.ts
    expect(result.cancelled).toBe(true);
    expect(result.stepsDone).toBeGreaterThan(0);
    expect(result.stepsDone).toBeLessThan(200_000);
    expect(result.losses.length).toBe(result.stepsDone);
    const again = newModel().model;
    await again.train(steps(result.stepsDone, 1e-4));
    expect(again.getState()).toEqual(model.getState());
  });

  it('takes an AbortSignal as well, also one that was raised before', async () => {
    const { model, start } = newModel();
    const result = await model.train({ ...steps(1000, 0.1), signal: AbortSignal.abort() });
    expect(result).toMatchObject({ stepsDone: 0, cancelled: true });
    expect(model.getState().parameters).toEqual(start);
    const late = await model.train({ ...steps(200_000, 1e-4), signal: AbortSignal.timeout(30) });
    expect(late.cancelled).toBe(true);
  });

  it('reports progress at most ten times a second', async () => {
    const { model } = newModel();
    const control = createControl();
    const seen: NativeProgress[] = [];
    const startMs = performance.now();
    const onProgress = (progress: NativeProgress): void => {
      seen.push(progress);
      if (seen.length === 4) control.cancel();
    };
    await model.train(steps(1_000_000, 1e-4, { control, onProgress }));
    expect(seen.length).toBeGreaterThanOrEqual(4);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(299); // three intervals lie between four reports, however late they are heard
    const [first, second] = seen;
    expect(second?.done).toBeGreaterThan(first?.done ?? Infinity);
    expect(second).toMatchObject({ total: 1_000_000, meanLoss: expect.any(Number) as number });
    expect(second?.accuracy).toBeGreaterThan(0);
  });

  it('ends with the error of a progress listener that throws', async () => {
    const { model } = newModel();
    const onProgress = (): void => {
      throw new Error('listener failed');
    };
    await expect(model.train(steps(1_000_000, 1e-4, { onProgress }))).rejects.toThrow('listener failed');
    await expect(model.train(steps(1, 0.1))).resolves.toMatchObject({ stepsDone: 1 });
  });

  it('says so when the loss is no longer finite, and keeps the last state that was', async () => {
    const { model } = newModel();
    const error: unknown = await model.train(steps(50, 1e30)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LatheError);
    expect((error as LatheError).message).toMatch(
      /^training diverged: the (loss|gradient) is not finite at step [12]; lower the learning rate/,
    );
    expect((error as LatheError).code).toBe('bad-input');
  });

  it('refuses a second call while one runs, and works again afterwards', async () => {
    const { model } = newModel();
    const control = createControl();
    const running = model.train(steps(200_000, 1e-4, { control }));
    await expect(model.train(steps(1, 0.1))).rejects.toMatchObject({ code: 'conflict' });
    await expect(model.evaluate({ dataset: images.dataset, indices: firstIndices(4), batchSize: 4 })).rejects.toThrow('the model is busy');
    expect(() => model.getState()).toThrow('the model is busy');
    control.cancel();
    await running;
    expect(model.getState().parameters.length).toBeGreaterThan(0);
  });
});

/** Quantization of the tiny network with different bits everywhere. */
function quantization(bitsOf: (index: number) => readonly [weight: number, activation: number]): NativeQuantization {
  const count = 5;
  const all = Array.from({ length: count }, (_, i) => bitsOf(i));
  return {
    weightBits: Uint8Array.from(all, ([weight]) => weight),
    activationBits: Uint8Array.from(all, ([, activation]) => activation),
    weightThresholds: Float32Array.from(all, (_, i) => 0.5 + 0.1 * i),
    activationThresholds: Float32Array.from(all, (_, i) => 1.5 + 0.3 * i),
  };
}

/** The same through the slow quantizers; signed is only what the images themselves enter, and the residual sum. */
function slowQuantize(model: Model, { weightBits, activationBits, weightThresholds, activationThresholds }: NativeQuantization): Quantize {
  const { testing } = loadAddon();
  const at = (op: string): number => model.quantizableOps.indexOf(op);
  const isSigned = (op: string): boolean => op === 'conv' || op === 'down';
  return {
    activation: (op, values) => {
      const bits = activationBits[at(op)] ?? 0;
      if (bits === 0) return values;
      return Float64Array.from(
        testing.quantizeActivations(Float32Array.from(values), bits, activationThresholds[at(op)] ?? 0, isSigned(op), 'reference'),
      );
    },
    weight: (op, values) => {
      const bits = weightBits[at(op)] ?? 0;
      if (bits === 0) return values;
      return Float64Array.from(testing.quantizeWeights(Float32Array.from(values), bits, weightThresholds[at(op)] ?? 0, 'reference'));
    },
  };
}

describe('evaluation', () => {
  const indices = firstIndices(images.labels.length);

  it('gives the logits, loss and accuracy of the slow twins', async () => {
    const { model, start } = newModel();
    const { logits } = new ReferenceNetwork(tinyProgram, model.parameters).evaluate(
      Float64Array.from(start),
      images.batch(indices),
      indices.length,
    );
    const { loss } = loadAddon().testing.softmaxCrossEntropy(logits, images.labels, tinyProgram.classes, 'reference');
    for (const simd of atStart.simdLevels) {
      setSimd(simd);
      const result = await model.evaluate({ dataset: images.dataset, indices, batchSize: 7, wantLogits: true });
      expect(result.count).toBe(indices.length);
      expect(isClose(result.logits ?? [], logits, 1e-5), simd).toBe(true);
      expect(result.meanLoss).toBeCloseTo(loss, 5);
    }
  });

  it.each([
    ['eight bits', () => [8, 8] as const],
    ['four bits', () => [4, 4] as const],
    ['two bits', () => [2, 2] as const],
    ['one bit', () => [1, 1] as const],
    ['another width everywhere', (i: number) => [[3, 7, 0, 1, 5][i] ?? 0, [6, 2, 5, 0, 3][i] ?? 0] as const],
  ])('quantized to %s it agrees with the slow quantizers before the slow twins', async (_, bitsOf) => {
    const { model, start } = newModel();
    expect(model.quantizableOps).toEqual(['conv', 'dw', 'pw', 'down', 'fc']);
    const chosen = quantization(bitsOf);
    const network = new ReferenceNetwork(tinyProgram, model.parameters);
    const parameters = Float64Array.from(start);
    const expected = network.evaluate(parameters, images.batch(indices), indices.length, slowQuantize(model, chosen)).logits;
    const float = network.evaluate(parameters, images.batch(indices), indices.length).logits;
    expect(distance(float, expected)).toBeGreaterThan(1e-3); // quantizing does something
    for (const simd of atStart.simdLevels) {
      setSimd(simd);
      const { logits } = await model.evaluate({ dataset: images.dataset, indices, batchSize: 16, quantization: chosen, wantLogits: true });
      expect(isClose(logits ?? [], expected, 1e-4), simd).toBe(true);
    }
  });

  it.each([
    ['in float', null],
    ['quantized', quantization((i) => [[3, 7, 0, 1, 5][i] ?? 0, [6, 2, 5, 0, 3][i] ?? 0] as const)],
  ])('takes the statistics of given images where asked, %s, with any number of threads', async (_, chosen) => {
    const { model, start } = newModel();
    const network = new ReferenceNetwork(tinyProgram, model.parameters);
    const slow = chosen ? slowQuantize(model, chosen) : null;
    const expected = network.evaluateOnOwnStatistics(Float64Array.from(start), images.batch(indices), indices.length, slow).logits;
    const usual = network.evaluate(Float64Array.from(start), images.batch(indices), indices.length, slow).logits;
    expect(distance(usual, expected)).toBeGreaterThan(1e-3); // the statistics matter
    const statistics = { dataset: images.dataset, indices };
    for (const simd of atStart.simdLevels) {
      setSimd(simd);
      const found: (Float32Array | null)[] = [];
      for (const threads of [1, 2]) {
        setThreads(threads);
        const options = { dataset: images.dataset, indices, batchSize: 16, statistics, wantLogits: true };
        found.push((await model.evaluate(chosen ? { ...options, quantization: chosen } : options)).logits);
      }
      expect(isClose(found[0] ?? [], expected, 1e-4), simd).toBe(true);
      expect(found[1]).toEqual(found[0]);
    }
    expect(model.getState().parameters).toEqual(start);
  });

  it('gives the parameters with those statistics, which compute the same without the images', async () => {
    const { model, start } = newModel();
    const quantized = { dataset: images.dataset, indices, batchSize: 16, quantization: quantization(() => [4, 4]), wantLogits: true };
    const statistics = { dataset: images.dataset, indices };
    const { logits, parameters } = await model.evaluate({ ...quantized, statistics, wantParameters: true });
    expect(model.getState().parameters).toEqual(start);
    expect(distance(start, parameters ?? [])).toBeGreaterThan(1e-3);
    model.setState(parameters ?? new Float32Array());
    const again = (await model.evaluate(quantized)).logits;
    expect(isClose(again ?? [], logits ?? [], 1e-4)).toBe(true);
  });

  it('leaves the weights as they were', async () => {
    const { model, start } = newModel();
    await model.evaluate({ dataset: images.dataset, indices, batchSize: 16, quantization: quantization(() => [2, 2]) });
    expect(model.getState().parameters).toEqual(start);
  });

  it('gives the same bits for any batch size and number of threads', async () => {
    const { model } = newModel();
    const evaluate = async (size: number): Promise<Float32Array | null> =>
      (await model.evaluate({ dataset: images.dataset, indices, batchSize: size, wantLogits: true })).logits;
    const expected = await evaluate(48);
    for (const size of [1, 5, 48]) expect(await evaluate(size)).toEqual(expected);
    setThreads(1);
    expect(await evaluate(13)).toEqual(expected);
  });

  it('can be cancelled, and then counts only what it finished', async () => {
    const { model } = newModel();
    const many = Uint32Array.from({ length: 3_000_000 }, (_, i) => i % images.labels.length);
    const result = await model.evaluate({ dataset: images.dataset, indices: many, batchSize: 16, signal: AbortSignal.timeout(50) });
    expect(result.cancelled).toBe(true);
    expect(result.count).toBeLessThan(many.length);
    expect(result.correct).toBeLessThanOrEqual(result.count);
  });
});

describe('misuse is refused with the parameter and its value', () => {
  const refuses = async (change: Partial<NativeTrainOptions>, sentence: string | RegExp): Promise<void> => {
    const { model } = newModel();
    const error: unknown = await model.train(steps(2, 0.1, change)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'bad-input' });
    expect((error as Error).message).toMatch(sentence);
  };

  it('train', async () => {
    await refuses({ batchSize: 0 }, 'batchSize must be a whole number from 1 to 65536, found 0');
    await refuses({ order: firstIndices(7) }, 'order must have 12 values (2 steps of 6 images), found 7');
    await refuses({ order: new Uint32Array(12).fill(48) }, "order[0] must be below the data set's 48 images, found 48");
    await refuses({ learningRates: Float32Array.of(1, Number.NaN) }, 'learningRates[1] must be finite, found NaN');
    await refuses({ momentum: 1.5 }, 'momentum must be a finite number from 0 to 1, found 1.5');
    await refuses({ weightDecay: -1 }, 'weightDecay must be a finite number of at least 0, found -1');
  });

  it('data sets that do not fit the network', async () => {
    const other = randomImages(Random.fromSeed(1), 12, [6, 5, 1], 3);
    await refuses({ dataset: other.dataset }, 'dataset must hold images of (6, 5, 2), as the network takes them, found (6, 5, 1)');
    const labels = randomImages(Random.fromSeed(1), 40, tinyProgram.inputShape, 5);
    await refuses({ dataset: labels.dataset }, "labels must be below the network's 3 classes, found 4");
    await refuses({ dataset: { count: 12 } }, 'dataset must come from createDataset');
  });

  it('quantization', async () => {
    const { model } = newModel();
    const evaluate = (change: Partial<NativeQuantization>): Promise<unknown> =>
      model.evaluate({
        dataset: images.dataset,
        indices: firstIndices(4),
        batchSize: 4,
        quantization: { ...quantization(() => [4, 4]), ...change },
      });
    await expect(evaluate({ weightBits: Uint8Array.of(4) })).rejects.toThrow(
      'quantization.weightBits must have 5 values (one a quantizable operator), found 1',
    );
    await expect(evaluate({ activationBits: Uint8Array.of(4, 9, 4, 4, 4) })).rejects.toThrow(
      'quantization.activationBits of dw must be from 0 to 8, found 9',
    );
    await expect(evaluate({ weightThresholds: Float32Array.of(1, 1, 0, 1, 1) })).rejects.toThrow(
      'quantization.weightThresholds of pw must be positive and finite, found 0',
    );
  });

  it('setState', () => {
    const { model, start } = newModel();
    expect(() => model.setState(start.subarray(1))).toThrow(/^parameters must have \d+ values/);
    expect(() => model.setState(start.map((x, i) => (i === 3 ? Infinity : x)))).toThrow('parameters[3] must be finite, found Infinity');
    expect(() => model.setState(start, new Float32Array(2))).toThrow(/^momentum must have \d+ values/);
  });
});

describe('the addon itself, without the checks in front of it, refuses what would harm it', () => {
  const native = (): InstanceType<ReturnType<typeof loadAddon>['Model']> => new (loadAddon().Model)(tinyProgram);

  it('train and evaluate', () => {
    const model = native();
    const { dataset } = images;
    expect(() => model.train(steps(2, 0.1, { order: new Uint32Array(12).fill(48) }))).toThrow(
      'order: image 48 is not in the data set of 48',
    );
    expect(() => model.train(steps(2, 0.1, { order: new Uint32Array(3) }))).toThrow(
      'order must have batchSize images for each learning rate',
    );
    expect(() => model.train(steps(2, 0.1, { batchSize: -1 }))).toThrow('batchSize must be 1..65536');
    expect(() => model.train(steps(2, 0.1, { dataset: { count: 3 } }))).toThrow('dataset must be a Dataset');
    expect(() => model.evaluate({ dataset, indices: firstIndices(49), batchSize: 4 })).toThrow(
      'indices: image 48 is not in the data set of 48',
    );
    const bad = { ...quantization(() => [4, 4]), weightBits: Uint8Array.of(200, 4, 4, 4, 4) };
    expect(() => model.evaluate({ dataset, indices: firstIndices(4), batchSize: 4, quantization: bad })).toThrow(
      'quantization bits must be 0..8',
    );
    expect(() => model.setState(new Float32Array(3))).toThrow(/^parameters must have \d+ values, found 3/);
  });

  it('images whose buffer is gone', () => {
    const bytes = new Uint8Array(12 * 60);
    const options = { labels: new Uint8Array(12), height: 6, width: 5, channels: 2, mean: [0, 0], std: [1, 1] };
    const dataset = new (loadAddon().Dataset)({ ...options, images: bytes });
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    expect(() => native().train(steps(2, 0.1, { dataset, order: firstIndices(12) }))).toThrow("the data set's images are gone");
  });

  it('batches that no memory holds', async () => {
    const wide = { ...tinyProgram, inputShape: [2048, 2048, 2] as const };
    const images = new Uint8Array(2048 * 2048 * 2);
    const options = { labels: new Uint8Array(1), height: 2048, width: 2048, channels: 2, mean: [0, 0], std: [1, 1] };
    const dataset = new (loadAddon().Dataset)({ ...options, images });
    const model = new (loadAddon().Model)(wide);
    const huge = {
      dataset,
      order: new Uint32Array(65_536),
      batchSize: 65_536,
      learningRates: Float32Array.of(0.1),
      momentum: 0,
      weightDecay: 0,
    };
    await expect(model.train(huge)).rejects.toThrow('a batch of 65536 images is too large for this network');
  });

  it('programs', () => {
    const { Model: NativeModel } = loadAddon();
    expect(() => new NativeModel({ ...tinyProgram, ops: tinyProgram.ops.slice(1) })).toThrow(
      "operator 'bn1': must write tensor 1, found 2",
    );
    expect(() => new NativeModel({ ...tinyProgram, classes: 4 })).toThrow(
      'the last operator must give one value a class: expected 4, found 3',
    );
  });
});

it('states are independent of the instruction set but for rounding', async () => {
  const results: Float32Array[] = [];
  const pending: Promise<unknown>[] = [];
  atEveryLevel((_, threads) => {
    if (threads !== 1) return;
    const { model } = newModel();
    pending.push(model.train(steps(1, 0.1)).then(() => results.push(model.getState().parameters)));
  });
  await Promise.all(pending);
  expect(results.length).toBe(atStart.simdLevels.length);
  for (const result of results) expect(isClose(result, results[0] ?? [], 1e-4)).toBe(true);
});
