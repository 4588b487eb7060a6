/** The search spaces that come with Lathe (resources/spaces/*.json), and a user's own from a file. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LatheError, describeZodError } from '../../../shared/errors.ts';
import { suggest } from '../../../shared/nearest.ts';
import { searchSpaceSchema, type SearchSpace } from '../../../shared/space.ts';

const largestFileBytes = 1_000_000;

let builtIn: { readonly folder: string; readonly spaces: readonly SearchSpace[] } | null = null;

/** Sorted by id; read once. Throws LatheError corrupt where a file does not hold what it should. */
export function listSpaces(resources: string): readonly SearchSpace[] {
  if (builtIn?.folder !== resources) {
    const folder = join(resources, 'spaces');
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    builtIn = { folder: resources, spaces: names.sort().map((name) => readSpace(join(folder, name))) };
  }
  return builtIn.spaces;
}

/** One of Lathe's by its id, or a file of the user's (a path that ends in .json). Throws LatheError not-found, corrupt. */
export function findSpace(resources: string, id: string): SearchSpace {
  if (id.endsWith('.json')) return readSpace(id);
  const spaces = listSpaces(resources);
  const found = spaces.find((space) => space.id === id);
  if (found) return found;
  throw new LatheError(
    'not-found',
    `there is no search space ${id}; ${suggest(
      id,
      spaces.map((space) => space.id),
    )}`,
  );
}

/** The largest space that is made for images of this side, else the one for the smallest images. */
export function defaultSpace(resources: string, side: number): SearchSpace {
  const preferred = side <= 64 ? 'small' : 'proxyless';
  return findSpace(resources, preferred);
}

function readSpace(path: string): SearchSpace {
  const what = basename(path);
  let value: unknown;
  try {
    const { size } = statSync(path);
    if (size > largestFileBytes) throw new Error(`it has ${size} bytes, at most ${largestFileBytes} are read`);
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new LatheError('not-found', `${path}: there is no such file`);
    throw new LatheError('corrupt', `${what}: not a search space: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = searchSpaceSchema.safeParse(value);
  if (!parsed.success) throw new LatheError('corrupt', `${what}: not a search space: ${describeZodError(parsed.error)}`);
  return parsed.data;
}
