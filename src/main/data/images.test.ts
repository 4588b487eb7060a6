/** Labels, padding and normalisation, on sets small enough to count by hand. */
import { describe, expect, it } from 'vitest';
import { checkLabels, normalisationOf, padImages } from './images.ts';
import type { ImageSet } from './images.ts';

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

describe('padImages', () => {
  it('refuses a canvas that is smaller, and one beyond memory', () => {
    const set = imageSet([1, 2, 3, 4], [1, 2, 2, 1]);
    expect(() => padImages(set, { height: 2, width: 1 })).toThrow('images of 2 x 2 do not fit into 2 x 1');
    expect(() => padImages({ ...set, count: 60_000 }, { height: 1024, width: 1024 })).toThrow(
      '60000 images of 1024 x 1024 x 1 are more than the 1,073,741,824 bytes that Lathe keeps in memory',
    );
  });

  it('centres the image between zeros, the spare row below and the spare column right', () => {
    const padded = padImages(imageSet([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2, 1]), { height: 4, width: 5 });
    // prettier-ignore
    expect([...padded.images]).toEqual([
      0, 0, 0, 0, 0,
      0, 1, 2, 0, 0,
      0, 3, 4, 0, 0,
      0, 0, 0, 0, 0,
      0, 0, 0, 0, 0,
      0, 5, 6, 0, 0,
      0, 7, 8, 0, 0,
      0, 0, 0, 0, 0,
    ]);
    expect([padded.count, padded.height, padded.width]).toEqual([2, 4, 5]);
  });

  it('keeps channels together', () => {
    const padded = padImages(imageSet([1, 2, 3], [1, 1, 1, 3]), { height: 1, width: 3 });
    expect([...padded.images]).toEqual([0, 0, 0, 1, 2, 3, 0, 0, 0]);
  });

  it('gives the set itself back when nothing is to be added', () => {
    const set = imageSet([1, 2, 3, 4], [1, 2, 2, 1]);
    expect(padImages(set, { height: 2, width: 2 })).toBe(set);
  });
});

describe('normalisationOf', () => {
  const set = imageSet([0, 10, 255, 30, 200, 50, 200, 70], [2, 2, 1, 2]); // two images of two pixels of two channels

  it('takes each channel over the named images alone', () => {
    const { mean, std } = normalisationOf(set, Uint32Array.of(0));
    expect(mean).toEqual([127.5 / 255, 20 / 255]);
    expect(std).toEqual([127.5 / 255, 10 / 255]);
    const both = normalisationOf(set, Uint32Array.of(1, 0));
    expect(both.mean[1]).toBeCloseTo(40 / 255, 15);
    expect(both.std[1]).toBeCloseTo(Math.sqrt(500) / 255, 15);
  });

  it('leaves a constant channel unscaled', () => {
    expect(normalisationOf(set, Uint32Array.of(1))).toEqual({ mean: [200 / 255, 60 / 255], std: [1, 10 / 255] });
  });

  it('refuses no images and images that are not there', () => {
    expect(() => normalisationOf(set, new Uint32Array(0))).toThrow('no images');
    expect(() => normalisationOf(set, Uint32Array.of(2))).toThrow('image 2: there are 2');
  });
});
