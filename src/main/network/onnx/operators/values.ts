/** Constants as the values of parameters. */
import { memoryOrder, sameAxes, type Tensor } from '../layout.ts';
import { channelAxes } from '../layout.ts';
import type { Constant } from '../tensor.ts';

/** As float32; without a copy where they are. */
export function floats({ values }: Constant): Float32Array {
  return values instanceof Float32Array ? values : Float32Array.from(values);
}

export function reordered(values: Float32Array, order: Int32Array | null): Float32Array {
  return order ? Float32Array.from(order, (from) => values[from] ?? 0) : values;
}

/** The constant as one value a channel of the tensor, in the order of memory; null where it is none that is the same for all pixels. */
export function perChannel(tensor: Tensor, constant: Constant): Float32Array | null {
  const channels = tensor.shape.at(-1) ?? 0;
  const offset = tensor.dims.length - constant.dims.length;
  const wide = constant.dims.flatMap((size, at) => (size === 1 ? [] : [at]));
  const [first = 0] = constant.values;
  if (wide.length === 0) return new Float32Array(channels).fill(first);
  const [only = 0] = wide;
  const over = tensor.dims[only + offset] ?? [];
  if (wide.length !== 1 || !sameAxes(over, channelAxes(tensor)) || constant.dims[only] !== channels) return null;
  return reordered(floats(constant), memoryOrder(tensor.sizes, over));
}
