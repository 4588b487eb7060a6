/** What the operator or block of a key has to do: multiply-accumulates, bytes and weights, from the key alone, for one image. */
import { product, type Shape } from '../../network/shape.ts';
import { midChannels, type BlockKey, type OperatorKey, type TableKey } from './keys.ts';

/** Operators that cost alike: one affine law each. */
export const operatorClasses = [
  'conv',
  'grouped',
  'depthwise',
  'pointwise',
  'linear',
  'elementwise',
  'pool',
  'move',
  'block',
  'session',
] as const;
export type OperatorClass = (typeof operatorClasses)[number];

export interface Work {
  readonly class: OperatorClass;
  readonly macs: number; // multiply-accumulates, of a pool or an elementwise operator its values read
  readonly depthwiseMacs: number; // of a block, which are slower ones; not in `macs`
  readonly bytes: number; // of activations in 32-bit floats, read and written once
  readonly weightBytes: number; // as floats
}

const float = 4;

export function workOf(key: TableKey): Work {
  return key.scheme === 'block' ? blockWork(key) : operatorWork(key);
}

export function classOf(key: OperatorKey): OperatorClass {
  switch (key.kind) {
    case 'conv': {
      const channels = key.inputs[0]?.at(-1) ?? 0;
      if (key.groups === channels && key.output.at(-1) === channels && channels > 1) return 'depthwise';
      if ((key.groups ?? 1) > 1) return 'grouped';
      return product(key.kernel ?? [1, 1]) === 1 ? 'pointwise' : 'conv';
    }
    case 'linear':
      return 'linear';
    case 'maxPool':
    case 'averagePool':
    case 'globalAveragePool':
      return 'pool';
    case 'concat':
    case 'pad':
      return 'move';
    case 'session':
      return 'session';
    default:
      return 'elementwise';
  }
}

function operatorWork(key: OperatorKey): Work {
  const kind = classOf(key);
  const read = key.inputs.reduce((sum, shape) => sum + product(shape), 0) + (key.sum ? product(key.output) : 0);
  const values = read + product(key.output);
  const common = { class: kind, depthwiseMacs: 0, bytes: float * values };
  if (key.kind === 'conv' || key.kind === 'linear') {
    const input = key.inputs[0] ?? [];
    const inChannels = (input.at(-1) ?? 0) / (key.groups ?? 1);
    const weights = inChannels * product(key.kernel ?? [1, 1]) * (key.output.at(-1) ?? 0);
    return { ...common, macs: weights * pixels(key.output), weightBytes: float * weights };
  }
  const window = key.kernel === null ? 1 : product(key.kernel);
  return { ...common, macs: key.kernel === null ? read : product(key.output) * window, weightBytes: 0 };
}

function blockWork(key: BlockKey): Work {
  const { input, output, block } = key;
  const [inChannels, outChannels] = [input.at(-1) ?? 0, output.at(-1) ?? 0];
  const moved = product(input) + product(output);
  if (block === null) {
    const window = key.type === 'Conv' ? 9 : 1; // the stem is 3 x 3 in both schemes
    if (key.type === 'AvgPool2D') return { class: 'pool', macs: product(input), depthwiseMacs: 0, bytes: float * moved, weightBytes: 0 };
    const weights = window * inChannels * outChannels;
    const kind = key.type === 'Logits' ? 'linear' : key.type === 'Conv' ? 'conv' : 'pointwise';
    return { class: kind, macs: weights * pixels(output), depthwiseMacs: 0, bytes: float * moved, weightBytes: float * weights };
  }
  const mid = midChannels(key);
  const expands = mid !== inChannels;
  const [before, after] = [pixels(input), pixels(output)];
  const expand = expands ? inChannels * mid : 0;
  const depthwise = block.kernel ** 2 * mid;
  return {
    class: 'block',
    macs: expand * before + mid * outChannels * after,
    depthwiseMacs: depthwise * after,
    bytes: float * (moved + mid * after * 2 + (expands ? mid * before * 2 : 0) + (block.idskip ? product(output) : 0)),
    weightBytes: float * (expand + depthwise + mid * outChannels),
  };
}

function pixels(shape: Shape): number {
  return product(shape.slice(0, -1));
}
