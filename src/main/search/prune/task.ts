/** What a pruning can decide of a network, by what it removes, and what a choice costs. */
import type { Granularity } from '../../../shared/prune.ts';
import type { Target } from '../../../shared/target.ts';
import type { Coupling } from '../../network/coupling.ts';
import type { Graph } from '../../network/graph.ts';
import type { NetworkValues } from '../../network/values.ts';
import { ChannelCounts, decisionsOf } from './channels.ts';
import type { Bounds, Counted } from './decisions.ts';
import { onTarget, pricing, type Pricing } from './pricing.ts';
import { WeightCounts, weightDecisionsOf } from './weights.ts';

/**
 * Units by the name of a decision, of a network that earlier stages have pruned: of channels those that the whole network had,
 * which ratios are of; of weights those that are left, as the others cannot come back.
 */
export type EarlierUnits = ReadonlyMap<string, number>;

export interface Task {
  readonly counts: Counted;
  readonly channels: ChannelCounts | null; // the same; null: single weights go
  readonly pricing: Pricing;
}

export interface TaskOptions extends Bounds {
  readonly granularity: Granularity;
  readonly target: Target | null;
  readonly batch: number; // images at once on the target
  readonly earlier?: EarlierUnits;
}

/** Throws LatheError bad-input as `decisionsOf` and `weightDecisionsOf`. */
export function taskOf(graph: Graph, coupling: Coupling, options: TaskOptions): Task {
  const { granularity, target, batch, earlier } = options;
  if (granularity === 'weights') {
    const counts = new WeightCounts(graph, weightDecisionsOf(graph, options, earlier));
    return { counts, channels: null, pricing: pricing(counts, null) };
  }
  const counts = new ChannelCounts(graph, decisionsOf(graph, options, coupling, earlier), coupling);
  return { counts, channels: counts, pricing: pricing(counts, target ? onTarget(graph, coupling, counts, target, batch) : null) };
}

/** Weights of each layer that are not zero. */
export function weightsLeft(values: NetworkValues): EarlierUnits {
  return new Map(
    [...values].flatMap(([name, { weight }]) =>
      weight ? [[name, weight.reduce((n, value) => n + (value === 0 ? 0 : 1), 0)] as const] : [],
    ),
  );
}
