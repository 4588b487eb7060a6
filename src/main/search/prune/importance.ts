/**
 * Which channels of a group matter: a score for every unit, larger is more important. Pure; a unit's score adds up what all
 * layers of its group say of its channels, so that coupled channels are judged together.
 */
import type { Importance } from '../../../shared/prune.ts';
import type { Coupling, PruneGroup } from '../../network/coupling.ts';
import { inputsOf } from '../../network/graph.ts';
import type { Graph, GraphNode } from '../../network/graph.ts';
import type { NetworkValues } from '../../network/values.ts';

export interface ImportanceSources {
  readonly graph: Graph;
  readonly coupling: Coupling;
  readonly values: NetworkValues;
  /** Of `taylor`: the mean over batches of (gradient * weight)^2 of each value, laid out as `values`. */
  readonly taylor: NetworkValues | null;
}

/** Scores of a group's units. Batch-norm scale without any batch norm in the group falls to the consumers' L1, as `l1`. */
export function scoresOf(sources: ImportanceSources, group: number, kind: Importance): Float64Array {
  const found = sources.coupling.groups[group];
  if (!found) throw new RangeError(`there is no channel group ${group}`);
  switch (kind) {
    case 'l1':
      return overConsumers(sources, group, found, Math.abs);
    case 'l2':
      return overConsumers(sources, group, found, (weight) => weight * weight).map(Math.sqrt);
    case 'batch-norm': {
      const scales = overFollowers(sources, group, found);
      return scales ?? overConsumers(sources, group, found, Math.abs);
    }
    case 'fpgm':
      return distances(sources, group, found);
    case 'taylor':
      return overProducers({ ...sources, values: sources.taylor ?? new Map() }, group, found);
  }
}

/** A group's units from the most to the least important; of equal ones the first. */
export function orderOf(scores: Float64Array): Uint32Array {
  return Uint32Array.from(scores.keys()).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
}

/** AMC's magnitude: of the weights that read a channel (`prune_kernel` of the released code), not of those that write it. */
function overConsumers(
  sources: ImportanceSources,
  group: number,
  { units, consumers }: PruneGroup,
  of: (weight: number) => number,
): Float64Array {
  const scores = new Float64Array(units);
  for (const node of nodesOf(sources, consumers)) {
    const weight = sources.values.get(node.spec.name)?.['weight'];
    if (!weight || node.spec.kind === 'batchNorm') continue;
    const width = readChannels(node);
    const owners = sources.coupling.channelsOf(inputsOf(node.spec)[0] ?? '');
    const groups = node.spec.kind === 'conv' ? node.spec.groups : 1;
    const rowsInGroup = weight.length / groups; // values of a convolution group
    weight.forEach((value, index) => {
      const owner = owners[Math.floor(index / rowsInGroup) * width + (index % width)];
      if (owner?.group === group) scores[owner.unit] = (scores[owner.unit] ?? 0) + of(value);
    });
  }
  return scores;
}

/** |gamma| of the batch norms that carry the channels (Liu et al. 2017, network slimming); null where there is none. */
function overFollowers(sources: ImportanceSources, group: number, { units, followers }: PruneGroup): Float64Array | null {
  const scores = new Float64Array(units);
  let found = false;
  for (const node of nodesOf(sources, followers)) {
    const gamma = sources.values.get(node.spec.name)?.['gamma'];
    if (!gamma) continue;
    found = true;
    sources.coupling.channelsOf(node.spec.name).forEach((owner, channel) => {
      if (owner.group === group) scores[owner.unit] = (scores[owner.unit] ?? 0) + Math.abs(gamma[channel] ?? 0);
    });
  }
  return found ? scores : null;
}

/** Sum of the distances to the other filters of the group (He et al. 2019, FPGM): near the geometric median is replaceable. */
function distances(sources: ImportanceSources, group: number, found: PruneGroup): Float64Array {
  const filters = filtersOf(sources, group, found);
  return Float64Array.from(filters, (filter) =>
    filters.reduce((sum, other) => sum + Math.sqrt(filter.reduce((square, value, at) => square + (value - (other[at] ?? 0)) ** 2, 0)), 0),
  );
}

/** Sums the values of the producers' filters; of `taylor` these are squares (Molchanov et al. 2019, eq. 8). */
function overProducers(sources: ImportanceSources, group: number, found: PruneGroup): Float64Array {
  return Float64Array.from(filtersOf(sources, group, found), (filter) => filter.reduce((sum, value) => sum + value, 0));
}

/** What the producers compute a unit's channels with: their rows of weights, one behind the other. */
function filtersOf(sources: ImportanceSources, group: number, { units, producers }: PruneGroup): number[][] {
  const filters = Array.from({ length: units }, (): number[] => []);
  for (const node of nodesOf(sources, producers)) {
    const weight = sources.values.get(node.spec.name)?.['weight'];
    if (!weight) continue;
    const owners = sources.coupling.channelsOf(node.spec.name);
    const length = weight.length / owners.length;
    owners.forEach((owner, row) => {
      if (owner.group !== group) return;
      const filter = filters[owner.unit];
      for (let at = row * length; at < (row + 1) * length; at += 1) filter?.push(weight[at] ?? 0);
    });
  }
  return filters;
}

function nodesOf({ graph }: ImportanceSources, names: readonly string[]): GraphNode[] {
  const wanted = new Set(names);
  return graph.nodes.filter(({ spec }) => wanted.has(spec.name));
}

/** Values of the innermost axis of a weight: input channels a group, or features. */
function readChannels({ spec, inputShapes }: GraphNode): number {
  const channels = inputShapes[0]?.at(-1) ?? 0;
  return spec.kind === 'conv' ? channels / spec.groups : channels;
}
