/** Records for tests of the store: right in form, made up in content. */
import {
  manifestSchema,
  runSummarySchema,
  type LogLine,
  type Manifest,
  type Metric,
  type RunDetail,
  type Solution,
  type Trial,
} from '../../src/shared/run.ts';
import type { DatasetRecord } from '../../src/shared/dataset.ts';
import type { CheckpointRecord, NewRun, Owner, WeightsRecord } from '../../src/main/store/types.ts';

/** A SHA-256 in form: one hexadecimal digit, 64 times. */
export function digest(digit: string): string {
  return digit.repeat(64);
}

const base = {
  formatVersion: 1,
  network: { id: 'mobilenet-v1', width: 0.25, inputSize: 32, inputChannels: 1, classes: 10, stem: 'small' },
  networkSha256: digest('a'),
  dataset: 'fashion-mnist',
  datasetSha256: digest('b'),
  validation: { images: 5000, seed: 1 },
  training: { epochs: 4, batchSize: 64, learningRate: 0.1, warmupSteps: 200, momentum: 0.9, weightDecay: 1e-4 },
  seed: 7,
  threads: 2,
  versions: { lathe: '0.1.0' },
};

export const trainManifest: Manifest = manifestSchema.parse({ method: 'train', ...base });

export const quantizeManifest: Manifest = manifestSchema.parse({
  method: 'quantize',
  ...base,
  target: 'bismo-cloud',
  targetSha256: digest('c'),
  batch: 16,
  budgets: [{ resource: 'latency', kind: 'fraction', value: 0.5 }],
  search: {
    trials: 200,
    minimumBits: 2,
    maximumBits: 8,
    protectFirstAndLast: true,
    validationImages: 5000,
    rewardImages: 2000,
    calibrationImages: 512,
    statisticsImages: 64,
    finalists: 8,
    rewardScale: 0.1,
    agent: {},
  },
});

export function newRun(id: string, change: Partial<NewRun> = {}): NewRun {
  return {
    id,
    name: `run ${id}`,
    manifest: quantizeManifest,
    networkTitle: 'mobilenet-v1 x0.25 @32',
    layers: [
      {
        name: 'conv1',
        op: 'Conv',
        kind: 'conv',
        macs: 1000,
        params: 72,
        inputShape: [32, 32, 1],
        outputShape: [32, 32, 8],
        kernel: [3, 3],
        stride: [1, 1],
        groups: 1,
      },
    ],
    note: '',
    atMs: 1000,
    ...change,
  };
}

export function owner(pid = 4242): Owner {
  return { pid, startedAt: '290914', bootId: 'boot-1' };
}

export function trial(step: number, change: Partial<Trial> = {}): Trial {
  return {
    step,
    origin: 'agent',
    reward: -1 + step / 100,
    accuracy: 0.8 + step / 1000,
    latencyMs: 10 + step,
    energyMj: null,
    sizeBytes: 100_000 + step,
    macs: 5e6,
    weightBits: [8, 4],
    activationBits: [8, 5],
    askedWeightBits: [8, 6],
    askedActivationBits: [8, 7],
    clippedBy: ['latency'],
    noise: 0.5,
    criticLoss: null,
    isBest: false,
    atMs: 2000 + step,
    ...change,
  };
}

export function metric(series: string, step: number, value: number): Metric {
  return { series, step, value };
}

export function solution(role: Solution['role'], label: string, change: Partial<Solution> = {}): Solution {
  return {
    role,
    label,
    policy: role === 'float' ? null : { kind: 'quantize', layers: [{ name: 'conv1', weightBits: 4, activationBits: 4 }] },
    validationAccuracy: null,
    testAccuracy: null,
    integerTestAccuracy: null,
    tunedValidationAccuracy: null,
    tunedTestAccuracy: null,
    quantized: null,
    withinBudget: role !== 'float',
    weights: digest('d'),
    latencyMs: role === 'float' ? null : 5.5,
    energyMj: null,
    sizeBytes: 50_000,
    macs: 5e6,
    ...change,
  };
}

export function checkpoint(step: number, sha256: string): CheckpointRecord {
  return { phase: 'searching', step, sha256, sizeBytes: 100, atMs: 3000 + step };
}

export function line(text: string, level: LogLine['level'] = 'info'): LogLine {
  return { atMs: 1500, level, text };
}

export function weights(trainingKey: string, sha256: string): WeightsRecord {
  return {
    trainingKey,
    sha256,
    sizeBytes: 1234,
    network: 'mobilenet-v1 x0.25 @32',
    dataset: 'fashion-mnist',
    testAccuracy: 0.91,
    trainSeconds: 61.5,
    imagesPerSecond: 4000,
    atMs: 5000,
  };
}

export function dataset(id: string): DatasetRecord {
  return {
    id,
    kind: 'idx',
    title: `set ${id}`,
    classes: 2,
    classNames: ['cat', 'dog'],
    train: 100,
    test: 10,
    shape: [28, 28, 1],
    sha256: digest('e'),
    source: 'test',
    files: [{ role: 'train-images', path: '/data/train.idx', sha256: digest('f') }],
  };
}

/** A completed search as a face reads it. */
export function runDetail(id: string, change: Partial<Omit<RunDetail, 'summary'>> = {}): RunDetail {
  const { name, networkTitle, layers, note, manifest } = newRun(id);
  const summary = runSummarySchema.parse({
    ...{ id, name, note, network: networkTitle, method: manifest.method, dataset: manifest.dataset, target: 'bismo-cloud' },
    ...{ status: 'completed', error: null, star: false, seed: manifest.seed, budgets: [], budgetLimits: [], trials: 3 },
    ...{ bestReward: null, bestAccuracy: null, bestTestAccuracy: null, bestLatencyMs: null, bestEnergyMj: null, bestSizeBytes: null },
    ...{ baselineAccuracy: null, baselineTestAccuracy: null, createdAtMs: 1000, startedAtMs: 1100, finishedAtMs: 2100 },
    progress: { phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null },
    ...{ configHash: digest('1'), seedlessHash: digest('2'), tags: [], place: 'list', queueOrder: 0 },
    revision: 1,
  });
  return { summary, manifest, layers: [...layers], solutions: [], checkpoint: null, stages: [], ...change };
}
