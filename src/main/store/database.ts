/**
 * Opens Lathe's database, DATA-DIR/lathe.sqlite, or refuses it with one sentence and leaves it as it is. In this order:
 * what the file says it is; SQLite's version; a write lock; `quick_check`; migrations. Settings are set at every open, for
 * the compiled-in defaults differ between a new file and an old one (WAL's `synchronous` would be NORMAL at the second open).
 */
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { LatheError } from '../../shared/errors.ts';
import { isErrno } from './file-error.ts';
import { failpoint } from './failpoint.ts';
import { applicationId, migrate, readPragma, requireKnown, type Migration } from './migrate.ts';
import { migrations as allMigrations } from './migrations/index.ts';
import { damagedDatabase, storeErrorPayload } from './sqlite-error.ts';

/** SQLite 3.7.0 to 3.51.2 can lose a WAL's pages when it is reset while another process writes (sqlite.org/wal.html#walresetbug). */
const leastSqliteVersion = [3, 51, 3] as const;

export interface DatabaseOptions {
  readonly busyTimeoutMs?: number;
  readonly migrations?: readonly Migration[];
  /** Every page and index instead of a quick look: after an end that was not clean. */
  readonly checkAll?: boolean;
}

export function databasePath(dataDir: string): string {
  return join(dataDir, 'lathe.sqlite');
}

/** Throws a LatheError or whatever SQLite and the file system throw; `storeErrorPayload` makes one sentence of it. */
export async function openDatabase(dataDir: string, options: DatabaseOptions = {}): Promise<Database.Database> {
  const { busyTimeoutMs = 5000, migrations = allMigrations, checkAll = false } = options;
  const path = databasePath(dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  refuseByHeader(path, migrations.length);
  if (existsSync(path)) accessSync(path, constants.W_OK); // SQLite would open it for reading, and leave files beside it
  const db = new Database(path, { timeout: busyTimeoutMs });
  try {
    requireSqliteVersion(db);
    refuseByContent(db, path, migrations.length);
    await configure(db, path, busyTimeoutMs);
    tryWrite(db);
    const finding = String(db.pragma(checkAll ? 'integrity_check(1)' : 'quick_check(1)', { simple: true }));
    if (finding !== 'ok') throw damagedDatabase(path, finding);
    await migrate(db, path, migrations);
    db.pragma('foreign_keys = ON');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Whether the last Lathe that had this database open was killed: a clean end leaves no log. Only for who has the folder alone. */
export function endedUncleanly(dataDir: string): boolean {
  return (statSync(`${databasePath(dataDir)}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/**
 * What is wrong with the database, proven by a check of all of it; null when it is whole, new, of another program or newer,
 * or cannot be read for another reason. Only for who has the folder alone.
 */
export function damageOf(dataDir: string): string | null {
  const path = databasePath(dataDir);
  let db: Database.Database | null = null;
  try {
    refuseByHeader(path, allMigrations.length);
    if (!existsSync(path)) return null;
    db = new Database(path, { readonly: true, fileMustExist: true });
    const finding = String(db.pragma('integrity_check(1)', { simple: true }));
    return finding === 'ok' ? null : finding;
  } catch (error) {
    const { code, message, details } = storeErrorPayload(error, path);
    if (code === 'corrupt') return typeof details?.['finding'] === 'string' ? details['finding'] : message;
    throw error;
  } finally {
    db?.close();
  }
}

/** Runs `work` in one IMMEDIATE transaction. A newer Lathe may have migrated the database since it was opened: refused then. */
export function write<T>(db: Database.Database, work: () => T): T {
  const result = db
    .transaction(() => {
      requireKnown(readPragma(db, 'user_version'), allMigrations.length, db.name);
      const made = work();
      failpoint('before-commit');
      return made;
    })
    .immediate();
  failpoint('after-commit');
  return result;
}

/** Runs `work` on one state of the database, whatever others write meanwhile. */
export function read<T>(db: Database.Database, work: () => T): T {
  return db.transaction(work).deferred();
}

/**
 * What the first 100 bytes say (sqlite.org/fileformat2.html, 1.3), without opening the file in SQLite: opening would already
 * write beside it. With a log (WAL) beside it, the header may be old: SQLite looks then, read-only.
 */
function refuseByHeader(path: string, known: number): void {
  const header = readHeader(path);
  if (header === null) return; // new, or empty as after a crash at its making
  if (header.length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    const start = JSON.stringify(header.toString('latin1', 0, 16));
    throw damagedDatabase(path, `expected an SQLite database, found a file that starts with ${start}`);
  }
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    const db = new Database(path, { readonly: true, fileMustExist: true });
    try {
      refuseByContent(db, path, known);
    } finally {
      db.close();
    }
    return;
  }
  const id = header.readUInt32BE(68);
  if (id === applicationId) requireKnown(header.readUInt32BE(60), known, path);
  else if (id !== 0) throw foreignDatabase(path);
}

function readHeader(path: string): Buffer | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    const header = Buffer.alloc(100);
    const length = readSync(file, header, 0, 100, 0);
    return length === 0 ? null : header.subarray(0, length);
  } catch (error) {
    if (isErrno(error, 'EISDIR'))
      throw new LatheError('bad-input', `${path} is a folder, expected a database file: start with another --data-dir`);
    throw error;
  } finally {
    closeSync(file);
  }
}

function refuseByContent(db: Database.Database, path: string, known: number): void {
  if (readPragma(db, 'application_id') === applicationId) {
    requireKnown(readPragma(db, 'user_version'), known, path);
    return;
  }
  const tables = db.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get() ?? 0;
  if (tables > 0 || readPragma(db, 'application_id') !== 0) throw foreignDatabase(path);
}

function foreignDatabase(path: string): LatheError {
  return new LatheError('bad-input', `${path} is another program's database; nothing was changed: start with another --data-dir`);
}

function requireSqliteVersion(db: Database.Database): void {
  const found = sqliteVersion(db);
  const parts = found.split('.').map(Number);
  const difference = leastSqliteVersion.map((least, i) => (parts[i] ?? 0) - least).find((part) => part !== 0) ?? 0;
  if (difference < 0) {
    throw new LatheError(
      'unavailable',
      `SQLite ${found} can damage databases; expected ${leastSqliteVersion.join('.')} or newer: install Lathe again (npm ci)`,
    );
  }
}

/** Read-only or locked is told now, not at the first write. BEGIN alone would do on a read-only file: it reads then. */
function tryWrite(db: Database.Database): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    db.pragma(`user_version = ${readPragma(db, 'user_version')}`);
  } finally {
    db.exec('ROLLBACK');
  }
}

export function sqliteVersion(db: Database.Database): string {
  return db.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? 'of unknown version';
}

async function configure(db: Database.Database, path: string, busyTimeoutMs: number): Promise<void> {
  db.pragma(`busy_timeout = ${busyTimeoutMs}`);
  db.pragma('trusted_schema = OFF');
  db.pragma('cell_size_check = ON');
  db.pragma('mmap_size = 0');
  const mode = await enterWal(db, busyTimeoutMs);
  if (mode !== 'wal') {
    throw new LatheError(
      'unavailable',
      `${path}: expected a file system on which SQLite can keep a write-ahead log, journal mode is ${mode}: use a local --data-dir`,
    );
  }
  db.pragma('synchronous = FULL');
}

/** The change to WAL does not wait for a lock by itself: two processes that make the database at once would fail. */
async function enterWal(db: Database.Database, patienceMs: number): Promise<string> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    try {
      return String(db.pragma('journal_mode = WAL', { simple: true }));
    } catch (error) {
      if (!(error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) || performance.now() > giveUpAt) throw error;
      await sleep(10);
    }
  }
}
