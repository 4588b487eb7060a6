/** The hardware targets that come with Lathe: resources/targets/*.json, checked by schema, named by the hash of their content. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LatheError, describeZodError } from '../../shared/errors.ts';
import { suggest } from '../../shared/nearest.ts';
import { targetSchema } from '../../shared/network.ts';
import type { Target, TargetInfo } from '../../shared/network.ts';
import { sha256OfJson } from '../compute/hash.ts';

let loaded: readonly TargetInfo[] | null = null;

/** All targets, sorted by id; read once. Throws LatheError corrupt when a target file does not hold what it should. */
export function listTargets(): readonly TargetInfo[] {
  loaded ??= readTargets(join(findResources(import.meta.dirname), 'targets'));
  return loaded;
}

/** A target by its id. Throws LatheError not-found with the ids there are. */
export function findTarget(id: string): TargetInfo {
  const targets = listTargets();
  const found = targets.find(({ target }) => target.id === id);
  if (found) return found;
  throw new LatheError(
    'not-found',
    `there is no target ${id}; ${suggest(
      id,
      targets.map(({ target }) => target.id),
    )}`,
  );
}

/** Every target file of a folder. */
export function readTargets(folder: string): TargetInfo[] {
  const targets = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({ name, target: parseTarget(join(folder, name), readFileSync(join(folder, name), 'utf8')) }));
  for (const { name, target } of targets) {
    if (name !== `${target.id}.json`)
      throw new LatheError('corrupt', `${join(folder, name)}: expected the target ${name.slice(0, -5)}, found ${target.id}`);
  }
  return targets.map(({ target }) => ({ target, sha256: sha256OfJson(target), builtIn: true }));
}

/** A target from a file's text. Throws LatheError corrupt with the place, what was expected there and what was found. */
export function parseTarget(path: string, text: string): Target {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LatheError('corrupt', `${path}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = targetSchema.safeParse(value);
  if (!parsed.success) throw new LatheError('corrupt', `${path}: not a target: ${describeZodError(parsed.error)}`);
  return parsed.data;
}

/** The nearest `resources` folder with targets in it, from a folder upward: the same from src/main/hardware and from a bundle in out/main. */
export function findResources(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'resources');
    if (existsSync(join(candidate, 'targets'))) return candidate;
    if (dirname(folder) === folder)
      throw new LatheError(
        'unavailable',
        `no folder resources/targets above ${from}; this installation of Lathe is not complete, install it again`,
      );
  }
}
