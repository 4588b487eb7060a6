/** Fronts of points with several objectives: what nothing beats, and the point that gives up least of everything. Pure. */

/** What an objective is to be. */
export type Direction = 'less' | 'more';

/**
 * Indices of the points that no other dominates (as good in every objective and better in one), by rising first objective.
 * Of equal points the first counts; a point with a value that is no number is never among them.
 * Two objectives take n log n steps, more take n times the front.
 */
export function paretoFront(points: readonly (readonly number[])[], directions: readonly Direction[]): number[] {
  const losses = points.map((point) => directions.map((direction, k) => loss(point[k], direction)));
  const order = losses.flatMap((values, i) => (values.some(Number.isNaN) ? [] : [i]));
  // Whoever dominates a point stands before it in this order.
  order.sort((a, b) => lexicographic(losses[a] ?? [], losses[b] ?? []) || a - b);
  const front: number[] = [];
  for (const i of order) {
    const candidate = losses[i] ?? [];
    const rivals = directions.length <= 2 ? front.slice(-1) : front;
    if (!rivals.some((j) => isNoWorse(losses[j] ?? [], candidate))) front.push(i);
  }
  return directions[0] === 'more' ? front.reverse() : front;
}

/**
 * The knee of a front: of its points, each objective scaled to 0 (best on the front) .. 1 (worst on it), the nearest to the point
 * that is best in everything. Null for a front of fewer than three points, where there is nothing between the ends.
 */
export function kneeOf(points: readonly (readonly number[])[], directions: readonly Direction[], front: readonly number[]): number | null {
  if (front.length < 3) return null;
  const losses = front.map((i) => directions.map((direction, k) => loss(points[i]?.[k], direction)));
  const ranges = directions.map((_, k) => {
    const values = losses.map((values) => values[k] ?? Number.NaN);
    return { least: Math.min(...values), most: Math.max(...values) };
  });
  let knee: number | null = null;
  let nearest = Number.POSITIVE_INFINITY;
  front.forEach((point, at) => {
    const squared = ranges.reduce((sum, { least, most }, k) => {
      const share = most > least ? ((losses[at]?.[k] ?? Number.NaN) - least) / (most - least) : 0;
      return sum + share * share;
    }, 0);
    if (squared < nearest) [nearest, knee] = [squared, point];
  });
  return knee;
}

function loss(value: number | undefined, direction: Direction): number {
  return value === undefined ? Number.NaN : direction === 'less' ? value : -value;
}

function lexicographic(a: readonly number[], b: readonly number[]): number {
  for (let k = 0; k < a.length; k += 1) {
    const difference = (a[k] ?? 0) - (b[k] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function isNoWorse(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, k) => value <= (b[k] ?? Number.NaN));
}
