/** Image files with their classes and parts, as a folder or a table lists them; and the source that they make. */
import { extname, join } from 'node:path';
import type { DatasetKind, ImageSettings } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { Random } from '../../shared/random.ts';
import { sha256OfJson } from '../compute/hash.ts';
import { decodeInOrder, type FileToDecode } from './decode.ts';
import { maximumClasses } from './images.ts';
import { splitOff } from './splits.ts';
import type { Source, SourcePart } from './source.ts';

export type ListedPart = 'train' | 'validation' | 'test';

export interface ListedFile {
  readonly name: string; // relative to the root, with slashes
  readonly label: number;
  readonly part: ListedPart | null; // null: not said
  readonly sizeBytes: number;
  readonly problem: string | null; // known before it is opened, as of a link that leads outside
}

export interface Listing {
  readonly kind: Extract<DatasetKind, 'folder' | 'csv'>;
  readonly root: string; // absolute
  readonly classNames: readonly string[];
  readonly files: readonly ListedFile[]; // ordered by class, then name; or as the table has them
  readonly notes: readonly string[];
}

/** Extensions of the formats that Lathe decodes; whether a file is one of them is told by its content. */
export const imageExtensions: readonly string[] = ['.jpg', '.jpeg', '.png', '.webp'];
export const isImageName = (name: string): boolean => imageExtensions.includes(extname(name).toLowerCase());

/** Most files of a data set: what a label array and a list of names may take in memory. */
export const maximumFiles = 10_000_000;

/** The names of parts, in folders and in tables. */
export const partNames: Readonly<Record<string, ListedPart>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  test: 'test',
  testing: 'test',
};

/** Throws LatheError: bad-input unless the names are 2 to 256 different ones, upper and lower case and forms of accents apart. */
export function checkClassNames(where: string, names: readonly string[]): void {
  if (names.length < 2) {
    const found = names.length === 0 ? 'found none' : `found only ${names[0] ?? ''}`;
    throw new LatheError('bad-input', `${where}: a data set needs at least 2 classes, ${found}`);
  }
  if (names.length > maximumClasses) {
    throw new LatheError(
      'bad-input',
      `${where}: Lathe tells up to ${maximumClasses} classes apart, found ${names.length}; leave some out, or put several into one`,
    );
  }
  const seen = new Map<string, string>();
  for (const name of names) {
    const folded = name.normalize('NFC').trim().toLowerCase();
    const other = seen.get(folded);
    if (other !== undefined) {
      throw new LatheError(
        'bad-input',
        `${where}: the classes ${JSON.stringify(other)} and ${JSON.stringify(name)} have the same name but for case or spaces; rename one`,
      );
    }
    seen.set(folded, name);
  }
}

/** How a test part is split off where the listing has none: the same for every seed on every machine. */
export interface TestSplit {
  readonly fraction: number;
  readonly seed: number;
}

/**
 * The source that the files make: training, then given validation, then test images, each in the order of the listing. Without
 * given test images they are split off by `testSplit`. Throws LatheError: bad-input where a part or a class stays empty.
 */
export function sourceOf(listing: Listing, settings: ImageSettings, testSplit: TestSplit | null): Source {
  const { root, kind, classNames } = listing;
  const of = (part: ListedPart): ListedFile[] => listing.files.filter((file) => (file.part ?? 'train') === part);
  let train = of('train');
  let test = of('test');
  const testGiven = test.length > 0;
  if (!testGiven) [train, test] = makeTestPart(root, train, testSplit);
  const validation = of('validation');
  for (const [label, name] of classNames.entries()) {
    if (!train.some((file) => file.label === label))
      throw new LatheError('bad-input', `${root}: class ${name} has no training images; add some, or take the class away`);
  }
  return {
    kind,
    classNames,
    shape: [settings.height, settings.width, settings.channels],
    train: partOf(root, [...train, ...validation], settings),
    test: partOf(root, test, settings),
    givenValidation: validation.length,
    testGiven,
    listingSha256: listingSha256(listing),
    notes: listing.notes,
  };
}

/** SHA-256 over every file's name, size, class and part, as listed. */
export function listingSha256({ classNames, files }: Listing): string {
  return sha256OfJson({
    format: 'lathe-listing',
    formatVersion: 1,
    classNames,
    files: files.map(({ name, sizeBytes, label, part }) => [name, sizeBytes, label, part]),
  });
}

function makeTestPart(root: string, files: readonly ListedFile[], split: TestSplit | null): [ListedFile[], ListedFile[]] {
  const images = split ? Math.max(1, Math.round(split.fraction * files.length)) : 0;
  if (!split || images >= files.length) {
    throw new LatheError(
      'bad-input',
      `${root}: there are no test images, and none to be split off of ${files.length}; give a test folder or a fraction above 0`,
    );
  }
  const labels = Uint8Array.from(files, ({ label }) => label);
  const { first: train, second: test } = splitOff(labels, images, Random.fromSeed(split.seed).derive('test split'));
  const pick = (indices: Uint32Array): ListedFile[] => [...indices.toSorted()].flatMap((index) => files[index] ?? []);
  return [pick(train), pick(test)];
}

function partOf(root: string, files: readonly ListedFile[], settings: ImageSettings): SourcePart {
  const toDecode = files.map(({ name, problem }): FileToDecode => ({ name, path: join(root, name), problem }));
  return { labels: Uint8Array.from(files, ({ label }) => label), images: (signal) => decodeInOrder(toDecode, settings, signal) };
}
