/** A space's paths as the addon's supernet takes them. */
import type { NativeGateEdge, NativeOp, NativeProgram } from '../../compute/addon.ts';
import type { SearchSpace } from '../../../shared/space.ts';
import type { Graph } from '../graph.ts';
import { toNativeProgram } from '../program.ts';
import { blocksOf, candidateAt, pathGraph, zero, type Path, type SpaceBlock, type SpaceFit } from './space.ts';

/** Where a block lies in a path's program. */
export type PathEdge = Pick<NativeGateEdge, 'input' | 'output' | 'active'>;

export interface PathProgram {
  readonly program: NativeProgram;
  readonly edges: readonly PathEdge[]; // a block each
}

export class SpacePrograms {
  readonly blocks: readonly SpaceBlock[];
  /** Of every candidate of every block, and of what all paths have; each name once. */
  readonly ops: readonly NativeOp[];
  private readonly space: SearchSpace;
  private readonly fit: SpaceFit;
  private readonly candidates: readonly (readonly (readonly NativeOp[])[])[];

  constructor(space: SearchSpace, fit: SpaceFit) {
    this.space = space;
    this.fit = fit;
    this.blocks = blocksOf(space);
    const byName = new Map<string, NativeOp>();
    for (const path of coveringPaths(this.blocks)) for (const op of this.program(path).ops) byName.set(op.name, op);
    this.ops = [...byName.values()];
    this.candidates = this.blocks.map((block) => block.candidates.map((candidate) => chain(this.ops, prefixOf(block, candidate))));
  }

  program(path: Path): NativeProgram {
    return toNativeProgram(pathGraph(this.space, this.fit, path));
  }

  /** The program of a path with the tensors of its blocks. */
  path(path: Path): PathProgram {
    const program = this.program(path);
    const outputOf = new Map(program.ops.map((op) => [op.name, op.output]));
    const tensor = (name: string): number => {
      const found = outputOf.get(name);
      if (found === undefined) throw new Error(`no operator ${name} on the path`);
      return found;
    };
    let input = tensor(shortcutOf(outputOf, 'b1'));
    const edges = this.blocks.map((block, index): PathEdge => {
      const candidate = candidateAt(block, path[index]);
      if (candidate === zero) return { input, output: input };
      const name = `${block.name}_${candidate}`;
      const edge = { input, active: tensor(`${name}_project_bn`), output: tensor(shortcutOf(outputOf, name)) };
      input = edge.output;
      return edge;
    });
    return { program, edges };
  }

  /** The operators of one candidate alone, reading tensor 0. Empty for Zero, which gives nothing. */
  candidate(block: number, choice: number): readonly NativeOp[] {
    return this.candidates[block]?.[choice] ?? [];
  }
}

/** Where a block ends: in its sum where it has a shortcut. */
function shortcutOf(names: ReadonlyMap<string, number>, block: string): string {
  return names.has(`${block}_add`) ? `${block}_add` : `${block}_project_bn`;
}

function prefixOf(block: SpaceBlock, candidate: string): string {
  return `${block.name}_${candidate}_`;
}

/** Paths in which every candidate of every block occurs, Zero apart. */
export function coveringPaths(blocks: readonly SpaceBlock[]): Path[] {
  const lists = blocks.map(({ candidates }) => candidates.flatMap((candidate, index) => (candidate === zero ? [] : [index])));
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, k) => lists.map((list) => list[Math.min(k, list.length - 1)] ?? 0));
}

/** Networks in which every candidate of every block occurs, each at the input that it has in all networks of the space. */
export function coveringGraphs(space: SearchSpace, fit: SpaceFit): Graph[] {
  return coveringPaths(blocksOf(space)).map((path) => pathGraph(space, fit, path));
}

/** A candidate is a chain up to its last batch norm. */
function chain(ops: readonly NativeOp[], prefix: string): NativeOp[] {
  const own = ops.filter((op) => op.name.startsWith(prefix) && op.kind !== 'add');
  return own.map((op, index) => ({ ...op, input: index, output: index + 1 }) as NativeOp);
}
