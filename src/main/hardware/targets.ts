/**
 * The hardware targets: those that come with Lathe (resources/targets/*.json) and the user's own (a folder of the data folder),
 * each checked by schema and named by the hash of its content.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LatheError, describeZodError } from '../../shared/errors.ts';
import { suggest } from '../../shared/nearest.ts';
import { targetSchema, type Target, type TargetInfo } from '../../shared/target.ts';
import { sha256OfJson } from '../compute/hash.ts';

/** Largest target file that is read: far above any real one; that of a latency table holds its keys. */
const maximumTargetBytes = 8_000_000;

let builtIn: readonly TargetInfo[] | null = null;

/** The targets that come with Lathe, sorted by id; read once. Throws LatheError corrupt when a file does not hold what it should. */
export function listTargets(): readonly TargetInfo[] {
  builtIn ??= readTargets(join(findResources(import.meta.dirname), 'targets'), true);
  return builtIn;
}

/** Where `findTarget` looks besides; an engine process sets it to its run's data folder. */
let processLibrary: TargetLibrary | null = null;

export function useTargetsOf(dataDir: string): void {
  processLibrary = new TargetLibrary(dataDir);
}

/** A target by its id. Throws LatheError not-found with the ids there are. */
export function findTarget(id: string): TargetInfo {
  if (processLibrary) return processLibrary.find(id);
  return findIn(listTargets(), id);
}

function findIn(targets: readonly TargetInfo[], id: string): TargetInfo {
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

/** This machine. Other thread counts and batches have ids that begin so. */
export const hostTargetId = 'host-cpu';

export function isHostTarget(id: string): boolean {
  return id === hostTargetId || id.startsWith(`${hostTargetId}-`);
}

/** This machine as long as nothing was measured on it. */
const unmeasuredHost: TargetInfo = (() => {
  const target: Target = {
    formatVersion: 1,
    id: hostTargetId,
    title: 'This machine, ONNX Runtime on its processor',
    source: 'nothing was measured yet: table build NETWORK --target host-cpu',
    calibration: 'measured',
    defaultBatch: 1,
    law: 'table',
    scheme: 'operators',
    threads: 1,
    table: { id: hostTargetId, sha256: '' },
    latencyMs: {},
    energy: null,
  };
  return { target, sha256: sha256OfJson(target), builtIn: true };
})();

/** The targets of one data folder: Lathe's and the user's. */
export class TargetLibrary {
  private readonly folder: string;

  constructor(dataDir: string) {
    this.folder = join(dataDir, 'targets');
  }

  /** All that can be read; a file of the user's that cannot is named by `find` and `problems`. */
  list(): TargetInfo[] {
    const own = this.own().flatMap(({ info }) => (info === null ? [] : [info]));
    const host = own.some(({ target }) => target.id === hostTargetId) ? [] : [unmeasuredHost];
    return [...listTargets(), ...host, ...own];
  }

  /** A sentence for each file of the user's that does not hold what it should. */
  problems(): string[] {
    return this.own().flatMap(({ error }) => (error === null ? [] : [error.message]));
  }

  find(id: string): TargetInfo {
    const broken = this.own().find((entry) => entry.error !== null && entry.id === id);
    if (broken?.error) throw broken.error;
    return findIn(this.list(), id);
  }

  /** Keeps a target of the user's, replacing the one of the same id. Throws LatheError conflict for an id of Lathe's. */
  put(target: Target): TargetInfo {
    if (listTargets().some((info) => info.target.id === target.id))
      throw new LatheError('conflict', `target ${target.id} comes with Lathe and stays as it is; choose another id for your own`);
    const path = this.pathOf(target.id);
    try {
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(`${path}.tmp`, `${JSON.stringify(target, null, 2)}\n`);
      renameSync(`${path}.tmp`, path); // whole or not at all
    } catch (error) {
      throw new LatheError(
        'unavailable',
        `target ${target.id} cannot be written to ${path} (${error instanceof Error ? error.message : String(error)})`,
      );
    }
    return { target, sha256: sha256OfJson(target), builtIn: false };
  }

  /** Throws LatheError conflict for one of Lathe's, not-found for one that is not there. */
  remove(id: string): void {
    if (listTargets().some((info) => info.target.id === id))
      throw new LatheError('conflict', `target ${id} comes with Lathe and cannot be removed`);
    if (!this.own().some((entry) => entry.id === id)) findIn(this.list(), id);
    rmSync(this.pathOf(id));
  }

  private pathOf(id: string): string {
    return join(this.folder, `${id}.json`);
  }

  private own(): { readonly id: string; readonly info: TargetInfo | null; readonly error: LatheError | null }[] {
    if (!existsSync(this.folder)) return [];
    return targetFiles(this.folder).map((name) => {
      const id = name.slice(0, -5);
      try {
        return { id, info: readTarget(join(this.folder, name), false), error: null };
      } catch (error) {
        if (error instanceof LatheError) return { id, info: null, error };
        throw error;
      }
    });
  }
}

/** Every target file of a folder. */
export function readTargets(folder: string, areBuiltIn = true): TargetInfo[] {
  return targetFiles(folder).map((name) => readTarget(join(folder, name), areBuiltIn));
}

function targetFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort();
}

function readTarget(path: string, isBuiltIn: boolean): TargetInfo {
  const target = parseTarget(path, readTargetText(path));
  const expected = path.slice(dirname(path).length + 1, -5);
  if (target.id !== expected) throw new LatheError('corrupt', `${path}: expected the target ${expected}, found ${target.id}`);
  return { target, sha256: sha256OfJson(target), builtIn: isBuiltIn };
}

function readTargetText(path: string): string {
  const { size } = statSync(path);
  if (size > maximumTargetBytes)
    throw new LatheError('corrupt', `${path}: expected a target of at most ${String(maximumTargetBytes)} bytes, found ${String(size)}`);
  return readFileSync(path, 'utf8');
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
