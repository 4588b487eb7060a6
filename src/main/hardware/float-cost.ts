/**
 * What a float graph costs on any target: for searches that change channels or operators and no bits. On a latency table a part that the
 * table has is priced by it, any other by the operator-class model that is fitted to the table's rows; a simulated target
 * simulates all layers at one pair of bits.
 */
import { LatheError } from '../../shared/errors.ts';
import { maximumBits } from '../../shared/policy.ts';
import type { TableTarget, Target } from '../../shared/target.ts';
import { quantizableLayers, type Graph } from '../network/graph.ts';
import { cyclesToMs, simulateLayers } from './cost-table.ts';
import { energyMjAt } from './cost-table.ts';
import { partsOf, sessionKey } from './tables/parts.ts';
import { Pricer, type PricedTable } from './tables/predict.ts';

export interface FloatCost {
  readonly latencyMs: number; // of the whole batch
  readonly energyMj: number | null; // null: the target has no model for it
  /** Parts of the latency that are not the table's own but fitted; 0 on a simulated target. */
  readonly fittedParts: number;
}

export interface FloatCostOptions {
  readonly batch?: number; // images at once; default: the target's, and on a latency table no other
  readonly bits?: number; // of weights and activations on a simulated target, default 8
}

/**
 * The cost of any number of graphs on one target. What is needed besides the graph (the fitted model, the simulator's memory) is
 * made once, so that a graph costs well under a millisecond to price on a table. Throws LatheError bad-input for a batch that a table
 * does not have, and on pricing a graph that the table has neither keys nor rows to fit for, naming the layer.
 */
export function floatPricer(target: Target, options: FloatCostOptions = {}): (graph: Graph) => FloatCost {
  const batch = options.batch ?? target.defaultBatch;
  if (target.law === 'table') return tablePricer(target, batch);
  const bits = options.bits ?? maximumBits;
  return (graph) => {
    const layers = quantizableLayers(graph);
    const rows = layers.map((_, layer) => ({ layer, weightBits: bits, activationBits: bits }));
    const costs = simulateLayers(target, layers, rows, batch);
    const energyMj = rows.reduce((sum, _, row) => sum + energyMjAt(costs, row), 0);
    return {
      latencyMs: cyclesToMs(
        costs.cycles.reduce((sum, cycles) => sum + cycles, 0),
        target,
      ),
      energyMj: Number.isNaN(energyMj) ? null : energyMj,
      fittedParts: 0,
    };
  };
}

/** The cost of one graph; `floatPricer` is for many. */
export function floatCost(graph: Graph, target: Target, options: FloatCostOptions = {}): FloatCost {
  return floatPricer(target, options)(graph);
}

/** A table target as prices are read from it. */
export function pricedTarget({ id, scheme, defaultBatch, threads, latencyMs }: TableTarget): PricedTable {
  const entries = Object.entries(latencyMs).map(([key, ms]) => [key, { latencyMs: ms, stdMs: null }] as const);
  return { id, scheme, batch: defaultBatch, threads, entries: new Map(entries) };
}

function tablePricer(target: TableTarget, batch: number): (graph: Graph) => FloatCost {
  if (batch !== target.defaultBatch)
    throw new LatheError(
      'bad-input',
      `target ${target.id} is a latency table of batch ${target.defaultBatch}: it says nothing of batch ${batch}`,
    );
  const table = pricedTarget(target);
  if (table.entries.size === 0) throw new LatheError('unavailable', `target ${target.id} has no latencies yet: ${target.source}`);
  const pricer = new Pricer(table, 'fit');
  const overheadMs = table.entries.get(sessionKey)?.latencyMs ?? 0;
  return (graph) => {
    let [latencyMs, fittedParts] = [overheadMs, 0];
    for (const part of partsOf(graph, table.scheme)) {
      const priced = pricer.price(part);
      if (priced.latencyMs === null) {
        throw new LatheError('bad-input', `${part.name}: target ${target.id} has neither the key ${part.key} nor rows of its class to fit`);
      }
      latencyMs += priced.latencyMs;
      if (priced.origin === 'fitted') fittedParts += 1;
    }
    return { latencyMs, energyMj: null, fittedParts };
  };
}
