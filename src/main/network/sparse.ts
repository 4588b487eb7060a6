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

/** Minus zero is a value of its own: what is stored is what comes back. */
function isZero(value: number): boolean {
  return Object.is(value, 0);
}
