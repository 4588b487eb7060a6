/**
 * The keys of latency tables: `TYPE-name:value-name:value`, strict. Blocks in the scheme of the ProxylessNAS and Once-for-All tables
 *
 *   Conv-input:224x224x3-output:112x112x32
 *   expanded_conv-input:56x56x24-output:28x28x40-expand:3-kernel:3-stride:2-idskip:0[-se:0-hs:0]
 *   Logits-input:7x7x1280-output:1000
 *
 * and Lathe's own, an operator with what is fused into it:
 *
 *   conv-input:112x112x32-output:112x112x64-kernel:1x1-stride:1x1-groups:1-activation:relu6-bits:float
 *   add-input:56x56x24+56x56x24-output:56x56x24-bits:float
 */
import { LatheError } from '../../../shared/errors.ts';
import { maximumKeyLength, type TableScheme } from '../../../shared/latency-table.ts';
import { maximumBits, minimumBits } from '../../../shared/policy.ts';
import type { NodeKind } from '../../network/graph.ts';
import type { Pair, Shape } from '../../network/shape.ts';

/** Of weights and activations; null: float. */
export type KeyBits = { readonly weight: number; readonly activation: number } | null;

/** What an operator key may be of; `session` is what a run takes apart from its operators. */
export type OperatorKind = Exclude<NodeKind, 'batchNorm' | 'dropout' | 'flatten'> | 'session';

export interface OperatorKey {
  readonly scheme: 'operator';
  readonly kind: OperatorKind;
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  readonly kernel: Pair | null; // of a window
  readonly stride: Pair | null;
  readonly dilation: Pair | null; // null: 1 x 1
  readonly groups: number | null; // of a convolution
  readonly sum: boolean; // a convolution whose output has a tensor added to it, before the activation
  readonly activation: string | null; // fused
  readonly bits: KeyBits;
  readonly first: boolean; // reads the image; told apart where a target does
}

export const blockTypes = ['Conv', 'Conv_1', 'Conv_2', 'AvgPool2D', 'Logits', 'expanded_conv'] as const;
export type BlockType = (typeof blockTypes)[number];

export interface BlockKey {
  readonly scheme: 'block';
  readonly type: BlockType;
  readonly input: Shape;
  readonly output: Shape;
  readonly block: {
    readonly expand: number; // the ratio; where `extra` is there, the number of channels in the middle
    readonly kernel: number;
    readonly stride: number;
    readonly idskip: boolean;
    readonly extra: { readonly se: boolean; readonly hs: boolean } | null; // of Once-for-All
  } | null; // of an expanded_conv
}

export type TableKey = OperatorKey | BlockKey;

const unaryKinds = [
  'channelAffine',
  'relu',
  'relu6',
  'hardSwish',
  'sigmoid',
  'swish',
  'tanh',
  'hardSigmoid',
  'leakyRelu',
  'clip',
  'softmax',
] as const;
export const activationKinds: ReadonlySet<string> = new Set(unaryKinds.filter((kind) => kind !== 'channelAffine' && kind !== 'softmax'));
const windowKinds: ReadonlySet<string> = new Set(['conv', 'maxPool', 'averagePool']);
const operatorKinds: ReadonlySet<string> = new Set<OperatorKind>([
  'conv',
  'linear',
  'add',
  'mul',
  'concat',
  'maxPool',
  'averagePool',
  'globalAveragePool',
  'pad',
  'session',
  ...unaryKinds,
]);

/** The text of a key; `parseKey` reads it back. */
export function formatKey(key: TableKey): string {
  const field = (name: string, value: string | number | null): string => (value === null ? '' : `-${name}:${String(value)}`);
  if (key.scheme === 'block') {
    const { block } = key;
    const shapes = `${key.type}-input:${sizes(key.input)}-output:${sizes(key.output)}`;
    if (block === null) return shapes;
    const extra = block.extra === null ? '' : `${field('se', Number(block.extra.se))}${field('hs', Number(block.extra.hs))}`;
    return `${shapes}${field('expand', block.expand)}${field('kernel', block.kernel)}${field('stride', block.stride)}${field('idskip', Number(block.idskip))}${extra}`;
  }
  const pair = (name: string, value: Pair | null): string => field(name, value === null ? null : sizes(value));
  return [
    `${key.kind}-input:${key.inputs.map(sizes).join('+')}-output:${sizes(key.output)}`,
    pair('kernel', key.kernel),
    pair('stride', key.stride),
    pair('dilation', key.dilation),
    field('groups', key.groups),
    key.sum ? '-sum:1' : '',
    field('activation', key.activation),
    key.first ? '-first:1' : '',
    `-bits:${key.bits === null ? 'float' : `w${key.bits.weight}a${key.bits.activation}`}`,
  ].join('');
}

function sizes(shape: readonly number[]): string {
  return shape.join('x');
}

/** Throws LatheError bad-input with the key, what was expected in it and what was found. */
export function parseKey(text: string): TableKey {
  if (text.length > maximumKeyLength)
    throw new LatheError('bad-input', `key ${text.slice(0, 60)}...: longer than ${maximumKeyLength} characters`);
  const [type = '', ...rest] = text.split('-');
  const fields = new Fields(text, rest);
  if ((blockTypes as readonly string[]).includes(type)) return parseBlock(fields, type as BlockType);
  if (operatorKinds.has(type)) return parseOperator(fields, type as OperatorKind);
  throw new LatheError(
    'bad-input',
    `key ${shown(text)}: unknown type ${JSON.stringify(type.slice(0, 40))}; expected one of ${[...blockTypes, ...operatorKinds].join(', ')}`,
  );
}

/** Which tables a key can stand in. */
export function schemeOfKey(key: TableKey): TableScheme | null {
  if (key.scheme === 'operator') return key.bits === null ? 'operators' : 'layers';
  if (key.type === 'AvgPool2D' || key.type === 'Conv_2') return 'once-for-all';
  if (key.block === null) return null; // both block schemes have it
  return key.block.extra === null ? 'proxylessnas' : 'once-for-all';
}

/** Channels in the middle of a block. */
export function midChannels({ input, block }: BlockKey): number {
  if (block === null) return 0;
  return block.extra === null ? Math.round((input.at(-1) ?? 0) * block.expand) : block.expand;
}

function parseBlock(fields: Fields, type: BlockType): BlockKey {
  const input = fields.shape('input', 3);
  const output = type === 'Logits' ? fields.shape('output', 1) : fields.shape('output', 3);
  if (type !== 'expanded_conv') {
    fields.end();
    return { scheme: 'block', type, input, output, block: null };
  }
  const [expand, kernel, stride] = [fields.integer('expand', 1, 65_536), fields.integer('kernel', 1, 64), fields.integer('stride', 1, 8)];
  const idskip = fields.flag('idskip');
  const extra = fields.has('se') ? { se: fields.flag('se'), hs: fields.flag('hs') } : null;
  fields.end();
  for (const axis of [0, 1]) {
    const expected = Math.ceil((input[axis] ?? 0) / stride);
    if (output[axis] !== expected)
      fields.fail(`an input of ${input[axis] ?? 0} at stride ${stride} gives ${expected}, found ${output[axis] ?? 0}`);
  }
  if (idskip && (stride !== 1 || input.at(-1) !== output.at(-1))) fields.fail('idskip:1 needs stride 1 and as many channels out as in');
  return { scheme: 'block', type, input, output, block: { expand, kernel, stride, idskip, extra } };
}

function parseOperator(fields: Fields, kind: OperatorKind): OperatorKey {
  const inputs = fields.shapes('input');
  const output = fields.shape('output');
  const hasWindow = windowKinds.has(kind);
  const kernel = hasWindow ? fields.pair('kernel') : null;
  const stride = hasWindow ? fields.pair('stride') : null;
  const dilation = kind === 'conv' && fields.has('dilation') ? fields.pair('dilation') : null;
  const groups = kind === 'conv' ? fields.integer('groups', 1, 65_536) : null;
  const sum = kind === 'conv' && fields.has('sum') && fields.flag('sum');
  const activation = fields.has('activation') ? fields.text('activation') : null;
  if (activation !== null && !activationKinds.has(activation))
    fields.fail(`activation: expected one of ${[...activationKinds].join(', ')}, found ${shown(activation)}`);
  const first = fields.has('first') && fields.flag('first');
  const bits = fields.bits();
  fields.end();
  const channels = inputs[0]?.at(-1) ?? 0;
  if (groups !== null && (channels % groups !== 0 || (output.at(-1) ?? 0) % groups !== 0))
    fields.fail(`groups: ${groups} does not divide the channels ${channels} and ${output.at(-1) ?? 0}`);
  return { scheme: 'operator', kind, inputs, output, kernel, stride, dilation, groups, sum, activation, bits, first };
}

function shown(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}...` : text;
}

/** The fields of one key, read in their order. */
class Fields {
  readonly #key: string;
  readonly #fields: readonly (readonly [name: string, value: string])[];
  #at = 0;

  constructor(key: string, parts: readonly string[]) {
    this.#key = key;
    this.#fields = parts.map((part) => {
      const colon = part.indexOf(':');
      if (colon < 1) this.fail(`expected name:value, found ${JSON.stringify(shown(part))}`);
      return [part.slice(0, colon), part.slice(colon + 1)];
    });
  }

  fail(what: string): never {
    throw new LatheError('bad-input', `key ${shown(this.#key)}: ${what}`);
  }

  has(name: string): boolean {
    return this.#fields[this.#at]?.[0] === name;
  }

  text(name: string): string {
    const field = this.#fields[this.#at];
    if (field?.[0] !== name) this.fail(`expected ${name}:..., found ${field === undefined ? 'its end' : shown(field.join(':'))}`);
    this.#at += 1;
    return field[1];
  }

  integer(name: string, low: number, high: number): number {
    return this.#number(name, this.text(name), low, high);
  }

  flag(name: string): boolean {
    return this.integer(name, 0, 1) === 1;
  }

  /** H x W x C, or one number of features. */
  shape(name: string, sides?: 1 | 3): Shape {
    return this.#shape(name, this.text(name), sides);
  }

  shapes(name: string): Shape[] {
    const texts = this.text(name).split('+');
    if (texts.length > 64) this.fail(`${name}: expected at most 64 shapes, found ${texts.length}`);
    return texts.map((text) => this.#shape(name, text));
  }

  pair(name: string): Pair {
    const text = this.text(name);
    const [height = '', width = '', ...more] = text.split('x');
    if (width === '' || more.length > 0) this.fail(`${name}: expected HxW, found ${shown(text)}`);
    return [this.#number(name, height, 1, 64), this.#number(name, width, 1, 64)];
  }

  bits(): KeyBits {
    const text = this.text('bits');
    if (text === 'float') return null;
    const [, weight, activation] = /^w(\d)a(\d)$/.exec(text) ?? [];
    const inRange = (bits: number): boolean => bits >= minimumBits && bits <= maximumBits;
    if (!inRange(Number(weight ?? 0)) || !inRange(Number(activation ?? 0)))
      this.fail(`bits: expected float, or as w8a8 with 1 to 8 bits, found ${shown(text)}`);
    return { weight: Number(weight), activation: Number(activation) };
  }

  end(): void {
    const field = this.#fields[this.#at];
    if (field !== undefined) this.fail(`${shown(field.join(':'))} was not expected here`);
  }

  #shape(name: string, text: string, sides?: 1 | 3): Shape {
    const parts = text.split('x');
    const expected = sides === undefined ? [1, 3] : [sides];
    if (!expected.includes(parts.length))
      this.fail(`${name}: expected ${expected.map((n) => (n === 1 ? 'one number' : 'HxWxC')).join(' or ')}, found ${shown(text)}`);
    return parts.map((part) => this.#number(name, part, 1, 4_194_304));
  }

  #number(name: string, text: string, low: number, high: number): number {
    const value = /^[1-9]\d{0,8}$|^0$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high)) this.fail(`${name}: expected a whole number from ${low} to ${high}, found ${shown(text)}`);
    return value;
  }
}
