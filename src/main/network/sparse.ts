/**
 * Values with many zeros as they are stored: a bit a value says whether it is zero, then those that are not, as 32-bit floats. Where
 * that would be larger, all of them as they are.
 */

const bytesPerFloat = 4;

/** Bytes that `total` values take of which `nonZero` are none; the bits that say where they are included. */
export function sparseBytes(total: number, nonZero: number): number {
  return Math.min(total * bytesPerFloat, Math.ceil(total / 8) + nonZero * bytesPerFloat);
}

export interface PackedValues {
  readonly length: number;
  readonly marks: Uint8Array | null; // a bit a value, the lowest first; null: no value was left out
  readonly values: Float32Array;
}

export function packValues(values: Float32Array): PackedValues {
  const { length } = values;
  const nonZero = values.reduce((count, value) => count + (isZero(value) ? 0 : 1), 0);
  if (sparseBytes(length, nonZero) === length * bytesPerFloat) return { length, marks: null, values };
  const marks = new Uint8Array(Math.ceil(length / 8));
  const kept = new Float32Array(nonZero);
  let next = 0;
  values.forEach((value, at) => {
    if (isZero(value)) return;
    marks[at >> 3] = (marks[at >> 3] ?? 0) | (1 << (at & 7));
    kept[next] = value;
    next += 1;
  });
  return { length, marks, values: kept };
}

/** The values again, bit for bit. */
export function unpackValues({ length, marks, values }: PackedValues): Float32Array {
  if (marks === null) return values;
  const all = new Float32Array(length);
  let next = 0;
  for (let at = 0; at < length; at += 1) {
    if (((marks[at >> 3] ?? 0) & (1 << (at & 7))) === 0) continue;
    all[at] = values[next] ?? 0;
    next += 1;
  }
  return all;
}

/** Is it what `packValues` makes: as many values as there are marks, and no more room told than there are marks? */
export function isPackedValues(value: unknown): value is PackedValues {
  if (typeof value !== 'object' || value === null || !('length' in value && 'marks' in value && 'values' in value)) return false;
  const { length, marks, values } = value;
  if (!(values instanceof Float32Array)) return false;
  if (marks === null) return length === values.length;
  if (!(marks instanceof Uint8Array) || typeof length !== 'number' || Math.ceil(length / 8) !== marks.length) return false;
  return values.length === marks.reduce((sum, byte) => sum + bitsSet(byte), 0);
}

function bitsSet(byte: number): number {
  let count = 0;
  for (let left = byte; left > 0; left >>= 1) count += left & 1;
  return count;
}

/** Minus zero is a value of its own: what is stored is what comes back. */
function isZero(value: number): boolean {
  return Object.is(value, 0);
}
