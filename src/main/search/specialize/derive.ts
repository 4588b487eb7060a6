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
 * The path with the largest sum of scores[block][candidate] that meets every limit; null where there is none. The first limit is
 * divided into `steps`, costs rounded up, so that what is found does meet it; of the others each state keeps what it has used and is
 * dropped once the cheapest rest would break one.
 */
export function bestPath(scores: readonly (readonly number[])[], limits: readonly Limit[], steps = 4000): DerivedPath | null {
  const [first, ...others] = limits;
  if (!first) return { path: scores.map((row) => row.indexOf(Math.max(...row))), score: scores.reduce((sum, row) => sum + Math.max(...row), 0) };
  const unit = (first.most - first.cost.fixed) / steps;
  if (!(unit >= 0)) return null;
  const inSteps = (value: number): number => (unit > 0 ? Math.ceil(value / unit - 1e-9) : value > 0 ? steps + 1 : 0);
  const cheapestRest = others.map(({ cost }) => restOf(cost));
  let states = new Map<number, State>([[0, { score: 0, used: others.map(({ cost }) => cost.fixed), choice: -1, before: null }]]);
  for (const [block, row] of scores.entries()) {
    const next = new Map<number, State>();
    for (const [at, state] of states) {
      for (const [choice, score] of row.entries()) {
        const place = at + inSteps(first.cost.blocks[block]?.[choice] ?? 0);
        if (place > steps) continue;
        const total = state.score + score;
        if ((next.get(place)?.score ?? Number.NEGATIVE_INFINITY) >= total) continue;
        const used = others.map(({ cost }, i) => (state.used[i] ?? 0) + (cost.blocks[block]?.[choice] ?? 0));
        if (others.some(({ most }, i) => (used[i] ?? 0) + (cheapestRest[i]?.[block + 1] ?? 0) > most)) continue;
        next.set(place, { score: total, used, choice, before: state });
      }
    }
    states = next;
  }
  const exact = (state: State): number => first.cost.fixed + pathOf(state).reduce((sum, choice, block) => sum + (first.cost.blocks[block]?.[choice] ?? 0), 0);
  const ends = [...states.values()];
  const inBand = first.least === undefined ? [] : ends.filter((state) => exact(state) >= (first.least ?? 0));
  const best = (inBand.length > 0 ? inBand : ends).reduce<State | null>((a, b) => (a && a.score >= b.score ? a : b), null);
  return best && { path: pathOf(best), score: best.score };
}

interface State {
  readonly score: number;
  readonly used: readonly number[];
  readonly choice: number;
  readonly before: State | null;
}

function pathOf(state: State): number[] {
  const path: number[] = [];
  for (let at: State | null = state; at?.before; at = at.before) path.unshift(at.choice);
  return path;
}

/** The least that the blocks from each one on can cost. */
function restOf(cost: AdditiveCost): number[] {
  const rest = [0];
  for (const row of [...cost.blocks].reverse()) rest.unshift((rest[0] ?? 0) + Math.min(...row));
  return rest;
}
