/** Augmentation: what it refuses, what it may do to an image, and that it depends on nothing but seed, step and image. */
import { describe, expect, it } from 'vitest';
import { createDataset, loadAddon } from './index.ts';
import type { NativeAugmentation } from './addon.ts';

const none: NativeAugmentation = { cropPadding: 0, flip: false, cutout: 0 };
const height = 6;
const width = 5;
const count = 4;
// Every byte of an image is another one and none is black, so that a pixel tells where it came from.
const images = Uint8Array.from(
  { length: count * height * width },
  (_, i) => 10 + (i % (height * width)) * 4 + Math.floor(i / (height * width)),
);
const dataset = createDataset({ images, labels: new Uint8Array(count), height, width, channels: 1, mean: [0.25], std: [0.5] });
const black = Math.fround((0 - 0.25) / 0.5);

function load(image: number, augmentation: NativeAugmentation, step = 0, seed = 1): Float32Array {
  return loadAddon().testing.loadImage({ dataset, image, augmentation, seed, step });
}

function original(image: number, y: number, x: number): number {
  if (y < 0 || y >= height || x < 0 || x >= width) return black;
  return Math.fround(((images[(image * height + y) * width + x] ?? 0) / 255 - 0.25) / 0.5);
}

/** Which shift and mirroring made this image; null: none of those allowed. */
function explain(values: Float32Array, image: number, padding: number): string | null {
  for (const flip of [false, true]) {
    for (let top = -padding; top <= padding; top += 1) {
      for (let left = -padding; left <= padding; left += 1) {
        const fits = values.every((value, i) => {
          const x = i % width;
          return value === original(image, Math.floor(i / width) + top, (flip ? width - 1 - x : x) + left);
        });
        if (fits) return `${top},${left},${flip}`;
      }
    }
  }
  return null;
}

describe('augmentation', () => {
  it('refuses what is no size and an image that is not there', () => {
    expect(() => load(0, { ...none, cropPadding: -1 })).toThrow(/cropPadding and cutout must be 0\.\.65536/);
    expect(() => load(0, { ...none, cutout: 70_000 })).toThrow(/cropPadding and cutout must be 0\.\.65536/);
    expect(() => load(count, none)).toThrow(/image must be below the data set's 4/);
  });

  it('leaves an image alone when nothing is asked', () => {
    expect(explain(load(2, none, 7), 2, 0)).toBe('0,0,false');
  });

  it('shifts by every distance up to the padding, and mirrors, about equally often', () => {
    const seen = new Map<string, number>();
    const steps = 3600;
    for (let step = 0; step < steps; step += 1) {
      const found = explain(load(1, { ...none, cropPadding: 2, flip: true }, step), 1, 2);
      expect(found, `step ${step}`).not.toBeNull();
      seen.set(found ?? '', (seen.get(found ?? '') ?? 0) + 1);
    }
    expect(seen.size).toBe(50); // 5 x 5 shifts, mirrored or not
    // 72 each are expected; five standard deviations of a binomial are 42.
    for (const [placement, times] of seen) expect(Math.abs(times - steps / 50), placement).toBeLessThan(42);
  });

  it('cuts a square of the mean out, clipped at the edges and centred anywhere', () => {
    const sizes = new Set<number>();
    const touched = new Set<number>();
    for (let step = 0; step < 400; step += 1) {
      const values = load(0, { ...none, cutout: 3 }, step);
      const cut = [...values.keys()].filter((i) => values[i] === 0);
      for (const i of values.keys()) if (values[i] !== 0) expect(values[i]).toBe(original(0, Math.floor(i / width), i % width));
      const rows = new Set(cut.map((i) => Math.floor(i / width)));
      const columns = new Set(cut.map((i) => i % width));
      expect(cut.length).toBe(rows.size * columns.size);
      expect(Math.max(rows.size, columns.size)).toBeLessThanOrEqual(3);
      sizes.add(cut.length);
      for (const i of cut) touched.add(i);
    }
    expect(touched.size).toBe(height * width);
    expect([...sizes].sort((a, b) => a - b)).toEqual([4, 6, 9]);
  });

  it('draws anew for every seed, step and image, and the same again for the same', () => {
    const hard: NativeAugmentation = { cropPadding: 2, flip: true, cutout: 2 };
    expect(load(0, hard, 5, 9)).toEqual(load(0, hard, 5, 9));
    const kinds = (values: readonly Float32Array[]): number => new Set(values.map((value) => value.join())).size;
    const numbers = Array.from({ length: 40 }, (_, i) => i);
    expect(kinds(numbers.map((step) => load(0, hard, step)))).toBeGreaterThan(30);
    expect(kinds(numbers.map((seed) => load(0, hard, 0, seed)))).toBeGreaterThan(30);
    // Images of one step are not shifted all alike.
    const placements = [0, 1, 2, 3].flatMap((image) =>
      numbers.map((step) => [step, explain(load(image, { ...none, cropPadding: 2 }, step), image, 2)]),
    );
    const sameStep = numbers.filter((step) => new Set(placements.filter(([s]) => s === step).map(([, p]) => p)).size === 1);
    expect(sameStep.length).toBeLessThan(4);
  });
});
