import { describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { ArchitectureParameters, alphaGradient, draw, drawPair, entropy, expectedCost, softmax } from './probabilities.ts';

const random = Random.fromSeed(5);
const normals = (count: number): number[] => Array.from({ length: count }, () => random.normal());

describe('probabilities', () => {
  it('stay finite for alphas that a plain exponential could not hold', () => {
    expect(softmax([1000, 1000, -1000])).toEqual([0.5, 0.5, 0]);
    expect(entropy([0.5, 0.5, 0])).toBeCloseTo(Math.LN2, 15);
    expect(entropy([1, 0])).toBe(0);
  });

  it('have the gradient of sum_j p_j g_j, by finite differences, and one that sums to zero', () => {
    for (let round = 0; round < 20; round++) {
      const [alpha, gates] = [normals(7), normals(7)];
      const value = (at: readonly number[]): number => softmax(at).reduce((sum, p, j) => sum + p * (gates[j] ?? 0), 0);
      const gradient = alphaGradient(gates, softmax(alpha));
      expect(Math.abs(gradient.reduce((sum, part) => sum + part, 0))).toBeLessThan(1e-15);
      for (const [i, found] of gradient.entries()) {
        const moved = (by: number): number[] => alpha.map((a, k) => (k === i ? a + by : a));
        expect(found).toBeCloseTo((value(moved(1e-5)) - value(moved(-1e-5))) / 2e-5, 8);
      }
    }
  });

  it('are drawn as often as they say, the last one also where rounding leaves the sum below 1', () => {
    const counts = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) {
      const drawn = draw([0.2, 0.5, 0.3], random.uniform());
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    expect(counts.map((count) => Math.round((count / 30_000) * 50) / 50)).toEqual([0.2, 0.5, 0.3]);
    expect(draw([0.1, 0.2, 0.7 - 1e-12], 1 - 1e-16)).toBe(2);
  });

  it('are drawn in pairs of two different ones, also where one is certain, and alone where there is one', () => {
    for (let i = 0; i < 500; i++) {
      const [a, b] = drawPair(softmax(normals(3)), random);
      expect(a).not.toBe(b);
    }
    expect(drawPair([0, 1], random)).toEqual([1, 0]);
    expect(drawPair([1], random)).toEqual([0]);
  });

  it('weigh costs', () => {
    const cost = {
      fixed: 1,
      blocks: [
        [2, 4],
        [0, 10, 20],
      ],
    };
    expect(
      expectedCost(cost, [
        [0.5, 0.5],
        [0.2, 0.3, 0.5],
      ]),
    ).toBeCloseTo(1 + 3 + 13, 12);
  });
});

describe('architecture parameters', () => {
  it('move by about the rate a step, whatever the size of the gradient', () => {
    for (const size of [1e-6, 1, 1e6]) {
      const parameters = new ArchitectureParameters([2]);
      parameters.step([[size, -size]], 0.01);
      expect(parameters.values[0]?.[0]).toBeCloseTo(-0.01, size < 1e-5 ? 3 : 6);
      expect(parameters.values[0]?.[1]).toBeCloseTo(0.01, size < 1e-5 ? 3 : 6);
    }
  });

  it('leave the probabilities of all but the pair as they were, to rounding', () => {
    const parameters = new ArchitectureParameters([7, 6]);
    for (let i = 0; i < 50; i++) {
      const before = parameters.probabilities;
      const pairs = before.map((p) => drawPair(p, random));
      const gradients = pairs.map((pair, block) => before[block]?.map((_, k) => (pair.includes(k) ? random.normal() : 0)) ?? []);
      parameters.stepPairs(pairs, gradients, 0.3);
      for (const [block, p] of parameters.probabilities.entries()) {
        for (const [k, value] of p.entries()) {
          if (pairs[block]?.includes(k)) continue;
          expect(value).toBeCloseTo(before[block]?.[k] ?? Number.NaN, 12);
        }
      }
    }
    expect(parameters.probabilities[0]).not.toEqual(new ArchitectureParameters([7]).probabilities[0]);
  });

  it('go on from what was saved to the same values', () => {
    const [one, two] = [new ArchitectureParameters([3]), new ArchitectureParameters([3])];
    one.step([[1, -2, 0.5]], 0.1);
    two.restore(structuredClone(one.save()));
    for (const parameters of [one, two]) parameters.step([[-1, 0.1, 0]], 0.1);
    expect(two.values).toEqual(one.values);
  });
});
