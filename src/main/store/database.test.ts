import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { applicationId, readPragma, type Migration } from './migrate.ts';
import { migrations } from './migrations/index.ts';
import { sqliteError } from './sqlite-error.ts';
import { openStore } from './store.ts';
import { newRun } from '../../../test/support/store-samples.ts';

let home: string; // of this test; removed after it
let dataDir: string;
let path: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lathe-database-'));
  chmodSync(home, 0o755); // a test reads it as another user
  dataDir = join(home, 'data');
  mkdirSync(dataDir);
  path = join(dataDir, 'lathe.sqlite');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A database with something in it, closed. */
async function makeDatabase(runs = 1): Promise<void> {
  const store = await openStore({ dataDir });
  for (let i = 0; i < runs; i++) await store.createRun(newRun(`q-${i}`));
  await store.close();
}

/** What lies in the data folder, but for the lock, which is made beside every database. */
function names(): string[] {
  return readdirSync(dataDir).filter((name) => name !== 'lathe.lock');
}

/** Every file of the data folder with its SHA-256. */
function snapshot(): Record<string, string> {
  return Object.fromEntries(names().map((name) => [name, sha256(readFileSync(join(dataDir, name)))]));
}

function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The refusal's code and sentence; fails when the database is opened. */
async function refusal(): Promise<{ code: unknown; message: string }> {
  try {
    await (await openStore({ dataDir })).close();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('expected a refusal, but the database was opened');
}

const newerVersion = migrations.length + 1;

describe('a database that is refused stays as it was', () => {
  it('written by a newer Lathe', async () => {
    await makeDatabase();
    const db = new Database(path);
    db.pragma(`user_version = ${newerVersion}`);
    db.close();
    const before = snapshot();
    expect(await refusal()).toEqual({
      code: 'newer-version',
      message: `${path} was written by a newer Lathe (database version ${newerVersion}, this Lathe knows ${migrations.length}): update Lathe, or start with another --data-dir`,
    });
    expect(snapshot()).toEqual(before);
    expect(Object.keys(before)).toEqual(['lathe.sqlite']);
  });

  it('written by a newer Lathe that was killed before the file itself knew', async () => {
    await makeDatabase();
    const newer = new Database(path);
    newer.pragma('journal_mode = WAL');
    newer.pragma(`user_version = ${newerVersion}`); // in the log only
    const copy = join(home, 'copy');
    mkdirSync(copy);
    for (const name of ['lathe.sqlite', 'lathe.sqlite-wal']) writeFileSync(join(copy, name), readFileSync(join(dataDir, name)));
    newer.close();
    dataDir = copy;
    path = join(copy, 'lathe.sqlite');
    const before = snapshot();
    expect((await refusal()).code).toBe('newer-version');
    const { 'lathe.sqlite-shm': _, ...after } = snapshot();
    expect(after).toEqual(before);
  });

  it('of another program, with its own mark or without', async () => {
    for (const mark of [0x1234, 0]) {
      rmSync(path, { force: true });
      const db = new Database(path);
      db.exec('CREATE TABLE bookmarks (url TEXT)');
      db.pragma(`application_id = ${mark}`);
      db.close();
      const before = snapshot();
      expect(await refusal()).toMatchObject({
        code: 'bad-input',
        message: expect.stringContaining(`${path} is another program's database`) as unknown,
      });
      expect(snapshot()).toEqual(before);
    }
  });

  it.each([
    [
      'a text file',
      'PK\u0003\u0004 this is not a database but a text that is longer than a hundred bytes, as the header of a database is 100 bytes long.',
    ],
    ['a short file', 'SQLite'],
  ])('%s under its name', async (_, content) => {
    writeFileSync(path, content);
    expect(await refusal()).toMatchObject({
      code: 'corrupt',
      message: expect.stringMatching(
        /lathe\.sqlite is damaged \(expected an SQLite database, found a file that starts with "(PK|SQ)/,
      ) as unknown,
    });
    expect(snapshot()).toEqual({ 'lathe.sqlite': sha256(content) });
  });

  it('cut in half', async () => {
    await makeDatabase(40);
    truncateSync(path, statSync(path).size / 2);
    const before = snapshot()['lathe.sqlite'];
    expect(await refusal()).toMatchObject({ code: 'corrupt', message: expect.stringContaining(`${path} is damaged`) as unknown });
    expect(snapshot()['lathe.sqlite']).toBe(before);
  });

  it('with a page of zeros', async () => {
    await makeDatabase(40);
    const bytes = readFileSync(path);
    bytes.fill(0, 4096, 8192);
    writeFileSync(path, bytes);
    expect(await refusal()).toMatchObject({ code: 'corrupt', message: expect.stringContaining('nothing was changed') as unknown });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it('a folder under its name', async () => {
    mkdirSync(path);
    expect(await refusal()).toMatchObject({ code: 'bad-input', message: expect.stringContaining('is a folder') as unknown });
  });

  it('a data folder that is a file', async () => {
    writeFileSync(path, 'x');
    dataDir = path;
    expect(await refusal()).toMatchObject({ code: 'bad-input', message: expect.stringContaining('a file is in the way') as unknown });
  });

  it('locked by another program', async () => {
    await makeDatabase();
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    try {
      await expect(openDatabase(dataDir, { busyTimeoutMs: 50 })).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
      expect(await refusal()).toMatchObject({
        code: 'conflict',
        message: expect.stringMatching(/lathe\.sqlite is locked by another program .*: close that program/) as unknown,
      });
    } finally {
      other.close();
    }
  });
});

describe('a data folder that cannot be written', () => {
  const root = process.getuid?.() === 0;

  /** Opens as a user who is not the administrator (whom no permission stops). */
  async function refusalForUser(): Promise<unknown> {
    const script = `
      const { openStore } = await import(${JSON.stringify(new URL('store.ts', import.meta.url).href)});
      const text = await openStore({ dataDir: ${JSON.stringify(dataDir)} }).then(() => 'opened', (error) => JSON.stringify({ code: error.code, message: error.message }));
      console.log(text);
      process.exit();`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script],
      root ? { uid: 65_534, gid: 65_534 } : {},
    );
    return stdout === 'opened\n' ? 'opened' : JSON.parse(stdout);
  }

  it.runIf(process.platform !== 'win32')('is named, whether the file, its folder or the folder above is meant', async () => {
    await makeDatabase();
    const before = snapshot();
    const sentence = {
      code: 'unavailable',
      message: expect.stringMatching(
        /cannot be (written|used) \(.*\): make .* writable for this user, or start with another --data-dir$/,
      ) as unknown,
    };
    chmodSync(path, 0o444);
    chmodSync(dataDir, 0o555);
    expect(await refusalForUser()).toEqual(sentence);
    chmodSync(dataDir, 0o777);
    expect(await refusalForUser()).toEqual(sentence);
    chmodSync(path, 0o000);
    expect(await refusalForUser()).toEqual(sentence);
    chmodSync(path, 0o666);
    expect(snapshot()).toEqual(before);
    expect(await refusalForUser()).toBe('opened');
    chmodSync(dataDir, 0o555);
    dataDir = join(dataDir, 'new');
    expect(await refusalForUser()).toEqual(sentence);
    dataDir = dirname(dataDir);
    chmodSync(dataDir, 0o755);
  });
});

describe('what SQLite refuses', () => {
  it.each([
    ['SQLITE_FULL', 'disk-full', 'the disk is full'],
    ['SQLITE_CORRUPT', 'corrupt', 'is damaged'],
    ['SQLITE_CORRUPT_INDEX', 'corrupt', 'is damaged'],
    ['SQLITE_NOTADB', 'corrupt', 'is damaged'],
    ['SQLITE_BUSY', 'conflict', 'is locked'],
    ['SQLITE_BUSY_SNAPSHOT', 'conflict', 'is locked'],
    ['SQLITE_READONLY_DIRECTORY', 'unavailable', 'cannot be written'],
    ['SQLITE_CANTOPEN', 'unavailable', 'cannot be written'],
    ['SQLITE_IOERR_FSYNC', 'unavailable', 'could not be read or written'],
    ['SQLITE_CONSTRAINT_CHECK', 'bad-input', 'refused a row'],
    ['SQLITE_CORRUPTED', 'internal', 'SQLITE_CORRUPTED'],
  ])('%s is %s: %s', (sqliteCode, code, words) => {
    const { message } = sqliteError(sqliteCode, 'the reason', '/data/lathe.sqlite');
    expect(sqliteError(sqliteCode, 'the reason', '/data/lathe.sqlite').code).toBe(code);
    expect(message).toContain(words);
    expect(message.startsWith('/data/lathe.sqlite')).toBe(true);
  });
});

describe('a new database', () => {
  it('is made with its folder, for this user alone', async () => {
    dataDir = join(dataDir, 'deep', 'down');
    path = join(dataDir, 'lathe.sqlite');
    const store = await openStore({ dataDir });
    expect(store.path).toBe(path);
    expect(await store.listRuns()).toEqual([]);
    await store.close();
    if (process.platform !== 'win32') expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(names()).toEqual(['lathe.sqlite']);
  });

  it('is made of an empty file, as a crash at its making leaves one', async () => {
    writeFileSync(path, '');
    await makeDatabase();
    const db = new Database(path, { readonly: true });
    expect([readPragma(db, 'application_id'), readPragma(db, 'user_version')]).toEqual([applicationId, migrations.length]);
    db.close();
  });

  it('has its settings at the first open and at the second', async () => {
    for (const time of ['first', 'second']) {
      const db = await openDatabase(dataDir);
      const settings = ['journal_mode', 'synchronous', 'foreign_keys', 'trusted_schema', 'cell_size_check', 'busy_timeout', 'mmap_size'];
      expect([time, ...settings.map((name) => db.pragma(name, { simple: true }))]).toEqual([time, 'wal', 2, 1, 0, 1, 5000, 0]);
      db.close();
    }
  });

  it('has STRICT tables only, and takes no text for a number', async () => {
    const db = await openDatabase(dataDir);
    const tables = db.pragma('table_list') as { name: string; strict: number; type: string }[];
    const loose = tables.filter((table) => table.type === 'table' && !table.name.startsWith('sqlite_') && table.strict === 0);
    expect(loose).toEqual([]);
    expect(() => db.exec("INSERT INTO weights VALUES ('k', 's', 'many', 'n', 'd', NULL, 1, 1, 1)")).toThrow(
      /cannot store TEXT value in INTEGER column/,
    );
    expect(() => db.exec("INSERT INTO log VALUES (99, 1, 1, 'info', 'x')")).toThrow(/FOREIGN KEY/);
    db.close();
  });
});

describe('migrations', () => {
  const second: Migration = { version: migrations.length + 1, up: (db) => db.exec('ALTER TABLE run ADD COLUMN tag TEXT') };
  const versionAt = (file: string): number => {
    const db = new Database(file, { readonly: true });
    const version = readPragma(db, 'user_version');
    db.close();
    return version;
  };

  it('are numbered without a gap', () => {
    expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, i) => i + 1));
  });

  it('keep the rows, and a whole copy of the database from before', async () => {
    await makeDatabase(3);
    const db = await openDatabase(dataDir, { migrations: [...migrations, second] });
    expect(db.prepare('SELECT count(*) AS runs, count(tag) AS tags FROM run').get()).toEqual({ runs: 3, tags: 0 });
    db.close();
    expect(versionAt(path)).toBe(second.version);
    const backups = readdirSync(join(dataDir, 'backups'));
    expect(backups).toHaveLength(1);
    const backup = join(dataDir, 'backups', backups[0] ?? '');
    expect(versionAt(backup)).toBe(migrations.length);
    const copy = new Database(backup, { readonly: true });
    expect(copy.prepare('SELECT count(*) AS runs FROM run').get()).toEqual({ runs: 3 });
    copy.close();
    expect((await refusal()).code).toBe('newer-version'); // for the Lathe that does not know the second
  });

  it('make no copy of a database that is new', async () => {
    (await openDatabase(dataDir, { migrations: [...migrations, second] })).close();
    expect(names()).toEqual(['lathe.sqlite']);
  });

  it('change nothing when one fails half-way', async () => {
    await makeDatabase(2);
    const failing: Migration = {
      version: second.version,
      up: (db) => {
        second.up(db);
        db.exec("UPDATE run SET tag = 'x'; SELECT * FROM missing");
      },
    };
    await expect(openDatabase(dataDir, { migrations: [...migrations, failing] })).rejects.toThrow(/missing/);
    expect(versionAt(path)).toBe(migrations.length);
    const db = await openDatabase(dataDir);
    expect(db.prepare("SELECT count(*) AS tags FROM pragma_table_info('run') WHERE name = 'tag'").get()).toEqual({ tags: 0 });
    db.close();
  });

  it('are refused when they leave rows that refer to nothing', async () => {
    await makeDatabase(1);
    const orphaning: Migration = { version: second.version, up: (db) => db.exec('DELETE FROM run') };
    await expect(openDatabase(dataDir, { migrations: [...migrations, orphaning] })).rejects.toThrow(/1 rows refer to rows that are gone/);
    expect(versionAt(path)).toBe(migrations.length);
  });

  it('keep the last five copies', async () => {
    await makeDatabase(1);
    for (let version = second.version; version < second.version + 7; version++) {
      const upTo = Array.from({ length: version - migrations.length }, (_, i): Migration => ({
        version: migrations.length + 1 + i,
        up: () => undefined,
      }));
      (await openDatabase(dataDir, { migrations: [...migrations, ...upTo] })).close();
    }
    const versions = readdirSync(join(dataDir, 'backups')).map((name) => versionAt(join(dataDir, 'backups', name)));
    expect(versions.sort((a, b) => a - b)).toEqual([3, 4, 5, 6, 7].map((version) => version + migrations.length - 1));
  });

  it('are done once when two open at the same time', async () => {
    await makeDatabase(1);
    const both = await Promise.all([1, 2].map(() => openDatabase(dataDir, { migrations: [...migrations, second] })));
    for (const db of both) db.close();
    expect(versionAt(path)).toBe(second.version);
  });
});
