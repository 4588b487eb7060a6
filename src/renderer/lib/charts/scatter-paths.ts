/**
 * Draws points for uPlot so that a hundred thousand of them cost no more than the pixels they cover: a point whose place
 * is taken already is left out.
 */
import uPlot from 'uplot';

/** `sizePx`: the points' width in CSS pixels. */
export function scatterPaths(sizePx: number): uPlot.Series.PathBuilder {
  return (u, seriesIdx, from, to) => {
    const xs = u.data[0];
    const ys = u.data[seriesIdx];
    const scale = u.series[seriesIdx]?.scale ?? 'y';
    if (ys === undefined) return null;
    const path = new Path2D();
    const { left, top, width, height } = u.bbox;
    const size = sizePx * uPlot.pxRatio;
    const radius = size / 2;
    const cell = Math.max(1, radius); // two points a radius apart can be told apart, closer ones cannot
    const columns = Math.ceil(width / cell) + 2;
    const rows = Math.ceil(height / cell) + 2;
    const taken = new Uint8Array(columns * rows);
    for (let i = from; i <= to; i += 1) {
      const x = xs[i];
      const y = ys[i];
      if (x === undefined || y === null || y === undefined) continue;
      const px = u.valToPos(x, 'x', true);
      const py = u.valToPos(y, scale, true);
      const column = Math.floor((px - left) / cell) + 1;
      const row = Math.floor((py - top) / cell) + 1;
      if (column < 0 || column >= columns || row < 0 || row >= rows) continue;
      const place = row * columns + column;
      if (taken[place] === 1) continue;
      taken[place] = 1;
      path.moveTo(px + radius, py);
      path.arc(px, py, radius, 0, 2 * Math.PI);
    }
    return { fill: path, stroke: null, flags: 0 };
  };
}
