/**
 * The accuracy of a quantized network: the addon's model, a data set, and the thresholds found by calibration. What it may
 * read is decided by who makes it: a search gets one that knows the training images alone.
 */
import type {
  NativeArithmetic,
  NativeCalibration,
  NativeCodebook,
  NativeControl,
  NativeDataset,
  NativeEvaluateOptions,
  NativeModel,
  NativeQuantization,
  ThresholdRule,
} from '../compute/addon.ts';
import { LatheError } from '../../shared/errors.ts';
import type { BitVector } from './quantize/bits.ts';
import { QuantizedTraining, type FineTuning } from './training/quantized-training.ts';

/** Lloyd's iterations of a codebook at most; it usually stands still long before. */
const codebookIterations = 50;

/** Images evaluated at once: enough to keep the cores busy, small enough to stay in cache. */
const evaluationBatch = 64;

/** How clipping thresholds are found; default: least squared error, one a tensor. */
export interface ThresholdChoice {
  readonly rule?: ThresholdRule;
  readonly percentile?: number;
  readonly perChannel?: boolean;
}

/** Shares of the images, 0..1, and the mean cross-entropy. */
export interface Reading {
  readonly accuracy: number;
  readonly top5Accuracy: number; // the label is among the five likeliest
  readonly loss: number;
}

/** A quantized network as it was measured: float weights, to be quantized so, and the statistics of batch norm that belong to them. */
export interface QuantizedNetwork {
  readonly parameters: Float32Array;
  readonly quantization: NativeQuantization;
  readonly signed: readonly boolean[]; // of each quantizable operator: whether its inputs can be negative
}

export class Evaluator {
  private readonly model: NativeModel;
  private readonly dataset: NativeDataset;
  private readonly control: NativeControl;
  private calibrations: readonly NativeCalibration[] | null = null;
  private codebooks: readonly (readonly (NativeCodebook | null)[])[] | null = null; // by bits
  private tuning: { readonly how: FineTuning; readonly dataset: NativeDataset; readonly float: Float32Array } | null = null;
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

  /** k-means codebooks of the weights as they stand, for all widths, in place of linear weights. `uniforms`: 256 a layer, in [0, 1). */
  async cluster(uniforms: Float64Array): Promise<void> {
    const count = this.model.quantizableOps.length;
    const books: (readonly (NativeCodebook | null)[])[] = [];
    for (let bits = 0; bits <= 8; bits += 1) {
      const options = { bits: new Uint8Array(count).fill(bits), iterations: codebookIterations, keepZeros: false, uniforms };
      books.push(bits === 0 ? [] : await this.model.cluster({ ...options, control: this.control }));
    }
    this.codebooks = books;
  }

  /**
   * From here on each quantized network is trained so before it is measured, from the same float weights on the same images in the
   * same order; null: it is not. The model keeps its float weights.
   */
  fineTune(how: FineTuning | null): void {
    this.tuning = how === null ? null : { how, dataset: this.dataset, float: this.model.getState().parameters };
  }

  /** Accuracy, 0..1, on these images; without bits: of the float network. */
  async accuracyOf(indices: Uint32Array, bits?: BitVector, arithmetic: NativeArithmetic = 'fake'): Promise<number> {
    return (await this.measure(indices, bits, arithmetic)).accuracy;
  }

  /** The same with the mean cross-entropy. `arithmetic` is of a quantized network. */
  async measure(indices: Uint32Array, bits?: BitVector, arithmetic: NativeArithmetic = 'fake'): Promise<Reading> {
    const [reading] = await this.measureAll([{ dataset: this.dataset, indices }], bits, arithmetic);
    if (!reading) throw new Error('an evaluation of one set of images has one reading');
    return reading;
  }

  /** The same on several sets of images, fine-tuned once for all of them. */
  async measureAll(
    parts: readonly { readonly dataset: NativeDataset; readonly indices: Uint32Array }[],
    bits?: BitVector,
    arithmetic: NativeArithmetic = 'fake',
  ): Promise<Reading[]> {
    if (!bits) return await this.read(parts, {});
    try {
      return await this.measureWith(parts, await this.tuned(this.quantizationOf(bits)), arithmetic);
    } finally {
      if (this.tuning) this.model.setState(this.tuning.float);
    }
  }

  /** The model's weights as they stand, quantized so; `statistics` as for every quantized network. */
  async measureWith(
    parts: readonly { readonly dataset: NativeDataset; readonly indices: Uint32Array }[],
    quantization: NativeQuantization,
    arithmetic: NativeArithmetic = 'fake',
  ): Promise<Reading[]> {
    return await this.read(parts, { quantization, arithmetic, ...(this.statistics ? { statistics: this.statistics } : {}) });
  }

  /** The quantized network that `measure` measures. */
  async networkOf(bits: BitVector): Promise<QuantizedNetwork> {
    try {
      const quantization = await this.tuned(this.quantizationOf(bits));
      return { quantization, parameters: await this.parametersWith(quantization), signed: this.signed };
    } finally {
      if (this.tuning) this.model.setState(this.tuning.float);
    }
  }

  /** The flat parameters of the network that `measureWith` measures: batch norm has the statistics measured with this quantization. */
  async parametersWith(quantization: NativeQuantization): Promise<Float32Array> {
    if (!this.statistics) return this.model.getState().parameters;
    const { parameters } = await this.model.evaluate({
      dataset: this.statistics.dataset,
      indices: this.statistics.indices.slice(0, 1),
      batchSize: 1,
      quantization,
      statistics: this.statistics,
      wantParameters: true,
      control: this.control,
    });
    this.throwIfCancelled();
    if (!parameters) throw new LatheError('internal', 'the network gave no parameters');
    return parameters;
  }

  /** Whether each quantizable operator's inputs can be negative, in network order. */
  get signed(): readonly boolean[] {
    return (this.calibrations ?? []).map((layer) => layer.signed);
  }

  private async read(
    parts: readonly { readonly dataset: NativeDataset; readonly indices: Uint32Array }[],
    how: Pick<NativeEvaluateOptions, 'quantization' | 'arithmetic' | 'statistics'>,
  ): Promise<Reading[]> {
    const readings: Reading[] = [];
    for (const part of parts) {
      const result = await this.model.evaluate({ ...part, ...how, batchSize: evaluationBatch, control: this.control });
      this.throwIfCancelled();
      const { correct, correctTop5, count, meanLoss } = result;
      readings.push({ accuracy: correct / count, top5Accuracy: correctTop5 / count, loss: meanLoss });
    }
    return readings;
  }

  /** What training with this quantization makes of it; the model then has the trained weights. */
  private async tuned(quantization: NativeQuantization): Promise<NativeQuantization> {
    if (!this.tuning) return quantization;
    const { how, dataset, float } = this.tuning;
    this.model.setState(float);
    const training = new QuantizedTraining(this.model, dataset, how, quantization, this.control);
    await training.advance(training.totalSteps);
    this.throwIfCancelled();
    return training.quantization;
  }

  /** The same network with the same thresholds and statistics, on another data set. */
  on(dataset: NativeDataset): Evaluator {
    const other = new Evaluator(this.model, dataset, this.control);
    other.calibrations = this.calibrations;
    other.statistics = this.statistics;
    other.codebooks = this.codebooks;
    other.tuning = this.tuning;
    return other;
  }

  /** Bits with the thresholds that calibration found for them. */
  quantizationOf(bits: BitVector): NativeQuantization {
    if (!this.calibrations) throw new Error('evaluator is not calibrated');
    const pick = (tables: (layer: NativeCalibration) => Float32Array, widths: readonly number[]): Float32Array =>
      Float32Array.from(this.calibrations ?? [], (layer, index) => tables(layer)[widths[index] ?? 0] ?? 0);
    return {
      weightBits: Uint8Array.from(bits.weightBits),
      activationBits: Uint8Array.from(bits.activationBits),
      weightThresholds: pick((layer) => layer.weightThresholds, bits.weightBits),
      activationThresholds: pick((layer) => layer.activationThresholds, bits.activationBits),
      ...this.channelThresholds(bits),
      ...(this.codebooks ? { codebooks: Array.from(bits.weightBits, (width, layer) => this.codebooks?.[width]?.[layer] ?? null) } : {}),
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
