/**
 * Training of a quantized network: weights and activations quantized in every step, activation ranges learned as in PACT (Choi
 * et al. 2018). What is done up to a step depends on nothing but what `save` gives, so it stops and goes on to the same result.
 */
import type { NativeControl, NativeDataset, NativeModel, NativeQuantization } from '../../compute/addon.ts';
import type { Metric } from '../../../shared/run.ts';

/** Which images in which order, at which rates. */
export interface FineTuning {
  readonly images: Uint32Array; // steps * batchSize of them, in the order of training
  readonly batchSize: number;
  readonly learningRates: Float32Array; // one a step
  readonly momentum: number;
  readonly weightDecay: number;
  readonly seed: number;
}

export interface QuantizedTrainingState {
  readonly parameters: Float32Array;
  readonly momentum: Float32Array;
  readonly quantization: NativeQuantization; // with the ranges as they stand
  readonly rangeVelocities: Float32Array | null; // null: before the first step
  readonly stepsDone: number;
}

/** Of learned activation ranges, as PACT's code decays them. */
const rangeDecay = 1e-4;

export class QuantizedTraining {
  private readonly model: NativeModel;
  private readonly dataset: NativeDataset;
  private readonly how: FineTuning;
  private readonly control: NativeControl;
  private current: NativeQuantization;
  private rangeVelocities: Float32Array | null = null;
  private done = 0;

  /** Trains the weights that the model has; `start` says their bits and the ranges to begin with. */
  constructor(model: NativeModel, dataset: NativeDataset, how: FineTuning, start: NativeQuantization, control: NativeControl) {
    this.model = model;
    this.dataset = dataset;
    this.how = how;
    this.current = start;
    this.control = control;
  }

  get stepsDone(): number {
    return this.done;
  }

  get totalSteps(): number {
    return this.how.learningRates.length;
  }

  get finished(): boolean {
    return this.done >= this.totalSteps;
  }

  /** With the ranges as far as they have learned. */
  get quantization(): NativeQuantization {
    return this.current;
  }

  /** At most so many steps. False where it was cancelled: then model and state are no checkpoint, put the one before back. */
  async advance(steps: number): Promise<{ readonly complete: boolean; readonly metrics: readonly Metric[] }> {
    const { images, batchSize, learningRates, momentum, weightDecay, seed } = this.how;
    const [from, to] = [this.done, Math.min(this.totalSteps, this.done + steps)];
    const result = await this.model.train({
      dataset: this.dataset,
      order: images.slice(from * batchSize, to * batchSize),
      batchSize,
      learningRates: learningRates.slice(from, to),
      momentum,
      weightDecay,
      seed,
      firstStep: from,
      quantized: {
        quantization: this.current,
        learnRanges: true,
        rangeDecay,
        rangeMomentum: momentum,
        clusterGradient: 'sum',
        ...(this.rangeVelocities ? { rangeVelocities: this.rangeVelocities } : {}),
      },
      control: this.control,
    });
    if (result.cancelled || result.quantized === null) return { complete: false, metrics: [] };
    this.current = result.quantized.quantization;
    this.rangeVelocities = result.quantized.rangeVelocities;
    this.done = to;
    const mean = (values: Float32Array | Uint32Array): number => Array.from(values).reduce((sum, value) => sum + value, 0) / (to - from);
    const metrics = [
      { series: 'loss', step: from, value: mean(result.losses) },
      { series: 'accuracy', step: from, value: mean(result.correct) / batchSize },
    ];
    return { complete: true, metrics };
  }

  save(): QuantizedTrainingState {
    const { parameters, momentum } = this.model.getState();
    return { parameters, momentum, quantization: this.current, rangeVelocities: this.rangeVelocities, stepsDone: this.done };
  }

  restore(state: QuantizedTrainingState): void {
    this.model.setState(state.parameters, state.momentum);
    this.current = state.quantization;
    this.rangeVelocities = state.rangeVelocities;
    this.done = state.stepsDone;
  }
}
