/**
 * A small network around one operator of a key, so that a runtime executes it as it would inside a real one: its input comes in the layout in which
 * the runtime's operators hand it on, and what reads it keeps that layout.
 */
import { LatheError } from '../../../shared/errors.ts';
import { createGraph, inputName, type ConvSpec, type Graph, type NodeSpec } from '../../network/graph.ts';
import type { Pair, Padding, Shape } from '../../network/shape.ts';
import { product } from '../../network/shape.ts';
import type { OperatorKey } from '../tables/keys.ts';

/** The operator that is measured, and how the names of what is merged into it begin. */
export const measuredPrefix = 'measured';
/** How the names of all that stands around it begin. What has another name is a part that the runtime has split the operator into. */
export const surroundings = ['source', 'other', 'reader', 'pooled', 'end', 'squeezed', 'scored', 'gate', inputName] as const;

const largestValues = 2 ** 28; // of all tensors and weights together, which is 1 GiB

/** Throws LatheError bad-input for a key whose operator cannot be measured by itself, saying why. */
export function operatorGraph(key: OperatorKey): Graph {
  const values = key.inputs.reduce((sum, shape) => sum + product(shape), product(key.output));
  if (values > largestValues) throw new LatheError('bad-input', `an operator on ${values} values is too large to be measured here`);
  const [height, width, channels] = imageOf(key.inputs[0] ?? []);
  const builder = new Builder(key);
  builder.operator();
  builder.readers();
  return createGraph([height, width, channels], builder.specs);
}

function imageOf(shape: Shape): [number, number, number] {
  const [height = 1, width = 1, channels = 1] = shape.length === 3 ? shape : [1, 1, shape[0] ?? 1];
  return [height, width, channels];
}

const noPadding: Padding = [0, 0, 0, 0];
const one: Pair = [1, 1];

class Builder {
  readonly specs: NodeSpec[] = [];
  readonly #key: OperatorKey;
  #last = inputName;

  constructor(key: OperatorKey) {
    this.#key = key;
  }

  operator(): void {
    const { kind, inputs, output, activation } = this.#key;
    const channels = inputs[0]?.at(-1) ?? 1;
    switch (kind) {
      case 'conv':
        this.#convolution();
        break;
      case 'linear':
        this.#push({ kind, name: measuredPrefix, input: inputName, outFeatures: output[0] ?? 1, bias: true });
        break;
      case 'globalAveragePool':
        this.#push({ kind, name: measuredPrefix, input: this.#produce('source', channels) });
        break;
      case 'maxPool':
        this.#push({ kind, name: measuredPrefix, input: this.#produce('source', channels), ...this.#window() });
        break;
      case 'averagePool':
        this.#push({ kind, name: measuredPrefix, input: this.#produce('source', channels), ...this.#window(), countPadding: false });
        break;
      case 'add':
      case 'concat':
        this.#push({ kind, name: measuredPrefix, inputs: this.#sources() });
        break;
      case 'mul':
        this.#product();
        break;
      case 'pad':
        this.#pad();
        break;
      case 'channelAffine':
        this.#push({ kind, name: measuredPrefix, input: this.#produce('source', channels), trained: false });
        break;
      case 'session':
        throw new LatheError('bad-input', 'what a run takes apart from its operators is measured by itself');
      default:
        this.#push(activationSpec(kind, measuredPrefix, this.#produce('source', channels)));
    }
    if (activation !== null) this.#push(activationSpec(activation, `${measuredPrefix}_activation`, this.#last));
  }

  /** What reads the operator: a convolution where the operator's own output layout would show, pooling, and a vector at the end. */
  readers(): void {
    const { kind, output } = this.#key;
    if (output.length === 3) {
      if (kind !== 'conv') this.#push(this.#depthwise('reader', this.#last, output.at(-1) ?? 1));
      this.#push({ kind: 'globalAveragePool', name: 'pooled', input: this.#last });
    }
    if (kind !== 'linear') this.#push({ kind: 'linear', name: 'end', input: this.#last, outFeatures: 2, bias: true });
  }

  #push(spec: NodeSpec): void {
    this.specs.push(spec);
    this.#last = spec.name;
  }

  #convolution(): void {
    const { output, stride, dilation, groups, sum } = this.#key;
    const outChannels = output.at(-1) ?? 1;
    const common = { kind: 'conv', input: inputName, outChannels, stride: stride ?? one, bias: true } as const;
    if (sum) this.#push({ ...common, name: 'other', kernel: one, padding: noPadding, dilation: one, groups: 1 });
    this.#push({ ...common, ...this.#window(), name: measuredPrefix, dilation: dilation ?? one, groups: groups ?? 1 });
    if (sum) this.#push({ kind: 'add', name: `${measuredPrefix}_sum`, inputs: ['other', measuredPrefix] });
  }

  /** The window with the padding that its sizes need, spread evenly. */
  #window(): { kernel: Pair; stride: Pair; padding: Padding } {
    const { inputs, output, kernel, stride, dilation } = this.#key;
    const [size, step, gap] = [kernel ?? one, stride ?? one, dilation ?? one];
    const needed = ([0, 1] as const).map((axis) => {
      const reach = ((output[axis] ?? 1) - 1) * step[axis] + (size[axis] - 1) * gap[axis] + 1;
      return Math.max(0, reach - (inputs[0]?.[axis] ?? 1));
    });
    const [vertical = 0, horizontal = 0] = needed;
    const [top, left] = [vertical >> 1, horizontal >> 1];
    return { kernel: size, stride: step, padding: [top, left, vertical - top, horizontal - left] };
  }

  #depthwise(name: string, input: string, channels: number): ConvSpec {
    const window = { kernel: one, stride: one, padding: noPadding, dilation: one };
    return { kind: 'conv', name, input, outChannels: channels, ...window, groups: channels, bias: true };
  }

  /** A convolution before the operator, an activation behind it, so that the runtime does not merge the two. */
  #produce(name: string, channels: number): string {
    const input = this.#key.inputs[0] ?? [];
    const groups = channels === input.at(-1) ? channels : 1;
    this.specs.push({ ...this.#depthwise(`${name}_conv`, inputName, channels), groups });
    this.specs.push({ kind: 'relu', name, input: `${name}_conv` });
    return name;
  }

  #sources(): string[] {
    const { inputs, kind } = this.#key;
    const [first] = inputs;
    const isAlike = inputs.every((shape) => shape.slice(0, -1).join() === first?.slice(0, -1).join());
    if (!isAlike) throw new LatheError('bad-input', `${kind} of images of different sizes cannot be measured by itself`);
    return inputs.map((shape, index) => this.#produce(`source${index}`, shape.at(-1) ?? 1));
  }

  /** The second operand is a gate, one factor a channel, or as large as the first. */
  #product(): void {
    const [shape = [], gate = []] = this.#key.inputs;
    const channels = shape.at(-1) ?? 1;
    const source = this.#produce('source', channels);
    let second = this.#produce('source1', channels);
    if (product(gate) < product(shape)) {
      this.#push({ kind: 'globalAveragePool', name: 'squeezed', input: source });
      this.#push(this.#depthwise('scored', 'squeezed', channels));
      this.#push({ kind: 'sigmoid', name: 'gate', input: 'scored' });
      this.specs.splice(2, 2); // the second source
      second = 'gate';
    }
    this.#push({ kind: 'mul', name: measuredPrefix, inputs: [source, second] });
  }

  #pad(): void {
    const { inputs, output } = this.#key;
    const grow = (axis: 0 | 1): number => (output[axis] ?? 1) - (inputs[0]?.[axis] ?? 1);
    const [vertical, horizontal] = [grow(0), grow(1)];
    // As large as before: it moves the image by a pixel. A padding of nothing would be left out.
    const moves = vertical === 0 && horizontal === 0 ? 1 : 0;
    const [top, left] = [Math.trunc(vertical / 2) - moves, Math.trunc(horizontal / 2) - moves];
    const input = this.#produce('source', inputs[0]?.at(-1) ?? 1);
    this.#push({ kind: 'pad', name: measuredPrefix, input, padding: [top, left, vertical - top, horizontal - left], value: 0 });
  }
}

function activationSpec(kind: string, name: string, input: string): NodeSpec {
  switch (kind) {
    case 'relu':
    case 'relu6':
    case 'hardSwish':
    case 'sigmoid':
    case 'swish':
    case 'tanh':
    case 'softmax':
      return { kind, name, input };
    case 'hardSigmoid':
      return { kind, name, input, alpha: 1 / 6, beta: 0.5 };
    case 'leakyRelu':
      return { kind, name, input, slope: 0.1 };
    case 'clip':
      return { kind, name, input, minimum: 0, maximum: 1 };
    default:
      throw new LatheError('bad-input', `${kind} cannot be measured by itself`);
  }
}
