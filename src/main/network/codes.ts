/** Linear weights as whole numbers, for files; the same numbers that the addon computes with (native/src/quantize/linear.h). */
import { roundEven } from './onnx/fold.ts';

export interface WeightCodes {
  readonly codes: Int8Array; // as the weights are laid out
  readonly steps: Float32Array; // what a code of 1 is worth: one for all, or one an output channel
}

/**
 * `values` are (out channels, rest); `thresholds` has one clipping value for all, or one an output channel. From 2 bits on a step is
 * threshold / (2^(bits-1) - 1); of one bit the codes are the signs and a step is the threshold.
 */
export function weightCodes(values: Float32Array, bits: number, thresholds: Float32Array): WeightCodes {
  const largest = bits === 1 ? 1 : 2 ** (bits - 1) - 1;
  const steps = Float32Array.from(thresholds, (threshold) => threshold / largest);
  const row = values.length / thresholds.length;
  const codes = Int8Array.from(values, (value, at) => {
    if (bits === 1) return value >= 0 ? 1 : -1;
    const code = roundEven(Math.fround(value / (steps[Math.floor(at / row)] ?? Number.NaN)));
    return Math.max(-largest, Math.min(largest, code));
  });
  return { codes, steps };
}
