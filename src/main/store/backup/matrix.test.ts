/**
 * Every way in which a database can be broken, and what must become of it: refused with one sentence and nothing changed, or
 * (where repair is wanted) set aside and replaced by the newest backup and what can be read of the damaged one.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newRun } from '../../../../test/support/store-samples.ts';
import { blobPath, readBlob, writeBlob } from '../blobs.ts';
import { migrations } from '../migrations/index.ts';
import { openData } from '../open.ts';
import { storeErrorPayload } from '../sqlite-error.ts';
import { makeBackup } from './make.ts';
import { fillSample, withHandlers } from './test-kit.ts';

const runs = 40;
let home: string;
let template: string;
let dataDir: string;
let path: string;
let count = 0;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'lathe-matrix-'));
  template = join(home, 'template');
  await fillSample(template, runs);
  await makeBackup({ dataDir: template, folder: null, kind: 'automatic', lathe: '9.9.9', atMs: 1_700_000_000_000 });
  await withHandlers(template, async (handlers) => await handlers.createRun(newRun('later')));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));
beforeEach(() => {
  dataDir = join(home, `data-${count++}`);
  cpSync(template, dataDir, { recursive: true });
  path = join(dataDir, 'lathe.sqlite');
});

const change = (work: (bytes: Buffer) => void) => (): void => {
  const bytes = readFileSync(path);
  work(bytes);
  writeFileSync(path, bytes);
};
const pageOf = (bytes: Buffer): number => bytes.readUInt16BE(16);
const inDatabase = (sql: string) => (): void => {
  const db = new Database(path);
  db.exec(sql);
  db.close();
};

/** What a person is told; fails when the database is opened. */
async function refusal(repair: boolean): Promise<{ code: string; message: string }> {
  try {
    const { db, lock } = await openData(dataDir, repair);
    db.close();
    lock.close();
  } catch (error) {
    return storeErrorPayload(error, path);
  }
  throw new Error('expected a refusal, but the database was opened');
}

function snapshot(): [string, string][] {
  return readdirSync(dataDir)
    .filter((name) => name !== 'lathe.lock' && statSync(join(dataDir, name)).isFile())
    .map((name) => [name, readFileSync(join(dataDir, name), 'base64')]);
}

describe('a damaged database is refused, and repaired where that is wanted', () => {
  const damages: [string, () => void, RegExp, { later: boolean }][] = [
    [
      'cut to half',
      () => truncateSync(path, statSync(path).size / 2),
      /malformed|database disk image|pages|never used|out of range/i,
      { later: false },
    ],
    ['cut to 50 bytes', () => truncateSync(path, 50), /expected an SQLite database/, { later: false }],
    ['its second page zeroed', change((bytes) => bytes.fill(0, pageOf(bytes), 2 * pageOf(bytes))), /./, { later: true }],
    ['its last page zeroed', change((bytes) => bytes.fill(0, bytes.length - pageOf(bytes))), /./, { later: true }],
    [
      'another header',
      change((bytes) => bytes.write('PK\u0003\u0004 this is an archive', 0)),
      /expected an SQLite database/,
      { later: false },
    ],
    ['noise in its pages', change((bytes) => bytes.fill('noise', 4 * pageOf(bytes), 6 * pageOf(bytes))), /./, { later: true }],
    ['its schema overwritten', change((bytes) => bytes.fill(0xa5, 100, 400)), /./, { later: false }],
  ];

  it.each(damages)('%s', async (_, damage, finding, { later }) => {
    damage();
    const before = snapshot();
    const told = await refusal(false);
    expect(told.code).toBe('corrupt');
    expect(told.message).toMatch(/lathe\.sqlite is damaged \(.*\); nothing was changed: "lathe repair" /s);
    expect(snapshot()).toEqual(before);

    const damaged = readFileSync(path);
    const { db, lock, recoveries } = await openData(dataDir, true);
    expect(recoveries).toHaveLength(1);
    const [recovery] = recoveries;
    expect(recovery).toMatchObject({ kind: 'repair', finding: expect.stringMatching(finding) as unknown, backupAtMs: 1_700_000_000_000 });
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    const ids = db.prepare<[], string>('SELECT id FROM run').pluck().all();
    expect(ids).toEqual(expect.arrayContaining(Array.from({ length: runs }, (_one, i) => `q-${i}`)));
    if (later) expect([ids.includes('later'), recovery?.tables.flatMap(({ refused }) => refused).length === 0]).not.toEqual([false, true]); // there, or said why not
    expect(readFileSync(recovery?.setAside ?? '').equals(damaged)).toBe(true); // kept as it was
    db.close();
    lock.close();
  });

  it('without any backup, as far as it can be read', async () => {
    rmSync(join(dataDir, 'backups'), { recursive: true });
    change((bytes) => bytes.fill(0, bytes.length - pageOf(bytes)))();
    const { db, lock, recoveries } = await openData(dataDir, true);
    expect(recoveries[0]).toMatchObject({ backup: null, backupAtMs: null });
    const refused = recoveries[0]?.tables.flatMap((table) => table.refused) ?? [];
    const found = Number(db.prepare('SELECT count(*) FROM run').pluck().get());
    expect(found + refused.length).toBeGreaterThan(0);
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    db.close();
    lock.close();
  });

  it('but not while another Lathe has it open', async () => {
    const other = await openData(dataDir, false);
    change((bytes) => bytes.fill(0xa5, pageOf(bytes), bytes.length))();
    expect((await refusal(true)).code).toBe('corrupt');
    expect(readdirSync(dataDir).filter((name) => name.includes('corrupt'))).toEqual([]);
    other.db.close();
    other.lock.close();
  });
});

describe('a database that is whole but cannot be used is refused and stays', () => {
  const troubles: [string, () => void, string, RegExp][] = [
    ['newer', inDatabase(`PRAGMA user_version = ${migrations.length + 1}`), 'newer-version', /written by a newer Lathe/],
    ['of another program', inDatabase('PRAGMA application_id = 7'), 'bad-input', /another program's database/],
  ];
  it.each(troubles)('%s', async (_, trouble, code, message) => {
    trouble();
    const before = snapshot();
    const told = await refusal(true);
    expect(told.code).toBe(code);
    expect(told.message).toMatch(message);
    expect(snapshot()).toEqual(before);
  });

  it('locked by another program', async () => {
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    const told = await refusal(true);
    expect(told.code).toBe('conflict');
    expect(told.message).toMatch(/lathe\.sqlite is locked by another program/);
    other.close();
  });
});

describe('a flipped bit', () => {
  it('in a blob is found when it is read, and a restore puts the whole one back and keeps the damaged', async () => {
    const { sha256 } = await writeBlob(dataDir, Buffer.alloc(100, 'blob'));
    const bytes = readFileSync(blobPath(dataDir, sha256));
    bytes[50] = (bytes[50] ?? 0) ^ 1;
    writeFileSync(blobPath(dataDir, sha256), bytes);
    await expect(readBlob(dataDir, sha256)).rejects.toMatchObject({ code: 'corrupt' });
  });

  it("in a run's manifest, which SQLite does not see, is found when it is read", async () => {
    const isRead = (): boolean => {
      const db = new Database(path);
      const found = db.prepare(`SELECT count(*) FROM manifest WHERE instr(manifest, '"formatVersion":3') > 0`).pluck().get() === 1;
      db.close();
      return found;
    };
    // What SQLite has moved leaves copies behind that nobody reads: the first one that is read.
    for (let at = -1; !isRead();) {
      change((bytes) => {
        at = bytes.indexOf('"formatVersion":1', at + 1);
        expect(at).toBeGreaterThan(0);
        bytes.write('"formatVersion":3', at);
      })();
    }
    const { db, lock } = await openData(dataDir, true);
    db.close();
    lock.close();
    const findings = await withHandlers(dataDir, async (handlers) => {
      const found: string[] = [];
      for (const id of (await handlers.listRunColumns()).id) {
        try {
          await handlers.getRun(id);
        } catch (error) {
          found.push(error instanceof Error ? error.message : String(error));
        }
      }
      return found;
    });
    expect(findings).toEqual([expect.stringMatching(/table manifest, row .* is damaged \(its SHA-256/)]);
  });
});

/** Null where a small file system can be mounted here; else why not. */
function noMount(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only the administrator can mount a small file system';
  const place = mkdtempSync(join(tmpdir(), 'lathe-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place], { stdio: 'ignore' });
    execFileSync('umount', [place]);
    return null;
  } catch {
    return 'mount is not allowed';
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

const reason = noMount();
if (reason !== null) process.stderr.write(`skipped: the tests of a full disk, for ${reason} here\n`);

describe.skipIf(reason !== null)('a full disk', () => {
  let disk: string;
  beforeAll(() => {
    disk = join(home, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
  });
  afterAll(() => {
    execFileSync('umount', [disk]);
  });

  it('is told in one sentence by the store, by blobs and by a backup; nothing acknowledged is lost, and it goes on when there is space', async () => {
    const folder = join(disk, 'data');
    const acknowledged: string[] = [];
    const ballast = join(disk, 'ballast');
    await withHandlers(folder, async (handlers) => {
      await handlers.createRun(newRun('first'));
      acknowledged.push('first');
      writeFileSync(ballast, Buffer.alloc(1_000_000));
      let told: unknown = null;
      for (let i = 0; told === null && i < 10_000; i++) {
        try {
          await handlers.createRun(newRun(`more-${i}`, { note: 'x'.repeat(5000) }));
          acknowledged.push(`more-${i}`);
        } catch (error) {
          told = storeErrorPayload(error, folder);
        }
      }
      expect(told).toMatchObject({
        code: 'disk-full',
        message: expect.stringContaining('the disk is full: free some space and go on') as unknown,
      });
      await expect(writeBlob(folder, Buffer.alloc(500_000))).rejects.toMatchObject({ code: 'disk-full' });
      const failed = await makeBackup({ dataDir: folder, folder: null, kind: 'asked', lathe: '9', atMs: 1 }).catch((error: unknown) =>
        storeErrorPayload(error, folder),
      );
      expect(failed).toMatchObject({ code: 'disk-full' });
      expect(readdirSync(join(folder, 'backups'))).toEqual([]);
      rmSync(ballast);
      await handlers.createRun(newRun('last'));
      acknowledged.push('last');
    });
    expect(acknowledged.length).toBeGreaterThan(10);
    const { db, lock } = await openData(folder, false);
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(new Set(db.prepare<[], string>('SELECT id FROM run').pluck().all())).toEqual(new Set(acknowledged));
    db.close();
    lock.close();
  });
});
