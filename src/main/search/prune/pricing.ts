/** What a choice of channels costs: counted, and on a target where there is one. */
import { LatheError } from '../../../shared/errors.ts';
import type { Budget, Resource } from '../../../shared/policy.ts';
import type { LayerPricer } from '../../hardware/layer-prices.ts';
import type { ChannelCounts, Counts } from './channels.ts';
import type { Price } from './clip.ts';
import type { PruneCost } from './search.ts';

const bytesPerFloat = 4;

export interface Pricing {
  readonly price: Price;
  readonly costOf: (counts: Counts) => PruneCost;
}

/** Without `onTarget`, latency and energy are not known: asking for their price is a mistake. */
export function pricing(counts: ChannelCounts, onTarget: LayerPricer | null): Pricing {
  const known = (value: number | null | undefined, resource: Resource): number => {
    if (value === null || value === undefined) throw new LatheError('bad-input', `budget ${resource}: nothing here tells the ${resource}`);
    return value;
  };
  return {
    price: (resource, units) => {
      switch (resource) {
        case 'macs':
          return counts.macs(units);
        case 'params':
          return counts.params(units);
        case 'size':
          return counts.params(units) * bytesPerFloat;
        case 'latency':
          return known(onTarget?.(counts.layers(units)).latencyMs, resource);
        case 'energy':
          return known(onTarget?.(counts.layers(units)).energyMj, resource);
      }
    },
    costOf: (units) => {
      const price = onTarget?.(counts.layers(units));
      const params = counts.params(units);
      return {
        latencyMs: price?.latencyMs ?? null,
        energyMj: price?.energyMj ?? null,
        macs: counts.macs(units),
        params,
        sizeBytes: params * bytesPerFloat,
      };
    },
  };
}

/** Throws the sentence for budgets that need a target and have none, or whose target has no model for them, and for a budget given twice. */
export function requirePriceable(budgets: readonly Budget[], target: { readonly id: string; readonly energyKnown: boolean } | null): void {
  for (const [index, { resource }] of budgets.entries()) {
    if (budgets.some((other, at) => at < index && other.resource === resource)) {
      throw new LatheError('bad-input', `budget ${resource} is given twice; give one limit a resource`);
    }
    if (resource !== 'latency' && resource !== 'energy') continue;
    if (!target)
      throw new LatheError(
        'bad-input',
        `budget ${resource}: it needs a target to be priced on; give --target, or a budget of macs, params or size`,
      );
    if (resource === 'energy' && !target.energyKnown) {
      throw new LatheError(
        'bad-input',
        `budget energy: target ${target.id} has no energy model; give latency, macs, params or size, or choose another target`,
      );
    }
  }
}
