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

  constructor(model: NativeModel, dataset: NativeDataset, control: NativeControl) {
    this.model = model;
    this.dataset = dataset;
    this.control = control;
  }

  /** Finds the clipping thresholds of all layers at all bit widths on these images. */
  async calibrate(indices: Uint32Array): Promise<void> {
    this.calibrations = await this.model.calibrate({ dataset: this.dataset, indices, batchSize: evaluationBatch, control: this.control });
    this.throwIfCancelled();
  }

  /** Accuracy, 0..1, on these images; without bits: of the float network. */
  async accuracyOf(indices: Uint32Array, bits?: BitVector): Promise<number> {
    const result = await this.model.evaluate({
      dataset: this.dataset,
      indices,
      batchSize: evaluationBatch,
      control: this.control,
      ...(bits ? { quantization: this.quantizationOf(bits) } : {}),
    });
    this.throwIfCancelled();
    return result.correct / result.count;
  }

  /** The same network with the same thresholds, on another data set. */
  on(dataset: NativeDataset): Evaluator {
    const other = new Evaluator(this.model, dataset, this.control);
    other.calibrations = this.calibrations;
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
