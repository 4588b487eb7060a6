/** How well predicted latencies agree with measured ones: relative errors, and whether they rank alike. */

export interface Compared {
  readonly measuredMs: number;
  readonly predictedMs: number | null; // left out
}

export interface Agreement {
  readonly meanError: number | null; // mean of the absolute relative errors
  readonly largestError: number | null;
  readonly spearman: number | null; // null: fewer than three, or all alike
}

export function agreement(points: readonly Compared[]): Agreement {
  const pairs = points.flatMap(({ measuredMs, predictedMs }) => (predictedMs === null ? [] : [[measuredMs, predictedMs] as const]));
  if (pairs.length === 0) return { meanError: null, largestError: null, spearman: null };
  const [measured, predicted] = [pairs.map(([ms]) => ms), pairs.map(([, ms]) => ms)];
  const errors = pairs.map(([was, said]) => Math.abs(said / was - 1));
  const spearman = pairs.length < 3 ? null : correlation(ranks(measured), ranks(predicted));
  return { meanError: mean(errors), largestError: Math.max(...errors), spearman };
}

/** From 1; equal values share the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}

/** Pearson's; of ranks it is Spearman's. */
function correlation(a: readonly number[], b: readonly number[]): number | null {
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [index, x] of a.entries()) {
    const [dx, dy] = [x - meanA, (b[index] ?? 0) - meanB];
    [ab, aa, bb] = [ab + dx * dy, aa + dx * dx, bb + dy * dy];
  }
  return aa === 0 || bb === 0 ? null : ab / Math.sqrt(aa * bb);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
