/**
 * Which channels of a network must be kept or removed together. Every output channel of a convolution or linear layer is followed
 * to where it is read: additions and gates tie the channels that they join, depthwise convolutions, batch norm, activations and
 * pooling pass them on, concatenation lines them up, flattening spreads one over many features, and a grouped convolution ties
 * those at the same place in each group, because all groups keep one size. What reads a channel (a convolution or linear layer)
 * loses the weights on it. The image's channels, the classes and what a softmax weighs against each other stay.
 */
import { inputName, inputsOf } from './graph.ts';
import type { ConvSpec, Graph, GraphNode } from './graph.ts';
import { product } from './shape.ts';

/** Channels that go together: a decision each of `units`. */
export interface PruneGroup {
  /** The first layer that writes its channels. */
  readonly name: string;
  /** Decisions: so many sets of channels can be kept or removed, each on its own. */
  readonly units: number;
  /** The channels that one unit takes from all producers together; 1 unless something ties several. */
  readonly channelsPerUnit: number;
  /** Convolutions and linear layers that write the channels. */
  readonly producers: readonly string[];
  /** Operators that carry them on and lose values with them: batch norm, depthwise convolutions, constants a channel. */
  readonly followers: readonly string[];
  /** Convolutions and linear layers that read them and lose weights. */
  readonly consumers: readonly string[];
  /** What joins the producers: the additions, gates and grouped convolutions; none where there is one producer. */
  readonly joints: readonly string[];
  /** Why nothing of it can be removed; null where it can. */
  readonly locked: 'image' | 'classes' | 'softmax' | null;
}

export interface Coupling {
  /** In the order of their first producers. */
  readonly groups: readonly PruneGroup[];
  /** Group and unit of every channel (or feature) that a node gives. */
  readonly channelsOf: (node: string) => readonly ChannelOwner[];
}

export interface ChannelOwner {
  readonly group: number; // index into `groups`
  readonly unit: number;
}

/** The groups of a graph, every producer's channels in exactly one of them. */
export function couplingOf(graph: Graph): Coupling {
  const tracer = new Tracer(graph);
  for (const node of graph.nodes) tracer.visit(node);
  const last = graph.nodes.at(-1);
  if (last) tracer.lock(last.spec.name, 'classes');
  return tracer.finish(graph);
}

type Lock = NonNullable<PruneGroup['locked']>;

/** Numbers every channel that a producer writes ("slot"), and unites the slots that go together. */
class Tracer {
  readonly #parents: number[] = [];
  readonly #writers: string[] = []; // of each slot
  readonly #slots = new Map<string, readonly number[]>(); // of each node's channels
  readonly #joints: { readonly node: string; readonly slots: readonly number[] }[] = [];
  readonly #locks = new Map<number, Lock>(); // by slot

  constructor(graph: Graph) {
    this.#slots.set(inputName, this.#fresh(inputName, graph.inputShape[2]));
    this.lock(inputName, 'image');
  }

  visit({ spec, inputShapes, outputShape }: GraphNode): void {
    const inputs = inputsOf(spec).map((name) => this.#slots.get(name) ?? []);
    const [input = []] = inputs;
    this.#slots.set(spec.name, this.#outputs(spec, input, inputs, outputShape.at(-1) ?? 0, inputShapes[0] ?? []));
  }

  lock(node: string, reason: Lock): void {
    for (const slot of this.#slots.get(node) ?? []) this.#locks.set(slot, reason);
  }

  #outputs(
    spec: GraphNode['spec'],
    input: readonly number[],
    inputs: readonly (readonly number[])[],
    channels: number,
    inputShape: readonly number[],
  ): readonly number[] {
    switch (spec.kind) {
      case 'conv':
        return this.#convolution(spec, input, channels);
      case 'linear':
        return this.#fresh(spec.name, channels);
      case 'add':
      case 'mul':
        for (const other of inputs.slice(1)) input.forEach((slot, index) => this.#unite(slot, other[index] ?? slot));
        this.#joints.push({ node: spec.name, slots: input });
        return input;
      case 'concat':
        return inputs.flat();
      case 'flatten':
        return Array.from({ length: product(inputShape.slice(0, -1)) }, () => input).flat();
      case 'softmax':
        for (const slot of input) this.#locks.set(slot, 'softmax');
        return input;
      default:
        return input;
    }
  }

  #convolution(spec: ConvSpec, input: readonly number[], channels: number): readonly number[] {
    if (isDepthwise(spec, input.length)) return input;
    const outputs = this.#fresh(spec.name, channels);
    if (spec.groups > 1) {
      for (const slots of [input, outputs]) {
        const size = slots.length / spec.groups;
        slots.forEach((slot, index) => this.#unite(slot, slots[index % size] ?? slot));
      }
      this.#joints.push({ node: spec.name, slots: input }, { node: spec.name, slots: outputs });
    }
    return outputs;
  }

  #fresh(writer: string, count: number): readonly number[] {
    const first = this.#parents.length;
    for (let index = 0; index < count; index += 1) {
      this.#parents.push(first + index);
      this.#writers.push(writer);
    }
    return Array.from({ length: count }, (_, index) => first + index);
  }

  #find(slot: number): number {
    let root = slot;
    for (let parent = this.#parents[root] ?? root; parent !== root; parent = this.#parents[root] ?? root) root = parent;
    for (let at = slot; at !== root;) {
      const next = this.#parents[at] ?? root;
      this.#parents[at] = root;
      at = next;
    }
    return root;
  }

  /** The root is the earliest slot, so that groups and units come in network order. */
  #unite(a: number, b: number): void {
    const [low, high] = [this.#find(a), this.#find(b)].sort((x, y) => x - y);
    if (low !== undefined && high !== undefined) this.#parents[high] = low;
  }

  /** Units of the same writers and the same lock make a group. */
  finish(graph: Graph): Coupling {
    const owners = new Map<number, ChannelOwner>(); // by root
    const groups = new Map<string, { index: number; units: number; slots: number; producers: string[]; locked: Lock | null }>();
    for (const [root, { writers, slots, lock }] of this.#units()) {
      const key = [lock, slots, ...writers].join('\n');
      const group = groups.get(key) ?? { index: groups.size, units: 0, slots, producers: writers, locked: lock };
      owners.set(root, { group: group.index, unit: group.units });
      group.units += 1;
      groups.set(key, group);
    }
    const none = { group: -1, unit: -1 };
    const ownerOf = this.#parents.map((_, slot) => owners.get(this.#find(slot)) ?? none); // by slot
    const ownersOf = (node: string): readonly ChannelOwner[] => (this.#slots.get(node) ?? []).map((slot) => ownerOf[slot] ?? none);
    const roles = rolesOf(graph, ownersOf);
    const joints = this.#jointsOf(ownerOf);
    return {
      groups: [...groups.values()].map(({ index, units, slots, producers, locked }) => ({
        name: producers[0] ?? '',
        units,
        channelsPerUnit: slots,
        producers,
        followers: roles.followers.get(index) ?? [],
        consumers: roles.consumers.get(index) ?? [],
        joints: slots > 1 ? (joints.get(index) ?? []) : [],
        locked,
      })),
      channelsOf: ownersOf,
    };
  }

  /** The sets of slots that go together, by their roots: which nodes write them, how many there are, what locks them. */
  #units(): ReadonlyMap<number, { readonly writers: string[]; slots: number; lock: Lock | null }> {
    const units = new Map<number, { readonly writers: string[]; slots: number; lock: Lock | null }>();
    this.#writers.forEach((writer, slot) => {
      const root = this.#find(slot);
      const unit = units.get(root) ?? { writers: [], slots: 0, lock: null };
      if (unit.writers.at(-1) !== writer) unit.writers.push(writer); // slots of one writer follow each other
      unit.slots += 1;
      unit.lock ??= this.#locks.get(slot) ?? null;
      units.set(root, unit);
    });
    return units;
  }

  #jointsOf(ownerOf: readonly ChannelOwner[]): ReadonlyMap<number, string[]> {
    const joints = new Map<number, string[]>();
    for (const { node, slots } of this.#joints) {
      for (const group of new Set(slots.map((slot) => ownerOf[slot]?.group ?? -1))) listIn(joints, group, node);
    }
    return joints;
  }
}

/** A convolution that gives each channel back from itself alone: it carries channels on instead of writing new ones. */
export function isDepthwise({ groups, outChannels }: ConvSpec, inChannels: number): boolean {
  return groups === inChannels && groups === outChannels && groups > 1;
}

function rolesOf(graph: Graph, ownersOf: Coupling['channelsOf']): Record<'followers' | 'consumers', Map<number, string[]>> {
  const roles = { followers: new Map<number, string[]>(), consumers: new Map<number, string[]>() };
  for (const { spec, inputShapes } of graph.nodes) {
    const reads = spec.kind === 'linear' || (spec.kind === 'conv' && !isDepthwise(spec, inputShapes[0]?.at(-1) ?? 0));
    const carries = spec.kind === 'batchNorm' || spec.kind === 'channelAffine' || spec.kind === 'conv';
    if (!reads && !carries) continue;
    const [input = ''] = inputsOf(spec);
    for (const group of new Set(ownersOf(input).map((owner) => owner.group))) {
      listIn(reads ? roles.consumers : roles.followers, group, spec.name);
    }
  }
  return roles;
}

function listIn(lists: Map<number, string[]>, key: number, value: string): void {
  const list = lists.get(key);
  if (!list) lists.set(key, [value]);
  else if (list.at(-1) !== value) list.push(value);
}
