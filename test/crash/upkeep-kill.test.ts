/** A backup, a restore and a repair that are killed at any step leave a data folder that the next start finds whole. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Recovery } from '../../src/shared/backup.ts';
import { checkData } from '../../src/main/store/backup/check.ts';
import { blobFindings, listBackups, openBackup } from '../../src/main/store/backup/list.ts';
import { makeBackup } from '../../src/main/store/backup/make.ts';
import { fillSample, withHandlers } from '../../src/main/store/backup/test-kit.ts';
import { openData } from '../../src/main/store/open.ts';
import { newRun } from '../support/store-samples.ts';

const child = fileURLToPath(new URL('upkeep-child.ts', import.meta.url));
let home: string;
let template: string;
let backup: string;
let before: string[];
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'lathe-upkeep-'));
  template = join(home, 'template');
  await fillSample(template, 3);
  before = await ids(template);
  backup = (await makeBackup({ dataDir: template, folder: join(home, 'saved'), kind: 'asked', lathe: '9', atMs: 1_600_000_000_000 })).path;
  await withHandlers(template, async (handlers) => await handlers.createRun(newRun('later')));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function ids(dataDir: string): Promise<string[]> {
  return await withHandlers(dataDir, async (handlers) => [...(await handlers.listRunColumns()).id].sort());
}

/** A copy of the data folder in which this was killed at the failpoint. */
function killed(what: string, failpoint: string): string {
  const dataDir = mkdtempSync(join(home, 'data-'));
  cpSync(template, dataDir, { recursive: true });
  const { signal, stderr } = spawnSync(process.execPath, [child, dataDir, what, backup], {
    env: { ...process.env, LATHE_FAILPOINT: failpoint },
    encoding: 'utf8',
  });
  expect([signal, stderr]).toEqual(['SIGKILL', '']);
  return dataDir;
}

async function nextStart(dataDir: string): Promise<readonly Recovery[]> {
  const { db, lock, recoveries } = await openData(dataDir, false);
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  db.close();
  lock.close();
  expect(readdirSync(dataDir).filter((name) => /recovery|ready|lathe\.sqlite-wal|tmp/.test(name))).toEqual([]);
  expect((await checkData(dataDir)).findings).toEqual([]);
  return recoveries;
}

describe('killed', () => {
  it.each(['before-backup', 'after-backup'])('at %s, a backup is there as a whole or not at all', async (failpoint) => {
    const dataDir = killed('backup', failpoint);
    expect(await nextStart(dataDir)).toEqual([]);
    const backups = await listBackups(join(dataDir, 'backups'));
    expect(backups).toHaveLength(failpoint === 'after-backup' ? 1 : 0);
    for (const { path } of backups) expect(await blobFindings(await openBackup(path))).toEqual([]);
    expect(await ids(dataDir)).toEqual(['later', ...before]);
  });

  it.each(['aside', 'before-place', 'after-place'])('at %s, a restore and a repair are finished by the next start', async (failpoint) => {
    const restored = killed('restore', failpoint);
    expect(await nextStart(restored)).toMatchObject([{ kind: 'restore', backup }]);
    expect(await ids(restored)).toEqual(before);
    const repaired = killed('repair', failpoint);
    expect(await nextStart(repaired)).toMatchObject([{ kind: 'repair', backup: null }]);
    expect(await ids(repaired)).toEqual(['later', ...before]); // nothing was wrong, so everything could be read
    expect(await nextStart(repaired)).toEqual([]);
  });
});
