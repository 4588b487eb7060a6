/** What identifies a data set and what its record says of it: the hash over all of its parts, counts, splits, normalisation. */
import type { AddPath, DatasetRecord } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { sha256OfJson } from '../compute/hash.ts';

export type PartRole = DatasetRecord['files'][number]['role'];
export const partRoles = ['train-images', 'train-labels', 'test-images', 'test-labels'] as const satisfies readonly PartRole[];

type Described = Pick<DatasetRecord, 'validation' | 'normalisation'>;

/** SHA-256 over the hashes of the four parts, the shape and the number of classes. */
export function datasetSha256(parts: Readonly<Record<PartRole, string>>, shape: readonly number[], classes: number): string {
  return sha256OfJson({ format: 'lathe-dataset', formatVersion: 1, parts, shape, classes });
}

/** The same for decoded parts, and over what else decides a result: the validation images and the normalisation. */
export function packedSha256(
  parts: Readonly<Record<PartRole, string>>,
  shape: readonly number[],
  classes: number,
  { validation, normalisation }: Described,
): string {
  const described = { validation: validation ?? null, normalisation: normalisation ?? null };
  return sha256OfJson({ format: 'lathe-dataset', formatVersion: 2, parts, shape, classes, ...described });
}

/** Images of each class. */
export function classCountsOf(labels: Uint8Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/** Validation images to split off the training images; undefined for a fraction of 0, or where there are too few to split. */
export function madeValidation(train: number, fraction: number, seed: number): DatasetRecord['validation'] {
  const images = Math.round(fraction * train);
  return images < 1 || images >= train ? undefined : { images, given: false, seed };
}

/** ImageNet's, as every network trained on it takes them (torchvision's). */
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** What a choice of normalisation means for these channels; undefined: measured. Throws LatheError: bad-input where it does not fit. */
export function normalisationFor(choice: AddPath['normalisation'], channels: number): DatasetRecord['normalisation'] {
  if (choice === 'measured') return undefined;
  if (choice === 'none') return { mean: new Array<number>(channels).fill(0), std: new Array<number>(channels).fill(1) };
  const { mean, std } = choice === 'imagenet' ? imagenet : choice;
  if (mean.length !== channels || std.length !== channels) {
    throw new LatheError(
      'bad-input',
      `normalisation: the images have ${channels} ${channels === 1 ? 'channel' : 'channels'}, found ${mean.length} means and ${std.length} deviations`,
    );
  }
  return { mean: [...mean], std: [...std] };
}

/** A record of IDX files with the validation images and the normalisation that were asked for. */
export function describeIdx(record: DatasetRecord, input: AddPath): DatasetRecord {
  const validation = madeValidation(record.train, input.validation, input.seed);
  const normalisation = normalisationFor(input.normalisation, record.shape[2]);
  const described = { ...(validation ? { validation } : {}), ...(normalisation ? { normalisation } : {}) };
  const parts = Object.fromEntries(record.files.map(({ role, sha256 }) => [role, sha256])) as Record<PartRole, string>;
  return { ...record, ...described, sha256: packedSha256(parts, record.shape, record.classes, described) };
}
