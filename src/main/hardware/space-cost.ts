/**
 * What every candidate of a search space costs on a target: a sum over blocks and a part that all networks share, so that the
 * cost of a path, and the expected cost under probabilities, is a sum of table entries.
 */
import { LatheError } from '../../shared/errors.ts';
import type { Budget, Resource } from '../../shared/policy.ts';
import { resourceUnits } from '../../shared/policy.ts';
import type { SearchSpace } from '../../shared/space.ts';
import type { Target } from '../../shared/target.ts';
import { quantizableLayers, type Graph } from '../network/graph.ts';
import { coveringPaths } from '../network/space/programs.ts';
import { blocksOf, candidateAt, pathGraph, zero, type Path, type SpaceFit } from '../network/space/space.ts';
import { cyclesToMs, energyMjAt, simulateLayers } from './cost-table.ts';

/** One resource, in the unit of `resourceUnits`. */
export interface AdditiveCost {
  readonly fixed: number; // of what all networks of the space have
  readonly blocks: readonly (readonly number[])[]; // of a candidate of a block; Zero: 0
}

/** By resource; those that the target has no model for are absent. */
export type SpaceCosts = Readonly<Partial<Record<Resource, AdditiveCost>>>;

/** Bits at which a simulated target is asked: the form in which a float network reaches an integer accelerator. */
const bits = 8;

/** The simulated costs at 8 bits, for `batch` images at once. Multiply-accumulates and parameters are of the graph alone. */
export function spaceCosts(space: SearchSpace, fit: SpaceFit, target: Target, batch: number): SpaceCosts {
  const found: Record<Resource, (number | null)[][]> = { latency: [], energy: [], size: [], macs: [], params: [] };
  const fixed: Partial<Record<Resource, number | null>> = {};
  const blocks = blocksOf(space);
  for (const path of coveringPaths(blocks)) {
    const layers = layerCosts(pathGraph(space, fit, path), target, batch);
    const total = (resource: Resource, prefix: (name: string) => boolean): number | null =>
      layers.filter(({ name }) => prefix(name)).reduce<number | null>((sum, layer) => plus(sum, layer[resource]), 0);
    const prefixes = blocks.map((block, index) => `${block.name}_${candidateAt(block, path[index])}_`);
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
  return costs;
}

interface LayerCost extends Record<Resource, number | null> {
  readonly name: string;
}

/** Of every layer with parameters; batch norm's count as their convolution's. */
function layerCosts(graph: Graph, target: Target, batch: number): LayerCost[] {
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
    };
  });
  const others = graph.nodes.flatMap(({ spec, params, kind }): LayerCost[] => {
    const weights = kind === null ? 0 : (layers.find((layer) => layer.name === spec.name)?.weights ?? 0);
    const rest = params - weights;
    return rest === 0 ? [] : [{ name: spec.name, latency: 0, energy: 0, size: 4 * rest, macs: 0, params: rest }];
  });
  return [...known, ...others];
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
      throw new LatheError('bad-input', `budget ${budget.resource}: target ${targetId} has no ${budget.resource} model; give latency, or choose another target`);
    }
    if (budget.kind === 'absolute') return budget;
    const full = reference[budget.resource];
    if (full === null || full === undefined) {
      throw new LatheError('bad-input', `budget ${budget.resource}: a fraction needs a reference that the target can price; give an absolute value`);
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
