/**
 * Weights as a .safetensors file, which PyTorch, JAX, NumPy and others read: the length of a JSON header (64 bits, little
 * endian), the header, then the values, little endian. Format: https://github.com/huggingface/safetensors, README, "Format".
 */
import type { NativeParameter } from '../compute/addon.ts';

export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Int8Array | Uint8Array;
}

/** Values are laid out as `layout` says; a tensor is called by its operator and role, such as `conv1.weight`. */
export function toSafetensors(
  layout: readonly NativeParameter[],
  values: Float32Array,
  metadata: Readonly<Record<string, string>>,
): Buffer {
  const tensors = layout.map(({ op, role, offset, length, shape }) => ({
    name: `${op}.${role}`,
    shape,
    values: values.subarray(offset, offset + length),
  }));
  return writeSafetensors(tensors, metadata);
}

/** Wider values first, so that each begins at a multiple of its own size. */
export function writeSafetensors(tensors: readonly Tensor[], metadata: Readonly<Record<string, string>>): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'lathe', ...metadata } };
  const parts: Buffer[] = [];
  let end = 0;
  for (const { name, shape, values } of [...tensors].sort((a, b) => b.values.BYTES_PER_ELEMENT - a.values.BYTES_PER_ELEMENT)) {
    const begin = end;
    parts.push(bytesOf(values));
    end += values.byteLength;
    header[name] = { dtype: typeOf(values), shape, data_offsets: [begin, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc((8 - (text.length % 8)) % 8, ' '); // values begin at a multiple of 8 bytes
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length + padding.length));
  return Buffer.concat([size, text, padding, ...parts]);
}

function typeOf(values: Tensor['values']): 'F32' | 'I8' | 'U8' {
  if (values instanceof Float32Array) return 'F32';
  return values instanceof Int8Array ? 'I8' : 'U8';
}

/** Little endian. */
function bytesOf(values: Tensor['values']): Buffer {
  if (!(values instanceof Float32Array)) return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const bytes = Buffer.alloc(values.byteLength);
  values.forEach((value, at) => bytes.writeFloatLE(value, at * Float32Array.BYTES_PER_ELEMENT));
  return bytes;
}
