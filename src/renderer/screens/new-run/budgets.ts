/** A budget against what is possible, known before anything runs. Fractions are of the 8-bit form. */
import { amountOf } from '../../../shared/budgets.ts';
import type { Output } from '../../../shared/contract.ts';
import { percentUnit, resource as amount } from '../../../shared/format.ts';
import type { Budget, Cost, Resource } from '../../../shared/policy.ts';

export type Preview = Output<'run.preview'>;

/** The resources that bits change, and a search can therefore be held to. */
export const quantizeResources = ['latency', 'energy', 'size'] as const satisfies readonly Resource[];
export type QuantizeResource = (typeof quantizeResources)[number];

export interface Range {
  readonly least: number;
  readonly reference: number; // the 8-bit form
}

export function rangeOf(preview: Preview, resource: Resource): Range | null {
  const least = amountOf(preview.least, resource);
  const reference = amountOf(preview.reference, resource);
  return least === null || reference === null || reference <= 0 ? null : { least, reference };
}

export function absoluteOf(budget: Budget, range: Range): number {
  return budget.kind === 'absolute' ? budget.value : budget.value * range.reference;
}

export function fractionOf(budget: Budget, range: Range): number {
  return budget.kind === 'fraction' ? budget.value : budget.value / range.reference;
}

export interface Mark {
  readonly bits: number;
  readonly label: string;
  readonly amount: number;
  readonly fraction: number; // of the 8-bit form
}

/** Where the uniform policies lie, most bits first. */
export function marksOf(preview: Preview, resource: Resource, range: Range): readonly Mark[] {
  return preview.uniform.flatMap((cost): Mark[] => {
    const value = amountOf(cost, resource);
    return value === null ? [] : [{ bits: cost.weightBits, label: cost.label, amount: value, fraction: value / range.reference }];
  });
}

/** Why a budget cannot be met; null when it can. A billionth is allowed for rounding. */
export function impossible(budget: Budget, range: Range): string | null {
  const wanted = absoluteOf(budget, range);
  if (wanted >= range.least * (1 - 1e-9)) return null;
  return (
    `No policy can meet ${amount(budget.resource, wanted)} (${percentUnit(fractionOf(budget, range), 1)}): the least possible is ` +
    `${amount(budget.resource, range.least)}, ${percentUnit(range.least / range.reference, 1)} of the 8-bit form.`
  );
}

/** The uniform policy with the most bits that meets all budgets; null when none does. */
export function mostPreciseUniform(preview: Preview, budgets: readonly Budget[]): Preview['uniform'][number] | null {
  const meets = (cost: Cost): boolean =>
    budgets.every((budget) => {
      const range = rangeOf(preview, budget.resource);
      const value = amountOf(cost, budget.resource);
      return range === null || value === null || value <= absoluteOf(budget, range) * (1 + 1e-9);
    });
  return preview.uniform.find(meets) ?? null;
}
