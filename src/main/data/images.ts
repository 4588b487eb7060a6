/** Sets of labelled images as bytes, in memory or in a file: checks, and the statistics that normalise them. */
import { open } from 'node:fs/promises';
import { LatheError } from '../../shared/errors.ts';
import type { NativeImageFile } from '../compute/addon.ts';
import { describeFileError } from './file-errors.ts';

export interface ImageSet {
  readonly images: Uint8Array; // (count, height, width, channels)
  readonly labels: Uint8Array; // (count)
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
}

/** What turns a byte into a network's input: (byte / 255 - mean) / std, a channel each. */
export interface ImageNormalisation {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The same, the images in memory or in a file that holds them one behind the other. */
export type LabelledImages = Omit<ImageSet, 'images'> & { readonly images: Uint8Array | NativeImageFile };

/** A label is a byte. */
export const maximumClasses = 256;

/** Throws LatheError bad-input at the first label that is no class, with its place in `where`. */
export function checkLabels(where: string, labels: Uint8Array, classes: number): void {
  const index = labels.findIndex((label) => label >= classes);
  if (index < 0) return;
  throw new LatheError(
    'bad-input',
    `${where}: label ${labels[index] ?? 0} of image ${index} is outside the ${classes} classes (0 to ${classes - 1})`,
  );
}

/** Throws LatheError bad-input unless the images fit into a network's input. */
export function requireFits(
  images: { readonly height: number; readonly width: number },
  input: { readonly height: number; readonly width: number },
): void {
  if (input.height < images.height || input.width < images.width) {
    throw new LatheError('bad-input', `images of ${images.height} x ${images.width} do not fit into ${input.height} x ${input.width}`);
  }
}

/** Bytes read at once from a file of images: enough for the disk, little to memory. */
const chunkBytes = 2 ** 22;

/**
 * Mean and standard deviation of each channel over the named images, of values 0..1. Exact but for the last rounding: whole
 * bytes are counted. A channel that never changes has nothing to scale and gets a deviation of 1. `inputPixels`: of one image as
 * a network sees it; those beyond the image are zeros, and count.
 */
export async function normalisationOf(
  set: LabelledImages,
  indices: Uint32Array,
  inputPixels = set.height * set.width,
): Promise<ImageNormalisation> {
  if (indices.length === 0) throw new LatheError('bad-input', 'no images to take mean and deviation of');
  const named = new Uint32Array(set.count); // how often
  for (const index of indices) {
    if (index >= set.count) throw new RangeError(`image ${index}: there are ${set.count}`);
    named[index] = (named[index] ?? 0) + 1;
  }
  const { channels } = set;
  const imageBytes = set.height * set.width * channels;
  const counts = new Float64Array(channels * 256);
  for await (const { first, bytes } of imagesOf(set, imageBytes)) {
    for (let image = 0; image * imageBytes < bytes.length; image++) {
      const times = named[first + image] ?? 0;
      if (times > 0) addCounts(counts, bytes.subarray(image * imageBytes, (image + 1) * imageBytes), channels, times);
    }
  }
  const pixels = indices.length * inputPixels;
  const zeros = pixels - indices.length * set.height * set.width;
  for (let channel = 0; channel < channels; channel++) counts[channel * 256] = (counts[channel * 256] ?? 0) + zeros;
  const statistics = Array.from({ length: channels }, (_, channel) =>
    channelStatistics(counts.subarray(channel * 256, (channel + 1) * 256), pixels),
  );
  return { mean: statistics.map(({ mean }) => mean), std: statistics.map(({ std }) => std) };
}

/** All images in order, some at a time; bytes from a file are good until the next ones are asked for. */
export async function* imagesOf(
  set: LabelledImages,
  imageBytes: number,
): AsyncGenerator<{ readonly first: number; readonly bytes: Uint8Array }> {
  const atOnce = Math.max(1, Math.floor(chunkBytes / imageBytes));
  for (let first = 0; first < set.count; first += atOnce) {
    const count = Math.min(atOnce, set.count - first);
    yield { first, bytes: await readImages(set, first, count) };
  }
}

/** `count` images from `first` on, (count, H, W, C). Throws LatheError: unavailable when the file is gone or too short. */
export async function readImages(set: LabelledImages, first: number, count: number): Promise<Uint8Array> {
  const imageBytes = set.height * set.width * set.channels;
  if (set.images instanceof Uint8Array) return set.images.subarray(first * imageBytes, (first + count) * imageBytes);
  const { path, offset } = set.images;
  const bytes = Buffer.allocUnsafe(count * imageBytes);
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw describeFileError(path, error);
  });
  try {
    for (let got = 0; got < bytes.length;) {
      const { bytesRead } = await handle.read(bytes, got, bytes.length - got, offset + first * imageBytes + got);
      if (bytesRead === 0) throw new LatheError('unavailable', `${path}: it was cut short while it was in use`);
      got += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return bytes;
}

function addCounts(counts: Float64Array, bytes: Uint8Array, channels: number, times: number): void {
  for (let at = 0; at < bytes.length; at += channels) {
    for (let channel = 0; channel < channels; channel++) {
      const bin = channel * 256 + (bytes[at + channel] ?? 0);
      counts[bin] = (counts[bin] ?? 0) + times;
    }
  }
}

function channelStatistics(counts: Float64Array, pixels: number): { mean: number; std: number } {
  const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / pixels;
  const variance = counts.reduce((sum, count, value) => sum + count * (value - mean) ** 2, 0) / pixels;
  return { mean: mean / 255, std: variance === 0 ? 1 : Math.sqrt(variance) / 255 };
}
