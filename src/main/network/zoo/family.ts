/** What a family of the zoo is: how it is built, where it is from, and what was published about it. */
import type { Published } from '../../../shared/network.ts';
import type { NodeSpec } from '../graph.ts';

/** The choices that a builder gets; all are made and checked. */
export interface Variant {
  readonly width: number;
  readonly inputSize: number; // height and width
  /** 'small' keeps the resolution where 'imagenet' halves it in the first layers; each family says where. */
  readonly stem: 'imagenet' | 'small';
  readonly classes: number;
}

export interface Family {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  /** What it is made for, where no data set is given. */
  readonly defaults: { readonly inputSize: number; readonly classes: number };
  /** The widths that are listed; any other up to 4 is built as well. Null: the channels are fixed, there is no multiplier. */
  readonly listedWidths: readonly number[] | null;
  /** Of width 1 at the defaults, or of the width named. */
  readonly published: readonly Published[];
  /** Throws LatheError bad-input for a variant that cannot be. */
  readonly build: (variant: Variant) => readonly NodeSpec[];
}

export const imagenet = { inputSize: 224, classes: 1000 } as const;
export const cifar10 = { inputSize: 32, classes: 10 } as const;
