/** Fewer points that look the same. */

/**
 * Indices of the points to draw: the first of those that share a cell of a grid over the points' range. Every point keeps a
 * drawn one within one cell, so the picture is that of all of them.
 */
export function thin(xs: readonly number[], ys: readonly number[], columns: number, rows: number): number[] {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < xs.length; i += 1) {
    const [x, y] = [xs[i] ?? Number.NaN, ys[i] ?? Number.NaN];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < low) low = y;
    if (y > high) high = y;
  }
  const taken = new Uint8Array(columns * rows);
  const kept: number[] = [];
  for (let i = 0; i < xs.length; i += 1) {
    const column = Math.min(columns - 1, Math.floor((((xs[i] ?? Number.NaN) - left) / (right - left || 1)) * columns));
    const row = Math.min(rows - 1, Math.floor((((ys[i] ?? Number.NaN) - low) / (high - low || 1)) * rows));
    const cell = row * columns + column;
    if (!(cell >= 0) || taken[cell] === 1) continue; // not a number, or there is a point already
    taken[cell] = 1;
    kept.push(i);
  }
  return kept;
}
