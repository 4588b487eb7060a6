/** A network in the addon. Every argument is checked here, before C++ sees it. */
import { LatheError } from '../../shared/errors.ts';
import type {
  NativeCalibration,
  NativeDataset,
  NativeEvaluateOptions,
  NativeEvaluateResult,
  NativeModel,
  NativeParameter,
  NativeProgram,
  NativeQuantization,
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
  getState(): { readonly parameters: Float32Array; readonly momentum: Float32Array } {
    return guard(() => this.#native.getState());
  }

  /** Throws LatheError: bad-input, or conflict while a call runs. Without momentum it starts from zeros. */
  setState(parameters: Float32Array, momentum?: Float32Array): void {
    checkLength('parameters', parameters.length, this.#parameterCount, 'the parameters of the network');
    checkFinite('parameters', parameters);
    if (momentum) {
      checkLength('momentum', momentum.length, this.#parameterCount, 'the parameters of the network');
      checkFinite('momentum', momentum);
    }
    guard(() => this.#native.setState(parameters, momentum));
  }

  /**
   * Trains for `learningRates.length` steps. A cancel resolves with fewer `stepsDone`. Rejects with LatheError: bad-input
   * (an argument, or the training diverged), conflict (a call is running).
   */
  async train(options: NativeTrainOptions & Cancellable): Promise<NativeTrainResult> {
    const { dataset, order, batchSize, learningRates, momentum, weightDecay } = options;
    this.#checkDataset(dataset, true);
    checkInteger('batchSize', batchSize, 1, largestBatch);
    checkLength('order', order.length, learningRates.length * batchSize, `${learningRates.length} steps of ${batchSize} images`);
    checkIndices('order', order, factsOf(dataset).count);
    checkFinite('learningRates', learningRates);
    checkNumber('momentum', momentum, 0, 1);
    checkNumber('weightDecay', weightDecay, 0, Number.MAX_VALUE);
    return this.#call(options, (cancel) =>
      this.#native.train({ dataset, order, batchSize, learningRates, momentum, weightDecay, ...cancel, ...listener(options) }),
    );
  }

  /** Accuracy, loss and, where wanted, logits, with weights and activations quantized where asked. Rejects as `train`. */
  async evaluate(options: NativeEvaluateOptions & Cancellable): Promise<NativeEvaluateResult> {
    const { dataset, indices, batchSize, quantization, statistics, wantLogits } = options;
    this.#checkDataset(dataset, true);
    checkInteger('batchSize', batchSize, 1, largestBatch);
    checkIndices('indices', indices, factsOf(dataset).count);
    if (quantization) this.#checkQuantization(quantization);
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
        ...(statistics ? { statistics } : {}),
        wantLogits: wantLogits ?? false,
        ...cancel,
        ...listener(options),
      }),
    );
  }

  /** Ranges and clipping thresholds of every quantizable operator. Rejects as `train`, and with LatheError: cancelled. */
  async calibrate(options: CalibrateOptions & Cancellable): Promise<readonly NativeCalibration[]> {
    const { dataset, indices, batchSize } = options;
    this.#checkDataset(dataset, false);
    checkInteger('batchSize', batchSize, 1, largestBatch);
    checkIndices('indices', indices, factsOf(dataset).count);
    if (indices.length === 0) fail('indices must name at least one image, found none');
    return this.#call(options, async (cancel) => {
      try {
        return await this.#native.calibrate({ dataset, indices, batchSize, ...cancel });
      } catch (error) {
        if (cancel.control?.cancelled === true) throw new LatheError('cancelled', 'calibration was cancelled on request');
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

  #checkQuantization(quantization: NativeQuantization): void {
    const count = this.quantizableOps.length;
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

/** Throws LatheError: bad-input where the program is inconsistent; unavailable without the addon. */
export function createModel(program: NativeProgram): Model {
  return new Model(program);
}
