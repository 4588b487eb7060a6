/**
 * The accuracy of a quantized network: the addon's model, a data set, and the thresholds found by calibration. What it may
 * read is decided by who makes it: a search gets one that knows the training images alone.
 */
import type { NativeCalibration, NativeControl, NativeDataset, NativeModel, NativeQuantization } from '../compute/addon.ts';
import { LatheError } from '../../shared/errors.ts';
import type { BitVector } from './quantize/bits.ts';

/** Images evaluated at once: enough to keep the cores busy, small enough to stay in cache. */
const evaluationBatch = 64;

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
  async calibrate(indices: Uint32Array, statisticsImages: number): Promise<void> {
    if (statisticsImages > indices.length)
      throw new RangeError(`statistics of ${String(statisticsImages)} images, but ${String(indices.length)} calibrate`);
    this.statistics = statisticsImages > 0 ? { dataset: this.dataset, indices: indices.slice(0, statisticsImages) } : null;
    this.calibrations = await this.model.calibrate({ dataset: this.dataset, indices, batchSize: evaluationBatch, control: this.control });
    this.throwIfCancelled();
  }

  /** Accuracy, 0..1, on these images; without bits: of the float network. */
  async accuracyOf(indices: Uint32Array, bits?: BitVector): Promise<number> {
    return (await this.measure(indices, bits)).accuracy;
  }

  /** The same with the mean cross-entropy. */
  async measure(indices: Uint32Array, bits?: BitVector): Promise<{ readonly accuracy: number; readonly loss: number }> {
    const result = await this.model.evaluate({
      dataset: this.dataset,
      indices,
      batchSize: evaluationBatch,
      control: this.control,
      ...(bits ? { quantization: this.quantizationOf(bits), ...(this.statistics ? { statistics: this.statistics } : {}) } : {}),
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
    };
  }

  private throwIfCancelled(): void {
    if (this.control.cancelled) throw new LatheError('cancelled', 'cancelled on request');
  }
}
