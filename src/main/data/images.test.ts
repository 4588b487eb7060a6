/** Labels, sizes and normalisation, on sets small enough to count by hand. */
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkLabels, normalisationOf, readImages, requireFits } from './images.ts';
import type { ImageSet } from './images.ts';
import { withFolder } from './testing.ts';

function imageSet(images: readonly number[], shape: readonly [number, number, number, number]): ImageSet {
  const [count, height, width, channels] = shape;
  return { images: Uint8Array.from(images), labels: new Uint8Array(count), count, height, width, channels, classes: 2 };
}

describe('checkLabels', () => {
  it('names the first label outside the classes, with its place', () => {
    expect(() => checkLabels('train-labels.idx', Uint8Array.of(0, 9, 3, 12, 200), 10)).toThrow(
      'train-labels.idx: label 12 of image 3 is outside the 10 classes (0 to 9)',
    );
    expect(() => checkLabels('x', Uint8Array.of(0, 9, 3), 10)).not.toThrow();
    expect(() => checkLabels('x', Uint8Array.of(255), 256)).not.toThrow();
  });
});

describe('requireFits', () => {
  it('refuses an input that is smaller in one direction', () => {
    expect(() => requireFits({ height: 2, width: 2 }, { height: 2, width: 1 })).toThrow('images of 2 x 2 do not fit into 2 x 1');
    expect(() => requireFits({ height: 2, width: 2 }, { height: 2, width: 3 })).not.toThrow();
  });
});

describe('normalisationOf', () => {
  const set = imageSet([0, 10, 255, 30, 200, 50, 200, 70], [2, 2, 1, 2]); // two images of two pixels of two channels

  it('takes each channel over the named images alone', async () => {
    const { mean, std } = await normalisationOf(set, Uint32Array.of(0));
    expect(mean).toEqual([127.5 / 255, 20 / 255]);
    expect(std).toEqual([127.5 / 255, 10 / 255]);
    const both = await normalisationOf(set, Uint32Array.of(1, 0));
    expect(both.mean[1]).toBeCloseTo(40 / 255, 15);
    expect(both.std[1]).toBeCloseTo(Math.sqrt(500) / 255, 15);
  });

  it('leaves a constant channel unscaled, and counts the zeros around an image', async () => {
    expect(await normalisationOf(set, Uint32Array.of(1))).toEqual({ mean: [200 / 255, 60 / 255], std: [1, 10 / 255] });
    const { mean, std } = await normalisationOf(set, Uint32Array.of(1), 4); // 200, 200, 0, 0
    expect([mean[0], std[0]]).toEqual([100 / 255, 100 / 255]);
  });

  it('refuses no images and images that are not there', async () => {
    await expect(normalisationOf(set, new Uint32Array(0))).rejects.toThrow('no images');
    await expect(normalisationOf(set, Uint32Array.of(2))).rejects.toThrow('image 2: there are 2');
  });
});

describe('images in a file', () => {
  it('give the same bytes and the same normalisation as in memory, and an error when they are cut off', async () => {
    await withFolder(async (folder) => {
      // 3 MiB each: more than is read at once
      const memory: ImageSet = {
        ...imageSet([], [5, 1024, 1024, 3]),
        images: new Uint8Array(5 * 3 * 2 ** 20).map((_, at) => (at * 31) >> 7),
      };
      const path = join(folder, 'images');
      await writeFile(path, Buffer.concat([Buffer.alloc(7, 0xff), memory.images]));
      const file = { ...memory, images: { path, offset: 7 } };
      expect(await readImages(file, 3, 2)).toEqual(Buffer.from(await readImages(memory, 3, 2)));
      const named = Uint32Array.of(4, 0, 2);
      expect(await normalisationOf(file, named)).toEqual(await normalisationOf(memory, named));
      await truncate(path, 1000);
      await expect(normalisationOf(file, named)).rejects.toMatchObject({
        code: 'unavailable',
        message: `${path}: it was cut short while it was in use`,
      });
    });
  });
});
