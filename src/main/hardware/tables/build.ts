/** A table of a network's layers by simulating them: every layer at every pair of the bits that are asked for. */
import type { LatencyEntry } from '../../../shared/latency-table.ts';
import type { SimulatedTarget } from '../../../shared/target.ts';
import { quantizableLayers, type Graph } from '../../network/graph.ts';
import { cyclesToMs, energyMjAt, simulateLayers } from '../cost-table.ts';
import { partsOf } from './parts.ts';

export interface SimulateTableOptions {
  readonly batch: number; // images at once, which each latency is of
  readonly weightBits: readonly number[];
  readonly activationBits: readonly number[];
}

/** One entry a key; layers that are alike have one. Exact: a simulated latency has no spread. */
export function simulateTable(graph: Graph, target: SimulatedTarget, options: SimulateTableOptions): LatencyEntry[] {
  const layers = quantizableLayers(graph);
  const pairs = options.weightBits.flatMap((weight) => options.activationBits.map((activation) => [weight, activation] as const));
  const rows = pairs.flatMap(([weightBits, activationBits]) => layers.map((_, layer) => ({ layer, weightBits, activationBits })));
  const costs = simulateLayers(target, layers, rows, options.batch);
  const keys = pairs.flatMap(([weight, activation]) =>
    partsOf(graph, 'layers', { weightBits: layers.map(() => weight), activationBits: layers.map(() => activation) }).map(({ key }) => key),
  );
  const entries = new Map<string, LatencyEntry>();
  for (const [row, key] of keys.entries()) {
    const energyMj = energyMjAt(costs, row);
    entries.set(key, {
      key,
      count: null,
      meanMs: cyclesToMs(costs.cycles[row] ?? 0, target),
      stdMs: null,
      variance: null,
      minMs: null,
      medianMs: null,
      energyMj: Number.isNaN(energyMj) ? null : energyMj,
      noisy: false,
    });
  }
  return [...entries.values()];
}
