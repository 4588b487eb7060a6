/** A network in the addon. Every argument is checked here, before C++ sees it. */
import { LatheError } from '../../shared/errors.ts';
import type {
  NativeAugmentation,
  NativeCalibration,
  NativeCodebook,
  NativeDataset,
  NativeEvaluateOptions,
  NativeEvaluateResult,
  NativeForwardOptions,
  NativeMemoryNeed,
  NativeModel,
  NativeModelState,
  NativeParameter,
  NativeProgram,
  NativeQuantization,
  NativeQuantizedTraining,
  NativeReconstructed,
  NativeTrainOptions,
  NativeTrainResult,
} from './addon.ts';
import { checkFinite, checkIndices, checkInteger, checkLength, checkNumber, fail } from './check.ts';
import { withCancel, type Cancellable } from './control.ts';
import { factsOf } from './dataset.ts';
import { guard, guardAsync } from './native-error.ts';
import { loadAddon } from './load.ts';
import { checkProgram } from './program-check.ts';

const largestBatch = 65_536;

type CalibrateOptions = Parameters<NativeModel['calibrate']>[0];
type ClusterOptions = Parameters<NativeModel['cluster']>[0];

type MomentsOptions = Parameters<NativeModel['collectMoments']>[0];
type ReconstructOptions = Parameters<NativeModel['reconstruct']>[0];

type ForwardOptions = NativeForwardOptions & Cancellable;

/** As NativeModel, with arguments checked and calls that an AbortSignal cancels. Errors are LatheErrors. */
export class Model implements NativeModel {
  readonly program: NativeProgram;
  readonly parameters: readonly NativeParameter[];
  readonly quantizableOps: readonly string[];
  readonly #native: NativeModel;
  readonly #parameterCount: number;

  /** Throws LatheError: bad-input where the program is inconsistent; unavailable without the addon. */
  constructor(program: NativeProgram) {
    checkProgram(program);
    this.program = program;
    this.#native = guard(() => new (loadAddon().Model)(program));
    this.parameters = this.#native.parameters;
    this.quantizableOps = this.#native.quantizableOps;
    this.#parameterCount = this.parameters.reduce((end, { offset, length }) => Math.max(end, offset + length), 0);
  }

  /** Throws LatheError: conflict while a call runs. */
  getState(): NativeModelState {
    return guard(() => this.#native.getState());
  }

  /** Throws LatheError: bad-input, or conflict while a call runs. What is left out of the optimiser's state starts from zeros. */
  setState(parameters: Float32Array, momentum?: Float32Array, secondMoment?: Float32Array): void {
    for (const [name, values] of Object.entries({ parameters, momentum, secondMoment })) {
      if (!values) continue;
      checkLength(name, values.length, this.#parameterCount, 'the parameters of the network');
      checkFinite(name, values);
    }
    guard(() => this.#native.setState(parameters, momentum, secondMoment));
  }

  /**
   * Trains for `learningRates.length` steps. A cancel resolves with fewer `stepsDone`. Rejects with LatheError: bad-input
   * (an argument, or the training diverged), conflict (a call is running).
   */
  async train(options: NativeTrainOptions & Cancellable): Promise<NativeTrainResult> {
    const { dataset, order, batchSize, learningRates } = options;
    this.#checkDataset(dataset, true);
    checkInteger('batchSize', batchSize, 1, largestBatch);
    checkLength('order', order.length, learningRates.length * batchSize, `${learningRates.length} steps of ${batchSize} images`);
    checkIndices('order', order, factsOf(dataset).count);
    checkFinite('learningRates', learningRates);
    const settings = trainSettings(options);
    const quantized = options.quantized ? { quantized: this.#checkQuantizedTraining(options.quantized) } : {};
    return this.#call(options, (cancel) =>
      this.#native.train({ dataset, order, batchSize, learningRates, ...settings, ...quantized, ...cancel, ...listener(options) }),
    );
  }

  /** Accuracy, loss and, where wanted, logits, with weights and activations quantized where asked. Rejects as `train`. */
  async evaluate(options: NativeEvaluateOptions & Cancellable): Promise<NativeEvaluateResult> {
    const { dataset, indices, batchSize, quantization, statistics, wantLogits, wantParameters, arithmetic } = options;
    this.#checkDataset(dataset, true);
    checkInteger('batchSize', batchSize, 1, largestBatch);
    checkIndices('indices', indices, factsOf(dataset).count);
    if (quantization) this.#checkQuantization(quantization);
    if (arithmetic === 'integer' && !quantization) fail('arithmetic integer needs a quantization, found none');
    if (statistics) {
      this.#checkDataset(statistics.dataset, false);
      checkIndices('statistics.indices', statistics.indices, factsOf(statistics.dataset).count);
      if (statistics.indices.length < 2) fail(`statistics.indices must name at least two images, found ${statistics.indices.length}`);
    }
    return this.#call(options, (cancel) =>
      this.#native.evaluate({
        dataset,
        indices,
        batchSize,
        ...(quantization ? { quantization } : {}),
        arithmetic: arithmetic ?? 'fake',
        ...(statistics ? { statistics } : {}),
        wantLogits: wantLogits ?? false,
        wantParameters: wantParameters ?? false,
        ...cancel,
        ...listener(options),
      }),
    );
  }

  /**
   * The logits (batch, classes) of float inputs (batch, H, W, C), as inference computes them; with `outputs` the values of
   * those operators instead, (batch, H, W, C) each, by name. Rejects as `train`, and with LatheError: cancelled.
   */
  forward(options: ForwardOptions): Promise<Float32Array>;
  forward(options: ForwardOptions & { readonly outputs: readonly string[] }): Promise<Readonly<Record<string, Float32Array>>>;
  async forward(
    options: ForwardOptions & { readonly outputs?: readonly string[] },
  ): Promise<Float32Array | Readonly<Record<string, Float32Array>>> {
    const { inputs, batch, outputs } = options;
    checkInteger('batch', batch, 1, largestBatch);
    const { inputShape, ops } = this.program;
    checkLength('inputs', inputs.length, batch * inputShape[0] * inputShape[1] * inputShape[2], `${batch} of (${inputShape.join(', ')})`);
    for (const name of outputs ?? []) {
      if (!ops.some((op) => op.name === name)) fail(`outputs must name operators of the network, found ${name}`);
    }
    return this.#call(options, async (cancel) => {
      try {
        const given = { inputs, batch, ...cancel };
        return await (outputs ? this.#native.forward({ ...given, outputs }) : this.#native.forward(given));
      } catch (error) {
        if (cancel.control?.cancelled === true) throw new LatheError('cancelled', 'the forward pass was cancelled on request');
        throw error;
      }
    });
  }

  /**
   * As NativeModel.memoryBytes. Throws LatheError: bad-input, unavailable where this machine could never give so much memory,
   * or conflict while a call runs.
   */
  memoryBytes({ batch, optimizer = 'sgd' }: Parameters<NativeModel['memoryBytes']>[0]): NativeMemoryNeed {
    checkInteger('batch', batch, 1, largestBatch);
    return guard(() => this.#native.memoryBytes({ batch, optimizer }));
  }

  /** Ranges and clipping thresholds of every quantizable operator. Rejects as `train`, and with LatheError: cancelled. */
  async calibrate(options: CalibrateOptions & Cancellable): Promise<readonly NativeCalibration[]> {
    const { dataset, indices, batchSize, rule, percentile, perChannel } = options;
    this.#checkDataset(dataset, false);
    checkInteger('batchSize', batchSize, 1, largestBatch);
    checkIndices('indices', indices, factsOf(dataset).count);
    if (rule === 'percentile') checkNumber('percentile', percentile ?? Number.NaN, Number.MIN_VALUE, 1);
    const thresholds = { rule: rule ?? 'mse', percentile: percentile ?? 1, perChannel: perChannel ?? false };
    if (indices.length === 0) fail('indices must name at least one image, found none');
    return this.#call(options, async (cancel) => {
      try {
        return await this.#native.calibrate({ dataset, indices, batchSize, ...thresholds, ...cancel });
      } catch (error) {
        if (cancel.control?.cancelled === true) throw new LatheError('cancelled', 'calibration was cancelled on request');
        throw error;
      }
    });
  }

  /** As NativeModel.collectMoments. Rejects as `train`, and with LatheError: cancelled; what was collected before then stays. */
  async collectMoments(options: MomentsOptions & Cancellable): Promise<void> {
    const { dataset, indices, samples, seed, ops } = options;
    this.#checkDataset(dataset, false);
    checkIndices('indices', indices, factsOf(dataset).count);
    if (indices.length === 0) fail('indices must name at least one image, found none');
    checkInteger('samples', samples, 1, 65_536);
    checkInteger('seed', seed, 0, 0xffff_ffff);
    await this.#call(options, async (cancel) => {
      try {
        await this.#native.collectMoments({ dataset, indices, samples, seed, ops, ...cancel });
      } catch (error) {
        if (cancel.control?.cancelled === true) throw new LatheError('cancelled', 'collecting moments was cancelled on request');
        throw error;
      }
    });
  }

  /** As NativeModel.reconstruct. Rejects with LatheError: bad-input for a layer without moments and channels that it does not have. */
  async reconstruct({ layers, ridge, wantErrors }: ReconstructOptions): Promise<readonly NativeReconstructed[]> {
    checkNumber('ridge', ridge, 0, 1);
    return await guardAsync(() => this.#native.reconstruct({ layers, ridge, wantErrors: wantErrors ?? false }));
  }

  /** k-means codebooks of the weights as they stand. Rejects as `train`, and with LatheError: cancelled. */
  async cluster(options: ClusterOptions & Cancellable): Promise<readonly (NativeCodebook | null)[]> {
    const { bits, iterations, keepZeros, uniforms } = options;
    const count = this.quantizableOps.length;
    checkLength('bits', bits.length, count, 'one a quantizable operator');
    bits.forEach((width, index) => {
      if (width > 8) fail(`bits of ${this.quantizableOps[index] ?? String(index)} must be from 0 to 8, found ${width}`);
    });
    checkInteger('iterations', iterations, 0, 100_000);
    checkLength('uniforms', uniforms.length, count * 256, '256 a quantizable operator');
    const outside = uniforms.findIndex((value) => !(value >= 0 && value < 1));
    if (outside >= 0) fail(`uniforms[${outside}] must be at least 0 and below 1, found ${String(uniforms[outside])}`);
    return this.#call(options, async (cancel) => {
      try {
        return await this.#native.cluster({ bits, iterations, keepZeros, uniforms, ...cancel });
      } catch (error) {
        if (cancel.control?.cancelled === true) throw new LatheError('cancelled', 'clustering was cancelled on request');
        throw error;
      }
    });
  }

  #call<T>(options: Cancellable, call: (cancel: Pick<Cancellable, 'control'>) => Promise<T>): Promise<T> {
    return withCancel(options, (control) => guardAsync(() => call(control ? { control } : {})));
  }

  #checkDataset(dataset: NativeDataset, needsLabels: boolean): void {
    const { shape, largestLabel } = factsOf(dataset);
    const { inputShape, classes } = this.program;
    if (shape.join() !== inputShape.join()) {
      fail(`dataset must hold images of (${inputShape.join(', ')}), as the network takes them, found (${shape.join(', ')})`);
    }
    if (needsLabels && largestLabel >= classes) fail(`labels must be below the network's ${classes} classes, found ${largestLabel}`);
  }

  #checkQuantizedTraining(quantized: NativeQuantizedTraining): NativeQuantizedTraining {
    const { quantization, rangeDecay, rangeMomentum, rangeVelocities } = quantized;
    this.#checkQuantization(quantization);
    checkNumber('rangeDecay', rangeDecay, 0, Number.MAX_VALUE);
    checkNumber('rangeMomentum', rangeMomentum, 0, 1);
    if (rangeVelocities) {
      checkLength('rangeVelocities', rangeVelocities.length, this.quantizableOps.length, 'one a quantizable operator');
      checkFinite('rangeVelocities', rangeVelocities);
    }
    return quantized;
  }

  /** Its output channels, and how many weights they have together. */
  #weightsOf(op: string): { readonly channels: number; readonly count: number } {
    const weight = this.parameters.find((parameter) => parameter.op === op && parameter.role === 'weight');
    return { channels: weight?.shape[0] ?? 0, count: weight?.length ?? 0 };
  }

  #checkChannelThresholds(thresholds: Float32Array, weightBits: Uint8Array): void {
    const channels = this.quantizableOps.map((op) => this.#weightsOf(op).channels);
    const total = channels.reduce((sum, count) => sum + count, 0);
    checkLength('quantization.channelThresholds', thresholds.length, total, 'one an output channel of each quantizable operator');
    let at = 0;
    this.quantizableOps.forEach((op, index) => {
      const own = thresholds.subarray(at, (at += channels[index] ?? 0));
      const bad = own.findIndex((threshold) => !(Number.isFinite(threshold) && threshold > 0));
      if (bad >= 0 && (weightBits[index] ?? 0) > 0) {
        fail(`quantization.channelThresholds of ${op}, channel ${bad}, must be positive and finite, found ${String(own[bad])}`);
      }
    });
  }

  #checkCodebooks(codebooks: readonly (NativeCodebook | null)[]): void {
    checkLength('quantization.codebooks', codebooks.length, this.quantizableOps.length, 'one a quantizable operator');
    codebooks.forEach((book, index) => {
      const op = this.quantizableOps[index] ?? String(index);
      if (book === null) return;
      checkInteger(`centroids of ${op}`, book.centroids.length, 1, 256);
      checkFinite(`centroids of ${op}`, book.centroids);
      checkLength(`assignment of ${op}`, book.assignment.length, this.#weightsOf(op).count, 'one a weight');
      const bad = book.assignment.findIndex((centroid) => centroid >= book.centroids.length);
      if (bad >= 0) fail(`assignment of ${op} must name one of ${book.centroids.length} centroids, found ${String(book.assignment[bad])}`);
    });
  }

  #checkQuantization(quantization: NativeQuantization): void {
    const count = this.quantizableOps.length;
    if (quantization.channelThresholds) this.#checkChannelThresholds(quantization.channelThresholds, quantization.weightBits);
    if (quantization.codebooks) this.#checkCodebooks(quantization.codebooks);
    const kinds = [
      ['weight', quantization.weightBits, quantization.weightThresholds],
      ['activation', quantization.activationBits, quantization.activationThresholds],
    ] as const;
    for (const [kind, bits, thresholds] of kinds) {
      checkLength(`quantization.${kind}Bits`, bits.length, count, 'one a quantizable operator');
      checkLength(`quantization.${kind}Thresholds`, thresholds.length, count, 'one a quantizable operator');
      bits.forEach((width, index) => {
        const op = this.quantizableOps[index] ?? String(index);
        if (width > 8) fail(`quantization.${kind}Bits of ${op} must be from 0 to 8, found ${width}`);
        const threshold = thresholds[index] ?? Number.NaN;
        if (width > 0 && !(Number.isFinite(threshold) && threshold > 0)) {
          fail(`quantization.${kind}Thresholds of ${op} must be positive and finite, found ${threshold}`);
        }
      });
    }
  }
}

function listener<T>(options: { readonly onProgress?: (progress: T) => void }): { readonly onProgress?: (progress: T) => void } {
  return options.onProgress ? { onProgress: options.onProgress } : {};
}

const noAugmentation: NativeAugmentation = { cropPadding: 0, flip: false, cutout: 0 };

type TrainSettings = Omit<
  Required<NativeTrainOptions>,
  'quantized' | 'dataset' | 'order' | 'batchSize' | 'learningRates' | 'control' | 'onProgress'
>;

/** How to train, checked, with every default filled in. */
export function trainSettings(options: NativeTrainOptions): TrainSettings {
  const { optimizer = 'sgd', momentum, nesterov = false, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { weightDecay, decayAll = false, clipNorm = 0, keepZeros = false, labelSmoothing = 0, seed = 0, firstStep = 0 } = options;
  const augmentation = options.augmentation ?? noAugmentation;
  checkNumber('momentum', momentum, 0, 1);
  checkNumber('beta1', beta1, 0, 0.999_999);
  checkNumber('beta2', beta2, 0, 0.999_999);
  checkNumber('epsilon', epsilon, 0, 1);
  checkNumber('weightDecay', weightDecay, 0, Number.MAX_VALUE);
  checkNumber('clipNorm', clipNorm, 0, Number.MAX_VALUE);
  checkNumber('labelSmoothing', labelSmoothing, 0, 1);
  checkInteger('seed', seed, 0, 0xffff_ffff);
  checkInteger('firstStep', firstStep, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('augmentation.cropPadding', augmentation.cropPadding, 0, 65_536);
  checkInteger('augmentation.cutout', augmentation.cutout, 0, 65_536);
  return {
    optimizer,
    momentum,
    nesterov,
    beta1,
    beta2,
    epsilon,
    weightDecay,
    decayAll,
    clipNorm,
    keepZeros,
    labelSmoothing,
    augmentation,
    seed,
    firstStep,
  };
}

/** Throws LatheError: bad-input where the program is inconsistent; unavailable without the addon. */
export function createModel(program: NativeProgram): Model {
  return new Model(program);
}
