/**
 * From image files to bytes of one shape, by sharp (libvips). Only JPEG, PNG and WebP are opened, whatever a file is called: no
 * other loader of libvips can be reached from here. Many images are decoded at once and given out in order, so that memory
 * holds a few images and never the set.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import sharp, { type Sharp } from 'sharp';
import type { ImageSettings } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import type { SourceImage } from './source.ts';

/** 67 million pixels, a square of 8,192: above cameras of 60 megapixels, below what a hostile file of a few kilobytes claims. */
export const maximumPixels = 2 ** 26;

/** Enough on their way that no thread waits for the next one; how many are decoded at a time, the thread pool's size says. */
const imagesAtOnce = 8 * availableParallelism();

const smallFileBytes = 2 ** 16;

sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp'].flatMap((format) => [`VipsForeignLoad${format}File`, `VipsForeignLoad${format}Buffer`]),
});
sharp.cache(false); // no image comes twice
sharp.concurrency(1); // images side by side, not pieces of one

export interface FileToDecode {
  readonly name: string; // for a sentence
  readonly path: string;
  readonly problem: string | null; // known already: not opened
}

/** Size of an image as it is shown, turned upright. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** The size that a file's header tells. Throws an Error with the reason in words. */
export async function sizeOfImage(path: string): Promise<ImageSize> {
  try {
    const { autoOrient } = await open(path).metadata();
    return { height: autoOrient.height, width: autoOrient.width };
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  }
}

/** One image, (H, W, C) as the settings say: upright, in sRGB, transparency on black. Throws an Error with the reason in words. */
export async function decodeImage(path: string, settings: ImageSettings): Promise<Uint8Array> {
  const { height, width, channels, crop } = settings;
  const fit = { centre: 'cover', none: 'contain', stretch: 'fill' } as const;
  try {
    const whole = open(path).autoOrient().flatten({ background: '#000000' });
    const bytes = await (channels === 1 ? whole.toColourspace('b-w') : whole) // in sRGB as it is
      .resize({ width, height, fit: fit[crop], position: 'centre', background: '#000000' })
      .raw({ depth: 'uchar' })
      .toBuffer();
    const expected = height * width * channels;
    if (bytes.length !== expected) throw new Error(`it decoded to ${bytes.length} bytes, expected ${expected}`);
    return bytes;
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  }
}

/** All images in order, several at once. Throws LatheError: cancelled when the signal is raised; a broken image is one of the answers. */
export async function* decodeInOrder(
  files: readonly FileToDecode[],
  settings: ImageSettings,
  signal: AbortSignal,
): AsyncGenerator<SourceImage> {
  const underWay: Promise<SourceImage>[] = [];
  let next = 0;
  const begin = (): void => {
    const file = files[next++];
    if (file) underWay.push(decodeFile(file, settings));
  };
  while (underWay.length < imagesAtOnce && next < files.length) begin();
  for (let image = underWay.shift(); image; image = underWay.shift()) {
    if (signal.aborted) {
      await Promise.all([image, ...underWay]); // what was begun ends before its files go
      throw new LatheError('cancelled', 'decoding was stopped on request');
    }
    begin();
    yield await image;
  }
}

async function decodeFile({ name, path, problem }: FileToDecode, settings: ImageSettings): Promise<SourceImage> {
  if (problem !== null) return { broken: { path: name, reason: problem } };
  try {
    return { bytes: await decodeImage(path, settings) };
  } catch (error) {
    return { broken: { path: name, reason: error instanceof Error ? error.message : String(error) } };
  }
}

/** A small file is decoded from memory as a whole, a large one read piece by piece: with small images opening them is most of the work. */
function open(path: string): Sharp {
  const small = readSmall(path);
  return sharp(small ?? path, { failOn: 'error', limitInputPixels: maximumPixels, sequentialRead: small === null, pages: 1 });
}

/**
 * The bytes of a file of up to `smallFileBytes`; null where it is larger. Read at once on this thread: the three steps take 20
 * microseconds, and handing each to the thread pool, which the decoders fill, ten times that.
 */
function readSmall(path: string): Buffer | null {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (size > smallFileBytes) return null;
    const bytes = Buffer.allocUnsafeSlow(size); // of its own: it is read by another thread while the next file comes
    let filled = 0;
    for (let read = -1; filled < size && read !== 0; filled += read) read = readSync(file, bytes, filled, size - filled, null);
    return bytes.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

/** libvips' words, or ours where its are for a programmer. */
function reasonOf(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]?.trim() ?? '';
  if (/Input file is missing|ENOENT/.test(message)) return 'there is no such file';
  if (/unsupported image format|Input Buffer is empty/i.test(message)) return 'it is no JPEG, PNG or WebP image';
  if (message.includes('exceeds pixel limit'))
    return `it has more than the ${maximumPixels.toLocaleString('en-US')} pixels that Lathe decodes`;
  if (/premature end|truncat|not enough data|read error/i.test(message)) return `it is truncated (${message})`;
  return message === '' ? 'it cannot be decoded' : message;
}
