/**
 * Data sets as records, and their images: a training part, from which training and validation images are split, and a test part,
 * which has a function of its own and is opened only to report a result.
 */
import { access, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { DatasetInfo, DatasetProgress, DatasetRecord } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { sha256Hex } from '../compute/hash.ts';
import { restorePacked } from './add-path.ts';
import { fashionMnistRecord } from './fashion-mnist.ts';
import { generateShapes, generatedClassNames, generatedCounts } from './generated.ts';
import type { GeneratedPart } from './generated.ts';
import { readIdx } from './idx.ts';
import type { IdxFile } from './idx.ts';
import { ImageCache } from './image-cache.ts';
import { checkLabels, maximumClasses, normalisationOf, requireFits } from './images.ts';
import type { ImageNormalisation, LabelledImages } from './images.ts';
import { classCountsOf, datasetSha256 } from './records.ts';
import type { PartRole } from './records.ts';

export type { ImageNormalisation, LabelledImages } from './images.ts';

/** Images and the size in which a network sees them: centred on zeros where it is larger. */
export interface OpenedImages extends LabelledImages {
  readonly inputHeight: number;
  readonly inputWidth: number;
}

/** The training part. Mean and deviation are the data set's own, or those of the images that a network is trained on. */
export interface TrainSplit extends OpenedImages {
  readonly normalisationOf: (indices: Uint32Array) => Promise<ImageNormalisation>;
}

export interface OpenOptions {
  readonly dataDir: string;
  /** What a network takes; default: the images as they are. */
  readonly height?: number;
  readonly width?: number;
  readonly signal?: AbortSignal;
  /** Leave images in their file wherever they lie in a plain one, to look at a few of them. */
  readonly stream?: boolean;
  /** Whether images that the cache has no longer are decoded again; default: yes. */
  readonly restore?: boolean;
  /** Hears of images that are decoded again because the cache has them no longer. */
  readonly onProgress?: (progress: Pick<DatasetProgress, 'phase' | 'done' | 'total'>) => void;
}

/** Images of up to this many bytes are read into memory; larger parts stay in their file, and memory stays flat. */
const inMemoryBytes = 2 ** 28;

/** SHA-256 of the generated images and labels: what `generateShapes` must give on every machine. */
const generatedSha256: Readonly<Record<PartRole, string>> = {
  'train-images': 'ef605240004b070599b07a40b9dbd9531506ad09a155a5c782d4452bb5e975ee',
  'train-labels': '90f83e4877505a855c6e6aca1d17177652ecf6d052f4f7776664d58c007b43d9',
  'test-images': 'cb59a550d6aa46aa4133b7c38328c83afd178b1b99da1ba91c0fb57d9fb99e7d',
  'test-labels': '29d7368db6868bf9b126da1e74b03bca6149c187444173bdf08e5d593ce0eeb9',
};
const generatedShape: [number, number, number] = [32, 32, 3];

/** The same number of images of each class. */
function evenCounts(train: number, test: number, classes: number): NonNullable<DatasetRecord['classCounts']> {
  return { train: new Array<number>(classes).fill(train / classes), test: new Array<number>(classes).fill(test / classes) };
}

export const generatedRecord: DatasetRecord = {
  id: 'generated',
  kind: 'generated',
  title: 'Generated shapes',
  classes: generatedClassNames.length,
  classNames: [...generatedClassNames],
  ...generatedCounts,
  shape: generatedShape,
  classCounts: evenCounts(generatedCounts.train, generatedCounts.test, generatedClassNames.length),
  sha256: datasetSha256(generatedSha256, generatedShape, generatedClassNames.length),
  source: 'drawn by Lathe from a fixed seed',
  files: [],
};

/** Ids that are not the user's to give. */
export const builtInDatasetIds: readonly string[] = ['fashion-mnist', 'generated'];

/**
 * The training images of a data set, (count, H, W, C). Throws LatheError: unavailable when a file is gone, corrupt when its
 * content is no longer what was added.
 */
export async function openTrainSplit(record: DatasetRecord, options: OpenOptions): Promise<TrainSplit> {
  const set = await openPart(record, 'train', options);
  const { normalisation } = record;
  const inputPixels = set.inputHeight * set.inputWidth;
  return { ...set, normalisationOf: async (indices) => normalisation ?? (await normalisationOf(set, indices, inputPixels)) };
}

/** The test images. Not for a search: only for the last measurement of what it found. Errors as `openTrainSplit`. */
export async function openTestSplit(record: DatasetRecord, options: OpenOptions): Promise<OpenedImages> {
  return openPart(record, 'test', options);
}

async function openPart(record: DatasetRecord, part: GeneratedPart, options: OpenOptions): Promise<OpenedImages> {
  const set = await openBytes(record, part, options);
  const input = { height: options.height ?? set.height, width: options.width ?? set.width };
  requireFits(set, input);
  return { ...set, inputHeight: input.height, inputWidth: input.width };
}

async function openBytes(record: DatasetRecord, part: GeneratedPart, options: OpenOptions): Promise<LabelledImages> {
  if (record.kind === 'generated') return openGenerated(part);
  return record.packed ? openPacked(record, part, options) : openFiles(record, part, options);
}

/** From the cache; what is there no longer, or damaged, is decoded again first. */
async function openPacked(record: DatasetRecord, part: GeneratedPart, options: OpenOptions): Promise<LabelledImages> {
  const cache = new ImageCache(options.dataDir);
  const hashes = record.packed;
  if (!hashes) throw new Error(`data set ${record.id} is not packed`);
  const find = async (): Promise<{ images: string; labels: string } | null> => {
    const images = await cache.find(hashes[`${part}-images`], options.signal);
    const labels = await cache.find(hashes[`${part}-labels`], options.signal);
    return images !== null && labels !== null ? { images, labels } : null;
  };
  let paths = await find();
  if (!paths && options.restore === false) {
    throw new LatheError(
      'unavailable',
      `data set ${record.id}: its decoded images are not in the cache at present; the next run that uses them, or "dataset preview ${record.id}", decodes them again`,
    );
  }
  if (!paths) {
    const signal = options.signal ?? new AbortController().signal;
    await restorePacked(record, { cache, signal, onProgress: options.onProgress ?? (() => undefined) });
    paths = await find();
  }
  if (!paths) throw new LatheError('unavailable', `data set ${record.id}: the image cache lost its images while they were read; try again`);
  const labels = new Uint8Array(await readFile(paths.labels));
  const [height, width, channels] = record.shape;
  const sizeBytes = labels.length * height * width * channels;
  const images = sizeBytes <= mostInMemory(options) ? new Uint8Array(await readFile(paths.images)) : { path: paths.images, offset: 0 };
  return { images, labels, count: labels.length, height, width, channels, classes: record.classes };
}

function mostInMemory({ stream }: OpenOptions): number {
  return stream === true ? 0 : inMemoryBytes;
}

function openGenerated(part: GeneratedPart): LabelledImages {
  const set = generateShapes(part);
  if (sha256Hex(set.images) !== generatedSha256[`${part}-images`] || sha256Hex(set.labels) !== generatedSha256[`${part}-labels`]) {
    throw new LatheError(
      'internal',
      `data set generated: its ${part} images came out differently on this machine; please report it with the version of Node (${process.version})`,
    );
  }
  return set;
}

async function openFiles(record: DatasetRecord, part: GeneratedPart, options: OpenOptions): Promise<LabelledImages> {
  const file = await openFile(record, `${part}-images`, options);
  const labels = await openFile(record, `${part}-labels`, options);
  const [height, width, channels] = record.shape;
  const images = file.idx.values.length > 0 ? file.idx.values : { path: file.path, offset: file.idx.headerBytes };
  return { images, labels: labels.idx.values, count: labels.idx.values.length, height, width, channels, classes: record.classes };
}

/** A file of a record. It was validated as it was added, so its hash is all there is to check. */
async function openFile(
  record: DatasetRecord,
  role: PartRole,
  options: OpenOptions,
): Promise<{ readonly path: string; readonly idx: IdxFile }> {
  const file = record.files.find((candidate) => candidate.role === role);
  if (!file) throw new LatheError('corrupt', `data set ${record.id}: its record names no file of ${role}; add it again`);
  const expect = role.endsWith('images') ? 'images' : 'labels';
  const { signal } = options;
  const keep = expect === 'images' ? { keepBelowBytes: mostInMemory(options) } : {};
  const idx = await readIdx(file.path, { expect, ...keep, ...(signal ? { signal } : {}) }).catch((error: unknown) => {
    if (!(error instanceof LatheError)) throw error;
    if (error.code === 'not-found') throw new LatheError('unavailable', `data set ${record.id}: ${error.message}; add it again`);
    if (error.code === 'bad-input') throw new LatheError('corrupt', `data set ${record.id}: ${error.message}; add it again`);
    throw error;
  });
  if (idx.sha256 !== file.sha256) {
    throw new LatheError(
      'corrupt',
      `data set ${record.id}: ${file.path} is not the file that was added: expected SHA-256 ${file.sha256.slice(0, 12)}…, found ${idx.sha256.slice(0, 12)}…; add it again`,
    );
  }
  return { path: file.path, idx };
}

export interface AddIdxOptions {
  readonly id: string;
  readonly trainImages: string;
  readonly trainLabels: string;
  readonly testImages: string;
  readonly testLabels: string;
  readonly classes?: number; // default: the largest label + 1
  readonly signal?: AbortSignal;
  readonly log?: (text: string) => void;
}

const maximumSide = 1024;
const maximumChannels = 16;

/**
 * Checks the user's IDX files as a whole and returns the record of the set; the files stay where they are. Throws LatheError
 * bad-input with one sentence: the file, what was expected, what was found.
 */
export async function addIdx(options: AddIdxOptions): Promise<DatasetRecord> {
  const { id, signal, log = () => undefined } = options;
  if (builtInDatasetIds.includes(id))
    throw new LatheError('bad-input', `${id} is the id of a data set that comes with Lathe; choose another`);
  if (options.classes !== undefined && options.classes > maximumClasses) {
    throw new LatheError(
      'bad-input',
      `classes: IDX labels are bytes, so at most ${maximumClasses} classes can be told apart, found ${options.classes}`,
    );
  }
  const read = async (path: string, expect: 'images' | 'labels'): Promise<IdxFile> => {
    log(`${id}: reading ${path}`);
    return readIdx(path, { expect, ...(expect === 'images' ? { keepBelowBytes: 0 } : {}), ...(signal ? { signal } : {}) });
  };
  const train = checkPart(
    options.trainImages,
    await read(options.trainImages, 'images'),
    options.trainLabels,
    await read(options.trainLabels, 'labels'),
  );
  const test = checkPart(
    options.testImages,
    await read(options.testImages, 'images'),
    options.testLabels,
    await read(options.testLabels, 'labels'),
  );
  if (train.shape.join() !== test.shape.join()) {
    throw new LatheError(
      'bad-input',
      `${options.testImages}: expected images of ${train.shape.join(' x ')} as in ${options.trainImages}, found ${test.shape.join(' x ')}`,
    );
  }
  const classes = options.classes ?? Math.max(largest(train.labels), largest(test.labels)) + 1;
  if (classes < 2) throw new LatheError('bad-input', `${options.trainLabels}: all labels are 0; a data set needs at least 2 classes`);
  checkLabels(options.trainLabels, train.labels, classes);
  checkLabels(options.testLabels, test.labels, classes);
  const hashes = {
    'train-images': train.imagesSha256,
    'train-labels': train.labelsSha256,
    'test-images': test.imagesSha256,
    'test-labels': test.labelsSha256,
  };
  const path = {
    'train-images': options.trainImages,
    'train-labels': options.trainLabels,
    'test-images': options.testImages,
    'test-labels': options.testLabels,
  };
  const roles = Object.keys(hashes) as PartRole[];
  return {
    id,
    kind: 'idx',
    title: id,
    classes,
    classNames: Array.from({ length: classes }, (_, label) => String(label)),
    train: train.labels.length,
    test: test.labels.length,
    shape: train.shape,
    sha256: datasetSha256(hashes, train.shape, classes),
    source: "the user's IDX files",
    files: roles.map((role) => ({ role, path: resolve(path[role]), sha256: hashes[role] })),
    classCounts: { train: classCountsOf(train.labels, classes), test: classCountsOf(test.labels, classes) },
  };
}

interface CheckedPart {
  readonly shape: [number, number, number];
  readonly labels: Uint8Array;
  readonly imagesSha256: string;
  readonly labelsSha256: string;
}

/** Only what is still needed is kept: the images of one part are let go before the next part is read. */
function checkPart(imagesPath: string, images: IdxFile, labelsPath: string, labels: IdxFile): CheckedPart {
  const [count = 0, height = 0, width = 0, channels = 1] = images.dimensions;
  if (height > maximumSide || width > maximumSide || channels > maximumChannels) {
    throw new LatheError(
      'bad-input',
      `${imagesPath}: images of ${height} x ${width} x ${channels}; Lathe takes up to ${maximumSide} x ${maximumSide} x ${maximumChannels}`,
    );
  }
  if (labels.values.length !== count) {
    throw new LatheError(
      'bad-input',
      `${labelsPath}: expected ${count} labels, one for each image of ${imagesPath}, found ${labels.values.length}`,
    );
  }
  return { shape: [height, width, channels], labels: labels.values, imagesSha256: images.sha256, labelsSha256: labels.sha256 };
}

function largest(labels: Uint8Array): number {
  return labels.reduce((most, label) => (label > most ? label : most), 0);
}

/**
 * All data sets for a face: the two that come with Lathe, then the user's by id. Each says whether its files are in place and, if
 * not, how to get them.
 */
export async function describeDatasets(stored: readonly DatasetRecord[], dataDir: string): Promise<DatasetInfo[]> {
  const fashionMnist = stored.find(({ id }) => id === 'fashion-mnist') ?? fashionMnistRecord(dataDir);
  const own = stored.filter(({ id }) => !builtInDatasetIds.includes(id)).sort((a, b) => (a.id < b.id ? -1 : 1));
  return Promise.all([fashionMnist, generatedRecord, ...own].map((record) => describeDataset(record, dataDir)));
}

/** A record with whether its files, or the decoded images of them, are in place. */
export async function describeDataset(record: DatasetRecord, dataDir: string): Promise<DatasetInfo> {
  const available = await isAvailable(record, dataDir);
  return { ...record, available, hint: available ? null : `npm run -s lathe -- dataset add ${addArguments(record)}` };
}

async function isAvailable({ files, packed, origin }: DatasetRecord, dataDir: string): Promise<boolean> {
  if (!packed) return (await Promise.all(files.map(({ path }) => isReadable(path)))).every(Boolean);
  const cache = new ImageCache(dataDir);
  const cached = await Promise.all(Object.values(packed).map((sha256) => cache.has(sha256)));
  return cached.every(Boolean) || (origin !== undefined && (await isReadable(origin.path)));
}

function addArguments({ id, kind, origin }: DatasetRecord): string {
  if (origin) return `FOLDER --name ${id}`;
  return kind === 'idx' ? `${id} --train-images FILE --train-labels FILE --test-images FILE --test-labels FILE` : id;
}

async function isReadable(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
