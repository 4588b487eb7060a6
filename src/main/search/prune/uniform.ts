/** Uniform width: the same ratio for every group, the largest that keeps the budgets. What a search has to beat. */
import { choiceFor } from './decisions.ts';
import { meets, type ClipSetting } from './clip.ts';

const steps = 1000; // ratios that are looked at, from 1 down

/** Counts of the widest uniform network within the limits; null where none keeps them. */
export function uniformWidth(setting: ClipSetting): { readonly ratio: number; readonly counts: number[] } | null {
  const { decisions, limits, price } = setting;
  for (let step = steps; step >= 1; step -= 1) {
    const ratio = step / steps;
    const counts = decisions.map((decision) => choiceFor(decision, ratio));
    if (meets(price, counts, limits)) return { ratio, counts };
  }
  return null;
}
