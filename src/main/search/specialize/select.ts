/**
 * The last word on which network a search has found: probabilities say which candidate of a block is likely, not which of them go
 * together, so several likely networks are tried as wholes, with the shared weights, on images that those have not been trained on.
 */
import type { Random } from '../../../shared/random.ts';
import type { Path } from '../../network/space/space.ts';
import type { Limit } from './derive.ts';
import { repaired, type Tried } from './population.ts';

/** Of what was tried on few images, the part that is tried again on all of them. */
const finalistShare = 0.25;
/** Images of the first reading, of those of the last one. */
const firstReading = 0.25;
/** Draws for each network that is wanted: where probabilities are decided, most are the same. */
const drawsOfANetwork = 20;

/**
 * The likeliest network and others that `sample` draws, changed where they are not within the limits (in the band of the first, where
 * it has one); each once, at most `count`, fewer where there are no more.
 */
export function likelyPaths(
  likeliest: Path,
  sample: (random: Random) => Path,
  candidates: readonly number[],
  limits: readonly Limit[],
  count: number,
  random: Random,
): Path[] {
  const paths = new Map([[likeliest.join(), likeliest]]);
  for (let draw = 0; draw < drawsOfANetwork * count && paths.size < count; draw += 1) {
    const path = repaired(sample(random), candidates, limits, random);
    if (path) paths.set(path.join(), path);
  }
  return [...paths.values()];
}

/** Reads a network on so many images: the higher the better. */
export type Reader = (path: Path, images: number) => Promise<number>;

/** Each of them read on so many images; best first, and of equal ones the one that came first. */
export async function readPaths(paths: readonly Path[], images: number, read: Reader): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const path of paths) tried.push({ path, score: await read(path, images) });
  return tried.sort((a, b) => b.score - a.score);
}

const finalistsOf = (networks: number): number => Math.ceil(finalistShare * networks);

/** All read on a quarter of the images, and the better quarter of them on all; best first. One alone is read once. */
export async function selectPath(paths: readonly Path[], images: number, read: Reader): Promise<Tried[]> {
  const finalists = finalistsOf(paths.length);
  if (finalists === paths.length) return await readPaths(paths, images, read);
  const first = await readPaths(paths, Math.ceil(firstReading * images), read);
  return await readPaths(
    first.slice(0, finalists).map(({ path }) => path),
    images,
    read,
  );
}

/** How many readings `selectPath` takes. */
export function readingsOf(networks: number): number {
  const finalists = finalistsOf(networks);
  return finalists === networks ? networks : networks + finalists;
}
