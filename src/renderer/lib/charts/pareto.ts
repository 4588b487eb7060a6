/** The points that nothing beats: no other is as cheap and as good, and better in one. */

/** Indices of the front, by rising cost. `cost` is to be small, `gain` is to be large; of equal points the first counts. */
export function paretoFront(cost: readonly number[], gain: readonly number[]): number[] {
  const at = (values: readonly number[], i: number): number => values[i] ?? Number.NaN;
  const order = cost.map((_, i) => i).sort((a, b) => at(cost, a) - at(cost, b) || at(gain, b) - at(gain, a) || a - b);
  const front: number[] = [];
  let most = Number.NEGATIVE_INFINITY;
  for (const i of order) {
    if (at(gain, i) <= most) continue;
    most = at(gain, i);
    front.push(i);
  }
  return front;
}
