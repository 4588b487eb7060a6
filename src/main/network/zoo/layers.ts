/** Builds operators one after another, with the names that a trained network and a policy know them by. */
import { inputName } from '../graph.ts';
import type { NodeSpec } from '../graph.ts';
import type { Padding, Pair } from '../shape.ts';
import { evenPadding } from '../shape.ts';

export type Activation = 'relu' | 'relu6' | 'hardSwish' | 'swish';

export interface ConvolutionOptions {
  readonly outChannels: number;
  readonly kernel: number | Pair;
  readonly stride?: number;
  readonly padding?: Padding; // absent: what keeps the size at stride 1
  readonly groups?: number;
  readonly bias?: boolean;
}

/** Batch norm's momentum is a choice of training; the papers' own (0.01 and less) suit hundreds of epochs, this one suits few too. */
const batchNormMomentum = 0.1;

export class Layers {
  readonly specs: NodeSpec[] = [];
  readonly #epsilon: number;

  constructor(batchNormEpsilon = 1e-5) {
    this.#epsilon = batchNormEpsilon;
  }

  /** Lists an operator and gives back its name. */
  push(spec: NodeSpec): string {
    this.specs.push(spec);
    return spec.name;
  }

  convolution(name: string, input: string, options: ConvolutionOptions): string {
    const { outChannels, stride = 1, groups = 1, bias = false } = options;
    const kernel: Pair = typeof options.kernel === 'number' ? [options.kernel, options.kernel] : options.kernel;
    const padding = options.padding ?? evenPadding((kernel[0] - 1) / 2, (kernel[1] - 1) / 2);
    return this.push({
      kind: 'conv',
      name,
      input,
      outChannels,
      kernel,
      stride: [stride, stride],
      padding,
      dilation: [1, 1],
      groups,
      bias,
    });
  }

  batchNorm(name: string, input: string): string {
    return this.push({ kind: 'batchNorm', name, input, epsilon: this.#epsilon, momentum: batchNormMomentum });
  }

  activation(kind: Activation, name: string, input: string): string {
    return this.push({ kind, name, input });
  }

  /** Convolution, batch norm and, where asked, an activation. */
  block(name: string, input: string, options: ConvolutionOptions & { readonly activation: Activation | null }): string {
    const last = this.batchNorm(`${name}_bn`, this.convolution(name, input, options));
    return options.activation === null ? last : this.activation(options.activation, `${name}_${options.activation}`, last);
  }

  add(name: string, ...inputs: readonly string[]): string {
    return this.push({ kind: 'add', name, inputs });
  }

  concat(name: string, ...inputs: readonly string[]): string {
    return this.push({ kind: 'concat', name, inputs });
  }

  maxPool(name: string, input: string, window: { kernel: number; stride: number; padding: Padding }): string {
    const { kernel, stride, padding } = window;
    return this.push({ kind: 'maxPool', name, input, kernel: [kernel, kernel], stride: [stride, stride], padding });
  }

  /** Padding is not counted. */
  averagePool(name: string, input: string, window: { kernel: number; stride: number; padding: Padding }): string {
    const { kernel, stride, padding } = window;
    return this.push({
      kind: 'averagePool',
      name,
      input,
      kernel: [kernel, kernel],
      stride: [stride, stride],
      padding,
      countPadding: false,
    });
  }

  linear(name: string, input: string, outFeatures: number): string {
    return this.push({ kind: 'linear', name, input, outFeatures, bias: true });
  }

  dropout(name: string, input: string, probability: number): string {
    return probability === 0 ? input : this.push({ kind: 'dropout', name, input, probability });
  }

  /** Global pooling, dropout and the linear layer that tells the classes apart. */
  classifier(input: string, classes: number, dropout = 0): void {
    const pooled = this.push({ kind: 'globalAveragePool', name: 'pool', input });
    this.linear('fc', this.dropout('dropout', pooled, dropout), classes);
  }

  /** A squeeze-and-excitation gate (Hu et al. 2018, arXiv 1709.01507): pool, reduce, ReLU, expand, sigmoid, multiply. */
  squeezeAndExcitation(name: string, input: string, channels: number, squeezed: number, gate: 'sigmoid' | 'hardSigmoid'): string {
    const pooled = this.push({ kind: 'globalAveragePool', name: `${name}_se_pool`, input });
    const reduced = this.convolution(`${name}_se_reduce`, pooled, { outChannels: squeezed, kernel: 1, bias: true });
    const active = this.activation('relu', `${name}_se_relu`, reduced);
    const expanded = this.convolution(`${name}_se_expand`, active, { outChannels: channels, kernel: 1, bias: true });
    const factor: NodeSpec =
      gate === 'sigmoid'
        ? { kind: 'sigmoid', name: `${name}_se_gate`, input: expanded }
        : { kind: 'hardSigmoid', name: `${name}_se_gate`, input: expanded, alpha: 1 / 6, beta: 0.5 };
    return this.push({ kind: 'mul', name: `${name}_se`, inputs: [input, this.push(factor)] });
  }
}

/** The network's input, as the first layer's. */
export const image = inputName;

/**
 * Channels times a width: the nearest multiple of 8, at least 8, one more where rounding would lose over a tenth (the
 * `make_divisible` of the MobileNet-V2 authors' code).
 */
export function divisibleChannels(channels: number, width = 1): number {
  const wanted = channels * width;
  const rounded = Math.max(8, Math.floor((wanted + 4) / 8) * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

export interface InvertedResidual {
  readonly name: string;
  readonly inChannels: number;
  readonly midChannels: number; // of the depthwise convolution; equal to inChannels: no expansion
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly activation: Activation;
  readonly squeeze?: { readonly channels: number; readonly gate: 'sigmoid' | 'hardSigmoid' };
  readonly expand?: boolean; // absent: where midChannels differs from inChannels
}

/**
 * The inverted residual block (Sandler et al. 2018, section 3.3): expand, depthwise, optional squeeze-and-excitation, project
 * without an activation, and add the input where stride is 1 and the channels agree.
 */
export function invertedResidual(layers: Layers, input: string, block: InvertedResidual): string {
  const { name, inChannels, midChannels, outChannels, kernel, stride, activation, squeeze } = block;
  let last = input;
  if (block.expand ?? midChannels !== inChannels)
    last = layers.block(`${name}_expand`, last, { outChannels: midChannels, kernel: 1, activation });
  last = layers.block(`${name}_dw`, last, { outChannels: midChannels, kernel, stride, groups: midChannels, activation });
  if (squeeze) last = layers.squeezeAndExcitation(name, last, midChannels, squeeze.channels, squeeze.gate);
  last = layers.block(`${name}_project`, last, { outChannels, kernel: 1, activation: null });
  return stride === 1 && outChannels === inChannels ? layers.add(`${name}_add`, input, last) : last;
}
