/** Which networks a specialize run takes from its supernet: the found one, and those that evolution finds with the shared weights. */
import { LatheError } from '../../shared/errors.ts';
import { percent } from '../../shared/format.ts';
import type { Budget } from '../../shared/policy.ts';
import type { Random } from '../../shared/random.ts';
import type { SpecializeParameters } from '../../shared/specialize.ts';
import type { SpaceCosts } from '../hardware/space-cost.ts';
import type { Path } from '../network/space/space.ts';
import type { Limit } from '../search/specialize/derive.ts';
import { evolve, type Tried } from '../search/specialize/population.ts';
import { targetTolerance, type SpecializeSearch } from '../search/specialize/search.ts';
import { readingsOf, readPaths, selectPath, type Reader } from '../search/specialize/select.ts';
import type { SupernetTraining } from '../search/specialize/supernet-training.ts';
import { throwIfCancelled, type JobContext } from './job.ts';
import type { Measure } from './measuring.ts';

const evolutionPopulation = 20;
/** Best networks of an evolution that are read again, on more images: the best of many noisy readings is flattered by its luck. */
const evolutionFinalists = 8;

/** The best of the likely networks as wholes. Deterministic, so a run that is killed meanwhile does it again to the same result. */
export async function choosePath(
  context: JobContext,
  { selectionNetworks, selectionImages }: SpecializeParameters,
  search: SpecializeSearch,
  training: SupernetTraining,
): Promise<Path> {
  const paths = search.likelyPaths(selectionNetworks);
  const [likeliest] = paths;
  if (!likeliest) throw new LatheError('internal', 'the search found no network within the budgets that it was checked for');
  if (paths.length === 1) return likeliest;
  const read = countedReader(context, training, readingsOf(paths.length) + 1);
  const [best] = await selectPath(paths, selectionImages, read);
  if (!best) throw new LatheError('internal', 'no likely network was tried');
  const before = best.path === likeliest ? best.score : await read(likeliest, selectionImages);
  context.reporter.metrics([
    { series: 'selection/likeliest', step: 0, value: before },
    { series: 'selection/chosen', step: 0, value: best.score },
  ]);
  const others = best.path === likeliest ? 'the likeliest one itself' : `the likeliest has ${percent(before)} %`;
  context.reporter.log(
    'info',
    `chosen of ${String(paths.length)} likely networks: ${percent(best.score)} % with the shared weights; ${others}`,
  );
  return best.path;
}

export interface EvolutionTask {
  readonly label: string;
  readonly costs: SpaceCosts;
  readonly limits: readonly Budget[];
  readonly random: Random;
}

/** The path that evolution with the shared weights finds for each task. `counts`: candidates of each block. */
export async function evolvePaths(
  context: JobContext,
  { evolutionNetworks, evolutionImages, selectionImages }: SpecializeParameters,
  counts: readonly number[],
  tasks: readonly EvolutionTask[],
  training: SupernetTraining,
): Promise<Path[]> {
  const population = Math.min(evolutionPopulation, evolutionNetworks);
  const options = {
    population,
    generations: Math.floor(evolutionNetworks / population) - 1,
    parents: Math.ceil(population / 2),
    mutation: 0.1,
  };
  const read = countedReader(context, training, tasks.length * (evolutionNetworks + evolutionFinalists));
  const paths: Path[] = [];
  for (const { label, costs, limits, random } of tasks) {
    const within = limits.flatMap(({ resource, value }, i) => {
      const cost = costs[resource];
      return cost ? [{ cost, most: value, ...(i === 0 ? { least: value * (1 - targetTolerance) } : {}) }] : [];
    });
    const evolvedIn = async (bounds: readonly Limit[]): Promise<Tried[]> =>
      await evolve(
        counts,
        bounds,
        options,
        random,
        async (some) => await readTogether(context, training, some, evolutionImages, read.tell),
      );
    const inBand = await evolvedIn(within);
    // A limit above the dearest network, or in a gap between networks, has none within the tolerance.
    const best = inBand.length > 0 ? inBand : await evolvedIn(within.map(({ cost, most }) => ({ cost, most })));
    const finalists = best.slice(0, evolutionFinalists).map(({ path }) => path);
    const [found] = await readPaths(finalists, selectionImages, read);
    if (!found) throw new LatheError('internal', `${label}: evolution found no network within the budgets`);
    const words = `${percent(found.score)} % with the shared weights, the best of ${String(evolutionNetworks)} networks`;
    context.reporter.log('info', `${label}: ${words}`);
    paths.push(found.path);
  }
  return paths;
}

/** Paths that do not follow from each other, by whoever helps; `tell` hears of each that is read. */
async function readTogether(
  context: JobContext,
  training: SupernetTraining,
  paths: readonly Path[],
  images: number,
  tell: () => void,
): Promise<number[]> {
  context.measuring.onDone = tell;
  const candidates = paths.map((path) => [images, ...path]);
  return (await context.measuring.all(candidates, pathReading(context, training))).map(([accuracy = 0]) => accuracy);
}

/** A network of the space, behind the number of images that it is read on: its accuracy with the shared weights. */
export function pathReading(context: JobContext, training: SupernetTraining): Measure {
  return async ([images = 0, ...path]) => {
    throwIfCancelled(context);
    return [await training.accuracyOf(path, images)];
  };
}

/** Reads accuracies with the shared weights, and tells how many of `total`, at most, are done. */
function countedReader(context: JobContext, training: SupernetTraining, total: number): Reader & { readonly tell: () => void } {
  let done = 0;
  const tell = (): void => {
    done = Math.min(total, done + 1);
    context.reporter.progress({ phase: 'searching', done, total, ratePerSecond: null, etaSeconds: null, unit: 'networks' });
  };
  const read: Reader = async (path, images) => {
    throwIfCancelled(context);
    tell();
    return await training.accuracyOf(path, images);
  };
  return Object.assign(read, { tell });
}
