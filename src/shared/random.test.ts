/** The generator: exact continuation, independent streams, and the moments of its distributions. */
import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';

function moments(count: number, draw: () => number): { mean: number; variance: number } {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < count; i++) {
    const value = draw();
    sum += value;
    squares += value * value;
  }
  const mean = sum / count;
  return { mean, variance: squares / count - mean * mean };
}

// Mean and variance of a truncated normal by the trapezium rule: an oracle that shares nothing with the sampler.
function truncatedMoments(mean: number, sigma: number, low: number, high: number): { mean: number; variance: number } {
  const steps = 200_000;
  const peak = Math.min(high, Math.max(low, mean));
  const at = (x: number): number => Math.exp(-((x - mean) ** 2 - (peak - mean) ** 2) / (2 * sigma * sigma));
  let weight = 0;
  let first = 0;
  let second = 0;
  for (let i = 0; i <= steps; i++) {
    const x = low + ((high - low) * i) / steps;
    const w = at(x) * (i === 0 || i === steps ? 0.5 : 1);
    weight += w;
    first += w * (x - peak);
    second += w * (x - peak) ** 2;
  }
  return { mean: peak + first / weight, variance: second / weight - (first / weight) ** 2 };
}

describe('Random, misuse', () => {
  it('refuses seeds that are not unsigned 32-bit integers', () => {
    for (const seed of [-1, 0.5, 2 ** 32, Number.NaN]) expect(() => Random.fromSeed(seed)).toThrow(/seed must be an integer/);
  });

  it('refuses a state that is not one', () => {
    const state = Random.fromSeed(1).getState();
    expect(() => Random.fromState({ ...state, generator: [0, 0, 0, 0] })).toThrow(/never all zeros/);
    expect(() => Random.fromState({ ...state, generator: [1, 2, 3] })).toThrow();
    expect(() => Random.fromState(null)).toThrow();
  });

  it('refuses an empty range, a negative sigma and crossed bounds', () => {
    const random = Random.fromSeed(1);
    expect(() => random.uniformInt(3, 2)).toThrow(/low <= high/);
    expect(() => random.normal(0, -1)).toThrow(/sigma/);
    expect(() => random.truncatedNormal(0, Number.NaN, 0, 1)).toThrow(/sigma/);
    expect(() => random.truncatedNormal(0, 1, 1, 0)).toThrow(/low <= high/);
  });
});

describe('Random, repeatability', () => {
  it('gives the same numbers for the same seed, on every machine', () => {
    const random = Random.fromSeed(1);
    expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([2800905741, 992601106, 2722476417]);
    expect(Random.fromSeed(1).derive('init').uniform()).toBe(0.5177050134990504);
  });

  it('continues exactly from a state that went through JSON, also between the two halves of a normal pair', () => {
    const random = Random.fromSeed(7);
    for (let i = 0; i < 5; i++) random.normal();
    const copy = Random.fromState(JSON.parse(JSON.stringify(random.getState())));
    const draw = (from: Random): number[] => [
      from.normal(),
      from.uniform(),
      from.truncatedNormal(0.3, 0.5, 0, 1),
      from.uniformInt(0, 2 ** 40),
      ...from.permutation(50),
      from.derive('x').uniform(),
    ];
    expect(random.getState().cachedNormal).not.toBeNull();
    expect(draw(copy)).toEqual(draw(random));
    expect(copy.getState()).toEqual(random.getState());
  });

  it('names streams by seed and label, whatever was drawn before', () => {
    const fresh = Random.fromSeed(3).derive('order');
    const used = Random.fromSeed(3);
    for (let i = 0; i < 100; i++) used.normal();
    expect(used.derive('order').getState()).toEqual(fresh.getState());
    expect(used.derive('order ').getState()).not.toEqual(fresh.getState());
    expect(used.derive('a').derive('b').getState()).not.toEqual(used.derive('ab').getState());
    expect(Random.fromSeed(4).derive('order').getState()).not.toEqual(fresh.getState());
  });

  it('keeps 200,000 streams apart: no two begin with the same 64 bits', () => {
    const beginnings = new Set<string>();
    const root = Random.fromSeed(0);
    for (let i = 0; i < 100_000; i++) {
      const seeded = Random.fromSeed(i);
      beginnings.add(`${seeded.uint32()} ${seeded.uint32()}`);
      const derived = root.derive(`layer ${i}`);
      beginnings.add(`${derived.uint32()} ${derived.uint32()}`);
    }
    expect(beginnings.size).toBe(200_000);
  });

  it('starts neighbouring seeds at unrelated places', () => {
    // The first draw over consecutive seeds is itself uniform: mean 1/2 and variance 1/12, each within 5 standard errors.
    let seed = 0;
    const first = moments(20_000, () => Random.fromSeed(seed++).uniform());
    expect(Math.abs(first.mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / 20_000));
    expect(Math.abs(first.variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / 20_000));
  });
});

describe('Random, distributions', () => {
  it('draws uniform numbers below 1 with more than 32 bits', () => {
    const random = Random.fromSeed(11);
    let fine = 0;
    for (let i = 0; i < 10_000; i++) {
      const value = random.uniform();
      expect(value >= 0 && value < 1).toBe(true);
      if ((value * 2 ** 32) % 1 !== 0) fine++;
    }
    expect(fine).toBeGreaterThan(9_900);
  });

  it('draws every integer of a range equally often', () => {
    const random = Random.fromSeed(12);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const value = random.uniformInt(-3, 3) + 3;
      counts[value] = (counts[value] ?? 0) + 1;
    }
    // Chi-squared with 6 degrees of freedom: above 27.9 with probability 1e-4; the seed is fixed.
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(27.9);
  });

  it('draws normal numbers with the asked mean and deviation', () => {
    const random = Random.fromSeed(13);
    const found = moments(200_000, () => random.normal(2, 3));
    expect(found.mean).toBeCloseTo(2, 1);
    expect(found.variance / 9).toBeCloseTo(1, 1);
    expect(random.normal(5, 0)).toBe(5);
  });

  it.each([
    ['around the mean', 0.4, 0.5, 0, 1],
    ['narrow sigma, inside', 0.5, 0.01, 0, 1],
    ['wide sigma: nearly uniform', 0.5, 100, 0, 1],
    ['mean at a bound', 1, 0.2, 0, 1],
    ['mean below the interval', -1, 0.5, 0, 1],
    ['mean above the interval', 3, 0.7, 0, 1],
    ['far tail', -30, 1, 0, 1],
    ['narrow interval in the tail', -2, 1, 0, 0.05],
    ['one-sided in effect', 0, 1, 1, 50],
  ])('truncates a normal exactly: %s', (_, mean, sigma, low, high) => {
    const random = Random.fromSeed(14);
    const count = 100_000;
    const expected = truncatedMoments(mean, sigma, low, high);
    let outside = 0;
    const found = moments(count, () => {
      const value = random.truncatedNormal(mean, sigma, low, high);
      if (!(value >= low && value <= high)) outside++;
      return value;
    });
    expect(outside).toBe(0);
    expect(Math.abs(found.mean - expected.mean)).toBeLessThan(5 * Math.sqrt(expected.variance / count));
    expect(found.variance / expected.variance).toBeGreaterThan(0.95);
    expect(found.variance / expected.variance).toBeLessThan(1.05);
  });

  it('ends for any sigma, also where nearly nothing of the normal is left', () => {
    const random = Random.fromSeed(15);
    expect(random.truncatedNormal(0.3, 0, 0, 1)).toBe(0.3);
    expect(random.truncatedNormal(-4, 0, 0, 1)).toBe(0);
    expect(random.truncatedNormal(4, 0, 0, 1)).toBe(1);
    expect(random.truncatedNormal(0.5, 1, 0.25, 0.25)).toBe(0.25);
    expect(random.truncatedNormal(-5, 1e-320, 0, 1)).toBe(0);
    expect(random.truncatedNormal(1e300, 1, 0, 1)).toBe(1);
    for (const sigma of [1e-300, 1e-12, 1e-3, 1e3, 1e300]) {
      for (const mean of [-1e9, -1, 0, 0.5, 1, 2, 1e9]) {
        const value = random.truncatedNormal(mean, sigma, 0, 1);
        expect(value >= 0 && value <= 1).toBe(true);
      }
    }
  });

  it('permutes: every index once, every position equally likely', () => {
    const random = Random.fromSeed(16);
    expect([...random.permutation(0)]).toEqual([]);
    expect([...random.permutation(1)]).toEqual([0]);
    expect([...random.permutation(1000)].sort((x, y) => x - y)).toEqual([...Array(1000).keys()]);
    const orders = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const key = random.shuffle([0, 1, 2, 3]).join('');
      orders.set(key, (orders.get(key) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    // Chi-squared with 23 degrees of freedom: above 58.6 with probability 6e-5; the seed is fixed.
    expect([...orders.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(58.6);
  });
});
