/**
 * How a run is drawn, the same in every chart, table and report: a colour that follows from its id alone, and a dash, so that no
 * two runs of a picture differ by colour only.
 */
import { seriesColors, type SeriesColor } from './series.ts';

export interface RunLook {
  readonly color: SeriesColor;
  readonly dash: readonly number[]; // lengths of lines and gaps in pixels; empty: a whole line
}

/** What runs are drawn in: grey is for what is no run. */
const colors = seriesColors.filter((color) => color !== 'grey');

const dashes: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [12, 3, 2, 3, 2, 3]];

/** FNV-1a of the id's UTF-16 units: spreads ids that differ in one letter. */
function hash(id: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < id.length; i += 1) value = Math.imul(value ^ id.charCodeAt(i), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}

/** The colour of a run, for ever. */
export function runColor(id: string): SeriesColor {
  return colors[hash(id) % colors.length] ?? 'blue';
}

/**
 * The looks of runs that are shown together, in their order. The first whole line is the first run's; dashes repeat behind the
 * sixth run, where two of one colour still get different ones as long as there are any.
 */
export function runLooks(ids: readonly string[]): RunLook[] {
  const taken = new Set<string>();
  return ids.map((id, place) => {
    const color = runColor(id);
    let at = place % dashes.length;
    for (let tries = 0; tries < dashes.length && taken.has(`${color} ${String(at)}`); tries += 1) at = (at + 1) % dashes.length;
    taken.add(`${color} ${String(at)}`);
    return { color, dash: dashes[at] ?? [] };
  });
}
