/** The validation split: disjoint, complete, in proportion, and decided by its seed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitValidation } from './splits.ts';

const countsOf = (labels: Uint8Array, indices: Uint32Array): number[] => {
  const counts = new Array<number>(10).fill(0);
  for (const index of indices) counts[labels[index] ?? 0] = (counts[labels[index] ?? 0] ?? 0) + 1;
  return counts;
};

describe('splitValidation', () => {
  it('refuses counts that leave one of the parts empty', () => {
    for (const images of [0, 100, 101, 1.5]) {
      expect(() => splitValidation(new Uint8Array(100), images, 1)).toThrow(
        `validation images: expected from 1 to 99 of the 100 training images, found ${images}`,
      );
    }
  });

  it('puts every image into exactly one part, each class in proportion to within one image', () => {
    fc.assert(
      fc.property(
        fc
          .uint8Array({ min: 0, max: 9, minLength: 2, maxLength: 400 })
          .chain((labels) => fc.record({ labels: fc.constant(labels), images: fc.integer({ min: 1, max: labels.length - 1 }) })),
        fc.integer({ min: 0, max: 1000 }),
        ({ labels, images }, seed) => {
          const { trainIndices, validationIndices } = splitValidation(labels, images, seed);
          expect(validationIndices).toHaveLength(images);
          expect([...trainIndices, ...validationIndices].sort((a, b) => a - b)).toEqual([...labels.keys()]);
          const all = countsOf(labels, Uint32Array.from(labels.keys()));
          for (const [label, count] of countsOf(labels, validationIndices).entries()) {
            expect(Math.abs(count - ((all[label] ?? 0) * images) / labels.length)).toBeLessThan(1);
          }
        },
      ),
    );
  });

  it('is the same for the same seed, and another for another', () => {
    const labels = Uint8Array.from({ length: 5000 }, (_, index) => index % 10);
    const first = splitValidation(labels, 500, 0);
    expect(splitValidation(labels, 500, 0)).toEqual(first);
    expect(splitValidation(labels, 500, 1).validationIndices).not.toEqual(first.validationIndices);
    expect(countsOf(labels, first.validationIndices)).toEqual(new Array(10).fill(50));
  });

  it('orders both parts so that a beginning is a fair sample, also of a file sorted by class', () => {
    const labels = Uint8Array.from({ length: 5000 }, (_, index) => Math.floor(index / 500));
    const { trainIndices, validationIndices } = splitValidation(labels, 1000, 3);
    for (const beginning of [trainIndices.subarray(0, 400), validationIndices.subarray(0, 400)]) {
      for (const count of countsOf(labels, beginning)) expect(Math.abs(count - 40)).toBeLessThan(25); // 4 standard deviations
    }
  });
});
