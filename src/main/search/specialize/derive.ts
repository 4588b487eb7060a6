/** From scores of candidates to one network: the best path under limits, by dynamic programming over a cost in steps. */
import type { AdditiveCost } from '../../hardware/space-cost.ts';
import type { Path } from '../../network/space/space.ts';

export interface Limit {
  readonly cost: AdditiveCost;
  readonly most: number;
  readonly least?: number; // preferred: a path within [least, most] wins over any below
}

export interface DerivedPath {
  readonly path: Path;
  readonly score: number;
}

/**
 * The path with the largest sum of scores[block][candidate] that meets every limit; null where none is found. States are kept by
 * what they have used of the first limit, in `steps`: of those in one step the best alone goes on. Each is dropped once even the
 * cheapest rest would break a limit, so that what is found does meet all of them.
 */
export function bestPath(scores: readonly (readonly number[])[], limits: readonly Limit[], steps = 4000): DerivedPath | null {
  const [first] = limits;
  const rests = limits.map(({ cost }) => restOf(cost));
  const unit = first ? (first.most - first.cost.fixed) / steps : 0;
  let states: State[] = [{ score: 0, used: limits.map(({ cost }) => cost.fixed), choice: -1, before: null }];
  for (const [block, row] of scores.entries()) {
    const next = new Map<number, State>();
    for (const state of states) {
      for (const [choice, gain] of row.entries()) {
        const used = limits.map(({ cost }, i) => (state.used[i] ?? 0) + (cost.blocks[block]?.[choice] ?? 0));
        if (limits.some(({ most }, i) => (used[i] ?? 0) + (rests[i]?.[block + 1] ?? 0) > most * (1 + rounding))) continue;
        const place = first && unit > 0 ? Math.floor(((used[0] ?? 0) - first.cost.fixed) / unit) : 0;
        const score = state.score + gain;
        if ((next.get(place)?.score ?? Number.NEGATIVE_INFINITY) < score) next.set(place, { score, used, choice, before: state });
      }
    }
    states = [...next.values()];
  }
  const least = first?.least;
  const inBand = least === undefined ? [] : states.filter(({ used }) => (used[0] ?? 0) >= least);
  const best = (inBand.length > 0 ? inBand : states).reduce<State | null>((a, b) => (a && a.score >= b.score ? a : b), null);
  return best && { path: pathOf(best), score: best.score };
}

/** Sums in another order may differ in the last digits. */
const rounding = 1e-12;

interface State {
  readonly score: number;
  readonly used: readonly number[];
  readonly choice: number;
  readonly before: State | null;
}

function pathOf(state: State): number[] {
  const path: number[] = [];
  for (let at: State = state; at.before; at = at.before) path.unshift(at.choice);
  return path;
}

/** The least that the blocks from each one on can cost. */
function restOf(cost: AdditiveCost): number[] {
  const rest = [0];
  for (const row of [...cost.blocks].reverse()) rest.unshift((rest[0] ?? 0) + Math.min(...row));
  return rest;
}
