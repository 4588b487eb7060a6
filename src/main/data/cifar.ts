/**
 * CIFAR-10 and CIFAR-100 in their binary versions (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
 * 2009; layout: www.cs.toronto.edu/~kriz/cifar.html). A record is one label byte (CIFAR-100: a coarse and a fine one), then 1,024
 * bytes of red, of green and of blue, each row by row. Sizes and label ranges are checked before an image is believed; the
 * class names are those of batches.meta.txt or fine_label_names.txt where these lie beside.
 */
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LatheError } from '../../shared/errors.ts';
import { sha256OfJson } from '../compute/hash.ts';
import { describeFileError } from './file-errors.ts';
import type { Source, SourceImage, SourcePart } from './source.ts';

export type CifarKind = 'cifar-10' | 'cifar-100';

interface Layout {
  readonly train: readonly string[];
  readonly test: string;
  readonly labelBytes: number; // in front of the pixels; the last one is the label that is used
  readonly labelRanges: readonly number[]; // classes told by each of them
  readonly published: Readonly<Record<string, number>>; // images
  readonly names: string;
}

const side = 32;
const plane = side * side;
const imageBytes = 3 * plane;
const recordsAtOnce = 256;
const maximumNamesBytes = 100_000;

const layouts: Readonly<Record<CifarKind, Layout>> = {
  'cifar-10': {
    train: ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin'],
    test: 'test_batch.bin',
    labelBytes: 1,
    labelRanges: [10],
    published: {
      'data_batch_1.bin': 10_000,
      'data_batch_2.bin': 10_000,
      'data_batch_3.bin': 10_000,
      'data_batch_4.bin': 10_000,
      'data_batch_5.bin': 10_000,
      'test_batch.bin': 10_000,
    },
    names: 'batches.meta.txt',
  },
  'cifar-100': {
    train: ['train.bin'],
    test: 'test.bin',
    labelBytes: 2,
    labelRanges: [20, 100],
    published: { 'train.bin': 50_000, 'test.bin': 10_000 },
    names: 'fine_label_names.txt',
  },
};

/** The kind of the CIFAR files in a folder; null where there are none. */
export function cifarKindOf(names: readonly string[]): CifarKind | null {
  if (names.some((name) => layouts['cifar-10'].train.includes(name))) return 'cifar-10';
  if (names.includes('train.bin')) return 'cifar-100';
  return null;
}

interface CifarFile {
  readonly path: string;
  readonly name: string;
  readonly images: number;
  readonly labels: Uint8Array;
}

/**
 * The CIFAR set in a folder; its labels are read, its pixels not yet. Throws LatheError: bad-input (not-found where a file is
 * missing) with one sentence that begins with the path.
 */
export async function openCifar(folder: string, kind: CifarKind, signal: AbortSignal): Promise<Source> {
  const layout = layouts[kind];
  const notes: string[] = [];
  const train: CifarFile[] = [];
  for (const name of layout.train) {
    const sizeBytes = await sizeOf(join(folder, name));
    if (sizeBytes === null) {
      if (name === layout.train[0]) throw new LatheError('not-found', `${join(folder, name)}: there is no such file`);
      notes.push(`${name} is not there`);
    } else train.push(await openFile(folder, name, sizeBytes, layout, signal));
  }
  const testBytes = await sizeOf(join(folder, layout.test));
  if (testBytes === null) throw new LatheError('not-found', `${join(folder, layout.test)}: there is no such file; ${kind} needs it`);
  const test = await openFile(folder, layout.test, testBytes, layout, signal);
  for (const { name, images } of [...train, test]) {
    const published = layout.published[name] ?? 0;
    if (images !== published)
      notes.push(`${name} has ${images.toLocaleString('en-US')} images; as published it has ${published.toLocaleString('en-US')}`);
  }
  const classes = layout.labelRanges.at(-1) ?? 0;
  const files = [...train, test].map(({ name, images }) => ({ name, images }));
  return {
    kind,
    classNames: await readNames(join(folder, layout.names), classes, notes),
    shape: [side, side, 3],
    train: partOf(train, layout),
    test: partOf([test], layout),
    givenValidation: 0,
    testGiven: true,
    listingSha256: sha256OfJson({ format: kind, files }),
    notes,
  };
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new LatheError('bad-input', `${path}: it is a folder, expected a file`);
    return found.size;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw describeFileError(path, error);
  }
}

async function openFile(folder: string, name: string, sizeBytes: number, layout: Layout, signal: AbortSignal): Promise<CifarFile> {
  const path = join(folder, name);
  const recordBytes = layout.labelBytes + imageBytes;
  const images = Math.floor(sizeBytes / recordBytes);
  if (images === 0 || images * recordBytes !== sizeBytes) {
    throw new LatheError(
      'bad-input',
      `${path}: expected a whole number of records of ${recordBytes.toLocaleString('en-US')} bytes (${String(layout.published[name] ?? 0)} as published), found ${sizeBytes.toLocaleString('en-US')} bytes`,
    );
  }
  const labels = new Uint8Array(images);
  let image = 0;
  for await (const records of readRecords(path, images, recordBytes, signal)) {
    for (let at = 0; at < records.length; at += recordBytes) {
      layout.labelRanges.forEach((range, place) => {
        const label = records[at + place] ?? 0;
        if (label >= range) {
          const what = layout.labelRanges.length > 1 ? (place === 0 ? 'coarse label' : 'fine label') : 'label';
          throw new LatheError(
            'bad-input',
            `${path}: ${what} ${label} of image ${image} is outside the ${range} classes (0 to ${range - 1})`,
          );
        }
        labels[image] = label;
      });
      image++;
    }
  }
  return { path, name, images, labels };
}

/** The file some records at a time; each view is good until the next one is asked for. */
async function* readRecords(path: string, images: number, recordBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(recordsAtOnce * recordBytes);
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw describeFileError(path, error);
  });
  try {
    for (let first = 0; first < images; first += recordsAtOnce) {
      if (signal.aborted) throw new LatheError('cancelled', `${path}: reading was stopped on request`);
      const wanted = Math.min(recordsAtOnce, images - first) * recordBytes;
      for (let got = 0; got < wanted;) {
        const { bytesRead } = await handle.read(buffer, got, wanted - got, first * recordBytes + got);
        if (bytesRead === 0) throw new LatheError('bad-input', `${path}: it was cut short while it was read`);
        got += bytesRead;
      }
      yield buffer.subarray(0, wanted);
    }
  } finally {
    await handle.close();
  }
}

function partOf(files: readonly CifarFile[], layout: Layout): SourcePart {
  const recordBytes = layout.labelBytes + imageBytes;
  async function* images(signal: AbortSignal): AsyncGenerator<SourceImage> {
    for (const { path, images: count } of files) {
      for await (const records of readRecords(path, count, recordBytes, signal)) {
        for (let at = layout.labelBytes; at < records.length; at += recordBytes) yield { bytes: interleave(records, at) };
      }
    }
  }
  return { labels: Uint8Array.from(files.flatMap(({ labels }) => [...labels])), images };
}

/** One image, from planes (C, H, W) to pixels (H, W, C). */
function interleave(records: Uint8Array, start: number): Uint8Array {
  const pixels = new Uint8Array(imageBytes);
  for (let channel = 0; channel < 3; channel++) {
    const from = start + channel * plane;
    for (let at = 0; at < plane; at++) pixels[at * 3 + channel] = records[from + at] ?? 0;
  }
  return pixels;
}

async function readNames(path: string, classes: number, notes: string[]): Promise<string[]> {
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === null) {
    notes.push(`${path} is not there, so the classes have numbers for names`);
    return Array.from({ length: classes }, (_, label) => String(label));
  }
  if (sizeBytes > maximumNamesBytes)
    throw new LatheError('bad-input', `${path}: expected ${classes} short names, found ${sizeBytes} bytes`);
  const names = (await readFile(path, 'utf8'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (names.length !== classes)
    throw new LatheError('bad-input', `${path}: expected ${classes} class names, one a line, found ${names.length}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new LatheError('bad-input', `${path}: the class name ${twice} is there twice`);
  return names;
}
