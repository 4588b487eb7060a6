/**
 * Global magnitude: the least important units of the whole network go, whatever group they are of, until the budgets hold. One
 * choice, with nothing searched; what a search has to beat besides the uniform width. Pure.
 */
import { meets, spend, type ClipSetting } from './clip.ts';
import { choicesOf, type Decision } from './decisions.ts';

/**
 * Counts by one threshold over all scores; `scores` are those of each decision's units, from the largest down, comparable between
 * decisions. Null where even every decision's fewest units break a limit.
 */
export function magnitudeCounts(setting: ClipSetting, scores: readonly Float64Array[]): number[] | null {
  const { decisions, limits, price } = setting;
  const thresholds = Float64Array.from(scores.flatMap((own) => [...own])).sort();
  const countsAt = (threshold: number): number[] =>
    decisions.map((decision, t) => above(decision, scores[t] ?? new Float64Array(), threshold));
  // The lowest threshold that keeps the limits: a higher one never leaves more.
  let [low, high] = [0, thresholds.length];
  const at = (place: number): number => thresholds[place] ?? Infinity;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (meets(price, countsAt(at(middle)), limits)) high = middle;
    else low = middle + 1;
  }
  const counts = countsAt(at(low));
  return meets(price, counts, limits) ? spend(setting, counts) : null;
}

/** As many units as reach the threshold, up to the next count that the decision may take. */
function above(decision: Decision, scores: Float64Array, threshold: number): number {
  let [low, high] = [0, scores.length]; // the first that does not reach it
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((scores[middle] ?? 0) >= threshold) low = middle + 1;
    else high = middle;
  }
  return choicesOf(decision).find((count) => count >= low) ?? decision.maximum;
}
