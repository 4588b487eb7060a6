/**
 * The shape of the C++ addon, as `native/src/binding/` exports it. Types only; `compute/index.ts` is the face that
 * validates and then calls. Tensors are float32 NHWC unless a comment says otherwise.
 */

/** Along the height and along the width of an image. */
export type Pair = readonly [height: number, width: number];
/** Rows and columns around an image. */
export type Padding = readonly [top: number, left: number, bottom: number, right: number];

interface OpBase {
  readonly name: string;
  readonly output: number;
}
interface UnaryOp extends OpBase {
  readonly input: number;
}

/** One operator of a program. Tensors are numbered; tensor 0 is the input batch. Every operator writes one new tensor. */
export type NativeOp =
  | (UnaryOp & {
      readonly kind: 'conv';
      readonly inChannels: number;
      readonly outChannels: number;
      readonly kernel: Pair;
      readonly stride: Pair;
      readonly padding: Padding; // zeros
      readonly dilation: Pair;
      readonly groups: number; // divides both channel counts
      readonly bias: boolean;
    })
  | (UnaryOp & {
      readonly kind: 'linear';
      readonly inFeatures: number;
      readonly outFeatures: number;
      readonly bias: boolean;
    })
  | (UnaryOp & {
      readonly kind: 'batchNorm';
      readonly channels: number;
      readonly epsilon: number;
      readonly momentum: number;
    }) // running = (1 - momentum) * running + momentum * batch; the variance kept is divided by count - 1, as PyTorch does
  | (UnaryOp & { readonly kind: 'channelAffine'; readonly channels: number }) // x * scale + shift a channel; never trained
  | (UnaryOp & { readonly kind: 'relu' | 'relu6' | 'hardSwish' | 'sigmoid' | 'swish' | 'tanh' })
  | (UnaryOp & { readonly kind: 'hardSigmoid'; readonly alpha: number; readonly beta: number }) // max(0, min(1, alpha x + beta))
  | (UnaryOp & { readonly kind: 'leakyRelu'; readonly slope: number })
  | (UnaryOp & { readonly kind: 'clip'; readonly minimum: number; readonly maximum: number }) // either may be infinite
  | (OpBase & { readonly kind: 'add'; readonly inputs: readonly number[] }) // two or more of one shape
  | (OpBase & { readonly kind: 'mul'; readonly inputs: readonly [number, number] }) // of one shape, or the second (1, 1, C)
  | (OpBase & { readonly kind: 'concat'; readonly inputs: readonly number[] }) // along channels
  | (UnaryOp & { readonly kind: 'maxPool'; readonly kernel: Pair; readonly stride: Pair; readonly padding: Padding }) // padding never wins
  | (UnaryOp & {
      readonly kind: 'averagePool';
      readonly kernel: Pair;
      readonly stride: Pair;
      readonly padding: Padding;
      readonly countPadding: boolean; // whether the divisor counts the padded pixels of a window as well
    })
  | (UnaryOp & { readonly kind: 'globalAveragePool' }) // (N,H,W,C) -> (N,1,1,C)
  | (UnaryOp & { readonly kind: 'pad'; readonly padding: Padding; readonly value: number }) // negative: rows and columns cut off
  | (UnaryOp & { readonly kind: 'flatten' }) // (N,H,W,C) -> (N,1,1,H*W*C)
  | (UnaryOp & { readonly kind: 'dropout'; readonly probability: number }) // of a value to become 0 in training; the others grow by 1 / (1 - p)
  | (UnaryOp & { readonly kind: 'softmax' }); // over channels; not in training

/** A network as the executor takes it; the last operator's output are the logits (N, classes), softmax cross-entropy follows. */
export interface NativeProgram {
  readonly inputShape: readonly [number, number, number]; // H, W, C
  readonly classes: number;
  readonly ops: readonly NativeOp[];
}

/**
 * Where a parameter lies in the flat parameter array. Weights are (outChannels, kernel height, kernel width,
 * inChannels / groups) for convolution, (out, in) for linear. Running statistics and a channelAffine's scale and shift are
 * state, not trained.
 */
export interface NativeParameter {
  readonly op: string;
  readonly role: 'weight' | 'bias' | 'gamma' | 'beta' | 'runningMean' | 'runningVariance' | 'scale' | 'shift';
  readonly offset: number; // in floats
  readonly length: number;
  readonly shape: readonly number[];
}

/** Images in a file, one behind the other from `offset` on. The file is opened once and read image by image, never as a whole. */
export interface NativeImageFile {
  readonly path: string;
  readonly offset: number; // bytes
}

/**
 * Images stay as bytes; a batch is gathered as (byte / 255 - mean) / std per channel. Images in memory are not copied: leave
 * them alone. A file must stay as it is while it is used.
 */
export interface NativeDatasetOptions {
  readonly images: Uint8Array | NativeImageFile; // (count, height, width, channels)
  readonly labels: Uint8Array; // (count)
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /**
   * What the network sees, at least as high and wide; default: the images as they are. Smaller images are centred on zero bytes,
   * with an odd margin the spare row below and the spare column right.
   */
  readonly inputHeight?: number;
  readonly inputWidth?: number;
  readonly mean: readonly number[]; // a channel each
  readonly std: readonly number[];
}
export interface NativeDataset {
  readonly count: number;
}

/** A flag that a running call polls at least every few milliseconds. */
export interface NativeControl {
  cancel(): void;
  readonly cancelled: boolean;
}

export interface NativeProgress {
  readonly done: number; // steps of training, images of evaluation
  readonly total: number;
  readonly meanLoss: number; // since the call began
  readonly accuracy: number;
}

/** On the bytes, before normalisation, in this order; what is drawn depends on seed, step and image alone. */
export interface NativeAugmentation {
  readonly cropPadding: number; // pixels of black around the image, of which a window of its own size is taken
  readonly flip: boolean; // left to right, one time in two
  readonly cutout: number; // side of a square that becomes the mean colour, in pixels; 0: none
}

export interface NativeTrainOptions {
  readonly dataset: NativeDataset;
  readonly order: Uint32Array; // image indices, steps * batchSize of them
  readonly batchSize: number;
  readonly learningRates: Float32Array; // one a step
  readonly optimizer?: 'sgd' | 'adam'; // default: sgd; adam decays as AdamW: w *= 1 - rate * decay
  readonly momentum: number; // of sgd
  readonly nesterov?: boolean; // of sgd
  readonly beta1?: number; // of adam; default 0.9
  readonly beta2?: number; // default 0.999
  readonly epsilon?: number; // default 1e-8
  readonly weightDecay: number; // on convolution and linear weights only, unless decayAll
  readonly decayAll?: boolean;
  readonly clipNorm?: number; // the gradient is scaled down to this Euclidean norm; 0, the default: left alone
  readonly keepZeros?: boolean; // convolution and linear weights that are zero stay zero
  readonly labelSmoothing?: number; // 0..1
  readonly quantized?: NativeQuantizedTraining;
  readonly augmentation?: NativeAugmentation;
  /** Of all that is drawn while training (augmentation, dropout): a draw depends on it and on the step's own number. */
  readonly seed?: number; // 0 .. 2^32 - 1
  readonly firstStep?: number; // steps behind this call, as many as the optimiser's state has behind it; default 0
  readonly control?: NativeControl;
  readonly onProgress?: (progress: NativeProgress) => void; // at most ten a second
}
/** `stepsDone` is smaller than asked after a cancel; the model then stands exactly behind that step. */
export interface NativeTrainResult {
  readonly stepsDone: number;
  readonly cancelled: boolean;
  readonly losses: Float32Array; // a step each
  readonly correct: Uint32Array; // a step each
  readonly gradientNorms: Float32Array; // a step each, before clipping
  /** Behind the last step, for the next call and for `evaluate`; null where nothing was quantized. */
  readonly quantized: { readonly quantization: NativeQuantization; readonly rangeVelocities: Float32Array } | null;
}

/**
 * Linear quantization of every quantizable operator (conv, linear), in program order. 0 bits: left in float.
 * Whether activations are unsigned follows from the program: behind ReLU or ReLU6, also through pooling and sums of such.
 * Thresholds are clipping values, as `calibrate` and `weightThresholds` give them.
 * Weights, b >= 2 bits: scale = threshold / (2^(b-1) - 1), codes in [-(2^(b-1)-1), 2^(b-1)-1]. 1 bit: sign(w) * threshold, sign(0) = +1.
 * Activations, unsigned (behind ReLU or ReLU6): scale = threshold / (2^b - 1), codes in [0, 2^b - 1].
 * Activations, signed: as weights. Rounding is to nearest, ties to even.
 * Weights are quantized before batch norm is applied (it stays float), as in HAQ; biases stay float.
 */
export interface NativeQuantization {
  readonly weightBits: Uint8Array;
  readonly activationBits: Uint8Array;
  readonly weightThresholds: Float32Array;
  readonly activationThresholds: Float32Array;
  /** A threshold for each output channel of the weights, the operators' one behind the other; instead of `weightThresholds`. */
  readonly channelThresholds?: Float32Array;
  /** One an operator; null: linear weights. Weights with a codebook are `centroids[assignment]`, whatever their bits say. */
  readonly codebooks?: readonly (NativeCodebook | null)[];
}

/** Weights that share few values (Han et al. 2016, Deep Compression). */
export interface NativeCodebook {
  readonly centroids: Float32Array; // 1..256
  readonly assignment: Uint8Array; // a weight each: its centroid
  readonly keepsZeros: boolean; // the centroid 0 is what was pruned, and stays 0
}

/**
 * Training with quantized weights and activations; gradients pass straight through rounding. The model keeps float weights
 * (with a codebook: the centroids). Ranges start at `activationThresholds`; learned ones (PACT) step with the weights' rate:
 * v = rangeMomentum * v + gradient + rangeDecay * range. One-bit weights take the mean of |w| anew for each step. A codebook's
 * weights share one gradient: its sum (Deep Compression) or its mean (HAQ's code).
 */
export interface NativeQuantizedTraining {
  readonly quantization: NativeQuantization;
  readonly learnRanges: boolean;
  readonly rangeDecay: number;
  readonly rangeMomentum: number;
  readonly rangeVelocities?: Float32Array; // one an operator, of the call before; absent: zeros
  readonly clusterGradient: 'sum' | 'mean';
}

/** `fake`: floats that stand for codes. `integer`: the codes themselves, with 32-bit sums. */
export type NativeArithmetic = 'fake' | 'integer';

/** `mse`: least squared error. `kl`: HAQ's divergence. `percentile`: a share of the values is not clipped. */
export type ThresholdRule = 'mse' | 'maximum' | 'kl' | 'percentile';

export interface NativeEvaluateOptions {
  readonly dataset: NativeDataset;
  readonly indices: Uint32Array;
  readonly batchSize: number;
  readonly quantization?: NativeQuantization;
  readonly arithmetic?: NativeArithmetic; // of a quantized evaluation; default: fake
  /**
   * Batch norm uses the statistics of these images, measured with the same quantization, instead of its running ones. The
   * model keeps its own. Holds the activations of all these images in memory at once.
   */
  readonly statistics?: { readonly dataset: NativeDataset; readonly indices: Uint32Array };
  readonly wantParameters?: boolean; // of the network with these statistics, where there are any
  readonly wantLogits?: boolean;
  readonly control?: NativeControl;
  readonly onProgress?: (progress: NativeProgress) => void;
}
export interface NativeEvaluateResult {
  readonly cancelled: boolean;
  readonly count: number;
  readonly correct: number;
  readonly correctTop5: number; // the label's logit is among the five largest, of equal ones the first
  readonly meanLoss: number;
  readonly logits: Float32Array | null; // (count, classes)
  readonly parameters: Float32Array | null; // the flat array, with the measured statistics as running ones
}

/** A quantizable operator's input, as seen on the calibration images. Tables have one entry for each of 0..8 bits; entry 0 is 0. */
export interface NativeCalibration {
  readonly op: string;
  readonly signed: boolean;
  readonly minimum: number;
  readonly maximum: number;
  readonly activationThresholds: Float32Array; // 9; over a 2048-bin histogram
  readonly weightThresholds: Float32Array; // 9; 1 bit: mean |w|; where every value is 0: 1
  readonly channelThresholds?: Float32Array; // (9, out channels) where asked
}

/** Copies, all laid out as `parameters` says. */
export interface NativeModelState {
  readonly parameters: Float32Array;
  readonly momentum: Float32Array; // SGD's velocity, Adam's first moment
  readonly secondMoment?: Float32Array; // Adam's; absent until it has run
}

export interface NativeForwardOptions {
  readonly inputs: Float32Array; // (batch, H, W, C)
  readonly batch: number;
  readonly control?: NativeControl;
}

export interface NativeMemoryNeed {
  readonly training: number;
  readonly inference: number;
}

/** A layer that loses channels: which of its input channels (features) and output channels stay, ascending. */
export interface NativeReconstruction {
  readonly op: string; // one of those that moments were collected of
  readonly channels: Uint32Array;
  readonly rows: Uint32Array;
  readonly intercept: boolean; // whether a constant can be added to what it gives: a bias, or a batch norm behind it
}
export interface NativeReconstructed {
  readonly weight: Float32Array; // (rows, kernel height, kernel width, channels), those that stay
  readonly shift: Float32Array; // (rows): the constant to add; zeros without `intercept`
  readonly relativeError: number | null; // E|y - y'|^2 / E|y|^2 of the rows, around their means with `intercept`; null: not asked for
}

/** A network with its weights, batch-norm statistics and optimiser state. One call at a time; a second one is refused. */
export interface NativeModel {
  readonly parameters: readonly NativeParameter[];
  readonly quantizableOps: readonly string[];
  getState(): NativeModelState;
  setState(parameters: Float32Array, momentum?: Float32Array, secondMoment?: Float32Array): void; // what is left out: zeros
  train(options: NativeTrainOptions): Promise<NativeTrainResult>;
  evaluate(options: NativeEvaluateOptions): Promise<NativeEvaluateResult>;
  /** The logits (batch, classes) of float inputs; with `outputs` the values of those operators instead, by name. */
  forward(options: NativeForwardOptions): Promise<Float32Array>;
  forward(options: NativeForwardOptions & { readonly outputs: readonly string[] }): Promise<Readonly<Record<string, Float32Array>>>;
  /** What float training, and inference, hold at most, in bytes: parameters included, images not; nothing is used yet. */
  memoryBytes(options: { readonly batch: number; readonly optimizer?: 'sgd' | 'adam' }): NativeMemoryNeed;
  calibrate(options: {
    readonly dataset: NativeDataset;
    readonly indices: Uint32Array;
    readonly batchSize: number;
    readonly rule?: ThresholdRule; // default: mse
    readonly percentile?: number; // of that rule, in (0, 1]
    readonly perChannel?: boolean; // thresholds of each output channel's weights as well
    readonly control?: NativeControl;
  }): Promise<readonly NativeCalibration[]>;
  /**
   * Second moments of what enters these operators (convolutions of one group, linear layers), over `samples` output positions of each
   * image, and their weights as they stand: what `reconstruct` works with. Holds (kernel * channels)^2 doubles a layer.
   */
  collectMoments(options: {
    readonly dataset: NativeDataset;
    readonly indices: Uint32Array;
    readonly samples: number;
    readonly seed: number; // 0 .. 2^32 - 1, of the positions
    readonly ops: readonly string[];
    readonly control?: NativeControl;
  }): Promise<void>;
  /** Least-squares weights for layers that lose channels; `ridge` is relative to the mean variance of what stays. The model is not changed. */
  reconstruct(options: {
    readonly layers: readonly NativeReconstruction[];
    readonly ridge: number;
    readonly wantErrors?: boolean;
  }): Promise<readonly NativeReconstructed[]>;
  /** k-means codebooks of the weights as they stand; null where `bits` is 0. The model is not changed. */
  cluster(options: {
    readonly bits: Uint8Array; // one an operator, 0..8
    readonly iterations: number; // of Lloyd's
    readonly keepZeros: boolean; // weights that are 0 keep a centroid of their own
    readonly uniforms: Float64Array; // (operators, 256) in [0, 1): k-means++'s draws
    readonly control?: NativeControl;
  }): Promise<readonly (NativeCodebook | null)[]>;
}

/** Weight steps of a supernet: a path each. */
export interface NativeSupernetTrainOptions extends Omit<
  NativeTrainOptions,
  'quantized' | 'optimizer' | 'beta1' | 'beta2' | 'epsilon' | 'onProgress'
> {
  readonly paths: readonly NativeProgram[]; // one a learning rate; operators are known by their names
}

/** A mixed edge of a path. Tensors are those of the path's program; all candidates give what the edge gives. */
export interface NativeGateEdge {
  readonly input: number; // what the candidates read
  readonly output: number; // what the edge gives: its gradient is the gates'
  readonly active?: number; // what the candidate that runs gives; absent: none runs
  readonly others: readonly (readonly NativeOp[])[]; // candidates that do not run; their tensor 0 is `input`
}
export interface NativeGatesOptions {
  readonly dataset: NativeDataset;
  readonly order: Uint32Array; // the images of the batch
  readonly path: NativeProgram;
  readonly edges: readonly NativeGateEdge[];
  readonly control?: NativeControl;
}
export interface NativeGatesResult {
  readonly cancelled: boolean; // then nothing else counts
  readonly loss: number; // mean cross-entropy, with the batch's statistics
  readonly correct: number;
  readonly gates: Float64Array; // <dL/dy, o_k(x)> of the active candidate and then of the others, edge by edge
  readonly pathBytes: number; // tensors of the path
  readonly peakBytes: number; // with the largest candidate beside them
}

/**
 * A network of which one path runs at a time. All candidates' parameters lie in one array; a step touches those of its path
 * alone. One call at a time; a second one is refused.
 */
export interface NativeSupernet {
  readonly parameters: readonly NativeParameter[];
  getState(): NativeModelState;
  setState(parameters: Float32Array, momentum?: Float32Array): void;
  train(options: NativeSupernetTrainOptions): Promise<Omit<NativeTrainResult, 'quantized'>>;
  gates(options: NativeGatesOptions): Promise<NativeGatesResult>;
}

/**
 * A small dense network with ReLU between layers, for an agent's actor or critic. Calls are synchronous and short
 * (well under a millisecond a batch of 64 at 300 units): they belong on the engine's thread, never on a face's.
 */
export interface NativeMlp {
  readonly parameterCount: number; // layer by layer: weight (in, out) row-major, then bias (out)
  getParameters(): Float32Array;
  setParameters(values: Float32Array): void;
  /** Adam's moments and step count. */
  getOptimizer(): { readonly firstMoment: Float32Array; readonly secondMoment: Float32Array; readonly steps: number };
  setOptimizer(state: { readonly firstMoment: Float32Array; readonly secondMoment: Float32Array; readonly steps: number }): void;
  /** x is (batch, in); returns (batch, out). Keeps what `backward` needs. */
  forward(x: Float32Array, batch: number): Float32Array;
  /** dOutput is (batch, out), of the last `forward`. Replaces the parameter gradients; returns the gradient of x, (batch, in). */
  backward(dOutput: Float32Array): Float32Array;
  getGradients(): Float32Array;
  adamStep(options: { readonly learningRate: number; readonly beta1: number; readonly beta2: number; readonly epsilon: number }): void;
  /** parameters = (1 - tau) * parameters + tau * source's. */
  softUpdateFrom(source: NativeMlp, tau: number): void;
}

/** One layer as the simulator takes it: a convolution, or a linear layer as one of a single pixel. */
export interface NativeLayer {
  readonly name: string; // for sentences
  readonly linear: boolean;
  readonly first: boolean; // reads the network's input
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
}
/** Three double-buffered buffers and the one bus to the memory. */
export interface NativeMemory {
  readonly weightBufferBits: number;
  readonly inputBufferBits: number;
  readonly outputBufferBits: number;
  readonly busBitsPerCycle: number;
  readonly sumBits: number; // of a partial sum
  readonly storedBits: number; // of every operand; 0: each at its own bits
  readonly latencySlack: number; // a tiling may take this part more cycles than the fastest if it moves less
}
/** Picojoules: of the array a multiply-accumulate and a working cycle, of buffers and memory a bit. */
export interface NativeEnergy {
  readonly macPj: number;
  readonly cyclePj: number;
  readonly weightReadPj: number;
  readonly weightWritePj: number;
  readonly inputReadPj: number;
  readonly inputWritePj: number;
  readonly outputReadPj: number;
  readonly outputWritePj: number;
  readonly dramPj: number;
}
interface NativeSides {
  readonly rows: number;
  readonly columns: number;
}
/** A target as one of the laws takes it; `energy` null: unknown. */
export type NativeTarget =
  | ({
      readonly law: 'systolic';
      readonly dataflow: 'output-stationary' | 'weight-stationary' | 'input-stationary';
      readonly energy: NativeEnergy | null;
    } & NativeSides &
      NativeMemory)
  | ({ readonly law: 'row-stationary'; readonly energy: NativeEnergy | null } & NativeSides & NativeMemory)
  | ({
      readonly law: 'bitfusion' | 'bitfusion-compatible';
      readonly maximumBits: number;
      readonly minimumBits: number;
      readonly energy: NativeEnergy | null;
    } & NativeSides &
      NativeMemory)
  | ({
      readonly law: 'bismo';
      readonly wordBits: number;
      readonly weightBufferWords: number;
      readonly activationBufferWords: number;
      readonly depthwiseGroupChannels: number;
      readonly energy: null;
    } & NativeSides)
  | ({
      readonly law: 'bismo-stages';
      readonly wordBits: number;
      readonly leftEntries: number;
      readonly rightEntries: number;
      readonly regions: number;
      readonly portBitsPerCycle: number;
      readonly sumBits: number;
      readonly depthwiseGroupChannels: number;
      readonly energy: null;
    } & NativeSides)
  | {
      readonly law: 'roofline';
      readonly busBitsPerCycle: number;
      readonly precisions: readonly { readonly operandBits: number; readonly macsPerCycle: number }[];
      readonly energy: null;
    };
/** Which layers to simulate at which bits (1..8), an entry a row. */
export interface NativeRows {
  readonly layer: Uint32Array;
  readonly weightBits: Uint8Array;
  readonly activationBits: Uint8Array;
}
/** An entry a row, all of the whole batch; what a law does not know is NaN. Traffic and accesses in bits, energy in picojoules. */
export interface NativeCosts {
  readonly cycles: Float64Array;
  readonly computeCycles: Float64Array; // the array works
  readonly weightBits: Float64Array; // from the memory, as the next
  readonly inputBits: Float64Array;
  readonly partialBits: Float64Array; // unfinished sums, out and back
  readonly outputBits: Float64Array;
  readonly weightBufferReadBits: Float64Array;
  readonly weightBufferWriteBits: Float64Array;
  readonly inputBufferReadBits: Float64Array;
  readonly inputBufferWriteBits: Float64Array;
  readonly outputBufferReadBits: Float64Array;
  readonly outputBufferWriteBits: Float64Array;
  readonly computePj: Float64Array;
  readonly bufferPj: Float64Array;
  readonly dramPj: Float64Array;
  readonly peakMacsPerCycle: Float64Array; // of the array at these bits
  readonly tiles: Float64Array; // 0: the law has none
  readonly tilings: Int32Array; // seven a row: groups, images, rows, columns, inputs, outputs, loop order (an index)
}
/** Totals over the tiles of each row, walked one by one. */
export interface NativeReplay {
  readonly cycles: Float64Array;
  readonly steps: Float64Array;
  readonly macs: Float64Array;
  readonly computeCycles: Float64Array;
  readonly weightLoadCycles: Float64Array;
  readonly inputLoadCycles: Float64Array;
  readonly partialLoadCycles: Float64Array;
  readonly partialStoreCycles: Float64Array;
  readonly outputStoreCycles: Float64Array;
}
/** Steps of one layer through load, compute and store; times in cycles, an entry a step. */
export interface NativeTimeline {
  readonly cycles: number; // of the layer
  readonly steps: number; // of the layer
  readonly step: Float64Array;
  readonly loadBegin: Float64Array;
  readonly weightLoad: Float64Array; // cycles, one after the other from loadBegin on
  readonly inputLoad: Float64Array;
  readonly partialLoad: Float64Array;
  readonly computeBegin: Float64Array;
  readonly computeEnd: Float64Array;
  readonly storeBegin: Float64Array;
  readonly storeEnd: Float64Array; // storeBegin: nothing is stored
  readonly complete: Float64Array; // 1: what is stored is complete
  readonly macs: Float64Array;
}
/** A target that layers are simulated on; it keeps what it has simulated. `batch` is from 1 to 2^20 images. */
export interface NativeSimulator {
  /** The best tiling of each row, or the given one. */
  run(layers: readonly NativeLayer[], rows: NativeRows, batch: number, tilings?: Int32Array): NativeCosts;
  /** The array alone, as if everything were in its buffers. */
  array(layers: readonly NativeLayer[], rows: NativeRows, batch: number): NativeCosts;
  replay(layers: readonly NativeLayer[], rows: NativeRows, batch: number, tilings?: Int32Array): NativeReplay;
  /** Steps `fromStep` and at most `steps` of them, of the one row. */
  timeline(layers: readonly NativeLayer[], rows: NativeRows, batch: number, fromStep: number, steps: number): NativeTimeline;
}

/** One operator alone, for tests: the fast kernel or its slow twin, which works in double precision. */
export interface NativeOperatorCall {
  readonly op: NativeOp;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly shapes?: readonly (readonly [number, number, number])[]; // of each input (H, W, C); default: that of all of them
  readonly training: boolean; // batch norm: batch statistics or running ones; dropout: drops or not
  readonly seed?: number; // of dropout; default 0
  readonly step?: number; // of dropout; default 0
  readonly inputs: readonly Float64Array[];
  readonly parameters: Readonly<Record<string, Float64Array>>; // by role
  readonly dOutput?: Float64Array; // given: backward as well
}
export interface NativeOperatorResult {
  readonly output: Float64Array;
  readonly dInputs: readonly Float64Array[] | null;
  readonly dParameters: Readonly<Record<string, Float64Array>> | null;
  readonly state: Readonly<Record<string, Float64Array>>; // batch norm's new running statistics
}

/** The kernel in use, its scalar twin, or VNNI's loops over an emulated instruction. */
export type IntegerImplementation = 'fast' | 'reference' | 'emulated-vnni';
export interface NativeIntegerProduct {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly signed: boolean;
  readonly codes: Uint8Array; // (m, k)
  readonly weights: Int8Array; // (n, k)
}
export interface NativeIntegerDepthwise {
  readonly rows: number; // of the padded tile
  readonly width: number;
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly signed: boolean;
  readonly codes: Uint8Array; // (rows, width, channels)
  readonly weights: Int8Array; // (channels, kernel, kernel)
}
export interface NativeRequantize {
  readonly channels: number;
  readonly acc: Int32Array; // (rows, channels)
  readonly scale: Float32Array; // (channels)
  readonly shift: Float32Array; // (channels)
  readonly least: number;
  readonly most: number;
  readonly codeScale: number;
  readonly low: number;
  readonly high: number;
  readonly sign: boolean;
  readonly wantCodes: boolean;
}

/** One operator to be timed: `infer` as in evaluation, `forward` and `backward` (both gradients) as in a training step. */
export interface NativeOperatorBenchmark {
  readonly op: NativeOp;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly pass: 'infer' | 'forward' | 'backward' | 'backwardWeights';
  readonly repeats: number;
}

export type SimdLevel = 'baseline' | 'avx2' | 'avx512';

export interface NativeAddon {
  info(): {
    readonly version: string; // of the addon's source tree
    readonly simd: SimdLevel; // in use
    readonly simdLevels: readonly SimdLevel[]; // compiled in and runnable here
    readonly cores: number; // physical where it can be told
    readonly threads: number;
    readonly compiler: string;
  };
  setThreads(threads: number): void;
  setSimd(level: SimdLevel): void;
  readonly Model: new (program: NativeProgram) => NativeModel;
  readonly Supernet: new (ops: readonly NativeOp[]) => NativeSupernet;
  readonly Dataset: new (options: NativeDatasetOptions) => NativeDataset;
  readonly Control: new () => NativeControl;
  readonly Mlp: new (options: { readonly sizes: readonly number[]; readonly output: 'linear' | 'sigmoid' }) => NativeMlp;
  readonly Simulator: new (target: NativeTarget) => NativeSimulator;
  readonly testing: {
    runOperator(call: NativeOperatorCall, implementation: 'fast' | 'reference'): NativeOperatorResult;
    quantizeWeights(weights: Float32Array, bits: number, threshold: number, implementation: 'fast' | 'reference'): Float32Array;
    quantizeActivations(
      values: Float32Array,
      bits: number,
      threshold: number,
      signed: boolean,
      implementation: 'fast' | 'reference',
    ): Float32Array;
    /** codes (m, k) times weights (n, k), to (m, n). */
    integerProduct(call: NativeIntegerProduct, implementation: IntegerImplementation): Int32Array;
    /** A padded tile of codes to (outRows, outWidth, channels). */
    integerDepthwise(call: NativeIntegerDepthwise, implementation: IntegerImplementation): Int32Array;
    /** Sums to values, or to codes as bytes. */
    requantize(call: NativeRequantize, implementation: IntegerImplementation): Float32Array | Uint8Array;
    /** An image as a step of training sees it, (H, W, C): augmented, then normalised. */
    loadImage(options: {
      readonly dataset: NativeDataset;
      readonly image: number;
      readonly augmentation: NativeAugmentation;
      readonly seed: number;
      readonly step: number;
    }): Float32Array;
    /** Milliseconds of each repeat after a warm-up; for bench/. */
    benchmarkOperator(options: NativeOperatorBenchmark): Float64Array;
    benchmarkInference(options: { readonly program: NativeProgram; readonly batch: number; readonly repeats: number }): Float64Array;
    /** The same in integer arithmetic, 8 bits everywhere. */
    benchmarkInteger(options: { readonly program: NativeProgram; readonly batch: number; readonly repeats: number }): Float64Array;
    benchmarkTraining(options: { readonly program: NativeProgram; readonly batch: number; readonly repeats: number }): Float64Array;
    /** What the present number of threads reaches at best: multiply-adds (counted twice) in registers, and a triad in memory. */
    roofs(): { readonly fmaGflops: number; readonly memoryGbPerSecond: number };
    softmaxCrossEntropy(
      logits: Float64Array,
      labels: Uint8Array,
      classes: number,
      implementation: 'fast' | 'reference',
      smoothing?: number,
    ): { readonly loss: number; readonly dLogits: Float64Array };
  };
}
