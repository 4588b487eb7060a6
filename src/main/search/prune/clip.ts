/**
 * From what the agent asks of a group to what it gets under the budgets (AMC, section 3.3, "resource-constrained compression").
 * The released code divides, for multiply-accumulates are bilinear in the ratios; latency is not, so this walks down real
 * costs. And it bounds both sides: never more than leaves the later groups their fewest channels, and never so few that the later
 * groups could not use the budget up. Pure.
 */
import { LatheError } from '../../../shared/errors.ts';
import type { Budget, Resource } from '../../../shared/policy.ts';
import { resourceUnits } from '../../../shared/policy.ts';
import type { ClipReason } from '../../../shared/prune.ts';
import { choicesOf, unitsOf, type Counts, type Decision } from './decisions.ts';

/** The amount of a resource, in the unit of `resourceUnits`. */
export type Price = (resource: Resource, counts: Counts) => number;

export interface Clipped {
  readonly count: number;
  readonly reason: ClipReason;
}

export interface ClipSetting {
  readonly decisions: readonly Decision[];
  readonly limits: readonly Budget[]; // absolute
  readonly price: Price;
}

export function meets(price: Price, counts: Counts, limits: readonly Budget[]): boolean {
  return limits.every(({ resource, value }) => price(resource, counts) <= value);
}

/**
 * Units that decision `at` gets when `ratio` is asked for, those before it decided (`decided`, in order). Where even the fewest
 * channels of this and the later groups break a budget (latency may rise when channels go), it gets its fewest.
 */
export function clip({ decisions, limits, price }: ClipSetting, decided: Counts, at: number, ratio: number): Clipped {
  const decision = decisions[at];
  if (!decision) throw new RangeError(`there is no decision ${at}`);
  const later = decisions.slice(at + 1);
  const fits = (count: number): boolean => meets(price, [...decided, count, ...later.map(({ minimum }) => minimum)], limits);
  const choices = choicesOf(decision);
  const asked = unitsOf(ratio, decision.units, decision.step);
  let reason: ClipReason = 'asked';
  let place = choices.findLastIndex((count) => count <= asked);
  if (place < 0) [place, reason] = [0, 'minimum'];
  else if (asked > decision.maximum) reason = 'maximum';
  if (limits.length === 0) return { count: choices[place] ?? decision.minimum, reason };

  if (!fits(choices[place] ?? 0)) {
    reason = 'later';
    place = lastThat(place, (at) => fits(choices[at] ?? 0));
  } else {
    // The most that the later groups can use; if budgets stay open even then, this group takes more.
    const most = later.map(({ maximum }) => maximum);
    const used = (count: number): boolean => !meets(price, [...decided, count, ...most], limits);
    if (!used(choices[place] ?? 0)) {
      // The first place from which the rest can use it up, or the last that still fits.
      let [low, high] = [place, choices.length - 1];
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        if (used(choices[middle] ?? 0) || !fits(choices[middle] ?? 0)) high = middle;
        else low = middle + 1;
      }
      const wanted = fits(choices[low] ?? 0) ? low : lastThat(low, (at) => fits(choices[at] ?? 0));
      if (wanted > place) [place, reason] = [wanted, 'use'];
    }
  }
  return { count: choices[place] ?? decision.minimum, reason };
}

/**
 * The last place up to `from` that fits, by halving, for costs hardly ever rise when channels go: what it finds fits in any case;
 * 0 where nothing found does.
 */
function lastThat(from: number, fits: (place: number) => boolean): number {
  let [low, high] = [0, from];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Counts with what the budgets still have room for: steps of rounding left the last groups short of it. Raises one step at a time,
 * the last group first, until nothing fits; `counts` must meet the limits, and without limits stay as they are.
 */
export function spend({ decisions, limits, price }: ClipSetting, counts: Counts): number[] {
  const spent = [...counts];
  for (let raised = limits.length > 0 && meets(price, spent, limits); raised;) {
    raised = false;
    for (let at = decisions.length - 1; at >= 0; at -= 1) {
      const decision = decisions[at];
      const [before = 0, more] = [spent[at], decision && choicesOf(decision).find((count) => count > (spent[at] ?? 0))];
      if (more === undefined) continue;
      spent[at] = more;
      if (meets(price, spent, limits)) raised = true;
      else spent[at] = before;
    }
  }
  return spent;
}

/** Budgets as absolute limits: a fraction is of `whole`, the network with all its channels. */
export function absoluteLimits(budgets: readonly Budget[], whole: (resource: Resource) => number): Budget[] {
  return budgets.map((budget) =>
    budget.kind === 'absolute' ? budget : { resource: budget.resource, kind: 'absolute', value: budget.value * whole(budget.resource) },
  );
}

/** Throws the sentence for a budget that no choice of channels can meet, with the least that is possible. */
export function requireReachable(setting: ClipSetting): void {
  const { decisions, limits, price } = setting;
  const fewest = decisions.map(({ minimum }) => minimum);
  const all = decisions.map(({ units }) => units);
  for (const { resource, value } of limits) {
    const [least, whole] = [price(resource, fewest), price(resource, all)];
    if (least <= value) continue;
    const unit = resourceUnits[resource];
    throw new LatheError(
      'bad-input',
      `budget ${resource}: expected at least ${digits(least)} ${unit} (${resource}=${(Math.ceil((least / whole) * 1000) / 1000).toFixed(3)}), which every group at its fewest channels takes; found ${digits(value)} ${unit}; give more, or lower the smallest ratio`,
      { resource, limit: value, least },
    );
  }
}

function digits(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
}
