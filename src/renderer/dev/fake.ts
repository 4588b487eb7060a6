/**
 * An invented service for working on the screens: runs, trials and figures that look real and are not. It is reached by the
 * development entry and by tests alone, never by the application.
 */
import type { Input, LatheEvent, Method, Output } from '../../shared/contract.ts';
import type { DatasetInfo } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import type { LayerInfo, NetworkInfo, NetworkRef } from '../../shared/network.ts';
import type { TargetInfo } from '../../shared/target.ts';
import type { Budget, Cost } from '../../shared/policy.ts';
import {
  quantizeParametersSchema,
  runRequestSchema,
  trainingParametersSchema,
  type Manifest,
  type Metric,
  type Progress,
  type RunDetail,
  type RunSummary,
  type Solution,
  type StoredLogLine,
  type Trial,
} from '../../shared/run.ts';
import type { Connection, ConnectionStatus } from '../lib/client/connection.ts';

/** Numbers in 0..1 that look random and are the same for the same seed. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const blocks = [
  [32, 64, 1],
  [64, 128, 2],
  [128, 128, 1],
  [128, 256, 2],
  [256, 256, 1],
  [256, 512, 2],
  [512, 512, 1],
  [512, 512, 1],
  [512, 512, 1],
  [512, 512, 1],
  [512, 512, 1],
  [512, 1024, 2],
  [1024, 1024, 1],
] as const;

/** MobileNet-V1's 28 quantizable layers. */
export function mobilenetV1(ref: NetworkRef, dataset: DatasetInfo | undefined): NetworkInfo {
  const width = ref.width ?? 1;
  const [height, , channels] = dataset?.shape ?? [224, 224, 3];
  const classes = ref.classes ?? dataset?.classes ?? 1000;
  const scaled = (c: number): number => Math.max(8, Math.round((c * width) / 8) * 8);
  const small = height <= 64;
  let side = small ? height : height / 2;
  const layers: LayerInfo[] = [];
  const first = scaled(32);
  layers.push(layer('conv1', 'conv', 'conv', [height, height, channels], [side, side, first], 3, small ? 1 : 2, 1));
  blocks.forEach(([inputs, outputs, stride], i) => {
    const from = scaled(inputs);
    const to = scaled(outputs);
    const next = Math.ceil(side / stride);
    layers.push(layer(`block${String(i + 1)}.depthwise`, 'conv', 'depthwise', [side, side, from], [next, next, from], 3, stride, from));
    layers.push(layer(`block${String(i + 1)}.pointwise`, 'conv', 'pointwise', [next, next, from], [next, next, to], 1, 1, 1));
    side = next;
  });
  layers.push(layer('classifier', 'linear', 'linear', [scaled(1024)], [classes], 1, 1, 1));
  return {
    id: 'mobilenet-v1',
    title: 'MobileNet-V1',
    source: 'Howard et al. 2017',
    macs: layers.reduce((sum, l) => sum + l.macs, 0),
    params: layers.reduce((sum, l) => sum + l.params, 0),
    inputShape: [height, height, channels],
    classes,
    ref: { id: 'mobilenet-v1', width, inputSize: height, inputChannels: channels, classes, stem: small ? 'small' : 'imagenet' },
    sha256: '6f'.repeat(32),
    layers,
  };
}

function layer(
  name: string,
  op: string,
  kind: NonNullable<LayerInfo['kind']>,
  inputShape: number[],
  outputShape: number[],
  kernel: number,
  stride: number,
  groups: number,
): LayerInfo {
  const inputs = inputShape.at(-1) ?? 1;
  const outputs = outputShape.at(-1) ?? 1;
  const pixels = outputShape.length === 3 ? (outputShape[0] ?? 1) * (outputShape[1] ?? 1) : 1;
  const params = (kernel * kernel * inputs * outputs) / groups;
  return {
    name,
    op,
    kind,
    macs: params * pixels,
    params: params + 2 * outputs,
    inputShape,
    outputShape,
    kernel: [kernel, kernel],
    stride: [stride, stride],
    groups,
  };
}

const bismo: TargetInfo = {
  target: {
    formatVersion: 1,
    id: 'bismo-cloud',
    title: 'BISMO on a cloud FPGA',
    law: 'bismo',
    source: 'An invented description for working on the screens',
    calibration: 'exact',
    clockMhz: 150,
    defaultBatch: 16,
    array: { rows: 16, columns: 16, wordBits: 64 },
    weightBufferWords: 4096,
    activationBufferWords: 4096,
    depthwiseGroupChannels: 8,
    energy: null,
  },
  sha256: 'a1'.repeat(32),
  builtIn: true,
};

function cost(network: NetworkInfo, batch: number, weightBits: readonly number[], activationBits: readonly number[]): Cost {
  let cycles = 0;
  let bits = 0;
  network.layers.forEach((l, i) => {
    const w = weightBits[i] ?? 8;
    const a = activationBits[i] ?? 8;
    const peak = l.kind === 'depthwise' ? 96 : 16_384;
    const compute = (l.macs * batch * w * a) / peak;
    const memory = (l.params * w + batch * a * (l.inputShape.reduce((p, s) => p * s, 1) + l.outputShape.reduce((p, s) => p * s, 1))) / 64;
    cycles += Math.max(compute, memory);
    bits += l.params * w;
  });
  return { latencyMs: cycles / 150_000, energyMj: null, sizeBytes: Math.round(bits / 8), macs: network.macs };
}

function uniform(network: NetworkInfo, bits: number): number[] {
  return network.layers.map((_, i) => (i === 0 || i === network.layers.length - 1 ? 8 : bits));
}

/** Accuracy that falls when sensitive layers get few bits. */
function accuracy(
  network: NetworkInfo,
  weightBits: readonly number[],
  activationBits: readonly number[],
  top: number,
  noise: number,
): number {
  let loss = 0;
  network.layers.forEach((l, i) => {
    const sensitive = l.kind === 'depthwise' ? 2.1 : l.kind === 'pointwise' ? 1 : 1.4;
    loss += (sensitive * (4 ** -(weightBits[i] ?? 8) * 2.4 + 4 ** -(activationBits[i] ?? 8) * 1.6)) / network.layers.length;
  });
  return Math.max(0.1, top - 1.7 * loss + noise);
}

interface FakeRun {
  summary: RunSummary;
  manifest: Manifest;
  network: NetworkInfo;
  solutions: Solution[];
  trials: Trial[];
  metrics: Metric[];
  log: StoredLogLine[];
  random: () => number;
  timer: ReturnType<typeof setInterval> | null;
  trainSteps: number;
  best: number; // reward
}

export interface FakeOptions {
  readonly runs: 'none' | 'some' | 'many';
  readonly fashionMnist: boolean;
  readonly longTrials?: number; // trials of the longest run
  readonly delayMs?: number;
  readonly tickMs?: number;
}

export class FakeConnection implements Connection {
  status: ConnectionStatus = 'open';
  readonly #listeners = new Set<(event: LatheEvent) => void>();
  readonly #statusListeners = new Set<(status: ConnectionStatus) => void>();
  readonly #runs = new Map<string, FakeRun>();
  readonly #datasets: DatasetInfo[];
  readonly #options: FakeOptions;
  #nextRun = 1;

  constructor(options: FakeOptions) {
    this.#options = options;
    this.#datasets = [
      {
        id: 'fashion-mnist',
        kind: 'fashion-mnist',
        title: 'Fashion-MNIST',
        classes: 10,
        classNames: ['T-shirt', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
        train: 60_000,
        test: 10_000,
        shape: [28, 28, 1],
        sha256: options.fashionMnist ? '3c'.repeat(32) : '',
        source: 'Zalando Research',
        files: [],
        available: options.fashionMnist,
        hint: options.fashionMnist ? null : 'lathe dataset add fashion-mnist',
      },
      {
        id: 'generated',
        kind: 'generated',
        title: 'Generated shapes',
        classes: 8,
        classNames: ['disc', 'ring', 'square', 'frame', 'cross', 'stripes', 'checker', 'gradient'],
        train: 8000,
        test: 2000,
        shape: [32, 32, 3],
        sha256: '9d'.repeat(32),
        source: 'Made by Lathe from a fixed seed',
        files: [],
        available: true,
        hint: null,
      },
    ];
    if (options.runs !== 'none') this.#history(options.runs === 'many' ? 10_000 : 14);
  }

  subscribe(listener: (event: LatheEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  setStatus(status: ConnectionStatus): void {
    this.status = status;
    for (const listener of this.#statusListeners) listener(status);
  }

  async call<M extends Method>(method: M, input: Input<M>): Promise<Output<M>> {
    await new Promise((resolve) => setTimeout(resolve, this.#options.delayMs ?? 10));
    return structuredClone(this.#answer(method, input)) as Output<M>;
  }

  #answer(method: Method, input: unknown): unknown {
    const id = (input as { id?: string }).id ?? '';
    switch (method) {
      case 'system.info':
        return {
          version: '0.1.0',
          contractVersion: 1,
          dataDir: '/home/user/.local/share/lathe',
          cores: 2,
          defaults: { training: trainingParametersSchema.parse({}), quantize: quantizeParametersSchema.parse({}) },
        };
      case 'system.doctor':
        return {
          ok: true,
          checks: [
            { name: 'Addon', status: 'ok', value: 'loaded, AVX2, 2 threads', advice: null },
            { name: 'SQLite', status: 'ok', value: '3.54.1', advice: null },
            { name: 'Data folder', status: 'ok', value: '/home/user/.local/share/lathe, 41 GB free', advice: null },
            {
              name: 'Electron runtime',
              status: 'missing',
              value: 'not found',
              advice: 'The window cannot open; use `lathe serve` and a browser.',
            },
            {
              name: 'Fashion-MNIST',
              status: this.#options.fashionMnist ? 'ok' : 'warning',
              value: this.#options.fashionMnist ? '70,000 images' : 'not added yet',
              advice: this.#options.fashionMnist ? null : 'Add it on the Data sets screen.',
            },
          ],
        };
      case 'network.list':
        return ['mobilenet-v1', 'mobilenet-v2'].map((network) => {
          const { layers: _layers, ref: _ref, sha256: _sha, ...summary } = mobilenetV1({ id: network }, undefined);
          return { ...summary, id: network, title: network === 'mobilenet-v1' ? 'MobileNet-V1' : 'MobileNet-V2' };
        });
      case 'network.show': {
        const { network, dataset } = input as Input<'network.show'>;
        const info = mobilenetV1(
          network,
          this.#datasets.find((d) => d.id === dataset),
        );
        return { ...info, id: network.id, title: network.id === 'mobilenet-v1' ? 'MobileNet-V1' : 'MobileNet-V2' };
      }
      case 'target.list':
        return [bismo];
      case 'target.show':
        return bismo;
      case 'dataset.list':
        return this.#datasets;
      case 'dataset.add': {
        const dataset = this.#datasets[0];
        if (!dataset) throw new LatheError('internal', 'No data set.');
        this.#datasets[0] = { ...dataset, available: true, hint: null, sha256: '3c'.repeat(32) };
        return this.#datasets[0];
      }
      case 'run.preview': {
        const request = input as Input<'run.preview'>;
        const network = mobilenetV1(
          request.network,
          this.#datasets.find((d) => d.id === request.dataset),
        );
        const batch = request.batch ?? 16;
        const fewest = request.minimumBits ?? 2;
        const at = (bits: number): Cost => cost(network, batch, uniform(network, bits), uniform(network, bits));
        return {
          network: `mobilenet-v1 x${String(network.ref.width)} @${String(network.ref.inputSize)}`,
          batch,
          reference: at(8),
          least: at(fewest),
          uniform: Array.from({ length: 9 - fewest }, (_, i) => 8 - i).map((bits) => ({
            ...at(bits),
            label: `w${String(bits)}a${String(bits)}`,
            weightBits: bits,
            activationBits: bits,
          })),
        };
      }
      case 'training.preview':
        return { trainingImages: 55_000, validationImages: 5000, steps: 3436, stepsPerEpoch: 859, memoryBytes: 31_457_280 };
      case 'run.weights':
        return { fileName: `${id}.safetensors`, sha256: 'ab'.repeat(32), base64: btoa('invented') };
      case 'run.create':
        return this.#create(input);
      case 'run.list':
        return [...this.#runs.values()].map((run) => run.summary);
      case 'run.show': {
        const run = this.#get(id);
        const detail: RunDetail = {
          summary: run.summary,
          manifest: run.manifest,
          layers: run.network.layers.filter((l) => l.kind !== null),
          solutions: run.solutions,
          checkpoint:
            run.trials.length > 0
              ? { step: run.trials.length, phase: 'searching', sha256: 'be'.repeat(32), sizeBytes: 3_412_224, atMs: Date.now() }
              : null,
        };
        return detail;
      }
      case 'run.trials': {
        const { fromStep = 0, limit = 2000 } = input as { fromStep?: number; limit?: number };
        return this.#get(id)
          .trials.filter((trial) => trial.step >= fromStep)
          .slice(0, limit);
      }
      case 'run.metrics':
        return this.#get(id).metrics;
      case 'run.log': {
        const { afterSeq = 0 } = input as { afterSeq?: number };
        return this.#get(id).log.filter((line) => line.seq > afterSeq);
      }
      case 'run.cancel': {
        const run = this.#get(id);
        this.#stop(run, 'cancelled');
        return run.summary;
      }
      case 'run.pause': {
        const run = this.#get(id);
        this.#stop(run, 'paused');
        return run.summary;
      }
      case 'run.resume': {
        const run = this.#get(id);
        run.summary = { ...run.summary, status: 'running', finishedAtMs: null, error: null, revision: run.summary.revision + 1 };
        this.#start(run);
        return run.summary;
      }
      case 'run.annotate': {
        const run = this.#get(id);
        const { name, note, star } = input as { name?: string; note?: string; star?: boolean };
        this.#change(run, {
          ...(name === undefined ? {} : { name }),
          ...(note === undefined ? {} : { note }),
          ...(star === undefined ? {} : { star }),
        });
        return run.summary;
      }
      case 'run.export':
        return { run: this.#answer('run.show', { id }), trials: this.#get(id).trials, metrics: this.#get(id).metrics };
      default:
        throw new LatheError('unavailable', `The invented service does not answer ${method}.`);
    }
  }

  #get(id: string): FakeRun {
    const run = this.#runs.get(id);
    if (!run) throw new LatheError('not-found', `There is no run "${id}". Its link may be from another data folder.`);
    return run;
  }

  #emit(event: LatheEvent): void {
    for (const listener of this.#listeners) listener(structuredClone(event));
  }

  #change(run: FakeRun, change: Partial<RunSummary>): void {
    run.summary = { ...run.summary, ...change, revision: run.summary.revision + 1 };
    this.#emit({ name: 'run.changed', payload: run.summary });
  }

  #create(input: unknown): RunSummary {
    const run = this.#make(input, Date.now());
    run.summary.status = 'running';
    run.summary.startedAtMs = Date.now();
    this.#start(run);
    this.#emit({ name: 'run.changed', payload: run.summary });
    return run.summary;
  }

  #make(input: unknown, createdAtMs: number): FakeRun {
    const request = runRequestSchema.parse(input);
    const dataset = this.#datasets.find((d) => d.id === request.dataset);
    if (!dataset) throw new LatheError('not-found', `There is no data set "${request.dataset}".`);
    const network = mobilenetV1(request.network, dataset);
    const number = this.#nextRun;
    this.#nextRun += 1;
    const id = `r${String(number).padStart(5, '0')}`;
    const training = trainingParametersSchema.required().parse({ ...trainingParametersSchema.parse({}), ...request.training });
    const base = {
      formatVersion: 1 as const,
      network: {
        ...network.ref,
        width: network.ref.width ?? 1,
        inputSize: network.ref.inputSize ?? 32,
        inputChannels: network.ref.inputChannels ?? 3,
        classes: network.classes,
        stem: network.ref.stem ?? ('small' as const),
      },
      networkSha256: network.sha256,
      dataset: dataset.id,
      datasetSha256: dataset.sha256,
      validation: { images: 5000, seed: 1 },
      training,
      seed: request.seed,
      threads: request.threads ?? 2,
      versions: { lathe: '0.1.0', addon: '0.1.0', simd: 'avx2', node: '24.21.0', os: 'linux 6.1', cpu: 'An invented CPU' },
    };
    const budgets: Budget[] = request.method === 'quantize' ? request.budgets : [];
    const batch = request.method === 'quantize' ? (request.batch ?? 16) : 16;
    const reference = cost(network, batch, uniform(network, 8), uniform(network, 8));
    const limits = budgets.map((budget): Budget => {
      const whole = budget.resource === 'size' ? reference.sizeBytes : reference.latencyMs;
      return { resource: budget.resource, kind: 'absolute', value: budget.kind === 'fraction' ? budget.value * whole : budget.value };
    });
    const manifest: Manifest =
      request.method === 'quantize'
        ? {
            method: 'quantize',
            ...base,
            target: request.target,
            targetSha256: bismo.sha256,
            batch,
            budgets,
            search: quantizeParametersSchema.required().parse({ ...quantizeParametersSchema.parse({}), ...request.search }),
          }
        : { method: 'train', ...base };
    const trials = manifest.method === 'quantize' ? manifest.search.trials : 0;
    const title = `mobilenet-v1 x${String(base.network.width)} @${String(base.network.inputSize)}`;
    const run: FakeRun = {
      manifest,
      network,
      solutions: [],
      trials: [],
      metrics: [],
      log: [],
      random: numbers(number * 7919 + request.seed),
      timer: null,
      trainSteps: training.epochs * 100,
      best: Number.NEGATIVE_INFINITY,
      summary: {
        id,
        name: `${request.method} ${dataset.id} #${String(number)}`,
        method: request.method,
        status: 'queued',
        network: title,
        dataset: dataset.id,
        target: request.method === 'quantize' ? request.target : null,
        budgets,
        budgetLimits: limits,
        seed: request.seed,
        note: request.note ?? '',
        star: false,
        progress: { phase: 'waiting', done: 0, total: trials, ratePerSecond: null, etaSeconds: null },
        trials: 0,
        bestReward: null,
        bestAccuracy: null,
        bestTestAccuracy: null,
        bestLatencyMs: null,
        bestEnergyMj: null,
        bestSizeBytes: null,
        baselineAccuracy: null,
        baselineTestAccuracy: null,
        createdAtMs,
        startedAtMs: null,
        finishedAtMs: null,
        error: null,
        configHash: 'c0ffee'.repeat(10) + '0000',
        revision: 1,
      },
    };
    this.#runs.set(id, run);
    return run;
  }

  #logLine(run: FakeRun, level: StoredLogLine['level'], text: string): StoredLogLine {
    const line = { seq: run.log.length + 1, atMs: Date.now(), level, text };
    run.log.push(line);
    return line;
  }

  #limit(run: FakeRun): number {
    return run.summary.budgetLimits.find((limit) => limit.resource === 'latency')?.value ?? Number.POSITIVE_INFINITY;
  }

  #batchOf(run: FakeRun): number {
    return run.manifest.method === 'quantize' ? run.manifest.batch : 16;
  }

  /** The next policy: random at first, then more and more like a good one. */
  #trial(run: FakeRun): Trial {
    const step = run.trials.length;
    const { network, random } = run;
    const warming = step < 20;
    const noise = warming ? null : 0.5 * 0.99 ** (step - 20);
    const limit = this.#limit(run);
    const wanted = network.layers.map((l, i) => {
      if (i === 0 || i === network.layers.length - 1) return [8, 8] as const;
      if (warming) return [2 + Math.floor(random() * 7), 2 + Math.floor(random() * 7)] as const;
      const spread = (noise ?? 0) * 8 * (random() + random() - 1);
      const good = l.kind === 'depthwise' ? 6.6 : 4.4 + 1.6 * (i / network.layers.length);
      const clamp = (x: number): number => Math.max(2, Math.min(8, Math.round(x)));
      return [clamp(good + spread), clamp(good + 0.6 + 8 * (noise ?? 0) * (random() + random() - 1))] as const;
    });
    const askedWeightBits = wanted.map(([w]) => w);
    const askedActivationBits = wanted.map(([, a]) => a);
    const weightBits = [...askedWeightBits];
    const activationBits = [...askedActivationBits];
    let now = cost(network, this.#batchOf(run), weightBits, activationBits);
    for (let i = 1, turn = 0; now.latencyMs > limit && turn < 600; turn += 1, i = 1 + ((i + 1) % (network.layers.length - 2))) {
      const bits = turn % 2 === 0 ? weightBits : activationBits;
      const current = bits[i] ?? 8;
      if (current > 2) bits[i] = current - 1;
      now = cost(network, this.#batchOf(run), weightBits, activationBits);
    }
    const reached = accuracy(network, weightBits, activationBits, 0.912, (random() - 0.5) * 0.006);
    const reward = 0.1 * 100 * (reached - 0.914);
    return {
      ...now,
      step,
      origin: 'agent',
      reward,
      accuracy: reached,
      weightBits,
      activationBits,
      askedWeightBits,
      askedActivationBits,
      noise,
      criticLoss: warming ? null : 0.4 * Math.exp(-step / 70) + 0.02 + 0.03 * random(),
      isBest: reward > run.best,
      atMs: Date.now(),
    };
  }

  #baselines(run: FakeRun): Solution[] {
    const { network } = run;
    const limit = this.#limit(run);
    const named = (w: readonly number[], a: readonly number[]) => ({
      kind: 'quantize' as const,
      layers: network.layers.map((l, i) => ({ name: l.name, weightBits: w[i] ?? 8, activationBits: a[i] ?? 8 })),
    });
    const floatCost = cost(network, this.#batchOf(run), uniform(network, 8), uniform(network, 8));
    const float: Solution = {
      role: 'float',
      label: 'float',
      ...floatCost,
      latencyMs: null,
      sizeBytes: network.params * 4,
      policy: null,
      validationAccuracy: 0.9142,
      testAccuracy: 0.9108,
      integerTestAccuracy: null,
      withinBudget: false,
      weights: 'ab'.repeat(32),
    };
    const rest = [8, 7, 6, 5, 4, 3, 2].map((bits): Solution => {
      const b = uniform(network, bits);
      const c = cost(network, this.#batchOf(run), b, b);
      const reached = accuracy(network, b, b, 0.912, 0);
      return {
        role: 'baseline',
        label: `w${String(bits)}a${String(bits)}`,
        ...c,
        policy: named(b, b),
        validationAccuracy: reached,
        testAccuracy: reached - 0.004,
        integerTestAccuracy: null,
        withinBudget: c.latencyMs <= limit,
        weights: 'ab'.repeat(32),
      };
    });
    return [float, ...rest];
  }

  #best(run: FakeRun): Solution | null {
    const best = run.trials.reduce<Trial | null>((most, trial) => (most === null || trial.reward > most.reward ? trial : most), null);
    if (!best) return null;
    return {
      role: 'best',
      label: 'found',
      latencyMs: best.latencyMs,
      energyMj: null,
      sizeBytes: best.sizeBytes,
      macs: best.macs,
      policy: {
        kind: 'quantize',
        layers: run.network.layers.map((l, i) => ({
          name: l.name,
          weightBits: best.weightBits[i] ?? 8,
          activationBits: best.activationBits[i] ?? 8,
        })),
      },
      validationAccuracy: best.accuracy,
      testAccuracy: run.summary.status === 'completed' ? best.accuracy - 0.0035 : null,
      integerTestAccuracy: run.summary.status === 'completed' ? best.accuracy - 0.0034 : null,
      withinBudget: true,
      weights: 'ab'.repeat(32),
    };
  }

  #putTrial(run: FakeRun): Trial {
    const trial = this.#trial(run);
    run.trials.push(trial);
    run.best = Math.max(run.best, trial.reward);
    return trial;
  }

  #summaryOf(run: FakeRun): Partial<RunSummary> {
    const best = this.#best(run);
    const baseline = run.solutions
      .filter((s) => s.role === 'baseline' && s.withinBudget)
      .reduce<Solution | null>(
        (most, s) => (most === null || (s.validationAccuracy ?? 0) > (most.validationAccuracy ?? 0) ? s : most),
        null,
      );
    const done = run.summary.status === 'completed';
    return {
      trials: run.trials.length,
      bestReward: run.trials.reduce<number | null>((most, t) => (most === null ? t.reward : Math.max(most, t.reward)), null),
      bestAccuracy: best?.validationAccuracy ?? null,
      bestTestAccuracy: done ? (best?.testAccuracy ?? null) : null,
      bestLatencyMs: best?.latencyMs ?? null,
      bestSizeBytes: best?.sizeBytes ?? null,
      baselineAccuracy: baseline?.validationAccuracy ?? null,
      baselineTestAccuracy: done ? (baseline?.testAccuracy ?? null) : null,
    };
  }

  #trainPoint(run: FakeRun, step: number): Metric[] {
    const t = step / run.trainSteps;
    const noise = run.random() - 0.5;
    return [
      { series: 'train/loss', step: step * 9, value: 2.2 * Math.exp(-5 * t) + 0.28 + 0.06 * noise },
      { series: 'train/accuracy', step: step * 9, value: Math.min(0.99, 0.92 - 0.8 * Math.exp(-5.5 * t) + 0.03 * noise) },
      { series: 'train/learningRate', step: step * 9, value: t < 0.1 ? t : 0.05 * (1 + Math.cos(Math.PI * ((t - 0.1) / 0.9))) },
      { series: 'train/gradientNorm', step: step * 9, value: 1.2 + 2 * Math.exp(-6 * t) + 0.4 * noise },
      { series: 'machine/imagesPerSecond', step: step * 9, value: 3900 + 300 * noise },
      { series: 'machine/residentBytes', step: step * 9, value: 214e6 + 1e6 * noise },
      ...(step % 20 === 19
        ? [
            { series: 'validation/loss', step: step * 9, value: 2.1 * Math.exp(-5.5 * t) + 0.26 },
            { series: 'validation/top5Accuracy', step: step * 9, value: Math.min(0.999, 0.99 - 0.5 * Math.exp(-6 * t)) },
            { series: 'validation/accuracy', step: step * 9, value: Math.min(0.99, 0.915 - 0.8 * Math.exp(-6 * t)) },
          ]
        : []),
    ];
  }

  #start(run: FakeRun): void {
    let step = run.metrics.filter(({ series }) => series === 'train/loss').length;
    const searching = run.manifest.method === 'quantize' ? run.manifest.search.trials : 0;
    const startLine = this.#logLine(run, 'info', `Started on 2 threads, seed ${String(run.summary.seed)}.`);
    this.#emit({ name: 'run.log', payload: { id: run.summary.id, lines: [startLine] } });
    run.timer = setInterval(() => {
      const id = run.summary.id;
      if (step < run.trainSteps) {
        const metrics: Metric[] = [];
        for (let i = 0; i < 10 && step < run.trainSteps; i += 1, step += 1) metrics.push(...this.#trainPoint(run, step));
        run.metrics.push(...metrics);
        this.#emit({ name: 'run.metrics', payload: { id, metrics } });
        const progress: Progress = {
          phase: 'training',
          done: step * 9,
          total: run.trainSteps * 9,
          ratePerSecond: 61.3,
          etaSeconds: ((run.trainSteps - step) * 9) / 61.3 + searching * 0.45,
        };
        this.#change(run, { progress });
        if (step >= run.trainSteps && searching > 0) {
          run.solutions = this.#baselines(run);
          const line = this.#logLine(run, 'info', 'Trained: 91.42 % on the validation images. Evaluated 7 uniform baselines.');
          this.#emit({ name: 'run.log', payload: { id, lines: [line] } });
          this.#emit({ name: 'run.solutions', payload: { id } });
        }
        return;
      }
      if (run.trials.length < searching) {
        const fresh: Trial[] = [];
        for (let i = 0; i < 2 && run.trials.length < searching; i += 1) fresh.push(this.#putTrial(run));
        this.#emit({ name: 'run.trials', payload: { id, trials: fresh } });
        const lines = fresh
          .filter((t) => t.isBest)
          .map((t) =>
            this.#logLine(
              run,
              'info',
              `Trial ${String(t.step)}: new best, ${(t.accuracy * 100).toFixed(2)} %, ${t.latencyMs.toFixed(3)} ms.`,
            ),
          );
        if (lines.length > 0) {
          this.#emit({ name: 'run.log', payload: { id, lines } });
          const best = this.#best(run);
          run.solutions = [...run.solutions.filter((s) => s.role !== 'best'), ...(best ? [best] : [])];
          this.#emit({ name: 'run.solutions', payload: { id } });
        }
        this.#change(run, {
          ...this.#summaryOf(run),
          progress: {
            phase: 'searching',
            done: run.trials.length,
            total: searching,
            ratePerSecond: 2.21,
            etaSeconds: (searching - run.trials.length) / 2.21,
          },
        });
        return;
      }
      this.#stop(run, 'completed');
    }, this.#options.tickMs ?? 500);
  }

  #stop(run: FakeRun, status: 'completed' | 'cancelled' | 'paused'): void {
    if (run.timer !== null) clearInterval(run.timer);
    run.timer = null;
    run.summary.status = status;
    const best = this.#best(run);
    run.solutions = [...run.solutions.filter((s) => s.role !== 'best'), ...(best ? [best] : [])];
    this.#change(run, {
      ...this.#summaryOf(run),
      status,
      finishedAtMs: Date.now(),
      progress: status === 'completed' ? { phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null } : run.summary.progress,
    });
    this.#emit({ name: 'run.solutions', payload: { id: run.summary.id } });
  }

  /** Runs of the past days in every status. */
  #history(count: number): void {
    const statuses = [
      'completed',
      'completed',
      'completed',
      'cancelled',
      'completed',
      'failed',
      'completed',
      'interrupted',
      'completed',
    ] as const;
    const now = Date.now();
    const notes = ['', '', 'reference for the report', '', 'wider search range for activations', '', ''];
    let prototype: FakeRun | null = null;
    for (let i = 0; i < count; i += 1) {
      const at = now - (count - i) * 47 * 60_000;
      const train = i % 7 === 3;
      const budget: Budget = { resource: 'latency', kind: 'fraction', value: [0.5, 0.6, 0.4, 0.35][i % 4] ?? 0.5 };
      const request = train
        ? {
            method: 'train',
            network: { id: 'mobilenet-v1', width: 0.5 },
            dataset: this.#options.fashionMnist ? 'fashion-mnist' : 'generated',
            seed: 1 + (i % 3),
          }
        : {
            method: 'quantize',
            network: { id: 'mobilenet-v1', width: 0.25 },
            dataset: this.#options.fashionMnist ? 'fashion-mnist' : 'generated',
            target: 'bismo-cloud',
            budgets: [budget],
            seed: 1 + (i % 3),
            note: notes[i % notes.length],
            search: { trials: i === 0 ? (this.#options.longTrials ?? 200) : 200 },
          };
      const run = this.#make(request, at);
      const status = statuses[i % statuses.length] ?? 'completed';
      run.summary.star = i % 9 === 4;
      run.summary.startedAtMs = at + 1200;
      run.summary.status = status;
      // Past the first dozen only the summary differs: thousands of full runs would only fill the memory.
      if (i < 14) {
        for (let step = 0; step < run.trainSteps; step += 1) run.metrics.push(...this.#trainPoint(run, step));
        this.#logLine(run, 'info', `Started on 2 threads, seed ${String(run.summary.seed)}.`);
        this.#logLine(run, 'debug', 'Weights were trained before by the same training key: none found.');
        if (!train) {
          const wanted = run.manifest.method === 'quantize' ? run.manifest.search.trials : 0;
          const done = status === 'completed' ? wanted : 40 + (i % 5) * 22;
          run.solutions = this.#baselines(run);
          for (let t = 0; t < done; t += 1) this.#putTrial(run);
          for (const trial of run.trials.filter((t) => t.isBest))
            this.#logLine(
              run,
              'info',
              `Trial ${String(trial.step)}: new best, ${(trial.accuracy * 100).toFixed(2)} %, ${trial.latencyMs.toFixed(3)} ms.`,
            );
          const best = this.#best(run);
          if (best) run.solutions.push(best);
          run.summary.progress = {
            phase: status === 'completed' ? 'done' : 'searching',
            done,
            total: wanted,
            ratePerSecond: null,
            etaSeconds: null,
          };
        } else {
          run.summary.bestAccuracy = 0.921;
          run.summary.bestTestAccuracy = 0.9155;
          run.solutions = this.#baselines(run).slice(0, 1);
          run.summary.progress = { phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null };
        }
        if (!train) Object.assign(run.summary, this.#summaryOf(run));
        if (!train) prototype = run;
      } else if (prototype !== null && !train) {
        const p = prototype.summary;
        Object.assign(run.summary, {
          trials: 200,
          bestAccuracy: 0.88 + 0.03 * run.random(),
          bestTestAccuracy: 0.875 + 0.03 * run.random(),
          bestLatencyMs: (p.bestLatencyMs ?? 1) * (0.9 + 0.1 * run.random()),
          baselineAccuracy: 0.87 + 0.02 * run.random(),
          baselineTestAccuracy: 0.87 + 0.02 * run.random(),
          bestSizeBytes: p.bestSizeBytes,
          progress: { phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null },
        });
      }
      run.summary.finishedAtMs = at + 1200 + (train ? 95_000 : 214_000) * (0.6 + 0.8 * run.random());
      if (status === 'failed') {
        run.summary.error =
          'The disk is full: the checkpoint of trial 62 could not be written to /home/user/.local/share/lathe. Free some space and resume.';
        this.#logLine(run, 'warn', '212 MB are left on the disk of the data folder.');
        this.#logLine(run, 'error', run.summary.error);
      }
    }
    if (count > 5000) return;
    const live = this.#create({
      method: 'quantize',
      network: { id: 'mobilenet-v1', width: 0.25 },
      dataset: this.#options.fashionMnist ? 'fashion-mnist' : 'generated',
      target: 'bismo-cloud',
      budgets: [{ resource: 'latency', kind: 'fraction', value: 0.5 }],
      seed: 4,
      search: { trials: 400 },
    });
    const run = this.#get(live.id);
    for (let step = 0; step < run.trainSteps; step += 1) run.metrics.push(...this.#trainPoint(run, step));
    if (run.timer !== null) clearInterval(run.timer);
    run.solutions = this.#baselines(run);
    for (let t = 0; t < 120; t += 1) this.#putTrial(run);
    run.summary.startedAtMs = Date.now() - 94_000;
    this.#start(run);
  }
}
