/**
 * The integer path against fake quantization on trained networks and the 10,000 test images of Fashion-MNIST: the same
 * logits, bit for bit, and so the same predictions; before and after fine-tuning with quantization. Prints
 * the table for docs/algorithms/quantizers.md.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatasetRecord } from '../../src/shared/dataset.ts';
import { Random } from '../../src/shared/random.ts';
import type { NativeCalibration, NativeDataset, NativeQuantization } from '../../src/main/compute/addon.ts';
import { createDataset, createModel, type Model } from '../../src/main/compute/index.ts';
import { openTestSplit, openTrainSplit } from '../../src/main/data/datasets.ts';
import { addFashionMnist } from '../../src/main/data/fashion-mnist.ts';
import { initialParameters, toNativeProgram } from '../../src/main/network/program.ts';
import { resolveNetwork } from '../../src/main/network/zoo.ts';
import { makeDataDir, removeDataDir } from '../support/service.ts';

const batchSize = 64;
const trainSteps = 900;
const tuneSteps = 200;

let dataDir = '';
let train: NativeDataset;
let test: NativeDataset;
let trainCount = 0;
const testIndices = Uint32Array.from({ length: 10_000 }, (_, index) => index);
const rows: string[] = [];

beforeAll(async () => {
  dataDir = await makeDataDir();
  const record: DatasetRecord = await addFashionMnist({ dataDir, log: () => undefined });
  const size = { dataDir, height: 32, width: 32 };
  const trainSplit = await openTrainSplit(record, size);
  trainCount = trainSplit.count;
  const normalisation = await trainSplit.normalisationOf(Uint32Array.from({ length: trainCount }, (_, index) => index));
  train = createDataset({ ...trainSplit, ...normalisation });
  test = createDataset({ ...(await openTestSplit(record, size)), ...normalisation });
});
afterAll(async () => {
  await removeDataDir(dataDir);
  console.log(['network | bits | fake % | integer % | same prediction % | largest difference in steps', ...rows].join('\n'));
});

interface Case {
  readonly label: string;
  readonly bits: (layer: number, layers: number) => readonly [weight: number, activation: number];
  readonly tune: boolean;
}
const mixed = [
  [8, 8],
  [4, 6],
  [6, 4],
  [3, 8],
  [5, 5],
] as const;
const edges = (layer: number, layers: number): boolean => layer === 0 || layer === layers - 1;
const cases: readonly Case[] = [
  { label: 'w8a8', bits: () => [8, 8], tune: false },
  { label: 'mixed', bits: (layer, layers) => (edges(layer, layers) ? [8, 8] : (mixed[layer % mixed.length] ?? [8, 8])), tune: false },
  { label: 'w4a4', bits: () => [4, 4], tune: false },
  { label: 'w4a4 fine-tuned', bits: () => [4, 4], tune: true },
];

function quantizationOf(calibrations: readonly NativeCalibration[], bits: Case['bits']): NativeQuantization {
  const widths = calibrations.map((_, layer) => bits(layer, calibrations.length));
  return {
    weightBits: Uint8Array.from(widths, ([weight]) => weight),
    activationBits: Uint8Array.from(widths, ([, activation]) => activation),
    weightThresholds: Float32Array.from(calibrations, (layer, index) => layer.weightThresholds[widths[index]?.[0] ?? 0] ?? 0),
    activationThresholds: Float32Array.from(calibrations, (layer, index) => layer.activationThresholds[widths[index]?.[1] ?? 0] ?? 0),
  };
}

/** Warm-up, then a cosine to zero; with a quantization: of its arithmetic. Returns what the ranges became. */
async function fit(model: Model, steps: number, peak: number, quantization?: NativeQuantization): Promise<NativeQuantization | undefined> {
  const random = Random.fromSeed(quantization ? 2 : 1);
  const order = Uint32Array.from({ length: steps * batchSize }, () => random.uniformInt(0, trainCount - 1));
  const learningRates = Float32Array.from({ length: steps }, (_, step) => {
    const warm = Math.min(1, (step + 1) / 100);
    return 0.5 * peak * warm * (1 + Math.cos((Math.PI * step) / steps));
  });
  const quantized = quantization
    ? { quantization, learnRanges: true, rangeDecay: 1e-4, rangeMomentum: 0.9, clusterGradient: 'sum' as const }
    : undefined;
  const result = await model.train({
    dataset: train,
    order,
    batchSize,
    learningRates,
    momentum: 0.9,
    weightDecay: 1e-4,
    ...(quantized ? { quantized } : {}),
  });
  return result.quantized?.quantization;
}

describe.each(['mobilenet-v1', 'mobilenet-v2'])('%s 0.25 at 32 x 32', (id) => {
  const { graph } = resolveNetwork({ id, width: 0.25, inputSize: 32, inputChannels: 1, classes: 10, stem: 'small' });
  const model = createModel(toNativeProgram(graph));
  const calibrationImages = Uint32Array.from({ length: 512 }, (_, index) => index);
  const statistics = (): { dataset: NativeDataset; indices: Uint32Array } => ({ dataset: train, indices: calibrationImages.slice(0, 256) });
  let trained: Float32Array = new Float32Array();

  beforeAll(async () => {
    model.setState(initialParameters(model.parameters, Random.fromSeed(1)));
    await fit(model, trainSteps, 0.1);
    trained = model.getState().parameters;
  }, 20 * 60_000);

  it.each(cases)('$label', async ({ label, bits, tune }) => {
    model.setState(trained);
    let quantization = quantizationOf(await model.calibrate({ dataset: train, indices: calibrationImages, batchSize }), bits);
    if (tune) quantization = (await fit(model, tuneSteps, 0.02, quantization)) ?? quantization;
    const options = {
      dataset: test,
      indices: testIndices,
      batchSize,
      quantization,
      wantLogits: true,
      ...(tune ? {} : { statistics: statistics() }),
    };
    const fake = await model.evaluate({ ...options, arithmetic: 'fake' });
    const integer = await model.evaluate({ ...options, arithmetic: 'integer' });
    const [a, b] = [fake.logits ?? new Float32Array(), integer.logits ?? new Float32Array()];
    expect([a.length, b.length]).toEqual([100_000, 100_000]);
    const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const difference = a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? Number.NaN))), 0);
    const prediction = (logits: Float32Array, image: number): number => {
      const own = logits.subarray(image * 10, image * 10 + 10);
      return own.indexOf(Math.max(...own));
    };
    const same = testIndices.filter((image) => prediction(a, image) === prediction(b, image)).length;
    const steps = difference / (largest / 127);
    const percent = (count: number): string => (count / 100).toFixed(2);
    rows.push(`${id} | ${label} | ${percent(fake.correct)} | ${percent(integer.correct)} | ${percent(same)} | ${steps.toFixed(3)}`);
    console.log(rows.at(-1));
    expect(same).toBe(10_000);
    expect(steps).toBe(0); // bit for bit
  });
});
