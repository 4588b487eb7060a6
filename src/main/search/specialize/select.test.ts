import { describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { costOfPath } from '../../hardware/space-cost.ts';
import type { Path } from '../../network/space/space.ts';
import type { Limit } from './derive.ts';
import { likelyPaths, readingsOf, selectPath } from './select.ts';

const counts = [4, 4, 4, 4, 4, 4];
const cost = { fixed: 0, blocks: counts.map((count) => Array.from({ length: count }, (_, i) => i)) };
const limits: readonly Limit[] = [{ cost, most: 10, least: 9 }];
const likeliest: Path = [0, 3, 0, 3, 0, 3];
/** Every block's third candidate nine times in ten. */
const sample = (random: Random): Path => counts.map((count) => (random.uniform() < 0.9 ? 2 : random.uniformInt(0, count - 1)));

describe('likely networks', () => {
  it('are the likeliest first, then others of the band, each once', () => {
    const paths = likelyPaths(likeliest, sample, counts, limits, 20, Random.fromSeed(1));
    expect(paths[0]).toBe(likeliest);
    expect(paths).toHaveLength(20);
    expect(new Set(paths.map((path) => path.join())).size).toBe(20);
    for (const path of paths) {
      expect(costOfPath(cost, path)).toBeGreaterThanOrEqual(9);
      expect(costOfPath(cost, path)).toBeLessThanOrEqual(10);
    }
    const seconds = paths.flat().filter((choice) => choice === 2).length;
    expect(seconds).toBeGreaterThan(0.5 * paths.flat().length); // drawn, not random: 0.25
  });

  it('are fewer where probabilities leave no others, or no other is within the limits', () => {
    expect(likelyPaths(likeliest, () => likeliest, counts, limits, 20, Random.fromSeed(1))).toEqual([likeliest]);
    const only = [{ cost, most: 0 }];
    expect(likelyPaths([0, 0, 0, 0, 0, 0], sample, counts, only, 20, Random.fromSeed(1))).toEqual([[0, 0, 0, 0, 0, 0]]);
  });
});

describe('the choice between them', () => {
  const score = (path: Path): number => path.reduce((sum, choice, block) => sum + choice * (block + 1), 0);

  it('reads all on a quarter of the images and the better quarter on all, and takes the best of the second reading', async () => {
    const paths = likelyPaths(likeliest, sample, counts, limits, 20, Random.fromSeed(2));
    const best = [...paths].sort((a, b) => score(b) - score(a)).slice(0, 5);
    const reads: number[] = [];
    // On few images the best looks worst of the five finalists, and on all of them it does not.
    const found = await selectPath(paths, 400, async (path, images) => {
      reads.push(images);
      if (images === 100) return path === best[0] ? score(best[4] ?? []) + 0.5 : score(path);
      return score(path);
    });
    expect(found.map(({ path }) => path)[0]).toBe(best[0]);
    expect(reads).toEqual([...Array<number>(20).fill(100), ...Array<number>(5).fill(400)]);
    expect(reads).toHaveLength(readingsOf(20));
  });

  it('takes the likeliest of equals, and reads one network once', async () => {
    const paths = likelyPaths(likeliest, sample, counts, limits, 8, Random.fromSeed(3));
    expect((await selectPath(paths, 10, async () => 0.5))[0]?.path).toBe(likeliest);
    const reads: number[] = [];
    const alone = await selectPath([likeliest], 10, async (_path, images) => reads.push(images));
    expect(alone.map(({ path }) => path)).toEqual([likeliest]);
    expect(reads).toEqual([10]);
  });
});
