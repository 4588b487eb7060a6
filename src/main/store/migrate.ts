/**
 * Brings a database to this Lathe's version: all migrations that it lacks in one IMMEDIATE transaction that also sets
 * `user_version`, with a checked copy of the database made before. Two processes may try at once: the version is read again
 * inside, and nobody ever sees a version in between.
 */
import { randomUUID } from 'node:crypto';
import { open, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { LatheError } from '../../shared/errors.ts';

/** 'LTHE' as a 32-bit number: marks a file as Lathe's database. */
export const applicationId = 0x4c544845;

export interface Migration {
  readonly version: number;
  readonly up: (db: Database.Database) => void;
}

const keptBackups = 5;

export function readPragma(db: Database.Database, name: 'application_id' | 'user_version' | 'data_version'): number {
  return Number(db.pragma(name, { simple: true }));
}

export async function migrate(
  db: Database.Database,
  path: string,
  migrations: readonly Migration[],
  { backUp: wantsCopy = true }: { readonly backUp?: boolean } = {}, // false: the database is a copy itself
): Promise<void> {
  const found = readPragma(db, 'user_version');
  requireKnown(found, migrations.length, path);
  if (found === migrations.length) return;
  if (found > 0 && wantsCopy) await backUp(db, join(dirname(path), 'backups'), found);
  db.pragma('foreign_keys = OFF'); // a migration may rebuild a table that others refer to; checked before each commit
  db.transaction(() => {
    const version = readPragma(db, 'user_version'); // another process may have done it while this one waited
    requireKnown(version, migrations.length, path);
    for (const migration of migrations.slice(version)) {
      migration.up(db);
      const broken = db.pragma('foreign_key_check') as readonly unknown[];
      if (broken.length > 0) throw new Error(`migration ${migration.version}: ${broken.length} rows refer to rows that are gone`);
    }
    db.pragma(`application_id = ${applicationId}`);
    db.pragma(`user_version = ${migrations.length}`);
  }).immediate();
}

export function requireKnown(found: number, known: number, path: string): void {
  if (found <= known) return;
  throw new LatheError(
    'newer-version',
    `${path} was written by a newer Lathe (database version ${found}, this Lathe knows ${known}): update Lathe, or start with another --data-dir`,
  );
}

/** Copies the database while others may use it; the copy is one file, checked, and takes its name when it is complete. */
async function backUp(db: Database.Database, folder: string, version: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const path = join(folder, `lathe-v${version}-${stamp}-${randomUUID().slice(0, 8)}.sqlite`); // two may do this at once
  const temporary = `${path}.tmp`;
  try {
    await db.backup(temporary);
    checkCopy(temporary);
    const file = await open(temporary, 'r+');
    await file.sync().finally(() => file.close());
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const all = (await readdir(folder)).filter((name) => /^lathe-v\d+-.*\.sqlite$/.test(name));
  const byAge = all.sort((a, b) => stampOf(a).localeCompare(stampOf(b)));
  for (const name of byAge.slice(0, -keptBackups)) await rm(join(folder, name), { force: true });
}

function stampOf(name: string): string {
  return name.replace(/^lathe-v\d+-/, '');
}

function checkCopy(path: string): void {
  const copy = new Database(path, { fileMustExist: true });
  try {
    copy.pragma('journal_mode = DELETE'); // the copy is one file, without a log beside it
    const finding = String(copy.pragma('quick_check(1)', { simple: true }));
    if (finding !== 'ok')
      throw new LatheError(
        'corrupt',
        `${path}: the copy made before an update failed its check (${finding}); nothing was changed, try again`,
      );
  } finally {
    copy.close();
  }
}
