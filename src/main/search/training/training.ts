/**
 * Training of the float network that a search starts from: SGD with momentum, linear warm-up, then a cosine to zero.
 * The order of the images of epoch e depends on the seed and e alone, so a checkpoint needs no more than weights, momentum
 * and the number of steps done.
 */
import type { NativeControl, NativeDataset, NativeModel } from '../../compute/addon.ts';
import type { Metric, TrainingParameters } from '../../../shared/run.ts';
import type { Random } from '../../../shared/random.ts';

/** Steps of one call into the addon: a metric point each, and a safe place to stop. */
const stepsPerCall = 25;

export interface TrainingState {
  readonly parameters: Float32Array;
  readonly momentum: Float32Array;
  readonly stepsDone: number;
}

/** Steps of a whole training; the last incomplete batch of an epoch is left out. */
export function trainingSteps(images: number, options: TrainingParameters): number {
  return options.epochs * Math.floor(images / Math.min(options.batchSize, images));
}

/** Linear warm-up to the peak, then a cosine to zero at the last step. */
export function learningRateAt(step: number, totalSteps: number, options: TrainingParameters): number {
  const warmup = Math.min(options.warmupSteps, totalSteps);
  if (step < warmup) return (options.learningRate * (step + 1)) / warmup;
  const progress = (step - warmup) / Math.max(1, totalSteps - warmup);
  return 0.5 * options.learningRate * (1 + Math.cos(Math.PI * progress));
}

export class Training {
  private readonly model: NativeModel;
  private readonly dataset: NativeDataset;
  private readonly images: Uint32Array;
  private readonly options: TrainingParameters;
  private readonly random: Random;
  private readonly control: NativeControl;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  private done = 0;
  private epochOrder: { readonly epoch: number; readonly order: Uint32Array } | null = null;

  /** `images` are the indices to train on; the last incomplete batch of an epoch is left out. */
  constructor(
    model: NativeModel,
    dataset: NativeDataset,
    images: Uint32Array,
    options: TrainingParameters,
    random: Random,
    control: NativeControl,
  ) {
    this.model = model;
    this.dataset = dataset;
    this.images = images;
    this.options = options;
    this.random = random;
    this.control = control;
    this.batchSize = Math.min(options.batchSize, images.length);
    this.stepsPerEpoch = Math.floor(images.length / this.batchSize);
    this.totalSteps = trainingSteps(images.length, options);
  }

  get stepsDone(): number {
    return this.done;
  }

  get finished(): boolean {
    return this.done >= this.totalSteps;
  }

  /** The next few steps, never across the end of an epoch. Returns the mean loss and accuracy of those done as metrics. */
  async advance(): Promise<Metric[]> {
    const epoch = Math.floor(this.done / this.stepsPerEpoch);
    const from = this.done % this.stepsPerEpoch;
    const count = Math.min(stepsPerCall, this.stepsPerEpoch - from);
    const order = this.orderOf(epoch);
    const { batchSize } = this;
    const result = await this.model.train({
      dataset: this.dataset,
      order: order.slice(from * batchSize, (from + count) * batchSize),
      batchSize,
      learningRates: Float32Array.from({ length: count }, (_, i) => learningRateAt(this.done + i, this.totalSteps, this.options)),
      momentum: this.options.momentum,
      weightDecay: this.options.weightDecay,
      control: this.control,
    });
    if (result.stepsDone === 0) return [];
    const step = this.done;
    this.done += result.stepsDone;
    return [
      { series: 'train/loss', step, value: result.losses.reduce((sum, loss) => sum + loss, 0) / result.stepsDone },
      { series: 'train/accuracy', step, value: result.correct.reduce((sum, n) => sum + n, 0) / (result.stepsDone * batchSize) },
      { series: 'train/learningRate', step, value: learningRateAt(step, this.totalSteps, this.options) },
    ];
  }

  save(): TrainingState {
    return { ...this.model.getState(), stepsDone: this.done };
  }

  restore(state: TrainingState): void {
    this.model.setState(state.parameters, state.momentum);
    this.done = state.stepsDone;
  }

  private orderOf(epoch: number): Uint32Array {
    if (this.epochOrder?.epoch !== epoch) {
      const permutation = this.random.derive(`epoch ${String(epoch)}`).permutation(this.images.length);
      this.epochOrder = { epoch, order: permutation.map((position) => this.images[position] ?? 0) };
    }
    return this.epochOrder.order;
  }
}
