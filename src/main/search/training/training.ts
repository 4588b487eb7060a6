/**
 * Training of a float network: an optimiser of the addon, a schedule, augmentation, and an early stop where one is asked for.
 * The order of the images of epoch e depends on the seed and e alone, and what is drawn in a step on the seed and the step, so
 * a checkpoint needs no more than weights, the optimiser's state, the number of steps done and what the early stop remembers.
 */
import type { NativeControl, NativeDataset, NativeModel } from '../../compute/addon.ts';
import type { Metric, TrainingParameters } from '../../../shared/run.ts';
import type { Random } from '../../../shared/random.ts';
import { learningRateAt, trainingLength, type TrainingLength } from './schedule.ts';

/** Steps of one call into the addon: a metric point each, and a safe place to stop. */
const stepsPerCall = 25;

/** The weights of the epoch with the best validation accuracy, kept while an early stop is possible. */
export interface BestEpoch {
  readonly epoch: number; // counted from 1
  readonly accuracy: number; // validation, 0..1
  readonly parameters: Float32Array;
}

export interface TrainingState {
  readonly parameters: Float32Array;
  readonly momentum: Float32Array;
  readonly secondMoment?: Float32Array; // of Adam
  readonly stepsDone: number;
  // Absent from checkpoints of before there was an early stop.
  readonly epochsJudged?: number;
  readonly best?: BestEpoch | null;
  readonly stopped?: boolean; // early
}

export class Training {
  private readonly model: NativeModel;
  private readonly dataset: NativeDataset;
  private readonly images: Uint32Array;
  private readonly options: TrainingParameters;
  private readonly random: Random;
  private readonly control: NativeControl;
  private readonly keepZeros: boolean;
  private readonly length: TrainingLength;
  private readonly drawSeed: number;
  readonly batchSize: number;
  private done = 0;
  private epochsJudged = 0;
  private best: BestEpoch | null = null;
  private stopped = false;
  private epochOrder: { readonly epoch: number; readonly order: Uint32Array } | null = null;

  /**
   * `images` are the indices to train on; the last incomplete batch of an epoch is left out. With `keepZeros`, weights that are
   * zero stay zero.
   */
  constructor(
    model: NativeModel,
    dataset: NativeDataset,
    images: Uint32Array,
    options: TrainingParameters,
    random: Random,
    control: NativeControl,
    { keepZeros = false }: { readonly keepZeros?: boolean } = {},
  ) {
    this.model = model;
    this.dataset = dataset;
    this.images = images;
    this.options = options;
    this.random = random;
    this.control = control;
    this.keepZeros = keepZeros;
    this.batchSize = Math.min(options.batchSize, images.length);
    this.length = trainingLength(images.length, options);
    this.drawSeed = random.derive('augmentation and dropout').uint32();
  }

  get stepsDone(): number {
    return this.done;
  }

  get stepsPerEpoch(): number {
    return this.length.stepsPerEpoch;
  }

  get totalSteps(): number {
    return this.length.totalSteps;
  }

  get finished(): boolean {
    return this.stopped || (this.done >= this.totalSteps && !this.awaitsJudgement);
  }

  /** Whether an epoch has ended whose validation accuracy `judge` has not been told. */
  get awaitsJudgement(): boolean {
    return this.epochsDone > this.epochsJudged;
  }

  get epochsDone(): number {
    return Math.floor(this.done / this.stepsPerEpoch);
  }

  /** The next few steps, never across the end of an epoch. Returns means over those done as metrics. */
  async advance(): Promise<Metric[]> {
    const from = this.done % this.stepsPerEpoch;
    // Up to the next multiple: behind a cancel in between, points stand again where they would have stood.
    const count = Math.min(stepsPerCall - (from % stepsPerCall), this.stepsPerEpoch - from);
    const order = this.orderOf(this.epochsDone);
    const { batchSize, options } = this;
    const result = await this.model.train({
      dataset: this.dataset,
      order: order.slice(from * batchSize, (from + count) * batchSize),
      batchSize,
      learningRates: Float32Array.from({ length: count }, (_, i) => learningRateAt(this.done + i, this.length, options)),
      optimizer: options.optimizer,
      momentum: options.momentum,
      nesterov: options.nesterov,
      beta1: options.beta1,
      beta2: options.beta2,
      weightDecay: options.weightDecay,
      decayAll: options.decayAll,
      clipNorm: options.clipNorm,
      keepZeros: this.keepZeros,
      labelSmoothing: options.labelSmoothing,
      augmentation: { cropPadding: options.cropPadding, flip: options.flip, cutout: options.cutout },
      seed: this.drawSeed,
      firstStep: this.done,
      control: this.control,
    });
    if (result.stepsDone === 0) return [];
    const step = this.done;
    this.done += result.stepsDone;
    const mean = (values: Float32Array | Uint32Array): number => {
      let sum = 0;
      for (const value of values) sum += value;
      return sum / result.stepsDone;
    };
    return [
      { series: 'train/loss', step, value: mean(result.losses) },
      { series: 'train/accuracy', step, value: mean(result.correct) / batchSize },
      { series: 'train/learningRate', step, value: learningRateAt(step, this.length, options) },
      { series: 'train/gradientNorm', step, value: mean(result.gradientNorms) },
    ];
  }

  /**
   * Takes the validation accuracy of the epoch that has ended. Once `patienceEpochs` epochs in a row were no better than
   * the best one, the training ends; then, and at the regular end, the model gets the best epoch's weights back. Returns that
   * epoch when the training has ended with other weights than the last; null otherwise. Without patience nothing happens here.
   */
  judge(accuracy: number): { readonly epoch: number; readonly accuracy: number } | null {
    const { patienceEpochs } = this.options;
    const epoch = this.epochsDone;
    this.epochsJudged = epoch;
    if (patienceEpochs === 0) return null;
    if (this.best === null || accuracy > this.best.accuracy) {
      this.best = { epoch, accuracy, parameters: this.model.getState().parameters };
    }
    this.stopped = epoch - this.best.epoch >= patienceEpochs;
    if (!this.finished || this.best.epoch === epoch) return null;
    this.model.setState(this.best.parameters);
    return this.best;
  }

  save(): TrainingState {
    const { done, epochsJudged, best, stopped } = this;
    return { ...this.model.getState(), stepsDone: done, epochsJudged, best, stopped };
  }

  restore(state: TrainingState): void {
    this.model.setState(state.parameters, state.momentum, state.secondMoment);
    this.done = state.stepsDone;
    this.epochsJudged = state.epochsJudged ?? this.epochsDone;
    this.best = state.best ?? null;
    this.stopped = state.stopped ?? false;
  }

  private orderOf(epoch: number): Uint32Array {
    if (this.epochOrder?.epoch !== epoch) {
      const permutation = this.random.derive(`epoch ${String(epoch)}`).permutation(this.images.length);
      this.epochOrder = { epoch, order: permutation.map((position) => this.images[position] ?? 0) };
    }
    return this.epochOrder.order;
  }
}
