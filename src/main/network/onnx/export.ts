/**
 * A network with its values as an ONNX file: N x C x H x W, float32, batch norm as an operator of its own, the batch free. Layers
 * with a policy get quantizers (QDQ): 8 and 4 bits as ONNX has them, others as 8-bit codes of fewer levels; every policy stands in the
 * metadata as well. `import.ts` reads the graph
 * back as it was.
 */
import onnxProto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import { LatheError } from '../../../shared/errors.ts';
import { weightCodes } from '../codes.ts';
import { inputName, inputsOf, type Graph, type GraphNode, type NodeSpec } from '../graph.ts';
import type { Shape } from '../shape.ts';
import { elementTypes } from './tensor.ts';

const { AttributeType } = onnxProto.onnx.AttributeProto;

/** The value of a parameter of an operator, in the layout of the compute face. */
export type ValueOf = (op: string, role: string) => Float32Array | undefined;

/** How one layer is quantized. Thresholds are clipping values, as calibration gives them; null: none is known. */
export interface LayerQuantization {
  readonly weightBits: number;
  readonly weightThresholds: Float32Array | null; // one for all weights, or one an output channel
  readonly activationBits: number;
  readonly activationThreshold: number | null;
  readonly activationSigned: boolean;
}

export interface ExportOptions {
  readonly producerVersion: string;
  readonly graphName?: string;
  /** metadata_props of the file. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly quantization?: ReadonlyMap<string, LayerQuantization>;
}

export interface ExportedFile {
  readonly bytes: Uint8Array;
  readonly opset: number;
  readonly notes: readonly string[];
}

const floatOpset = 17;
const fourBitOpset = 21; // the first with int4 and uint4
/** Widths that codes can stand for. Weights of one bit have no code for 0, which a DequantizeLinear would need. */
export function hasCodes(bits: number): boolean {
  return bits >= 2 && bits <= 8;
}

const irVersions: Readonly<Record<number, number>> = { [floatOpset]: 8, [fourBitOpset]: 10 };

/** Throws LatheError internal where a value is missing or of the wrong length. */
export function exportOnnx(graph: Graph, valueOf: ValueOf, options: ExportOptions): ExportedFile {
  const quantization = options.quantization ?? new Map<string, LayerQuantization>();
  const writer = new GraphWriter(graph, valueOf, quantization);
  const output = writer.write();
  const opset = writer.usesFourBits ? fourBitOpset : floatOpset;
  const model: onnx.IModelProto = {
    irVersion: irVersions[opset] ?? 8,
    opsetImport: [{ domain: '', version: opset }],
    producerName: 'Lathe',
    producerVersion: options.producerVersion,
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: options.graphName ?? 'network',
      node: writer.nodes,
      initializer: writer.initializers,
      input: [valueInfo(inputName, imageDims(graph.inputShape))],
      output: [valueInfo(output, [graph.classes])],
    },
  };
  return { bytes: onnxProto.onnx.ModelProto.encode(model).finish(), opset, notes: writer.notes };
}

function imageDims([height = 1, width = 1, channels = 1]: Shape): number[] {
  return [channels, height, width];
}

function valueInfo(name: string, dims: readonly number[]): onnx.IValueInfoProto {
  const dim = [{ dimParam: 'N' }, ...dims.map((dimValue) => ({ dimValue }))];
  return { name, type: { tensorType: { elemType: elementTypes.float, shape: { dim } } } };
}

type AttributeValue = number | string | readonly number[] | { readonly float: number };

/** A number is a whole one; a float says so. */
function attribute(name: string, value: AttributeValue): onnx.IAttributeProto {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value };
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  return 'float' in value ? { name, type: AttributeType.FLOAT, f: value.float } : { name, type: AttributeType.INTS, ints: [...value] };
}

class GraphWriter {
  readonly nodes: onnx.INodeProto[] = [];
  readonly initializers: onnx.ITensorProto[] = [];
  readonly notes: string[] = [];
  usesFourBits = false;
  readonly #graph: Graph;
  readonly #valueOf: ValueOf;
  readonly #quantization: ReadonlyMap<string, LayerQuantization>;
  readonly #ranks = new Map<string, 2 | 4>([[inputName, 4]]);
  readonly #written = new Set<string>();
  readonly #floatOnly: string[] = [];
  readonly #wideCodes = new Set<string>(); // layers
  readonly #clips = new Set<string>(); // values that a Clip wrote, and the same as images or vectors

  constructor(graph: Graph, valueOf: ValueOf, quantization: ReadonlyMap<string, LayerQuantization>) {
    this.#graph = graph;
    this.#valueOf = valueOf;
    this.#quantization = quantization;
  }

  /** Writes every operator and returns the name of the output, N x classes. */
  write(): string {
    for (const node of this.#graph.nodes) this.#writeNode(node);
    if (this.#floatOnly.length > 0) {
      this.notes.push(
        `${this.#floatOnly.length} layers have weights or activations of one bit, with a codebook, or without a measured range; these are float32 in the file, with their bits in its metadata (lathe.policy): ${this.#floatOnly.join(', ')}`,
      );
    }
    if (this.#wideCodes.size > 0) {
      this.notes.push(
        `${this.#wideCodes.size} layers have bits that ONNX has no type for, or ONNX Runtime not there; they compute with these bits, in 8-bit codes that use fewer levels, and the metadata tells them (lathe.policy): ${[...this.#wideCodes].join(', ')}`,
      );
    }
    return this.#vector(this.#graph.nodes.at(-1)?.spec.name ?? inputName);
  }

  #writeNode(node: GraphNode): void {
    const { spec } = node;
    switch (spec.kind) {
      case 'conv':
        this.#writeConv(node, spec);
        return;
      case 'linear':
        this.#writeLinear(node, spec);
        return;
      case 'batchNorm':
        this.#writeBatchNorm(node, spec);
        return;
      case 'channelAffine':
        this.#writeAffine(node, spec);
        return;
      case 'add':
      case 'concat':
      case 'mul':
        this.#writeMerging(node, spec);
        return;
      case 'flatten':
        this.#writeFlatten(node, spec);
        return;
      case 'maxPool':
      case 'averagePool':
      case 'globalAveragePool':
      case 'pad':
        this.#writeSpatial(spec);
        return;
      default:
        this.#writeElementwise(spec);
    }
  }

  #writeConv(node: GraphNode, spec: Extract<NodeSpec, { kind: 'conv' }>): void {
    const channels = (node.inputShapes[0]?.at(-1) ?? 0) / spec.groups;
    const [height, width] = spec.kernel;
    const weights = this.#values(spec.name, 'weight', spec.outChannels * channels * height * width);
    const dims = [spec.outChannels, channels, height, width];
    const inputs = [
      this.#quantized(spec.name, this.#image(spec.input)),
      this.#weights(spec.name, channelsFirst(weights, spec.outChannels, channels, height * width), dims),
    ];
    if (spec.bias) inputs.push(this.#floats(`${spec.name}/bias`, this.#values(spec.name, 'bias', spec.outChannels), [spec.outChannels]));
    this.#add('Conv', spec.name, inputs, 4, {
      kernel_shape: spec.kernel,
      strides: spec.stride,
      pads: spec.padding,
      dilations: spec.dilation,
      group: spec.groups,
    });
  }

  #writeLinear(node: GraphNode, spec: Extract<NodeSpec, { kind: 'linear' }>): void {
    const inFeatures = node.inputShapes[0]?.at(-1) ?? 0;
    const weights = this.#values(spec.name, 'weight', spec.outFeatures * inFeatures);
    const inputs = [
      this.#quantized(spec.name, this.#vector(spec.input)),
      this.#weights(spec.name, weights, [spec.outFeatures, inFeatures]),
    ];
    if (spec.bias) inputs.push(this.#floats(`${spec.name}/bias`, this.#values(spec.name, 'bias', spec.outFeatures), [spec.outFeatures]));
    this.#add('Gemm', spec.name, inputs, 2, { transB: 1 });
  }

  #writeBatchNorm(node: GraphNode, spec: Extract<NodeSpec, { kind: 'batchNorm' }>): void {
    const channels = node.outputShape.at(-1) ?? 0;
    const roles = ['gamma', 'beta', 'runningMean', 'runningVariance'];
    const parameters = roles.map((role) => this.#floats(`${spec.name}/${role}`, this.#values(spec.name, role, channels), [channels]));
    const rank = this.#rankOf(spec.input);
    this.#add('BatchNormalization', spec.name, [spec.input, ...parameters], rank, {
      epsilon: { float: spec.epsilon },
      momentum: { float: 1 - spec.momentum },
    });
  }

  #writeAffine(node: GraphNode, spec: Extract<NodeSpec, { kind: 'channelAffine' }>): void {
    const channels = node.outputShape.at(-1) ?? 0;
    const rank = this.#rankOf(spec.input);
    const dims = rank === 4 ? [channels, 1, 1] : [channels];
    const scale = this.#floats(`${spec.name}/scale`, this.#values(spec.name, 'scale', channels), dims);
    const shift = this.#floats(`${spec.name}/shift`, this.#values(spec.name, 'shift', channels), dims);
    this.#add('Mul', `${spec.name}/scaled`, [spec.input, scale], rank);
    this.#add('Add', spec.name, [`${spec.name}/scaled`, shift], rank);
  }

  #writeMerging({ inputShapes }: GraphNode, spec: Extract<NodeSpec, { kind: 'add' | 'concat' | 'mul' }>): void {
    const isImage = inputShapes[0]?.length === 3;
    const names: readonly string[] = spec.inputs;
    const isMixed = new Set(names.map((name) => this.#rankOf(name))).size > 1;
    const inputs = names.map((name) => (isImage ? this.#image(name) : isMixed ? this.#vector(name) : name));
    const rank = isImage ? 4 : isMixed ? 2 : this.#rankOf(names[0] ?? '');
    const op = spec.kind === 'concat' ? 'Concat' : spec.kind === 'mul' ? 'Mul' : inputs.length === 2 ? 'Add' : 'Sum';
    this.#add(op, spec.name, inputs, rank, spec.kind === 'concat' ? { axis: 1 } : {});
  }

  /** In the order height, width, channels. */
  #writeFlatten({ inputShapes }: GraphNode, spec: Extract<NodeSpec, { kind: 'flatten' }>): void {
    const [height = 1, width = 1, channels = 1] = inputShapes[0] ?? [];
    let input = this.#image(spec.input);
    if (height * width > 1 && channels > 1) {
      this.#add('Transpose', `${spec.name}/channels last`, [input], 4, { perm: [0, 2, 3, 1] });
      input = `${spec.name}/channels last`;
    }
    this.#add('Flatten', spec.name, [input], 2, { axis: 1 });
  }

  #writeSpatial(spec: Extract<NodeSpec, { kind: 'maxPool' | 'averagePool' | 'globalAveragePool' | 'pad' }>): void {
    const input = this.#image(spec.input);
    if (spec.kind === 'globalAveragePool') {
      this.#add('GlobalAveragePool', spec.name, [input], 4);
      return;
    }
    if (spec.kind === 'pad') {
      const [top, left, bottom, right] = spec.padding;
      const pads = this.#integers(`${spec.name}/pads`, [0, 0, top, left, 0, 0, bottom, right]);
      this.#add('Pad', spec.name, [input, pads, this.#scalar(`${spec.name}/value`, spec.value)], 4, { mode: 'constant' });
      return;
    }
    const window = { kernel_shape: spec.kernel, strides: spec.stride, pads: spec.padding };
    if (spec.kind === 'maxPool') this.#add('MaxPool', spec.name, [input], 4, window);
    else this.#add('AveragePool', spec.name, [input], 4, { ...window, count_include_pad: spec.countPadding ? 1 : 0 });
  }

  #writeElementwise(spec: Exclude<NodeSpec, { readonly inputs: readonly string[] }>): void {
    const { name, input } = spec;
    const rank = this.#rankOf(input);
    switch (spec.kind) {
      case 'relu':
        this.#add('Relu', name, [input], rank);
        return;
      case 'relu6':
        this.#writeClip(name, input, 0, 6);
        return;
      case 'clip':
        this.#writeClip(name, input, spec.minimum, spec.maximum);
        return;
      case 'hardSwish':
        this.#add('HardSwish', name, [input], rank);
        return;
      case 'sigmoid':
        this.#add('Sigmoid', name, [input], rank);
        return;
      case 'swish':
        this.#add('Sigmoid', `${name}/gate`, [input], rank);
        this.#add('Mul', name, [input, `${name}/gate`], rank);
        return;
      case 'tanh':
        this.#add('Tanh', name, [input], rank);
        return;
      case 'hardSigmoid':
        this.#add('HardSigmoid', name, [input], rank, { alpha: { float: spec.alpha }, beta: { float: spec.beta } });
        return;
      case 'leakyRelu':
        this.#add('LeakyRelu', name, [input], rank, { alpha: { float: spec.slope } });
        return;
      case 'softmax':
        this.#add('Softmax', name, [input], rank, { axis: 1 });
        return;
      case 'dropout':
        this.#add('Dropout', name, [input, this.#scalar(`${name}/ratio`, spec.probability)], rank);
        return;
      default:
        throw new LatheError('internal', `${name}: ${spec.kind} is not written to ONNX`);
    }
  }

  #writeClip(name: string, input: string, minimum: number, maximum: number): void {
    const low = Number.isFinite(minimum) ? this.#scalar(`${name}/minimum`, minimum) : '';
    this.#clips.add(name);
    const high = Number.isFinite(maximum) ? this.#scalar(`${name}/maximum`, maximum) : '';
    this.#add('Clip', name, high === '' ? [input, low] : [input, low, high], this.#rankOf(input));
  }

  /**
   * Through a quantizer, where the layer's activations have codes and its weights have too: behind float weights ONNX Runtime would
   * quantize those by itself, to 8 bits.
   */
  #quantized(layer: string, input: string): string {
    const plan = this.#quantization.get(layer);
    if (!plan) return input;
    const { activationBits: bits, activationThreshold: threshold, activationSigned: signed, weightBits } = plan;
    if (!hasCodes(bits) || !hasCodes(weightBits) || threshold === null) {
      this.#leaveFloat(layer);
      return input;
    }
    const width = this.#widthOfCodes(layer, bits, !signed && !this.#clips.has(input) && this.#staysFloat(layer));
    const largest = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
    const rank = this.#rankOf(input);
    const [scale, zero] = [`${layer}/activation scale`, `${layer}/activation zero`];
    this.#scalar(scale, threshold / largest);
    this.#codes(zero, [0], [], width, signed);
    let from = input;
    if (signed || width !== bits) {
      // Two's complement has one more negative code than Lathe uses, wide codes have many more.
      this.#writeClip(`${layer}/clip`, input, signed ? -threshold : 0, threshold);
      from = `${layer}/clip`;
    }
    this.#add('QuantizeLinear', `${layer}/quantize`, [from, scale, zero], rank);
    this.#add('DequantizeLinear', `${layer}/dequantize`, [`${layer}/quantize`, scale, zero], rank);
    return `${layer}/dequantize`;
  }

  /** As whole numbers behind a DequantizeLinear, where the layer's weights have codes. */
  #weights(layer: string, values: Float32Array, dims: readonly number[]): string {
    const plan = this.#quantization.get(layer);
    const name = `${layer}/weight`;
    if (!plan) return this.#floats(name, values, dims);
    const { weightBits: bits, weightThresholds: thresholds } = plan;
    if (!hasCodes(bits) || thresholds === null) {
      this.#leaveFloat(layer);
      return this.#floats(name, values, dims);
    }
    const width = this.#widthOfCodes(layer, bits, true);
    const { codes, steps } = weightCodes(values, bits, thresholds);
    const shape = steps.length === 1 ? [] : [steps.length];
    this.#codes(`${name} codes`, codes, dims, width, true);
    this.#floats(`${name} scale`, steps, shape);
    this.#codes(`${name} zero`, new Int8Array(steps.length), shape, width, true);
    this.#add('DequantizeLinear', name, [`${name} codes`, `${name} scale`, `${name} zero`], 4, shape.length === 0 ? {} : { axis: 0 });
    return name;
  }

  /**
   * Whether ONNX Runtime computes a layer in floats: what is quantized again right behind it becomes one operator of whole numbers,
   * of which there is none for 4-bit inputs.
   */
  #staysFloat(layer: string): boolean {
    return this.#graph.nodes.every(({ spec }) => !inputsOf(spec).includes(layer) || spec.kind === 'batchNorm');
  }

  /** `takesFour`: whether ONNX Runtime takes 4-bit codes there; it refuses a file with a Clip in front of such a QuantizeLinear. */
  #widthOfCodes(layer: string, bits: number, takesFour: boolean): 8 | 4 {
    if (bits === 4 && takesFour) {
      this.usesFourBits = true;
      return 4;
    }
    if (bits !== 8) this.#wideCodes.add(layer);
    return 8;
  }

  #leaveFloat(layer: string): void {
    if (!this.#floatOnly.includes(layer)) this.#floatOnly.push(layer);
  }

  #rankOf(name: string): 2 | 4 {
    const rank = this.#ranks.get(name);
    if (rank === undefined) throw new LatheError('internal', `${name} is read before it is written`);
    return rank;
  }

  /** N x C x H x W of a value, with a height and width of 1 where it is a vector. */
  #image(name: string): string {
    if (this.#rankOf(name) === 4) return name;
    const image = `${name}/image`;
    if (this.#clips.has(name)) this.#clips.add(image);
    if (!this.#written.has(image)) this.#add('Unsqueeze', image, [name, this.#integers(`${image}/axes`, [2, 3])], 4);
    return image;
  }

  /** N x features of a value of one pixel. */
  #vector(name: string): string {
    if (this.#rankOf(name) === 2) return name;
    const vector = `${name}/vector`;
    if (this.#clips.has(name)) this.#clips.add(vector);
    if (!this.#written.has(vector)) this.#add('Flatten', vector, [name], 2, { axis: 1 });
    return vector;
  }

  #add(op: string, name: string, inputs: readonly string[], rank: 2 | 4, attributes: Readonly<Record<string, AttributeValue>> = {}): void {
    this.#written.add(name);
    this.#ranks.set(name, rank);
    const list = Object.entries(attributes).map(([key, value]) => attribute(key, value));
    this.nodes.push({ opType: op, name, input: [...inputs], output: [name], attribute: list });
  }

  #values(op: string, role: string, length: number): Float32Array {
    const values = this.#valueOf(op, role);
    if (values?.length !== length) {
      throw new LatheError('internal', `${op}: expected ${length} values of its ${role}, found ${values?.length ?? 'none'}`);
    }
    return values;
  }

  #floats(name: string, values: Float32Array, dims: readonly number[]): string {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.initializers.push({ name, dataType: elementTypes.float, dims: [...dims], rawData });
    return name;
  }

  #scalar(name: string, value: number): string {
    return this.#floats(name, Float32Array.of(value), []);
  }

  #integers(name: string, values: readonly number[]): string {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.initializers.push({ name, dataType: elementTypes.int64, dims: [values.length], rawData });
    return name;
  }

  /** Whole numbers of 8 bits, or of 4, two a byte. */
  #codes(name: string, codes: ArrayLike<number>, dims: readonly number[], bits: 4 | 8, signed: boolean): void {
    const rawData =
      bits === 8
        ? Uint8Array.from(codes, (code: number) => code & 255)
        : Uint8Array.from(
            { length: Math.ceil(codes.length / 2) },
            (_, at) => ((codes[2 * at] ?? 0) & 15) | (((codes[2 * at + 1] ?? 0) & 15) << 4),
          );
    const dataType = bits === 8 ? (signed ? elementTypes.int8 : elementTypes.uint8) : signed ? elementTypes.int4 : elementTypes.uint4;
    this.initializers.push({ name, dataType, dims: [...dims], rawData });
  }
}

/** (out, kh, kw, in) becomes (out, in, kh, kw). */
function channelsFirst(values: Float32Array, outChannels: number, channels: number, pixels: number): Float32Array {
  if (channels === 1 || pixels === 1) return values;
  const result = new Float32Array(values.length);
  for (let out = 0; out < outChannels; out += 1) {
    const base = out * channels * pixels;
    for (let pixel = 0; pixel < pixels; pixel += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        result[base + channel * pixels + pixel] = values[base + pixel * channels + channel] ?? 0;
      }
    }
  }
  return result;
}
