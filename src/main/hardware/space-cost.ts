/**
 * What every candidate of a search space costs on a target: a sum over blocks and a part that all networks share, so that the
 * cost of a path, and the expected cost under probabilities, is a sum of table entries.
 */
import { LatheError } from '../../shared/errors.ts';
import type { Budget, Cost, Resource } from '../../shared/policy.ts';
import { resourceUnits } from '../../shared/policy.ts';
import type { SearchSpace } from '../../shared/space.ts';
import type { SimulatedTarget, TableTarget, Target } from '../../shared/target.ts';
import { quantizableLayers, type Graph } from '../network/graph.ts';
import { coveringPaths } from '../network/space/programs.ts';
import { blocksOf, candidateAt, pathGraph, zero, type Path, type SpaceFit } from '../network/space/space.ts';
import { cyclesToMs, energyMjAt, quantizedSizeBytes, simulateLayers } from './cost-table.ts';
import { floatPricer, pricedTarget } from './float-cost.ts';
import { partsOf as tableParts, sessionKey } from './tables/parts.ts';
import { Pricer } from './tables/predict.ts';

/** One resource, in the unit of `resourceUnits`. */
export interface AdditiveCost {
  readonly fixed: number; // of what all networks of the space have
  readonly blocks: readonly (readonly number[])[]; // of a candidate of a block; Zero: 0
}

/** By resource; those that the target has no model for are absent. */
export type SpaceCosts = Readonly<Partial<Record<Resource, AdditiveCost>>>;

export interface PricedSpace {
  readonly costs: SpaceCosts;
  /** 'b4_k5e3': candidates with a latency that is fitted to a table's rows, as the table has no key for it. */
  readonly fitted: ReadonlySet<string>;
}

/** Bits at which a simulated target is asked: the form in which a float network reaches an integer accelerator. */
const bits = 8;

/**
 * For `batch` images at once: of a simulated target at 8 bits, of a latency table in float. Multiply-accumulates and parameters are of
 * the graph alone. Throws LatheError bad-input where a table prices neither a part nor its class.
 */
export function spaceCosts(space: SearchSpace, fit: SpaceFit, target: Target, batch: number): PricedSpace {
  const layersOf = target.law === 'table' ? tableLayers(target) : (graph: Graph): LayerCost[] => simulatedLayers(graph, target, batch);
  const fitted = new Set<string>();
  const found: Record<Resource, (number | null)[][]> = { latency: [], energy: [], size: [], macs: [], params: [] };
  const fixed: Partial<Record<Resource, number | null>> = {};
  const blocks = blocksOf(space);
  for (const path of coveringPaths(blocks)) {
    const layers = layersOf(pathGraph(space, fit, path));
    const total = (resource: Resource, prefix: (name: string) => boolean): number | null =>
      layers.filter(({ name }) => prefix(name)).reduce<number | null>((sum, layer) => plus(sum, layer[resource]), 0);
    const prefixes = blocks.map((block, index) => `${block.name}_${candidateAt(block, path[index])}_`);
    for (const layer of layers) {
      const prefix = layer.fitted ? prefixes.find((own) => layer.name.startsWith(own)) : undefined;
      if (prefix !== undefined) fitted.add(prefix.slice(0, -1));
    }
    for (const resource of Object.keys(found) as Resource[]) {
      fixed[resource] ??= total(resource, (name) => !prefixes.some((prefix) => name.startsWith(prefix)));
      for (const [index, prefix] of prefixes.entries()) {
        (found[resource][index] ??= [])[path[index] ?? 0] = total(resource, (name) => name.startsWith(prefix));
      }
    }
  }
  const costs: Partial<Record<Resource, AdditiveCost>> = {};
  for (const [resource, ofBlocks] of Object.entries(found) as [Resource, (number | null)[][]][]) {
    const rest = fixed[resource];
    const rows = blocks.map(({ candidates }, block) =>
      candidates.map((candidate, choice) => (candidate === zero ? 0 : (ofBlocks[block]?.[choice] ?? null))),
    );
    if (rest === null || rest === undefined || rows.some((row) => row.includes(null))) continue;
    costs[resource] = { fixed: rest, blocks: rows.map((row) => row.map((value) => value ?? 0)) };
  }
  return { costs, fitted };
}

interface LayerCost extends Record<Resource, number | null> {
  readonly name: string;
  readonly fitted: boolean;
}

/** Of every layer with parameters; batch norm's count as their convolution's. */
function simulatedLayers(graph: Graph, target: SimulatedTarget, batch: number): LayerCost[] {
  const layers = quantizableLayers(graph);
  const rows = layers.map((_, layer) => ({ layer, weightBits: bits, activationBits: bits }));
  const costs = simulateLayers(target, layers, rows, batch);
  const known = layers.map((layer, row): LayerCost => {
    const energy = energyMjAt(costs, row);
    return {
      name: layer.name,
      latency: cyclesToMs(costs.cycles[row] ?? 0, target),
      energy: Number.isNaN(energy) ? null : energy,
      size: (layer.weights * bits) / 8,
      macs: layer.macs,
      params: layer.weights,
      fitted: false,
    };
  });
  const others = graph.nodes.flatMap(({ spec, params, kind }): LayerCost[] => {
    const weights = kind === null ? 0 : (layers.find((layer) => layer.name === spec.name)?.weights ?? 0);
    const rest = params - weights;
    return rest === 0 ? [] : [{ name: spec.name, latency: 0, energy: 0, size: 4 * rest, macs: 0, params: rest, fitted: false }];
  });
  return [...known, ...others];
}

/** Parts of a latency table, and what a graph says of itself. What a run takes apart from its operators is a part of no block. */
function tableLayers(target: TableTarget): (graph: Graph) => LayerCost[] {
  const table = pricedTarget(target);
  const pricer = new Pricer(table, 'fit');
  const nothing = { energy: null, size: 0, macs: 0, params: 0 };
  return (graph) => [
    { name: 'session', latency: table.entries.get(sessionKey)?.latencyMs ?? 0, ...nothing, fitted: false },
    ...tableParts(graph, table.scheme).map((part) => {
      const { name, latencyMs, origin } = pricer.price(part);
      if (latencyMs === null) {
        throw new LatheError('bad-input', `${name}: target ${target.id} has neither the key ${part.key} nor rows of its class to fit`);
      }
      return { name, latency: latencyMs, ...nothing, fitted: origin === 'fitted' };
    }),
    ...graph.nodes.map(({ spec, macs, params }) => ({
      name: spec.name,
      latency: 0,
      energy: null,
      size: 4 * params,
      macs,
      params,
      fitted: false,
    })),
  ];
}

/** What any graph costs, in the same terms as a space's networks. */
export function graphPricer(target: Target, batch: number): (graph: Graph) => Cost {
  const price = floatPricer(target, { batch, bits });
  return (graph) => {
    const layers = quantizableLayers(graph);
    const { latencyMs, energyMj } = price(graph);
    const sizeBytes =
      target.law === 'table'
        ? 4 * graph.params
        : quantizedSizeBytes(
            graph,
            layers,
            layers.map(() => bits),
          );
    return { latencyMs, energyMj, sizeBytes, macs: graph.macs };
  };
}

function plus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

export function costOfPath(cost: AdditiveCost, path: Path): number {
  return cost.blocks.reduce((sum, row, block) => sum + (row[path[block] ?? -1] ?? Number.NaN), cost.fixed);
}

/** The path that takes the least of a resource, or the most; of equal candidates the first. */
export function extremePath(cost: AdditiveCost, which: 'least' | 'most'): Path {
  const better = (a: number, b: number): boolean => (which === 'least' ? a < b : a > b);
  return cost.blocks.map((row) => row.reduce((best, value, choice) => (better(value, row[best] ?? 0) ? choice : best), 0));
}

/** Budgets as absolute limits: a fraction is of `reference`. Throws LatheError bad-input for a resource that the target has no model for. */
export function absoluteLimits(
  budgets: readonly Budget[],
  reference: Readonly<Partial<Record<Resource, number | null>>>,
  costs: SpaceCosts,
  targetId: string,
): Budget[] {
  return budgets.map((budget) => {
    if (!costs[budget.resource]) {
      throw new LatheError(
        'bad-input',
        `budget ${budget.resource}: target ${targetId} has no ${budget.resource} model; give latency, or choose another target`,
      );
    }
    if (budget.kind === 'absolute') return budget;
    const full = reference[budget.resource];
    if (full === null || full === undefined) {
      throw new LatheError(
        'bad-input',
        `budget ${budget.resource}: a fraction needs a reference that the target can price; give an absolute value`,
      );
    }
    return { resource: budget.resource, kind: 'absolute', value: budget.value * full };
  });
}

/** Throws LatheError bad-input for a limit below the least that a network of the space takes. */
export function requireReachable(costs: SpaceCosts, limits: readonly Budget[], space: SearchSpace): void {
  for (const { resource, value } of limits) {
    const cost = costs[resource];
    if (!cost) continue;
    const least = costOfPath(cost, extremePath(cost, 'least'));
    if (least <= value) continue;
    const unit = resourceUnits[resource];
    throw new LatheError(
      'bad-input',
      `budget ${resource}: no network of space ${space.id} can meet ${digits(value)} ${unit}; the least possible is ${digits(least)} ${unit}; give at least that, or choose a smaller space`,
      { resource, limit: value, least },
    );
  }
}

function digits(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
}
