import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRun } from '../../../../test/support/store-samples.ts';
import { blobPath, readBlob, writeBlob } from '../blobs.ts';
import { openData } from '../open.ts';
import { checkData, sweepBlobs } from './check.ts';
import { blobFindings, listBackups, openBackup } from './list.ts';
import { makeBackup, superfluous } from './make.ts';
import { listRecoveries, repairDatabase, restoreBackup } from './recover.ts';
import { salvage } from './salvage.ts';
import { fillSample, withHandlers, type Sample } from './test-kit.ts';

const runs = 30;
let home: string;
let template: string;
let sample: Sample;
let dataDir: string;
let count = 0;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'lathe-backup-'));
  template = join(home, 'template');
  sample = await fillSample(template, runs);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));
beforeEach(() => {
  dataDir = join(home, `data-${count++}`);
  cpSync(template, dataDir, { recursive: true, preserveTimestamps: true });
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const path = (): string => join(dataDir, 'lathe.sqlite');
const asked = { kind: 'asked', lathe: '9.9.9', atMs: 1_700_000_000_000 } as const;
const makeOne = (change: { folder?: string; kind?: 'asked' | 'automatic'; atMs?: number } = {}) =>
  makeBackup({ ...asked, dataDir, folder: null, ...change });

/** Everything that a list and a run's page show. */
async function contents(): Promise<unknown> {
  return await withHandlers(dataDir, async (handlers) => {
    const { id: ids } = await handlers.listRunColumns();
    return await Promise.all(
      ids.map(async (id) => [await handlers.getRun(id), await handlers.listTrials(id, 0, 1e6), await handlers.listMetricColumns(id, 0)]),
    );
  });
}

describe('a backup', () => {
  it('holds the database, every blob that it mentions and the own targets, and can be checked without the data folder', async () => {
    const orphan = await writeBlob(dataDir, Buffer.from('nothing names this'));
    const folder = join(home, 'elsewhere');
    const info = await makeOne({ folder });
    expect(info).toMatchObject({ kind: 'asked', blobs: runs + 2, missing: 0, createdAtMs: asked.atMs });
    const copy = join(home, 'moved');
    renameSync(info.path, copy);
    const opened = await openBackup(copy);
    expect(await blobFindings(opened)).toEqual([]);
    const names = opened.manifest?.blobs.map(({ sha256 }) => sha256);
    expect(names).toEqual(expect.arrayContaining([...sample.checkpoints, sample.inner]));
    expect(names).not.toContain(orphan.sha256);
    expect(opened.manifest?.files.map(({ path }) => path)).toEqual(['targets/mine.json']);
    rmSync(copy, { recursive: true });
  });

  it('says which blobs were missing or damaged when it was made, and keeps the others', async () => {
    const [gone = '', damaged = ''] = sample.checkpoints;
    rmSync(blobPath(dataDir, gone));
    writeFileSync(blobPath(dataDir, damaged), 'other');
    const { path: folder, missing, blobs } = await makeOne();
    expect([missing, blobs]).toEqual([2, runs]);
    const { manifest } = await openBackup(folder);
    expect(manifest?.missing.map(({ finding }) => finding).sort()).toEqual(
      [`${blobPath(dataDir, damaged)} is damaged`, `${blobPath(dataDir, gone)} is missing`]
        .sort()
        .map((text) => expect.stringContaining(text) as unknown),
    );
  });

  it.each([
    ['a flipped bit of the database, which SQLite does not see', 'lathe.sqlite', /lathe\.sqlite is damaged \(expected SHA-256/],
    ['a manifest that is no JSON', 'backup.json', /backup\.json is not JSON/],
  ])('with %s is refused', async (_, name, message) => {
    const { path: folder } = await makeOne();
    const file = join(folder, name);
    const bytes = readFileSync(file);
    const at = name === 'backup.json' ? 0 : bytes.length - 40; // in the last page's payload
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    await expect(restoreBackup(dataDir, folder, 5)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringMatching(message) as unknown,
    });
    expect(readdirSync(dataDir).filter((one) => one.startsWith('lathe.sqlite.'))).toEqual([]);
  });

  it('of a newer Lathe, of another program, or of nothing is refused with a sentence', async () => {
    const { path: folder } = await makeOne();
    const manifest = JSON.parse(readFileSync(join(folder, 'backup.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(join(folder, 'backup.json'), JSON.stringify({ ...manifest, databaseVersion: 10_000 }));
    await expect(openBackup(folder)).rejects.toMatchObject({ code: 'newer-version' });
    writeFileSync(
      join(folder, 'backup.json'),
      JSON.stringify({ ...manifest, files: [{ path: '../../etc/passwd', sha256: 'a'.repeat(64), sizeBytes: 1 }] }),
    );
    await expect(openBackup(folder)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining('targets/NAME.json') as unknown,
    });
    const other = new Database(join(home, 'other.sqlite'));
    other.exec('CREATE TABLE bookmarks (url TEXT)');
    other.close();
    await expect(openBackup(join(home, 'other.sqlite'))).rejects.toMatchObject({ code: 'bad-input' });
    await expect(openBackup(home)).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('no backup of Lathe') as unknown,
    });
    await expect(openBackup(join(home, 'nowhere'))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('made by itself shares blobs with the data folder, and keeps them when that gives them up', async () => {
    const [sha256 = ''] = sample.checkpoints;
    const { path: folder } = await makeOne({ kind: 'automatic' });
    expect(statSync(blobPath(folder, sha256)).ino).toBe(statSync(blobPath(dataDir, sha256)).ino);
    rmSync(blobPath(dataDir, sha256));
    await restoreBackup(dataDir, folder, 5);
    expect((await readBlob(dataDir, sha256)).length).toBeGreaterThan(3000);
  });

  it('keeps the last five made by itself and one a day for seven days, and all that were asked for', async () => {
    const hourMs = 3600_000;
    const made = Array.from({ length: 60 }, (_, i) => ({ createdAtMs: asked.atMs - i * 5 * hourMs }));
    const kept = made.filter((one) => !superfluous(made).includes(one)).map(({ createdAtMs }) => (asked.atMs - createdAtMs) / hourMs);
    expect(kept.slice(0, 5)).toEqual([0, 5, 10, 15, 20]);
    const days = new Set(kept.map((hours) => new Date(asked.atMs - hours * hourMs).toISOString().slice(0, 10)));
    expect([days.size, kept.length]).toEqual([7, 11]); // five of the first day, and one of each of the six before
    await makeOne();
    for (let i = 0; i < 7; i++) await makeOne({ kind: 'automatic', atMs: asked.atMs + i });
    const left = await listBackups(join(dataDir, 'backups'));
    expect(left.map(({ kind }) => kind)).toEqual([...Array<string>(5).fill('automatic'), 'asked']);
  });
});

describe('a restore', () => {
  it('brings everything back as it was, and keeps what it replaces', async () => {
    const before = await contents();
    const { path: folder } = await makeOne();
    await withHandlers(dataDir, async (handlers) => await handlers.createRun(newRun('later')));
    writeFileSync(join(dataDir, 'targets', 'mine.json'), 'changed');
    const recovery = await restoreBackup(dataDir, folder, 5);
    expect(await contents()).toEqual(before);
    expect(readFileSync(join(dataDir, 'targets', 'mine.json'), 'utf8')).toBe('{"id":"mine"}\n');
    expect(readdirSync(join(dataDir, 'targets'))).toHaveLength(2);
    const old = new Database(recovery.setAside, { readonly: true });
    expect(old.prepare("SELECT count(*) FROM run WHERE id = 'later'").pluck().get()).toBe(1);
    old.close();
    expect(await listRecoveries(dataDir)).toEqual([recovery]);
  });

  it('works where nothing is left of the data folder', async () => {
    const before = await contents();
    const { path: folder } = await makeOne({ folder: join(home, 'saved') });
    rmSync(dataDir, { recursive: true });
    const { recoveries, db, lock } = await openData(dataDir, false); // a new, empty one
    db.close();
    lock.close();
    expect(recoveries).toEqual([]);
    expect((await restoreBackup(dataDir, folder, 5)).blobsRestored).toBe(runs + 2);
    expect(await contents()).toEqual(before);
    expect((await checkData(dataDir)).findings).toEqual([]);
  });
});

describe('a repair', () => {
  it('takes over whole runs that are newer than the backup, as they were', async () => {
    await makeOne();
    await withHandlers(dataDir, async (handlers) => {
      await handlers.annotateRun('q-1', { note: 'since the backup' });
      await handlers.createRun(newRun('later'));
    });
    const recovery = await repairDatabase(dataDir, 'a test says so', 7);
    expect(recovery.tables.find(({ table }) => table === 'run')).toEqual({ table: 'run', rows: 2, refused: [] });
    await withHandlers(dataDir, async (handlers) => {
      expect((await handlers.listRunColumns()).id).toHaveLength(runs + 1);
      expect((await handlers.getSummary('q-1'))?.note).toBe('since the backup');
      expect(await handlers.listTrials('q-1', 0, 100)).toHaveLength(4);
      const logged = async (id: string) => (await handlers.listLog(id, 0, 100)).map(({ text }) => text);
      expect(await logged('q-1')).toEqual(['run 1 began', expect.stringContaining('taken over from a database that was damaged')]);
      expect(await logged('q-2')).toEqual(['run 2 began']);
    });
  });

  it('passes over backups that are not whole', async () => {
    await makeOne({ atMs: asked.atMs - 1 });
    const { path: newest } = await makeOne();
    truncateSync(join(newest, 'lathe.sqlite'), 10_000);
    const recovery = await repairDatabase(dataDir, 'a test says so', 7);
    expect(recovery.passedOver).toEqual([expect.stringContaining(newest)]);
    expect(recovery.backupAtMs).toBe(asked.atMs - 1);
  });

  it('leaves out a run whose rows could not be read by Lathe, and says which', async () => {
    const db = new Database(path());
    db.prepare("UPDATE trial SET weightBits = 'no list' WHERE run = (SELECT key FROM run WHERE id = 'q-3')").run();
    db.close();
    const recovery = await repairDatabase(dataDir, 'a test says so', 7);
    expect(recovery.tables.find(({ table }) => table === 'run')).toEqual({
      table: 'run',
      rows: runs - 1,
      refused: [expect.stringMatching(/^run q-3: lathe\.sqlite: table trial/)],
    });
    expect(await contents()).toHaveLength(runs - 1);
  });

  it('knows every table', async () => {
    const opened = await openData(dataDir, false);
    const target = new Database(':memory:');
    target.exec(
      opened.db
        .prepare<[], string>("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
        .pluck()
        .all()
        .join(';'),
    );
    const tables = salvageAll(target, opened.db);
    const counts = opened.db
      .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .pluck()
      .all()
      .map((table) => ({ table, rows: opened.db.prepare(`SELECT count(*) FROM "${table}"`).pluck().get() }))
      .filter(({ rows }) => Number(rows) > 0);
    expect(tables.map(({ table, rows }) => ({ table, rows }))).toEqual(counts);
    const roots = opened.db.prepare<[], { name: string; parents: string }>(
      `SELECT t.name, group_concat(DISTINCT f."table") AS parents FROM sqlite_schema AS t JOIN pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table' GROUP BY t.name`,
    );
    // A table under a table under a table, or under two, would be left out: it needs a word in salvage.ts.
    const children = new Map(roots.all().map(({ name, parents }) => [name, parents]));
    for (const parents of children.values()) expect(children.has(parents) || parents.includes(',')).toBe(false);
    opened.db.close();
    opened.lock.close();
    target.close();
  });
});

function salvageAll(target: Database.Database, from: Database.Database): ReturnType<typeof salvage> {
  target.pragma('foreign_keys = ON');
  return salvage(target, from, 1);
}

describe('a check', () => {
  it('finds a flipped bit in a blob, a missing one and an orphan', async () => {
    expect(await checkData(dataDir)).toMatchObject({ findings: [], blobs: runs + 2, orphans: 0 });
    const [gone = '', damaged = ''] = sample.checkpoints;
    rmSync(blobPath(dataDir, gone));
    const bytes = readFileSync(blobPath(dataDir, damaged));
    bytes[17] = (bytes[17] ?? 0) ^ 4;
    writeFileSync(blobPath(dataDir, damaged), bytes);
    await writeBlob(dataDir, Buffer.from('nothing names this'));
    const report = await checkData(dataDir);
    expect(report.findings).toEqual([
      `${blobPath(dataDir, gone)} is missing`,
      expect.stringContaining(`${blobPath(dataDir, damaged)} is damaged`),
    ]);
    expect(report).toMatchObject({ blobs: runs + 1, orphans: 1, orphanBytes: 18 });
  });
});

describe('a sweep', () => {
  const nowMs = Date.now();
  const age = (file: string): void => utimesSync(file, (nowMs - 2 * 3600_000) / 1000, (nowMs - 2 * 3600_000) / 1000);

  it('deletes old blobs that nothing names, never one that is named, also by a checkpoint alone, nor a young one', async () => {
    const old = await writeBlob(dataDir, Buffer.from('old'));
    const young = await writeBlob(dataDir, Buffer.from('young'));
    const left = `${blobPath(dataDir, sample.inner)}.3f.tmp`;
    writeFileSync(left, 'half');
    for (const name of readdirSync(join(dataDir, 'blobs'), { recursive: true, encoding: 'utf8' }))
      if (!name.endsWith(young.sha256)) age(join(dataDir, 'blobs', name));
    expect(await sweepBlobs(dataDir, true, nowMs)).toEqual({ blobs: 2, bytes: 7, kept: runs + 3, dryRun: true });
    expect(existsSync(left)).toBe(true);
    expect(await sweepBlobs(dataDir, false, nowMs)).toMatchObject({ blobs: 2, dryRun: false });
    expect([existsSync(left), existsSync(blobPath(dataDir, old.sha256)), existsSync(blobPath(dataDir, young.sha256))]).toEqual([
      false,
      false,
      true,
    ]);
    expect((await checkData(dataDir)).findings).toEqual([]);
    expect(existsSync(blobPath(dataDir, sample.inner))).toBe(true);
  });

  it('spares everything that is younger than a run that works', async () => {
    const { sha256 } = await writeBlob(dataDir, Buffer.from('old'));
    age(blobPath(dataDir, sha256));
    const db = new Database(path());
    db.prepare(
      "UPDATE run SET status = 'running', ownerPid = 1, ownerStartedAt = 'x', ownerBootId = 'x', startedAtMs = ? WHERE id = 'q-1'",
    ).run(nowMs - 90 * 60_000);
    db.close();
    expect(await sweepBlobs(dataDir, false, nowMs)).toMatchObject({ blobs: 0 });
  });
});
