/**
 * Search over paths by trying them: random ones, and evolution with mutation and crossover (as E. Real et al. 2019, arXiv
 * 1802.01548, and the search of Once-for-All, arXiv 1908.09791, over the shared weights). All that is tried is within the limits.
 */
import type { Random } from '../../../shared/random.ts';
import type { Path } from '../../network/space/space.ts';
import { costOfPath } from '../../hardware/space-cost.ts';
import type { Limit } from './derive.ts';

export interface Tried {
  readonly path: Path;
  readonly score: number;
}

export type Scorer = (path: Path) => Promise<number>;
/** Of paths that are all different, in their order. */
export type Scorers = (paths: readonly Path[]) => Promise<readonly number[]>;

export function isWithin(path: Path, limits: readonly Limit[]): boolean {
  return limits.every(({ cost, most }) => costOfPath(cost, path) <= most);
}

/**
 * A random path within the limits: uniform choices, of which random ones are changed for cheaper candidates until the limits hold. With
 * a lower bound on the first limit (equal cost), dearer ones are taken while the path stays within. Null where no change helps.
 */
export function randomPath(candidates: readonly number[], limits: readonly Limit[], random: Random): Path | null {
  const path = candidates.map((count) => random.uniformInt(0, count - 1));
  return repaired(path, candidates, limits, random);
}

const mostRepairs = 1000;

/** A path, changed at random blocks for cheaper candidates (or dearer ones, below the first limit's least) until the limits hold; null where no change helps. */
export function repaired(start: Path, candidates: readonly number[], limits: readonly Limit[], random: Random): Path | null {
  const path = [...start];
  for (let round = 0; round < mostRepairs; round++) {
    const broken = limits.find(({ cost, most }) => costOfPath(cost, path) > most);
    const [first] = limits;
    const below = first?.least !== undefined && costOfPath(first.cost, path) < first.least;
    if (!broken && !below) return path;
    const block = random.uniformInt(0, candidates.length - 1);
    const choice = random.uniformInt(0, (candidates[block] ?? 1) - 1);
    const { cost } = broken ?? first ?? {};
    const now = cost?.blocks[block]?.[path[block] ?? 0] ?? 0;
    const then = cost?.blocks[block]?.[choice] ?? 0;
    if (broken ? then < now : then > now) path[block] = choice;
  }
  return null;
}

/** So many random paths, scored; best first. */
export async function randomSearch(
  candidates: readonly number[],
  limits: readonly Limit[],
  tries: number,
  random: Random,
  scoreOf: Scorer,
): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (let i = 0; i < tries; i++) {
    const path = randomPath(candidates, limits, random);
    if (path) tried.push({ path, score: await scoreOf(path) });
  }
  return tried.sort((a, b) => b.score - a.score);
}

export interface EvolutionOptions {
  readonly population: number;
  readonly generations: number;
  readonly parents: number; // best ones that have children
  readonly mutation: number; // probability that a block is drawn anew
}

/** Half of each generation by mutation, half by crossover of two parents; the best so far always stay. Best first. */
export async function evolve(
  candidates: readonly number[],
  limits: readonly Limit[],
  options: EvolutionOptions,
  random: Random,
  scoresOf: Scorers,
): Promise<Tried[]> {
  const known = new Map<string, number>();
  let best: Tried[] = [];
  /** A generation is made before any of it is scored: none of its networks follows from another. */
  const score = async (paths: readonly Path[]): Promise<void> => {
    const fresh = [...new Map(paths.map((path) => [path.join(), path]))].filter(([key]) => !known.has(key));
    const scores = await scoresOf(fresh.map(([, path]) => path));
    fresh.forEach(([key], index) => known.set(key, scores[index] ?? 0));
    best.push(...paths.map((path) => ({ path, score: known.get(path.join()) ?? 0 })));
  };
  const first: Path[] = [];
  for (let i = 0; i < options.population; i++) {
    const path = randomPath(candidates, limits, random);
    if (path) first.push(path);
  }
  await score(first);
  const keep = (): void => {
    const distinct = new Map(best.map((entry) => [entry.path.join(), entry]));
    best = [...distinct.values()].sort((a, b) => b.score - a.score).slice(0, options.parents);
  };
  keep();
  for (let generation = 0; generation < options.generations && best.length > 0; generation++) {
    const parents = [...best];
    const parent = (): Path => parents[random.uniformInt(0, parents.length - 1)]?.path ?? [];
    const children: Path[] = [];
    for (let i = 0; i < options.population; i++) {
      const [one, two] = [parent(), parent()];
      const child =
        i % 2 === 0
          ? one.map((choice, block) => (random.uniform() < options.mutation ? random.uniformInt(0, (candidates[block] ?? 1) - 1) : choice))
          : one.map((choice, block) => (random.uniform() < 0.5 ? choice : (two[block] ?? choice)));
      const legal = repaired(child, candidates, limits, random);
      if (legal) children.push(legal);
    }
    await score(children);
    keep();
  }
  return best;
}
