/** A data set as it lies on the disk, before it is packed: its classes and, part by part, its images in a fixed order. */
import type { BrokenImage, DatasetKind } from '../../shared/dataset.ts';

/** One image of a part, in order: its bytes (H, W, C), or why there are none. */
export type SourceImage = { readonly bytes: Uint8Array } | { readonly broken: BrokenImage };

export interface SourcePart {
  readonly labels: Uint8Array; // (count), the broken ones included
  /** The images in the order of the labels; ends early, by throwing LatheError: cancelled, when the signal is raised. */
  readonly images: (signal: AbortSignal) => AsyncIterable<SourceImage>;
}

export interface Source {
  readonly kind: DatasetKind;
  readonly classNames: readonly string[];
  readonly shape: readonly [height: number, width: number, channels: number];
  readonly train: SourcePart;
  readonly test: SourcePart;
  readonly givenValidation: number; // the last images of the training part; 0: none are given
  readonly testGiven: boolean;
  readonly listingSha256: string; // of what lies there: names, sizes, classes and parts
  readonly notes: readonly string[]; // what a person should know, a sentence each
}
