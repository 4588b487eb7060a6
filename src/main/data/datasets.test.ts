/** Adding the user's IDX files, opening what was added, and listing it: what goes wrong first. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { datasetRecordSchema } from '../../shared/dataset.ts';
import { addIdx, describeDatasets, generatedRecord, openTestSplit, openTrainSplit } from './datasets.ts';
import type { AddIdxOptions } from './datasets.ts';
import { idxBytes, withFolder } from './testing.ts';

const good = {
  trainImages: idxBytes(
    [4, 2, 3],
    Uint8Array.from({ length: 24 }, (_, index) => index),
  ),
  trainLabels: idxBytes([4], Uint8Array.of(0, 1, 2, 1)),
  testImages: gzipSync(idxBytes([2, 2, 3], new Uint8Array(12).fill(9))),
  testLabels: idxBytes([2], Uint8Array.of(2, 0)),
};

async function write(folder: string, change: Partial<Record<keyof typeof good, Uint8Array>> = {}): Promise<AddIdxOptions> {
  const paths = { trainImages: '', trainLabels: '', testImages: '', testLabels: '' };
  for (const key of ['trainImages', 'trainLabels', 'testImages', 'testLabels'] as const) {
    paths[key] = join(folder, `${key}.idx`);
    await writeFile(paths[key], change[key] ?? good[key]);
  }
  return { id: 'mine', ...paths };
}

describe('addIdx, misuse', () => {
  it.each<[string, Partial<Record<keyof typeof good, Uint8Array>>, Partial<AddIdxOptions>, string]>([
    ['labels outside the classes asked for', {}, { classes: 2 }, 'trainLabels.idx: label 2 of image 2 is outside the 2 classes (0 to 1)'],
    [
      'fewer labels than images',
      { trainLabels: idxBytes([3]) },
      {},
      'trainLabels.idx: expected 4 labels, one for each image of FOLDER/trainImages.idx, found 3',
    ],
    [
      'test images of another size',
      { testImages: idxBytes([2, 3, 2]) },
      {},
      'testImages.idx: expected images of 2 x 3 x 1 as in FOLDER/trainImages.idx, found 3 x 2 x 1',
    ],
    [
      'one class only',
      { trainLabels: idxBytes([4]), testLabels: idxBytes([2]) },
      {},
      'trainLabels.idx: all labels are 0; a data set needs at least 2 classes',
    ],
    [
      'images too large for any network',
      { trainImages: idxBytes([4, 1, 2000]) },
      {},
      'trainImages.idx: images of 1 x 2000 x 1; Lathe takes up to 1024 x 1024 x 16',
    ],
    [
      'a truncated file',
      { testImages: idxBytes([2, 2, 3]).subarray(0, 20) },
      {},
      'testImages.idx: truncated: expected 28 bytes for 2 x 2 x 3, found 20',
    ],
  ])('refuses %s', async (_, change, options, sentence) => {
    await withFolder(async (folder) => {
      const files = await write(folder, change);
      await expect(addIdx({ ...files, ...options })).rejects.toMatchObject({
        code: 'bad-input',
        message: `${folder}/${sentence.replace('FOLDER', folder)}`,
      });
    });
  });

  it('refuses the ids of the sets that come with Lathe, and more classes than a byte tells', async () => {
    await withFolder(async (folder) => {
      const files = await write(folder);
      await expect(addIdx({ ...files, id: 'generated' })).rejects.toThrow(
        'generated is the id of a data set that comes with Lathe; choose another',
      );
      await expect(addIdx({ ...files, classes: 300 })).rejects.toThrow(
        'classes: IDX labels are bytes, so at most 256 classes can be told apart, found 300',
      );
    });
  });
});

describe('addIdx', () => {
  it('gives a record from which both parts open, padded where asked', async () => {
    await withFolder(async (folder) => {
      const record = datasetRecordSchema.parse(await addIdx(await write(folder)));
      expect(record).toMatchObject({
        id: 'mine',
        kind: 'idx',
        classes: 3,
        classNames: ['0', '1', '2'],
        train: 4,
        test: 2,
        shape: [2, 3, 1],
      });
      const train = await openTrainSplit(record, { dataDir: folder, height: 4, width: 4 });
      expect(train.images).toEqual(Uint8Array.from({ length: 24 }, (_, index) => index));
      expect([train.height, train.width, train.inputHeight, train.inputWidth]).toEqual([2, 3, 4, 4]);
      expect([...train.labels]).toEqual([0, 1, 2, 1]);
      expect((await train.normalisationOf(Uint32Array.of(0))).mean).toEqual([15 / 16 / 255]);
      const test = await openTestSplit(record, { dataDir: folder });
      expect([test.count, test.height, test.width, test.channels, test.classes]).toEqual([2, 2, 3, 1, 3]);
      expect(test.images).toEqual(new Uint8Array(12).fill(9));
    });
  });

  it('hashes content, not packing: the same images in gzip are the same data set', async () => {
    await withFolder(async (folder) => {
      const first = await addIdx(await write(folder));
      const packed = await addIdx(await write(folder, { trainImages: gzipSync(good.trainImages) }));
      expect(packed.sha256).toBe(first.sha256);
      const other = await addIdx(await write(folder, { trainLabels: idxBytes([4], Uint8Array.of(0, 1, 2, 2)) }));
      expect(other.sha256).not.toBe(first.sha256);
      expect((await addIdx({ ...(await write(folder)), classes: 5 })).sha256).not.toBe(first.sha256);
    });
  });
});

describe('opening a data set', () => {
  it('says when a file is gone, was cut, or was exchanged', async () => {
    await withFolder(async (folder) => {
      const files = await write(folder);
      const record = await addIdx(files);
      await writeFile(files.trainImages, good.trainImages.subarray(0, 30));
      await expect(openTrainSplit(record, { dataDir: folder })).rejects.toMatchObject({
        code: 'corrupt',
        message: `data set mine: ${files.trainImages}: truncated: expected 40 bytes for 4 x 2 x 3, found 30; add it again`,
      });
      await writeFile(files.trainImages, idxBytes([4, 2, 3]));
      await expect(openTrainSplit(record, { dataDir: folder })).rejects.toMatchObject({
        code: 'corrupt',
        message: expect.stringMatching(
          /is not the file that was added: expected SHA-256 [0-9a-f]{12}…, found [0-9a-f]{12}…; add it again$/,
        ) as string,
      });
      await rm(files.trainImages);
      await expect(openTrainSplit(record, { dataDir: folder })).rejects.toMatchObject({
        code: 'unavailable',
        message: `data set mine: ${files.trainImages}: there is no such file; add it again`,
      });
      expect((await openTestSplit(record, { dataDir: folder })).count).toBe(2); // the test part is another pair of files
    });
  });
});

describe('describeDatasets', () => {
  it('lists the two that come with Lathe and the own ones, with what to do where files are missing', async () => {
    await withFolder(async (folder) => {
      const files = await write(folder);
      const record = await addIdx(files);
      const before = await describeDatasets([record], folder);
      expect(before.map(({ id, available }) => [id, available])).toEqual([
        ['fashion-mnist', false],
        ['generated', true],
        ['mine', true],
      ]);
      expect(before[0]?.hint).toBe('npm run -s lathe -- dataset add fashion-mnist');
      expect(before[1]).toEqual({ ...generatedRecord, available: true, hint: null });
      await rm(files.testLabels);
      const [, , mine] = await describeDatasets([record], folder);
      expect([mine?.available, mine?.hint]).toEqual([
        false,
        'npm run -s lathe -- dataset add mine --train-images FILE --train-labels FILE --test-images FILE --test-labels FILE',
      ]);
    });
  });
});
