/** IDX and CIFAR files, images and folders for tests. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

/** An IDX file's bytes; `values` default to zeros. */
export function idxBytes(dimensions: readonly number[], values?: Uint8Array, type = 0x08): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header[2] = type;
  header[3] = dimensions.length;
  for (const [index, dimension] of dimensions.entries()) header.writeUInt32BE(dimension, 4 + 4 * index);
  return Buffer.concat([header, values ?? new Uint8Array(dimensions.reduce((product, dimension) => product * dimension, 1))]);
}

/** Runs with a folder of its own, removed afterwards. */
export async function withFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lathe-data-'));
  try {
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What byte the CIFAR files of tests have at a place: another one in every image, channel and neighbouring pixel. */
export function cifarPixel(image: number, channel: number, pixel: number): number {
  return (image * 37 + channel * 101 + pixel * 7 + (pixel >> 5)) % 256;
}

/** CIFAR records as published: label bytes, then 1,024 bytes of red, of green, of blue, each row by row. */
export function cifarBytes(labels: readonly (readonly number[])[], firstImage: number): Uint8Array {
  return Buffer.concat(
    labels.flatMap((own, index) => [
      Uint8Array.from(own),
      ...[0, 1, 2].map((channel) => Uint8Array.from({ length: 1024 }, (_, pixel) => cifarPixel(firstImage + index, channel, pixel))),
    ]),
  );
}

/** A plain image file's bytes. */
export async function imageBytes(width: number, height: number, format: 'jpeg' | 'png' | 'webp', background = '#4080c0'): Promise<Buffer> {
  return await sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
}

/** Writes ROOT/NAME for each name; a name with slashes lies in folders. */
export async function writeFiles(root: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
}
