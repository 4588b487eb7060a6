/** What one network has that another has not, operator by operator: equal names are the same operator. */
import type { NetworkDiff, NetworkDiffRow } from '../../shared/network.ts';
import type { Graph, GraphNode } from './graph.ts';
import { describeShape } from './shape.ts';

/** Rows in the order of the second network, what was removed where it stood in the first. Unchanged operators have a row too. */
export function diffGraphs(first: Graph, second: Graph): Omit<NetworkDiff, 'first' | 'second'> {
  const before = new Map(first.nodes.map((node) => [node.spec.name, node]));
  const after = new Set(second.nodes.map((node) => node.spec.name));
  const rows: NetworkDiffRow[] = [];
  let at = 0; // in the first network
  const removeUpTo = (end: number): void => {
    for (; at < end; at += 1) {
      const node = first.nodes[at];
      if (node && !after.has(node.spec.name)) rows.push(row(node, undefined));
    }
  };
  for (const node of second.nodes) {
    const old = before.get(node.spec.name);
    if (old) removeUpTo(first.nodes.indexOf(old));
    rows.push(row(old, node));
  }
  removeUpTo(first.nodes.length);
  const count = (change: NetworkDiffRow['change']): number => rows.filter((entry) => entry.change === change).length;
  return {
    added: count('added'),
    removed: count('removed'),
    changed: count('changed'),
    same: count('same'),
    macs: [first.macs, second.macs],
    params: [first.params, second.params],
    rows,
  };
}

function row(before: GraphNode | undefined, after: GraphNode | undefined): NetworkDiffRow {
  const node = after ?? before;
  const details = before && after ? changesOf(before, after) : [];
  const change = !before ? 'added' : !after ? 'removed' : details.length > 0 ? 'changed' : 'same';
  return {
    name: node?.spec.name ?? '',
    op: node?.spec.kind ?? '',
    change,
    details,
    macs: [before?.macs ?? null, after?.macs ?? null],
    params: [before?.params ?? null, after?.params ?? null],
  };
}

/** 'outChannels 24 -> 32', for every field that differs, and the output's shape. */
function changesOf(before: GraphNode, after: GraphNode): string[] {
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return keys.flatMap((key) => (old[key] === now[key] ? [] : [`${key} ${old[key] ?? 'none'} -> ${now[key] ?? 'none'}`]));
}

function fieldsOf({ spec, inputShapes, outputShape }: GraphNode): Record<string, string> {
  const fields = Object.entries(spec)
    .filter(([key]) => key !== 'name')
    .map(([key, value]): [string, string] => [key, Array.isArray(value) ? value.join(' ') : String(value)]);
  return {
    ...Object.fromEntries(fields),
    'input shape': inputShapes.map(describeShape).join(' and '),
    'output shape': describeShape(outputShape),
  };
}
