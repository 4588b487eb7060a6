/** Reads the reference figures that may stand beside the project; they are no part of it. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** `../shared/reference` beside the project; null where it is absent, so that a suite can skip itself visibly. */
export const referenceFolder: string | null =
  [resolve(import.meta.dirname, '../../../shared/reference')].find((path) => existsSync(path)) ?? null;

/** What a skipped suite's title says. */
export const absentNote = referenceFolder === null ? ' (SKIPPED: no ../shared/reference beside the project)' : '';

export function readReference(name: string): string {
  if (referenceFolder === null) throw new Error('no reference folder: the suite should have skipped itself');
  return readFileSync(join(referenceFolder, name), 'utf8');
}
