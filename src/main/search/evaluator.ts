/**
 * The accuracy of a quantized network: the addon's model, a data set, and the thresholds found by calibration. What it may
 * read is decided by who makes it: a search gets one that knows the training images alone.
 */
import type {
  NativeArithmetic,
  NativeCalibration,
  NativeControl,
  NativeDataset,
  NativeModel,
  NativeQuantization,
  ThresholdRule,
} from '../compute/addon.ts';
import { LatheError } from '../../shared/errors.ts';
import type { BitVector } from './quantize/bits.ts';

/** Images evaluated at once: enough to keep the cores busy, small enough to stay in cache. */
const evaluationBatch = 64;

/** How clipping thresholds are found; default: least squared error, one a tensor. */
export interface ThresholdChoice {
  readonly rule?: ThresholdRule;
  readonly percentile?: number;
  readonly perChannel?: boolean;
}

export class Evaluator {
  private readonly model: NativeModel;
  private readonly dataset: NativeDataset;
  private readonly control: NativeControl;
  private calibrations: readonly NativeCalibration[] | null = null;
  private statistics: { readonly dataset: NativeDataset; readonly indices: Uint32Array } | null = null;

  constructor(model: NativeModel, dataset: NativeDataset, control: NativeControl) {
    this.model = model;
    this.dataset = dataset;
    this.control = control;
  }

  /**
   * Finds the clipping thresholds of all layers at all bit widths on these images; the first `statisticsImages` of them also
   * give each quantized network the statistics of its batch norms (0: it keeps the float network's).
   */
  async calibrate(indices: Uint32Array, statisticsImages: number, thresholds: ThresholdChoice = {}): Promise<void> {
    if (statisticsImages > indices.length)
      throw new RangeError(`statistics of ${String(statisticsImages)} images, but ${String(indices.length)} calibrate`);
    this.statistics = statisticsImages > 0 ? { dataset: this.dataset, indices: indices.slice(0, statisticsImages) } : null;
    this.calibrations = await this.model.calibrate({
      dataset: this.dataset,
      indices,
      batchSize: evaluationBatch,
      control: this.control,
      ...thresholds,
    });
    this.throwIfCancelled();
  }

  /** Accuracy, 0..1, on these images; without bits: of the float network. */
  async accuracyOf(indices: Uint32Array, bits?: BitVector, arithmetic: NativeArithmetic = 'fake'): Promise<number> {
    return (await this.measure(indices, bits, arithmetic)).accuracy;
  }

  /** The same with the mean cross-entropy. `arithmetic` is of a quantized network. */
  async measure(
    indices: Uint32Array,
    bits?: BitVector,
    arithmetic: NativeArithmetic = 'fake',
  ): Promise<{ readonly accuracy: number; readonly loss: number }> {
    const result = await this.model.evaluate({
      dataset: this.dataset,
      indices,
      batchSize: evaluationBatch,
      control: this.control,
      ...(bits ? { quantization: this.quantizationOf(bits), arithmetic, ...(this.statistics ? { statistics: this.statistics } : {}) } : {}),
    });
    this.throwIfCancelled();
    return { accuracy: result.correct / result.count, loss: result.meanLoss };
  }

  /** The same network with the same thresholds and statistics, on another data set. */
  on(dataset: NativeDataset): Evaluator {
    const other = new Evaluator(this.model, dataset, this.control);
    other.calibrations = this.calibrations;
    other.statistics = this.statistics;
    return other;
  }

  private quantizationOf(bits: BitVector): NativeQuantization {
    if (!this.calibrations) throw new Error('evaluator is not calibrated');
    const pick = (tables: (layer: NativeCalibration) => Float32Array, widths: readonly number[]): Float32Array =>
      Float32Array.from(this.calibrations ?? [], (layer, index) => tables(layer)[widths[index] ?? 0] ?? 0);
    return {
      weightBits: Uint8Array.from(bits.weightBits),
      activationBits: Uint8Array.from(bits.activationBits),
      weightThresholds: pick((layer) => layer.weightThresholds, bits.weightBits),
      activationThresholds: pick((layer) => layer.activationThresholds, bits.activationBits),
      ...this.channelThresholds(bits),
    };
  }

  /** Where calibration was asked for them: those of each layer's width, one layer behind the other. */
  private channelThresholds({ weightBits }: BitVector): Pick<NativeQuantization, 'channelThresholds'> {
    const rows = (this.calibrations ?? []).flatMap(({ channelThresholds }, index) => {
      if (!channelThresholds) return [];
      const channels = channelThresholds.length / 9;
      const width = weightBits[index] ?? 0;
      return [...channelThresholds.subarray(width * channels, (width + 1) * channels)];
    });
    return rows.length > 0 ? { channelThresholds: Float32Array.from(rows) } : {};
  }

  private throwIfCancelled(): void {
    if (this.control.cancelled) throw new LatheError('cancelled', 'cancelled on request');
  }
}
