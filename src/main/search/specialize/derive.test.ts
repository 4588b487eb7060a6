import { describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { costOfPath, type AdditiveCost } from '../../hardware/space-cost.ts';
import { bestPath, type Limit } from './derive.ts';
import { evolve, randomPath, randomSearch } from './population.ts';

const random = Random.fromSeed(11);
const counts = [3, 4, 2, 3, 4];
const table = (): number[][] => counts.map((count) => Array.from({ length: count }, () => random.uniform()));
const cost = (): AdditiveCost => ({ fixed: 0.5, blocks: table() });

function allPaths(): number[][] {
  return counts.reduce<number[][]>((paths, count) => paths.flatMap((path) => Array.from({ length: count }, (_, i) => [...path, i])), [[]]);
}

function bruteForce(scores: readonly (readonly number[])[], limits: readonly Limit[]): number {
  const within = allPaths().filter((path) => limits.every(({ cost: own, most }) => costOfPath(own, path) <= most));
  return Math.max(...within.map((path) => scores.reduce((sum, row, block) => sum + (row[path[block] ?? 0] ?? 0), 0)));
}

describe('the best path', () => {
  it('is null where no path meets the limit', () => {
    const own = cost();
    expect(bestPath(table(), [{ cost: own, most: 0.5 }])).toBeNull();
    expect(bestPath(table(), [{ cost: own, most: 0.4 }])).toBeNull();
  });

  it('is the one that trying all paths finds, for one limit and for two', () => {
    for (let round = 0; round < 20; round++) {
      const [scores, one, two] = [table(), cost(), cost()];
      const some = counts.map((count) => random.uniformInt(0, count - 1));
      const single = [{ cost: one, most: costOfPath(one, some) }];
      const found = bestPath(scores, single, 100_000);
      expect(found?.score).toBeCloseTo(bruteForce(scores, single), 3);
      expect(costOfPath(one, found?.path ?? [])).toBeLessThanOrEqual((single[0]?.most ?? 0) * (1 + 1e-9));
      const both = [...single, { cost: two, most: costOfPath(two, found?.path ?? []) * 0.9 }];
      if (bruteForce(scores, both) === Number.NEGATIVE_INFINITY) continue;
      const second = bestPath(scores, both, 100_000);
      expect(costOfPath(two, second?.path ?? [])).toBeLessThanOrEqual((both[1]?.most ?? 0) * (1 + 1e-9));
      expect(second?.score ?? 0).toBeGreaterThan(bruteForce(scores, both) - 0.05);
    }
  });

  it('prefers one near the limit where that is asked for, though a cheaper one scores more', () => {
    const own = {
      fixed: 0,
      blocks: [
        [1, 2],
        [1, 2],
      ],
    };
    const scores = [
      [5, 1],
      [5, 4],
    ];
    expect(bestPath(scores, [{ cost: own, most: 3 }])?.path).toEqual([0, 0]);
    expect(bestPath(scores, [{ cost: own, most: 3, least: 2.9 }])?.path).toEqual([0, 1]);
    expect(bestPath(scores, [{ cost: own, most: 2.5, least: 2.4 }])?.path).toEqual([0, 0]); // there is none so near
  });
});

describe('paths that are tried', () => {
  it('are within their limits, and of equal cost where that is asked for', async () => {
    const own = cost();
    const limits = [{ cost: own, most: 2.5, least: 2.3 }];
    const tried = await randomSearch(counts, limits, 50, random, async () => 0);
    expect(tried.length).toBeGreaterThan(40);
    for (const { path } of tried) {
      expect(costOfPath(own, path)).toBeLessThanOrEqual(2.5);
      expect(costOfPath(own, path)).toBeGreaterThanOrEqual(2.3);
    }
    expect(randomPath(counts, [{ cost: own, most: 0.5 }], random)).toBeNull();
  });

  it('come to the best one by evolution, of few tries', async () => {
    const [scores, own] = [table(), cost()];
    const limits = [{ cost: own, most: 2.5 }];
    let tries = 0;
    const scoreOf = (path: readonly number[]): number => scores.reduce((sum, row, block) => sum + (row[path[block] ?? 0] ?? 0), 0);
    const scoresOf = async (paths: readonly (readonly number[])[]): Promise<number[]> => {
      tries += paths.length;
      return paths.map(scoreOf);
    };
    const [best] = await evolve(counts, limits, { population: 20, generations: 10, parents: 8, mutation: 0.2 }, random, scoresOf);
    expect(best?.score).toBeCloseTo(bruteForce(scores, limits), 12);
    expect(tries).toBeLessThan(288 * 0.6); // of 288 paths
  });
});
