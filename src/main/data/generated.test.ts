/** The generated set: the same bytes everywhere, balanced, in colour, and without a shortcut to the label. */
import { describe, expect, it } from 'vitest';
import { openTestSplit, openTrainSplit, generatedRecord } from './datasets.ts';
import { generateShapes } from './generated.ts';

describe('generated shapes', () => {
  it('come out as pinned, on every machine', async () => {
    // openTrainSplit and openTestSplit compare the SHA-256 of what was drawn with constants.
    const train = await openTrainSplit(generatedRecord, { dataDir: '' });
    const test = await openTestSplit(generatedRecord, { dataDir: '' });
    expect([train.count, train.height, train.width, train.channels, train.classes]).toEqual([10_000, 32, 32, 3, 10]);
    expect(test.count).toBe(2000);
    expect(generatedRecord.sha256).toBe('52e65ef01a1ed791bc941df2abbd1938adc4ec7183b62f132300a0c80cc459e1');
  });

  it('have as many images of each class, in no order', () => {
    const { labels } = generateShapes('test');
    const counts = new Array<number>(10).fill(0);
    for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
    expect(counts).toEqual(new Array(10).fill(200));
    const repeats = labels.reduce((sum, label, index) => sum + (index > 0 && labels[index - 1] === label ? 1 : 0), 0);
    expect(Math.abs(repeats - 200)).toBeLessThan(60); // one in ten by chance
  });

  it('show different images in training and test', () => {
    const key = (images: Uint8Array, index: number): string =>
      Buffer.from(images.subarray(index * 3072, index * 3072 + 96)).toString('hex');
    const train = generateShapes('train');
    const test = generateShapes('test');
    const seen = new Set(Array.from({ length: train.count }, (_, index) => key(train.images, index)));
    expect(seen.size).toBe(train.count);
    expect(Array.from({ length: test.count }, (_, index) => seen.has(key(test.images, index)))).not.toContain(true);
  });

  it('cannot be told by the mean image of a class: such a classifier stays near chance', () => {
    const train = generateShapes('train');
    const test = generateShapes('test');
    const means = Array.from({ length: 10 }, () => new Float64Array(3072));
    for (let image = 0; image < train.count; image++) {
      const mean = means[train.labels[image] ?? 0];
      for (let i = 0; mean && i < 3072; i++) mean[i] = (mean[i] ?? 0) + (train.images[image * 3072 + i] ?? 0) / 1000;
    }
    let correct = 0;
    for (let image = 0; image < test.count; image++) {
      const distances = means.map((mean) => mean.reduce((sum, value, i) => sum + (value - (test.images[image * 3072 + i] ?? 0)) ** 2, 0));
      if (distances.indexOf(Math.min(...distances)) === test.labels[image]) correct++;
    }
    expect(correct / test.count).toBeLessThan(0.25);
  });
});
