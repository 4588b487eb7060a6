/** Sets of labelled images in memory, as bytes: checks, padding, and the statistics that normalise them. Pure functions. */
import { LatheError } from '../../shared/errors.ts';

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

/** Most bytes of images in memory at once, also after padding. */
export const maximumImageBytes = 2 ** 30;
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

/**
 * The same images centred on a larger canvas of zeros; with an odd margin the spare row is below and the spare column right.
 * Throws LatheError bad-input when the canvas is smaller than the images, or the result beyond `maximumImageBytes`.
 */
export function padImages(set: ImageSet, size: { readonly height: number; readonly width: number }): ImageSet {
  const { height, width } = size;
  if (height === set.height && width === set.width) return set;
  if (height < set.height || width < set.width) {
    throw new LatheError('bad-input', `images of ${set.height} x ${set.width} do not fit into ${height} x ${width}`);
  }
  const imageBytes = height * width * set.channels;
  if (set.count * imageBytes > maximumImageBytes) {
    throw new LatheError(
      'bad-input',
      `${set.count} images of ${height} x ${width} x ${set.channels} are more than the ${maximumImageBytes.toLocaleString('en-US')} bytes that Lathe keeps in memory`,
    );
  }
  const images = new Uint8Array(set.count * imageBytes);
  const rowBytes = set.width * set.channels;
  const margin = Math.floor((height - set.height) / 2) * width + Math.floor((width - set.width) / 2);
  for (let image = 0; image < set.count; image++) {
    for (let row = 0; row < set.height; row++) {
      const from = (image * set.height + row) * rowBytes;
      images.set(set.images.subarray(from, from + rowBytes), image * imageBytes + (margin + row * width) * set.channels);
    }
  }
  return { ...set, images, height, width };
}

/**
 * Mean and standard deviation of each channel over the named images, of values 0..1. Exact but for the last rounding: whole
 * bytes are counted. A channel that never changes has nothing to scale and gets a deviation of 1.
 */
export function normalisationOf(set: ImageSet, indices: Uint32Array): ImageNormalisation {
  if (indices.length === 0) throw new LatheError('bad-input', 'no images to take mean and deviation of');
  const { channels } = set;
  const imageBytes = set.height * set.width * channels;
  const counts = new Float64Array(channels * 256);
  for (const index of indices) {
    if (index >= set.count) throw new RangeError(`image ${index}: there are ${set.count}`);
    const end = (index + 1) * imageBytes;
    for (let at = index * imageBytes; at < end; at += channels) {
      for (let channel = 0; channel < channels; channel++) {
        const bin = channel * 256 + (set.images[at + channel] ?? 0);
        counts[bin] = (counts[bin] ?? 0) + 1;
      }
    }
  }
  const pixels = indices.length * set.height * set.width;
  const statistics = Array.from({ length: channels }, (_, channel) =>
    channelStatistics(counts.subarray(channel * 256, (channel + 1) * 256), pixels),
  );
  return { mean: statistics.map(({ mean }) => mean), std: statistics.map(({ std }) => std) };
}

function channelStatistics(counts: Float64Array, pixels: number): { mean: number; std: number } {
  const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / pixels;
  const variance = counts.reduce((sum, count, value) => sum + count * (value - mean) ** 2, 0) / pixels;
  return { mean: mean / 255, std: variance === 0 ? 1 : Math.sqrt(variance) / 255 };
}
