/**
 * Adding what lies at a path, whatever it is: recognised by its content, looked at, decoded into the cache, and described by a
 * record. The same way back where cached bytes are gone: decoded again from the path, and believed only if they are the same.
 */
import { join, resolve } from 'node:path';
import type { AddPath, DatasetInspection, DatasetOrigin, DatasetProgress, DatasetRecord, ImageSettings } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { openCifar } from './cifar.ts';
import { sizeOfImage, type ImageSize } from './decode.ts';
import { listImageFolder } from './image-folder.ts';
import { listImageTable } from './image-table.ts';
import type { ImageCache } from './image-cache.ts';
import { sourceOf, type Listing, type TestSplit } from './listing.ts';
import { packSource } from './pack.ts';
import { idxFilesAt, recogniseKind, suggestId, type PathKind } from './recognise.ts';
import { classCountsOf, madeValidation, normalisationFor, packedSha256, partRoles } from './records.ts';
import type { Source } from './source.ts';

/** Sizes are compared over this many images, spread over all. */
const imagesProbed = 64;
/** Images that all have one size keep it up to this side; larger ones need a size to be said. */
const largestOwnSide = 256;

export interface PathWork {
  readonly cache: ImageCache;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Pick<DatasetProgress, 'phase' | 'done' | 'total' | 'broken'>) => void;
}

/** What lies at a path, without decoding it. Errors as of adding it. */
export async function inspectPath(path: string, format: AddPath['format'], signal: AbortSignal): Promise<DatasetInspection> {
  const kind = format === 'auto' ? await recogniseKind(path) : format;
  const base = { path: resolve(path), kind, suggestedId: suggestId(path) };
  if (kind === 'idx') {
    await idxFilesAt(path);
    return {
      ...base,
      classNames: [],
      images: { train: 0, validation: null, test: 0 },
      imageSize: null,
      notes: ['images and labels are read and checked when the set is added'],
    };
  }
  if (kind === 'cifar-10' || kind === 'cifar-100') {
    const source = await openCifar(path, kind, signal);
    const images = { train: source.train.labels.length, validation: null, test: source.test.labels.length };
    return { ...base, classNames: [...source.classNames], images, imageSize: [32, 32], notes: [...source.notes] };
  }
  const listing = await list(path, kind, signal);
  const of = (part: string): number => listing.files.filter((file) => (file.part ?? 'train') === part).length;
  const probe = await probeSizes(listing);
  const notes = probe.uniform ? listing.notes : [...listing.notes, `the images differ in size (${probe.text})`];
  return {
    ...base,
    classNames: [...listing.classNames],
    images: { train: of('train'), validation: of('validation') || null, test: of('test') || null },
    imageSize: probe.uniform ? [probe.uniform.height, probe.uniform.width] : null,
    notes: [...notes],
  };
}

/**
 * Adds a folder of classes, a table or CIFAR files: decodes everything into the cache and returns the record. Throws LatheError:
 * bad-input with one sentence, not-found, cancelled, disk-full; nothing is left behind then.
 */
export async function addPath(input: AddPath, id: string, work: PathWork): Promise<DatasetRecord> {
  const { path, format, skipBroken } = input;
  work.onProgress({ phase: 'looking', done: 0, total: 0, broken: 0 });
  const kind = format === 'auto' ? await recogniseKind(path) : format;
  if (kind === 'idx') throw new Error('IDX files are added by addIdx');
  const { source, images, split } = await openSource(
    path,
    kind,
    { input, testSplit: { fraction: input.test, seed: input.seed } },
    work.signal,
  );
  const normalisation = normalisationFor(input.normalisation, source.shape[2]);
  const packed = await packSource(source, { ...work, skipBroken });
  const origin: DatasetOrigin = {
    path: resolve(path),
    listingSha256: source.listingSha256,
    images,
    testSplit: source.testGiven ? null : split,
    skipBroken,
    broken: [...packed.broken],
    notes: [...source.notes],
  };
  const { classNames, shape } = source;
  const train = packed.trainLabels.length;
  const validation =
    source.givenValidation > 0
      ? { images: packed.givenValidation, given: true, seed: input.seed }
      : madeValidation(train, input.validation, input.seed);
  const described = { ...(validation ? { validation } : {}), ...(normalisation ? { normalisation } : {}) };
  return {
    id,
    kind,
    title: id,
    classes: classNames.length,
    classNames: [...classNames],
    train,
    test: packed.testLabels.length,
    shape: [...shape],
    sha256: packedSha256(packed.parts, shape, classNames.length, described),
    source: `${sourceWords[kind]}, ${origin.path}`,
    files: [],
    classCounts: { train: classCountsOf(packed.trainLabels, classNames.length), test: classCountsOf(packed.testLabels, classNames.length) },
    ...described,
    packed: { ...packed.parts },
    origin,
  };
}

const sourceWords = {
  'cifar-10': 'CIFAR-10 files',
  'cifar-100': 'CIFAR-100 files',
  folder: 'a folder of images',
  csv: 'a table of images',
} as const;

/**
 * Decodes the images of a record again. Throws LatheError: unavailable when the path is gone, corrupt when what lies there is no
 * longer what was added.
 */
export async function restorePacked(record: DatasetRecord, work: PathWork): Promise<void> {
  const { origin, packed, kind, id } = record;
  if (!origin || !packed || kind === 'idx' || kind === 'generated' || kind === 'fashion-mnist') {
    throw new LatheError('corrupt', `data set ${id}: its record does not say where its images are; add it again`);
  }
  const changed = (what: string): LatheError =>
    new LatheError('corrupt', `data set ${id}: ${origin.path}: ${what}; remove the data set and add it again`);
  const { source } = await openSource(origin.path, kind, { images: origin.images, testSplit: origin.testSplit }, work.signal).catch(
    (error: unknown) => {
      if (!(error instanceof LatheError) || error.code === 'cancelled') throw error;
      if (error.code === 'not-found')
        throw new LatheError(
          'unavailable',
          `data set ${id}: its decoded images are no longer in the cache, and ${error.message}; put it back, or remove the data set`,
        );
      throw changed(error.message);
    },
  );
  if (source.listingSha256 !== origin.listingSha256) throw changed('files were added, removed or exchanged since it was added');
  await packSource(source, {
    ...work,
    skipBroken: origin.skipBroken,
    check: (parts) => {
      for (const role of partRoles) {
        if (parts[role] === packed[role]) continue;
        const hashes = `expected SHA-256 ${packed[role].slice(0, 12)}…, found ${parts[role].slice(0, 12)}…`;
        throw changed(`its ${role} are no longer those that were added: ${hashes}`);
      }
    },
  });
}

interface OpenedSource {
  readonly source: Source;
  readonly images: ImageSettings | null;
  readonly split: TestSplit | null;
}

async function openSource(
  path: string,
  kind: Exclude<PathKind, 'idx'>,
  how:
    | { readonly input: AddPath; readonly testSplit: TestSplit }
    | { readonly images: ImageSettings | null; readonly testSplit: TestSplit | null },
  signal: AbortSignal,
): Promise<OpenedSource> {
  if (kind === 'cifar-10' || kind === 'cifar-100')
    return { source: await openCifar(resolve(path), kind, signal), images: null, split: null };
  const listing = await list(path, kind, signal);
  const images = 'input' in how ? await settingsFor(listing, how.input) : how.images;
  if (!images) throw new LatheError('corrupt', `${path}: the record does not say how its images are made; add it again`);
  const split = how.testSplit && how.testSplit.fraction > 0 ? how.testSplit : null;
  return { source: sourceOf(listing, images, split), images, split };
}

async function list(path: string, kind: 'folder' | 'csv', signal: AbortSignal): Promise<Listing> {
  return kind === 'csv' ? await listImageTable(path, signal) : await listImageFolder(path, signal);
}

async function settingsFor(listing: Listing, { imageSize, crop, channels }: AddPath): Promise<ImageSettings> {
  if (imageSize !== undefined) return { height: imageSize, width: imageSize, channels, crop };
  const { uniform, text } = await probeSizes(listing);
  if (uniform && uniform.height <= largestOwnSide && uniform.width <= largestOwnSide) return { ...uniform, channels, crop };
  const what = uniform
    ? `the images are of ${text}, larger than ${largestOwnSide} x ${largestOwnSide}`
    : `the images differ in size (${text})`;
  throw new LatheError('bad-input', `${listing.root}: ${what}; say to which size they are to be brought (--image-size, such as 64 or 224)`);
}

/** The size that a sample of the images has in common. */
async function probeSizes({ root, files }: Listing): Promise<{ uniform: ImageSize | null; text: string }> {
  const step = Math.max(1, Math.floor(files.length / imagesProbed));
  const sample = files.filter((file, index) => index % step === 0 && file.problem === null);
  const sizes = new Map<string, ImageSize>();
  for (const { name } of sample) {
    try {
      const size = await sizeOfImage(join(root, name));
      sizes.set(`${String(size.height)} x ${String(size.width)}`, size);
    } catch {
      // a broken image has no size; decoding names it
    }
  }
  const texts = [...sizes.keys()];
  return {
    uniform: sizes.size === 1 ? ([...sizes.values()][0] ?? null) : null,
    text: texts.length === 0 ? 'none can be read' : `${texts.slice(0, 3).join(', ')}${texts.length > 3 ? ' …' : ''}`,
  };
}
