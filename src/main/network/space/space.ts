/**
 * What a search space means: its blocks with their legal candidates, how many networks it holds, and the network of a path.
 * Operators are named by block and candidate (`b2_k5e3_dw`), so that every candidate of a space has parameters of its own.
 */
import { LatheError } from '../../../shared/errors.ts';
import type { ArchitecturePolicy, SearchSpace } from '../../../shared/space.ts';
import { createGraph, type Graph, type NodeSpec } from '../graph.ts';
import { Layers, image, invertedResidual } from '../zoo/layers.ts';
import type { DatasetShape } from '../zoo.ts';

/** A searched block. Candidates are indices into `candidates`. */
export interface SpaceBlock {
  readonly name: string; // 'b2': the first searched one, behind the fixed b1
  readonly inChannels: number;
  readonly outChannels: number;
  readonly stride: 1 | 2;
  readonly keepsShape: boolean; // has a shortcut, and may be left out
  readonly candidates: readonly string[];
}

/** One candidate a block, in network order. */
export type Path = readonly number[];

export const zero = 'zero';

/** The searched blocks. Zero is dropped where a block changes its input's shape: there is nothing that could stand for it. */
export function blocksOf(space: SearchSpace): readonly SpaceBlock[] {
  let inChannels = space.first.channels;
  let number = 2;
  return space.stages.flatMap(({ channels, blocks, stride }) =>
    Array.from({ length: blocks }, (_, index): SpaceBlock => {
      const ownStride = index === 0 ? stride : 1;
      const keepsShape = ownStride === 1 && inChannels === channels;
      const block = {
        name: `b${number++}`,
        inChannels,
        outChannels: channels,
        stride: ownStride,
        keepsShape,
        candidates: keepsShape ? space.candidates : space.candidates.filter((candidate) => candidate !== zero),
      };
      inChannels = channels;
      return block;
    }),
  );
}

/** The number of networks in a space. */
export function networksOf(space: SearchSpace): bigint {
  return blocksOf(space).reduce((product, { candidates }) => product * BigInt(candidates.length), 1n);
}

/** What a space is fitted to: (H, W, C) of the input, and the classes. */
export type SpaceFit = DatasetShape;

/**
 * The input that a data set's images get: the space's own side where they fit in, else the smallest multiple of 32 that holds
 * them. Throws LatheError bad-input where that is more than twice the side that the space is made for.
 */
export function fitOf(space: SearchSpace, dataset: DatasetShape): SpaceFit {
  const [height, width, channels] = dataset.shape;
  const side = Math.max(space.inputSize, Math.ceil(Math.max(height, width) / 32) * 32);
  if (side > 2 * space.inputSize) {
    throw new LatheError(
      'bad-input',
      `space ${space.id} is made for ${space.inputSize} x ${space.inputSize}; the data set's images of ${height} x ${width} are more than twice as large; choose another space`,
    );
  }
  return { shape: [side, side, channels], classes: dataset.classes };
}

/** The network of a path. Throws RangeError where the path does not belong to the space. */
export function pathGraph(space: SearchSpace, fit: SpaceFit, path: Path, dropout = 0): Graph {
  return createGraph(fit.shape, pathSpecs(space, fit.classes, path, dropout));
}

function pathSpecs(space: SearchSpace, classes: number, path: Path, dropout: number): readonly NodeSpec[] {
  const layers = new Layers(1e-3);
  const activation = 'relu6';
  const { stem, first } = space;
  let last = layers.block('stem', image, { outChannels: stem.channels, kernel: 3, stride: stem.stride, activation });
  last = invertedResidual(layers, last, {
    name: 'b1',
    inChannels: stem.channels,
    midChannels: stem.channels,
    outChannels: first.channels,
    kernel: 3,
    stride: 1,
    activation,
  });
  const blocks = blocksOf(space);
  if (path.length !== blocks.length) throw new RangeError(`a path of ${space.id} has ${blocks.length} choices, found ${path.length}`);
  for (const [index, block] of blocks.entries()) {
    const candidate = candidateAt(block, path[index]);
    if (candidate === zero) continue;
    const { kernel, expansion } = partsOf(candidate);
    const { inChannels, outChannels, stride } = block;
    const name = `${block.name}_${candidate}`;
    last = invertedResidual(layers, last, {
      name,
      inChannels,
      midChannels: inChannels * expansion,
      outChannels,
      kernel,
      stride,
      activation,
    });
  }
  last = layers.block('last_1x1', last, { outChannels: space.last.channels, kernel: 1, activation });
  layers.classifier(last, classes, dropout);
  return layers.specs;
}

/** Kernel side and expansion of a candidate that is not Zero. */
export function partsOf(candidate: string): { readonly kernel: number; readonly expansion: number } {
  const match = /^k(?<kernel>\d+)e(?<expansion>\d+)$/.exec(candidate);
  if (!match?.groups) throw new RangeError(`expected kernel and expansion such as k3e6, found ${candidate}`);
  return { kernel: Number(match.groups['kernel']), expansion: Number(match.groups['expansion']) };
}

export function candidateAt(block: SpaceBlock, choice: number | undefined): string {
  const candidate = choice === undefined ? undefined : block.candidates[choice];
  if (candidate === undefined) {
    throw new RangeError(`${block.name}: expected a candidate from 0 to ${block.candidates.length - 1}, found ${String(choice)}`);
  }
  return candidate;
}

export function toPolicy(space: SearchSpace, path: Path): ArchitecturePolicy {
  const choices = blocksOf(space).map((block, index) => ({ block: block.name, candidate: candidateAt(block, path[index]) }));
  return { space: space.id, choices };
}

/** The path that a policy names. Throws LatheError bad-input where it is none of the space. */
export function fromPolicy(space: SearchSpace, policy: ArchitecturePolicy): Path {
  const blocks = blocksOf(space);
  if (policy.choices.length !== blocks.length) {
    throw new LatheError('bad-input', `space ${space.id} has ${blocks.length} blocks, the architecture ${policy.choices.length}`);
  }
  return blocks.map((block, index) => {
    const candidate = policy.choices[index]?.candidate ?? '';
    const choice = block.candidates.indexOf(candidate);
    if (choice < 0) {
      throw new LatheError('bad-input', `${block.name}: expected one of ${block.candidates.join(', ')}, found ${candidate}`);
    }
    return choice;
  });
}
