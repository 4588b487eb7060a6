/** Repeated measurements of one latency: what they come to, and whether they can be believed. */

export interface Timing {
  readonly count: number;
  readonly meanMs: number;
  readonly stdMs: number;
  readonly minMs: number;
  readonly medianMs: number;
  /** The median lies far above the least, or moved while measuring: something else was at work. */
  readonly noisy: boolean;
}

const mostSpread = 0.12; // of the median above the least
const mostDrift = 0.1; // between the medians of the two halves
const resolutionMs = 0.005; // below this nothing is said to be noise: a clock tick, a scheduler's turn

/** `samples` in milliseconds, in the order in which they were taken; at least one. */
export function summarize(samples: readonly number[]): Timing {
  if (samples.length === 0) throw new RangeError('expected at least one sample, found none');
  const average = mean(samples);
  const variance = samples.reduce((sum, value) => sum + (value - average) ** 2, 0) / Math.max(1, samples.length - 1);
  const [least, middle] = [Math.min(...samples), median(samples)];
  const half = samples.length >> 1;
  const drift = half < 3 ? 0 : Math.abs(median(samples.slice(0, half)) - median(samples.slice(half)));
  return {
    count: samples.length,
    meanMs: average,
    stdMs: Math.sqrt(variance),
    minMs: least,
    medianMs: middle,
    noisy: middle - least > Math.max(mostSpread * middle, resolutionMs) || drift > Math.max(mostDrift * middle, resolutionMs),
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[at] ?? 0) : ((sorted[at - 1] ?? 0) + (sorted[at] ?? 0)) / 2;
}

/** The quieter of two timings of the same thing. */
export function quieter(a: Timing, b: Timing): Timing {
  if (a.noisy !== b.noisy) return a.noisy ? b : a;
  return a.medianMs <= b.medianMs ? a : b;
}
