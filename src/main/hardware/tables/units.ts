/** The operators of a network as a runtime executes them: batch norm folded, activations and sums fused into convolutions. */
import { inputsOf, type Graph, type GraphNode } from '../../network/graph.ts';
import type { Shape } from '../../network/shape.ts';
import { activationKinds } from './keys.ts';

export interface Unit {
  readonly core: GraphNode;
  readonly nodes: readonly string[]; // names: the core first
  readonly sum: boolean; // a tensor is added to a convolution's output
  readonly activation: string | null;
  readonly inputs: readonly string[]; // tensors that it reads: names of units' last nodes, or 'input'
  readonly last: string; // the name under which others read it
  readonly outputShape: Shape;
}

/** In network order. What costs nothing in inference (dropout, a batch norm that folds) is part of what it follows. */
export function unitsOf(graph: Graph): Unit[] {
  const readers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) for (const name of inputsOf(node.spec)) readers.set(name, [...(readers.get(name) ?? []), node]);
  const taken = new Set<string>();
  const units: Unit[] = [];
  const onlyReader = (name: string): GraphNode | null => {
    const found = readers.get(name) ?? [];
    return found.length === 1 ? (found[0] ?? null) : null;
  };
  const order = new Map(graph.nodes.map((node, index) => [node.spec.name, index]));
  for (const core of graph.nodes) {
    if (taken.has(core.spec.name)) continue;
    const nodes = [core.spec.name];
    let last = core;
    const take = (node: GraphNode): void => {
      taken.add(node.spec.name);
      nodes.push(node.spec.name);
      last = node;
    };
    const hasWeights = core.spec.kind === 'conv' || core.spec.kind === 'linear';
    let next = onlyReader(last.spec.name);
    while (next && (next.spec.kind === 'dropout' || (hasWeights && next.spec.kind === 'batchNorm'))) {
      take(next);
      next = onlyReader(last.spec.name);
    }
    let sum = false;
    if (core.spec.kind === 'conv' && next?.spec.kind === 'add' && next.spec.inputs.length === 2) {
      // Only the operand that is ready last can take the other one in.
      const other = next.spec.inputs.find((name) => name !== last.spec.name);
      const isReady = other !== undefined && (order.get(other) ?? -1) < (order.get(core.spec.name) ?? 0);
      if (isReady) {
        sum = true;
        take(next);
        next = onlyReader(last.spec.name);
      }
    }
    let activation: string | null = null;
    if (hasWeights && next && activationKinds.has(next.spec.kind)) {
      activation = next.spec.kind;
      take(next);
    }
    const members = new Set(nodes);
    const inputs = nodes.flatMap((name) => {
      const index = order.get(name);
      const node = index === undefined ? undefined : graph.nodes[index];
      return node ? inputsOf(node.spec).filter((input) => !members.has(input)) : [];
    });
    units.push({ core, nodes, sum, activation, inputs, last: last.spec.name, outputShape: last.outputShape });
  }
  return units;
}
