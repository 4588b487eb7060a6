/**
 * Weights as a .safetensors file, which PyTorch, JAX, NumPy and others read: the length of a JSON header (64 bits, little
 * endian), the header, then the values, little endian. Format: https://github.com/huggingface/safetensors, README, "Format".
 */
import type { NativeParameter } from '../compute/addon.ts';

/** Values are laid out as `layout` says; a tensor is called by its operator and role, such as `conv1.weight`. */
export function toSafetensors(
  layout: readonly NativeParameter[],
  values: Float32Array,
  metadata: Readonly<Record<string, string>>,
): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'lathe', ...metadata } };
  const data = Buffer.alloc(values.length * Float32Array.BYTES_PER_ELEMENT);
  let end = 0;
  for (const { op, role, offset, length, shape } of layout) {
    const begin = end;
    for (let i = offset; i < offset + length; i += 1, end += 4) data.writeFloatLE(values[i] ?? Number.NaN, end);
    header[`${op}.${role}`] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const padding = Buffer.alloc((8 - (text.length % 8)) % 8, ' '); // values begin at a multiple of 8 bytes
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length + padding.length));
  return Buffer.concat([size, text, padding, data.subarray(0, end)]);
}
