/** CIFAR files made from the published layout: every way in which they can be wrong, and then every byte in its place. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addPathSchema } from '../../shared/dataset.ts';
import { addPath } from './add-path.ts';
import { openCifar } from './cifar.ts';
import { openTestSplit, openTrainSplit } from './datasets.ts';
import { ImageCache } from './image-cache.ts';
import { readImages } from './images.ts';
import { recogniseKind } from './recognise.ts';
import { cifarBytes, cifarPixel, withFolder } from './testing.ts';

const { signal } = new AbortController();
const batches = [1, 2, 3, 4, 5].map((number) => `data_batch_${String(number)}.bin`);

async function writeCifar10(folder: string, change: Readonly<Record<string, Uint8Array>> = {}): Promise<void> {
  for (const [index, name] of [...batches, 'test_batch.bin'].entries()) {
    const labels = Array.from({ length: 4 }, (_, image) => [(index * 4 + image) % 10]);
    await writeFile(join(folder, name), change[name] ?? cifarBytes(labels, index * 4));
  }
}

describe('CIFAR files, misuse', () => {
  it.each<[string, Readonly<Record<string, Uint8Array>>, string]>([
    [
      'a truncated file',
      { 'data_batch_2.bin': cifarBytes([[1], [2]], 0).subarray(0, 6000) },
      'data_batch_2.bin: expected a whole number of records of 3,073 bytes (10000 as published), found 6,000 bytes',
    ],
    [
      'an empty file',
      { 'test_batch.bin': new Uint8Array(0) },
      'test_batch.bin: expected a whole number of records of 3,073 bytes (10000 as published), found 0 bytes',
    ],
    [
      'a label out of range',
      { 'data_batch_5.bin': cifarBytes([[9], [10]], 0) },
      'data_batch_5.bin: label 10 of image 1 is outside the 10 classes (0 to 9)',
    ],
  ])('refuses %s', async (_, change, sentence) => {
    await withFolder(async (folder) => {
      await writeCifar10(folder, change);
      await expect(openCifar(folder, 'cifar-10', signal)).rejects.toMatchObject({ code: 'bad-input', message: `${folder}/${sentence}` });
    });
  });

  it('refuses a missing test file, coarse labels out of range, and class names that are too few or twice there', async () => {
    await withFolder(async (folder) => {
      await writeFile(
        join(folder, 'train.bin'),
        cifarBytes(
          [
            [19, 99],
            [20, 0],
          ],
          0,
        ),
      );
      await expect(openCifar(folder, 'cifar-100', signal)).rejects.toThrow(
        'train.bin: coarse label 20 of image 1 is outside the 20 classes',
      );
      await writeFile(
        join(folder, 'train.bin'),
        cifarBytes(
          [
            [19, 99],
            [0, 0],
          ],
          0,
        ),
      );
      await expect(openCifar(folder, 'cifar-100', signal)).rejects.toMatchObject({
        code: 'not-found',
        message: `${folder}/test.bin: there is no such file; cifar-100 needs it`,
      });
      await writeFile(join(folder, 'test.bin'), cifarBytes([[0, 1]], 0));
      await writeFile(join(folder, 'fine_label_names.txt'), 'apple\nbear\n');
      await expect(openCifar(folder, 'cifar-100', signal)).rejects.toThrow('expected 100 class names, one a line, found 2');
      await writeFile(join(folder, 'fine_label_names.txt'), Array.from({ length: 100 }, (_, i) => `class ${String(i % 99)}`).join('\n'));
      await expect(openCifar(folder, 'cifar-100', signal)).rejects.toThrow('the class name class 0 is there twice');
    });
  });
});

describe('CIFAR files', () => {
  it('are recognised, read exactly from planes to pixels, and named by batches.meta.txt', async () => {
    await withFolder(async (folder) => {
      await writeCifar10(folder);
      const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
      await writeFile(join(folder, 'batches.meta.txt'), `${names.join('\n')}\n\n`);
      expect(await recogniseKind(folder)).toBe('cifar-10');
      const dataDir = join(folder, 'data');
      const work = { cache: new ImageCache(dataDir), signal, onProgress: () => undefined };
      const record = await addPath(addPathSchema.parse({ kind: 'path', path: folder }), 'cifar', work);
      expect(record).toMatchObject({
        kind: 'cifar-10',
        classNames: names,
        train: 20,
        test: 4,
        shape: [32, 32, 3],
        validation: { images: 2, given: false, seed: 0 },
      });
      expect(record.origin?.notes).toContain('data_batch_1.bin has 4 images; as published it has 10,000');
      const train = await openTrainSplit(record, { dataDir });
      expect([...train.labels]).toEqual(Array.from({ length: 20 }, (_, image) => image % 10));
      const pixels = await readImages(train, 0, 20);
      for (let at = 0; at < pixels.length; at++) {
        const [channel, pixel, image] = [at % 3, Math.floor(at / 3) % 1024, Math.floor(at / 3072)];
        if (pixels[at] !== cifarPixel(image, channel, pixel))
          expect.fail(`image ${String(image)}, channel ${String(channel)}, pixel ${String(pixel)}: ${String(pixels[at])}`);
      }
      expect([...(await openTestSplit(record, { dataDir })).labels]).toEqual([0, 1, 2, 3]);
    });
  });

  it('of CIFAR-100 give the fine label', async () => {
    await withFolder(async (folder) => {
      await writeFile(
        join(folder, 'train.bin'),
        cifarBytes(
          [
            [3, 99],
            [7, 42],
            [0, 0],
          ],
          0,
        ),
      );
      await writeFile(join(folder, 'test.bin'), cifarBytes([[1, 5]], 3));
      expect(await recogniseKind(folder)).toBe('cifar-100');
      const source = await openCifar(folder, 'cifar-100', signal);
      expect([...source.train.labels]).toEqual([99, 42, 0]);
      expect(source.classNames).toHaveLength(100);
      expect(source.notes[0]).toBe('train.bin has 3 images; as published it has 50,000');
      for await (const image of source.test.images(signal)) {
        if (!('bytes' in image)) throw new Error('expected an image');
        expect([...image.bytes.subarray(0, 6)]).toEqual(
          [0, 1].flatMap((pixel) => [0, 1, 2].map((channel) => cifarPixel(3, channel, pixel))),
        );
      }
    });
  });
});
