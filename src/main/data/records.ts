/** What identifies a data set: the hash over all of its parts. */
import type { DatasetRecord } from '../../shared/dataset.ts';
import { sha256OfJson } from '../compute/hash.ts';

export type PartRole = DatasetRecord['files'][number]['role'];
export const partRoles = ['train-images', 'train-labels', 'test-images', 'test-labels'] as const satisfies readonly PartRole[];

/** SHA-256 over the hashes of the four parts, the shape and the number of classes. */
export function datasetSha256(parts: Readonly<Record<PartRole, string>>, shape: readonly number[], classes: number): string {
  return sha256OfJson({ format: 'lathe-dataset', formatVersion: 1, parts, shape, classes });
}
