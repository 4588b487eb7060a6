/**
 * A network without some of its channels: the smaller graph and its weights, or the same graph with zeros where the channels were
 * read. Both compute the same: a removed channel reaches nothing but the weights that are taken out, or set to zero, with it.
 */
import { LatheError } from '../../shared/errors.ts';
import { couplingOf, isDepthwise } from './coupling.ts';
import type { Coupling } from './coupling.ts';
import { createGraph, inputsOf } from './graph.ts';
import type { Graph, GraphNode, NodeSpec } from './graph.ts';
import type { NetworkValues } from './values.ts';

/** For a group, by its index, which of its units stay (1) and which go (0). Groups that are not named stay whole. */
export type KeptUnits = ReadonlyMap<number, Uint8Array>;

export interface SlicedNetwork {
  readonly graph: Graph;
  readonly values: NetworkValues;
}

/**
 * The graph without the units that go. Throws LatheError bad-input for a locked group, a mask of another length, and a group of
 * which nothing would stay.
 */
export function sliceGraph(graph: Graph, kept: KeptUnits, coupling = couplingOf(graph)): Graph {
  checkKept(kept, coupling);
  const countOf = (node: string): number => keptChannels(node, kept, coupling).length;
  const specs = graph.nodes.map(({ spec, inputShapes }): NodeSpec => {
    if (spec.kind === 'linear') return { ...spec, outFeatures: countOf(spec.name) };
    if (spec.kind !== 'conv') return spec;
    const outChannels = countOf(spec.name);
    return { ...spec, outChannels, groups: isDepthwise(spec, inputShapes[0]?.at(-1) ?? 0) ? outChannels : spec.groups };
  });
  return createGraph(graph.inputShape, specs);
}

/** The graph and the weights without the units that go. `values` holds every parameter of `graph`. Errors as `sliceGraph`. */
export function sliceNetwork(graph: Graph, values: NetworkValues, kept: KeptUnits, coupling = couplingOf(graph)): SlicedNetwork {
  const sliced = new Map<string, Readonly<Record<string, Float32Array>>>();
  const smaller = sliceGraph(graph, kept, coupling);
  for (const node of graph.nodes) {
    const roles = values.get(node.spec.name);
    if (!roles) continue;
    const { rows, columns } = keptWeights(node, kept, coupling);
    sliced.set(
      node.spec.name,
      Object.fromEntries(
        Object.entries(roles).map(([role, data]) => [role, role === 'weight' ? takeWeights(node, data, rows, columns) : take(data, rows)]),
      ),
    );
  }
  return { graph: smaller, values: sliced };
}

/** The weights of the whole graph with zeros on every channel that goes, wherever one is read. Errors as `sliceGraph`. */
export function maskValues(graph: Graph, values: NetworkValues, kept: KeptUnits, coupling = couplingOf(graph)): NetworkValues {
  checkKept(kept, coupling);
  const masked = new Map(values);
  for (const node of graph.nodes) {
    const { spec, inputShapes } = node;
    const weight = values.get(spec.name)?.['weight'];
    if (!weight || (spec.kind === 'conv' && isDepthwise(spec, inputShapes[0]?.at(-1) ?? 0))) continue;
    const columns = new Set(keptWeights(node, kept, coupling).columns);
    const width = columnsOf(node);
    masked.set(spec.name, { ...values.get(spec.name), weight: weight.map((value, index) => (columns.has(index % width) ? value : 0)) });
  }
  return masked;
}

/** Indices of the channels of a node that stay. */
export function keptChannels(node: string, kept: KeptUnits, { channelsOf }: Coupling): number[] {
  return channelsOf(node).flatMap(({ group, unit }, channel) => ((kept.get(group)?.[unit] ?? 1) === 0 ? [] : [channel]));
}

/** Output rows and, of each row of weights, the input columns that stay; a group of a grouped convolution is one row's input. */
function keptWeights(node: GraphNode, kept: KeptUnits, coupling: Coupling): { rows: number[]; columns: number[] } {
  const { spec, inputShapes } = node;
  const rows = keptChannels(spec.name, kept, coupling);
  const [input = ''] = inputsOf(spec);
  const inputs = keptChannels(input, kept, coupling);
  if (spec.kind === 'conv') {
    const inChannels = inputShapes[0]?.at(-1) ?? 0;
    if (isDepthwise(spec, inChannels)) return { rows, columns: [0] };
    const size = inChannels / spec.groups;
    return { rows, columns: inputs.filter((channel) => channel < size) }; // all groups keep the same places
  }
  return { rows, columns: inputs };
}

/** Values of the innermost axis of a weight: input channels a group, or features. */
function columnsOf({ spec, inputShapes }: GraphNode): number {
  const channels = inputShapes[0]?.at(-1) ?? 0;
  return spec.kind === 'conv' ? channels / spec.groups : channels;
}

/** weight is (rows, taps, columns); a linear layer has one tap. */
function takeWeights(node: GraphNode, weight: Float32Array, rows: readonly number[], columns: readonly number[]): Float32Array {
  const width = columnsOf(node);
  const taps = node.spec.kind === 'conv' ? node.spec.kernel[0] * node.spec.kernel[1] : 1;
  const result = new Float32Array(rows.length * taps * columns.length);
  let to = 0;
  for (const row of rows) {
    for (let tap = 0; tap < taps; tap += 1) {
      const from = (row * taps + tap) * width;
      for (const column of columns) result[to++] = weight[from + column] ?? 0;
    }
  }
  return result;
}

function take(data: Float32Array, rows: readonly number[]): Float32Array {
  return Float32Array.from(rows, (row) => data[row] ?? 0);
}

function checkKept(kept: KeptUnits, { groups }: Coupling): void {
  for (const [index, units] of kept) {
    const group = groups[index];
    if (!group) throw new LatheError('bad-input', `there is no channel group ${index}; the network has ${groups.length}`);
    if (units.length !== group.units) {
      throw new LatheError('bad-input', `channel group ${group.name}: expected ${group.units} marks, one a unit, found ${units.length}`);
    }
    const count = units.reduce((sum, mark) => sum + (mark === 0 ? 0 : 1), 0);
    if (count === 0) throw new LatheError('bad-input', `channel group ${group.name}: nothing of it would stay; keep one unit at least`);
    if (count < group.units && group.locked !== null) {
      throw new LatheError('bad-input', `channel group ${group.name}: its channels are the network's ${group.locked} and stay`);
    }
  }
}
