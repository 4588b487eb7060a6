/** What a choice of channels costs: counted, and on a target where there is one. */
import { LatheError } from '../../../shared/errors.ts';
import type { Budget, Resource } from '../../../shared/policy.ts';
import type { Granularity } from '../../../shared/prune.ts';
import type { Target } from '../../../shared/target.ts';
import { floatPricer } from '../../hardware/float-cost.ts';
import { layerPricer, type LayersPrice } from '../../hardware/layer-prices.ts';
import type { Coupling } from '../../network/coupling.ts';
import type { Graph } from '../../network/graph.ts';
import { sliceGraph } from '../../network/slice.ts';
import { keptUnits, type ChannelCounts } from './channels.ts';
import type { Price } from './clip.ts';
import type { Counted, Counts } from './decisions.ts';
import type { PruneCost } from './search.ts';

/** Latency and energy of a choice of channels. */
export type OnTarget = (counts: Counts) => LayersPrice;

/**
 * Prices on a target for `batch` images at once: a simulated one computes all layers at 8 bits, a latency table is of float
 * networks. Throws LatheError as `floatPricer`.
 */
export function onTarget(graph: Graph, coupling: Coupling, counts: ChannelCounts, target: Target, batch: number): OnTarget {
  const known = new Map<string, LayersPrice>();
  const price =
    target.law === 'table'
      ? onTable(graph, coupling, counts, floatPricer(target, { batch }))
      : onSimulator(counts, layerPricer(target, batch));
  return (units) => {
    const key = units.join();
    const found = known.get(key) ?? price(units);
    if (known.size >= mostRemembered) known.clear();
    known.set(key, found);
    return found;
  };
}

const mostRemembered = 100_000;

function onSimulator(counts: ChannelCounts, price: ReturnType<typeof layerPricer>): OnTarget {
  return (units) => price(counts.layers(units));
}

/** A table prices operators as a whole graph has them; which of its channels go makes no difference. */
function onTable(graph: Graph, coupling: Coupling, { decisions }: ChannelCounts, price: ReturnType<typeof floatPricer>): OnTarget {
  return (units) =>
    price(
      sliceGraph(
        graph,
        keptUnits(decisions, units, () => []),
        coupling,
      ),
    );
}

export interface Pricing {
  readonly price: Price;
  readonly costOf: (counts: Counts) => PruneCost;
}

/** Without a target, latency and energy are not known: asking for their price is a mistake. */
export function pricing(counts: Counted, target: OnTarget | null): Pricing {
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
          return counts.bytes(units);
        case 'latency':
          return known(target?.(units).latencyMs, resource);
        case 'energy':
          return known(target?.(units).energyMj, resource);
      }
    },
    costOf: (units) => {
      const price = target?.(units);
      return {
        latencyMs: price?.latencyMs ?? null,
        energyMj: price?.energyMj ?? null,
        macs: counts.macs(units),
        params: counts.params(units),
        sizeBytes: counts.bytes(units),
      };
    },
  };
}

/**
 * Throws the sentence for budgets that need a target and have none, or whose target has no model for them, for a budget given twice,
 * and for what single weights do not change: no target here skips zeros.
 */
export function requirePriceable(
  budgets: readonly Budget[],
  granularity: Granularity,
  target: { readonly id: string; readonly energyKnown: boolean } | null,
): void {
  for (const [index, { resource }] of budgets.entries()) {
    if (budgets.some((other, at) => at < index && other.resource === resource)) {
      throw new LatheError('bad-input', `budget ${resource} is given twice; give one limit a resource`);
    }
    if (resource !== 'latency' && resource !== 'energy') continue;
    if (granularity === 'weights') {
      throw new LatheError(
        'bad-input',
        `budget ${resource}: single weights that are zero save none of it on any target here; give params, size or macs, or prune channels`,
      );
    }
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
