/** Checks of single values: each throws LatheError: bad-input, naming the parameter, what is allowed and what was found. */
import { LatheError } from '../../shared/errors.ts';

export function fail(message: string): never {
  throw new LatheError('bad-input', message);
}

export function checkInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    fail(`${name} must be a whole number from ${least} to ${most}, found ${value}`);
  }
}

/** A finite number in [least, most]. */
export function checkNumber(name: string, value: number, least: number, most: number): void {
  if (!Number.isFinite(value) || value < least || value > most) {
    const range = most === Number.MAX_VALUE ? `of at least ${least}` : `from ${least} to ${most}`;
    fail(`${name} must be a finite number ${range}, found ${value}`);
  }
}

export function checkLength(name: string, found: number, expected: number, reason: string): void {
  if (found !== expected) fail(`${name} must have ${expected} values (${reason}), found ${found}`);
}

/** Every value is finite. */
export function checkFinite(name: string, values: Float32Array | Float64Array | readonly number[]): void {
  const index = values.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) fail(`${name}[${index}] must be finite, found ${String(values[index])}`);
}

/** Every index is below `count`. */
export function checkIndices(name: string, indices: Uint32Array, count: number): void {
  const position = indices.findIndex((index) => index >= count);
  if (position >= 0) fail(`${name}[${position}] must be below the data set's ${count} images, found ${String(indices[position])}`);
}
