/**
 * What a pruning decides, and what it costs: groups of coupled channels, one number each, and from those numbers the
 * multiply-accumulates, the parameters and the layers of the smaller network, without building it. Pure.
 */
import { LatheError } from '../../../shared/errors.ts';
import type { GroupBounds } from '../../../shared/prune.ts';
import { couplingOf, isDepthwise, type Coupling, type PruneGroup } from '../../network/coupling.ts';
import { inputsOf, quantizableLayers } from '../../network/graph.ts';
import type { Graph, GraphNode, QuantizableLayer } from '../../network/graph.ts';
import type { KeptUnits } from '../../network/slice.ts';
import { product } from '../../network/shape.ts';
import { Counted, requireOrder, unitsOf, type Bounds, type Counts, type Decision } from './decisions.ts';

/** A group of coupled channels that can lose units. */
export interface ChannelDecision extends Decision {
  readonly group: number; // index into the coupling's groups
}

/**
 * The decisions of a graph, in network order. Throws LatheError bad-input for bounds of a group that there is not or that cannot
 * lose channels, for a minimum above the maximum, and where nothing can be decided. Ratios are of the units in `whole` where a
 * group is named there: of the network before earlier stages.
 */
export function decisionsOf(
  graph: Graph,
  bounds: Bounds,
  coupling: Coupling = couplingOf(graph),
  whole?: ReadonlyMap<string, number>,
): ChannelDecision[] {
  const layers = new Map(quantizableLayers(graph).map((layer) => [layer.name, layer]));
  const own = boundsByGroup(coupling, bounds.groups);
  requireOrder('the smallest ratio', bounds);
  const decisions = coupling.groups.flatMap((group, index): ChannelDecision[] => {
    const layer = layers.get(group.consumers[0] ?? group.producers[0] ?? '');
    if (group.locked !== null || group.units < 2 || !layer) return [];
    const { minimumRatio, maximumRatio } = own.get(group.name) ?? bounds;
    const all = whole?.get(group.name) ?? group.units;
    const minimum = Math.min(group.units, unitsOf(minimumRatio, all, bounds.roundTo));
    const most = maximumRatio === 1 ? all : unitsOf(maximumRatio, all, bounds.roundTo);
    const maximum = Math.min(group.units, Math.max(minimum, most));
    return [{ group: index, name: group.name, units: group.units, step: bounds.roundTo, minimum, maximum, layer }];
  });
  if (!decisions.some(({ minimum, maximum }) => minimum < maximum)) {
    throw new LatheError('bad-input', 'no group of channels can lose any: lower the smallest ratio, the rounding, or unlock a group');
  }
  return decisions;
}

function boundsByGroup({ groups }: Coupling, own: readonly GroupBounds[]): ReadonlyMap<string, GroupBounds> {
  for (const bounds of own) {
    const group = groups.find(({ name }) => name === bounds.group);
    if (!group) {
      const open = groups.filter(({ locked }) => locked === null).map(({ name }) => name);
      throw new LatheError('bad-input', `there is no channel group ${bounds.group}; the groups are ${open.join(', ')}`);
    }
    if (group.locked !== null) {
      throw new LatheError(
        'bad-input',
        `channel group ${group.name}: its channels are the network's ${group.locked} and stay; leave out its bounds`,
      );
    }
    requireOrder(`channel group ${group.name}: its smallest ratio`, bounds);
  }
  return new Map(own.map((bounds) => [bounds.group, bounds]));
}

/** Channels of a tensor that each unit of a decision, and each that is no decision's, brings. */
interface Channels {
  readonly fixed: number;
  readonly of: readonly { readonly decision: number; readonly each: number }[];
}

interface PricedNode {
  readonly node: GraphNode;
  readonly input: Channels;
  readonly output: Channels;
  readonly depthwise: boolean;
}

/** Sizes of the smaller network. */
export class ChannelCounts extends Counted<ChannelDecision> {
  readonly #nodes: readonly PricedNode[];
  readonly #layers: readonly { readonly layer: QuantizableLayer; readonly priced: PricedNode }[];

  constructor(graph: Graph, decisions: readonly ChannelDecision[], coupling: Coupling = couplingOf(graph)) {
    super(decisions);
    const byGroup = new Map(decisions.map(({ group }, index) => [group, index]));
    const channels = (name: string): Channels => channelsIn(name, coupling, byGroup);
    this.#nodes = graph.nodes
      .filter(({ params, macs }) => params > 0 || macs > 0)
      .map((node) => {
        const { spec, inputShapes } = node;
        const depthwise = spec.kind === 'conv' && isDepthwise(spec, inputShapes[0]?.at(-1) ?? 0);
        return { node, input: channels(inputsOf(spec)[0] ?? ''), output: channels(spec.name), depthwise };
      });
    const byName = new Map(this.#nodes.map((priced) => [priced.node.spec.name, priced]));
    this.#layers = quantizableLayers(graph).flatMap((layer) => {
      const priced = byName.get(layer.name);
      return priced ? [{ layer, priced }] : [];
    });
  }

  macs(counts: Counts): number {
    return this.#nodes.reduce((sum, priced) => sum + weightsOf(priced, counts) * product(priced.node.outputShape.slice(0, -1)), 0);
  }

  params(counts: Counts): number {
    return this.#nodes.reduce((sum, priced) => {
      const { spec } = priced.node;
      if (spec.kind === 'batchNorm') return sum + 2 * sizeOf(priced.output, counts);
      const bias = (spec.kind === 'conv' || spec.kind === 'linear') && spec.bias ? sizeOf(priced.output, counts) : 0;
      return sum + weightsOf(priced, counts) + bias;
    }, 0);
  }

  bytes(counts: Counts): number {
    return this.params(counts) * Float32Array.BYTES_PER_ELEMENT;
  }

  /** The convolution and linear layers of the smaller network. */
  layers(counts: Counts): QuantizableLayer[] {
    return this.#layers.map(({ layer, priced }) => {
      const weights = weightsOf(priced, counts);
      const outChannels = sizeOf(priced.output, counts);
      const inChannels = sizeOf(priced.input, counts);
      return {
        ...layer,
        inChannels,
        outChannels,
        groups: priced.depthwise ? outChannels : layer.groups,
        weights,
        macs: weights * layer.outputPixels,
        inputShape: [...layer.inputShape.slice(0, -1), inChannels],
        outputShape: [...layer.outputShape.slice(0, -1), outChannels],
      };
    });
  }
}

/** The units that stay: of each group the first ones of `order`, its units from the most to the least important. */
export function keptUnits(
  decisions: readonly ChannelDecision[],
  counts: Counts,
  order: (decision: number) => ArrayLike<number>,
): KeptUnits {
  return new Map(
    decisions.map(({ group, units }, index) => {
      const marks = new Uint8Array(units);
      const ranks = order(index);
      for (let rank = 0; rank < (counts[index] ?? units); rank += 1) marks[ranks[rank] ?? rank] = 1;
      return [group, marks];
    }),
  );
}

/** Names of the layers that lose something with a group. */
export function touchedBy(group: PruneGroup): readonly string[] {
  return [...new Set([...group.producers, ...group.followers, ...group.consumers])];
}

function channelsIn(name: string, { channelsOf, groups }: Coupling, byGroup: ReadonlyMap<number, number>): Channels {
  const owned = new Map<number, number>(); // channels by decision
  let fixed = 0;
  for (const { group } of channelsOf(name)) {
    const decision = byGroup.get(group);
    if (decision === undefined) fixed += 1;
    else owned.set(decision, (owned.get(decision) ?? 0) + 1);
  }
  const unitsIn = (decision: number): number => groups[[...byGroup].find(([, index]) => index === decision)?.[0] ?? -1]?.units ?? 1;
  return {
    fixed,
    of: [...owned].map(([decision, channels]) => {
      const each = channels / unitsIn(decision);
      if (!Number.isInteger(each))
        throw new LatheError('bad-input', `${name}: its channels are tied unevenly; this network cannot be pruned`);
      return { decision, each };
    }),
  };
}

function sizeOf({ fixed, of }: Channels, counts: Counts): number {
  let size = fixed;
  for (const { decision, each } of of) size += each * (counts[decision] ?? 0);
  return size;
}

/** Weights of a convolution or linear layer, without its bias. */
function weightsOf({ node, input, output, depthwise }: PricedNode, counts: Counts): number {
  const { spec } = node;
  if (spec.kind === 'linear') return sizeOf(input, counts) * sizeOf(output, counts);
  if (spec.kind !== 'conv') return 0;
  const taps = product(spec.kernel);
  return depthwise ? taps * sizeOf(output, counts) : (taps * sizeOf(output, counts) * sizeOf(input, counts)) / spec.groups;
}
