/**
 * Puts another database in the place of one that is damaged (repair) or not wanted any more (restore). The old one is
 * renamed, never deleted. The caller holds the data folder alone (data-lock.ts).
 *
 *   1. the new database is laid ready as lathe.sqlite.ready (a backup's copy, or none for a new one), its blobs are put back;
 *   2. recovery.json says what is to be done: from here on, whoever opens the data folder next finishes it;
 *   3. lathe.sqlite and its log are renamed to lathe.sqlite.corrupt-TIME or .replaced-TIME;
 *   4. the ready one gets all migrations and, in a repair, the rows that can be read from the old one: one transaction each;
 *   5. it takes its place, a report is written beside the old one, and recovery.json goes.
 */
import { existsSync, readFileSync } from 'node:fs';
import { open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import Database from 'better-sqlite3';
import { z } from 'zod';
import { recoverySchema, type Recovery } from '../../../shared/backup.ts';
import { LatheError } from '../../../shared/errors.ts';
import { blobPath, readBlob } from '../blobs.ts';
import { databasePath } from '../database.ts';
import { failpoint } from '../failpoint.ts';
import { isErrno } from '../file-error.ts';
import { migrate } from '../migrate.ts';
import { migrations } from '../migrations/index.ts';
import { copyFile, hashFile, stampOf, syncFolder } from './files.ts';
import { backupsFolder, listBackups, openBackup, type OpenedBackup } from './list.ts';
import { salvage } from './salvage.ts';

const journalSchema = recoverySchema.omit({ tables: true }).extend({ hasReady: z.boolean() });
type Journal = z.infer<typeof journalSchema>;

/** Puts a backup in place. Throws what `openBackup` throws, and then nothing was changed. */
export async function restoreBackup(dataDir: string, backupPath: string, atMs: number): Promise<Recovery> {
  const backup = await openBackup(backupPath);
  const setAside = `${databasePath(dataDir)}.replaced-${stampOf(atMs)}`;
  return await begin(dataDir, backup, { kind: 'restore', atMs, finding: null, setAside, passedOver: [] });
}

/** Puts the newest whole backup in the place of a damaged database, and takes over what can be read from that. */
export async function repairDatabase(dataDir: string, finding: string, atMs: number): Promise<Recovery> {
  const passedOver: string[] = [];
  let backup: OpenedBackup | null = null;
  for (const { path } of await listBackups(backupsFolder(dataDir))) {
    try {
      backup = await openBackup(path);
      break;
    } catch (error) {
      if (!(error instanceof LatheError)) throw error;
      passedOver.push(error.message);
    }
  }
  const setAside = `${databasePath(dataDir)}.corrupt-${stampOf(atMs)}`;
  return await begin(dataDir, backup, { kind: 'repair', atMs, finding, setAside, passedOver });
}

async function begin(
  dataDir: string,
  backup: OpenedBackup | null,
  plan: Pick<Journal, 'kind' | 'atMs' | 'finding' | 'setAside' | 'passedOver'>,
): Promise<Recovery> {
  const ready = readyPath(dataDir);
  for (const suffix of ['', '-journal', '-wal', '-shm']) await rm(ready + suffix, { force: true });
  let blobsRestored = 0;
  if (backup) {
    await copyFile(backup.database, ready);
    blobsRestored = await putBackBlobs(dataDir, backup, plan.atMs);
    await putBackFiles(dataDir, backup, plan.atMs);
  }
  const journal: Journal = {
    ...plan,
    ...{ blobsRestored, hasReady: backup !== null, backup: backup?.path ?? null, backupAtMs: backup?.createdAtMs ?? null },
  };
  await replaceText(journalPath(dataDir), JSON.stringify(journal));
  await syncFolder(dataDir);
  return await finish(dataDir, journal);
}

/** Finishes what a killed process began; null when there is nothing to finish. */
export async function finishRecovery(dataDir: string): Promise<Recovery | null> {
  const path = journalPath(dataDir);
  if (!existsSync(path)) return null;
  const parsed = journalSchema.safeParse(parseOrNull(readFileSync(path, 'utf8')));
  if (!parsed.success) {
    throw new LatheError(
      'corrupt',
      `${path} is damaged: rename it; the old database is the newest lathe.sqlite.corrupt-* or .replaced-* beside it`,
    );
  }
  return await finish(dataDir, parsed.data);
}

/** Each step may have been done before: by a process that was killed behind it. */
async function finish(dataDir: string, journal: Journal): Promise<Recovery> {
  const { setAside, hasReady, atMs } = journal;
  const path = databasePath(dataDir);
  const ready = readyPath(dataDir);
  const reportPath = `${setAside}.json`;
  const isPlaced = existsSync(reportPath) && !existsSync(ready);
  let tables: Recovery['tables'];
  if (isPlaced) tables = parseTables(await readFile(reportPath, 'utf8'));
  else {
    for (const suffix of ['-wal', '-shm', '']) await renameIfThere(path + suffix, setAside + suffix);
    await syncFolder(dataDir);
    failpoint('aside');
    tables = await makeReady(ready, hasReady, journal.kind === 'repair' ? setAside : null, atMs);
    const { hasReady: _, ...recovery } = journal;
    await replaceText(reportPath, `${JSON.stringify({ ...recovery, tables } satisfies Recovery, null, 1)}\n`);
    failpoint('before-place');
    await rename(ready, path);
    await syncFolder(dataDir);
    failpoint('after-place');
  }
  await rm(journalPath(dataDir));
  await syncFolder(dataDir);
  const { hasReady: _, ...recovery } = journal;
  return { ...recovery, tables };
}

async function makeReady(ready: string, isCopy: boolean, damagedPath: string | null, atMs: number): Promise<Recovery['tables']> {
  if (isCopy && !existsSync(ready)) throw new LatheError('corrupt', `${ready} is missing: restore the backup once more`);
  const db = new Database(ready);
  let tables: Recovery['tables'] = [];
  try {
    db.pragma('journal_mode = DELETE');
    db.pragma('synchronous = FULL');
    await migrate(db, ready, migrations, { backUp: false });
    db.pragma('foreign_keys = ON');
    if (damagedPath !== null && existsSync(damagedPath)) tables = takeOver(db, damagedPath, atMs);
  } finally {
    db.close();
  }
  const file = await open(ready, 'r+');
  await file.sync().finally(() => file.close());
  return tables;
}

function takeOver(db: Database.Database, damagedPath: string, atMs: number): Recovery['tables'] {
  let damaged: Database.Database | null = null;
  try {
    damaged = new Database(damagedPath, { readonly: true, fileMustExist: true });
    damaged.pragma('cell_size_check = ON');
    damaged.prepare('SELECT count(*) FROM sqlite_schema').get();
  } catch (error) {
    damaged?.close();
    return [{ table: 'all', rows: 0, refused: [`nothing can be read (${error instanceof Error ? error.message : String(error)})`] }];
  }
  try {
    return salvage(db, damaged, atMs);
  } finally {
    damaged.close();
  }
}

/** Blobs of the backup that the data folder lacks, or has damaged: those are renamed, not deleted. */
async function putBackBlobs(dataDir: string, { path, manifest }: OpenedBackup, atMs: number): Promise<number> {
  let restored = 0;
  for (const { sha256 } of manifest?.blobs ?? []) {
    const to = blobPath(dataDir, sha256);
    const damage = await readBlob(dataDir, sha256).then(() => null, asLatheError);
    if (damage === null) continue;
    const temporary = `${to}.restoring`;
    await rm(temporary, { force: true });
    const copied = await copyFile(blobPath(path, sha256), temporary).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) throw new LatheError('corrupt', `${blobPath(path, sha256)} is missing: take another backup`);
      throw error;
    });
    if (copied.sha256 !== sha256) {
      await rm(temporary);
      throw new LatheError(
        'corrupt',
        `${blobPath(path, sha256)} is damaged (its content has SHA-256 ${copied.sha256}): take another backup`,
      );
    }
    if (damage.code === 'corrupt') await rename(to, `${to}.corrupt-${stampOf(atMs)}`);
    await rename(temporary, to);
    await syncFolder(join(to, '..'));
    restored += 1;
  }
  return restored;
}

async function putBackFiles(dataDir: string, { path, manifest }: OpenedBackup, atMs: number): Promise<void> {
  for (const { path: name, sha256 } of manifest?.files ?? []) {
    const [from, to] = [join(path, name), join(dataDir, name)];
    const found = await hashFile(to).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return null;
      throw error;
    });
    if (found?.sha256 === sha256) continue;
    await rm(`${to}.restoring`, { force: true });
    const copied = await copyFile(from, `${to}.restoring`);
    if (copied.sha256 !== sha256) throw new LatheError('corrupt', `${from} is damaged: take another backup`);
    if (found) await rename(to, `${to}.replaced-${stampOf(atMs)}`);
    await rename(`${to}.restoring`, to);
  }
}

/** What was recovered in this data folder, the newest first. */
export async function listRecoveries(dataDir: string): Promise<Recovery[]> {
  const names = (await readdir(dataDir)).filter((name) => /^lathe\.sqlite\.(corrupt|replaced)-.*\.json$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => recoverySchema.safeParse(parseOrNull(await readFile(join(dataDir, name), 'utf8')))),
  );
  return found.flatMap(({ data }) => (data ? [data] : [])).sort((a, b) => b.atMs - a.atMs);
}

/** The sentence for a recovery: what was wrong, what is there now, and what is not. */
export function describeRecovery({ kind, finding, setAside, backup, backupAtMs, tables }: Recovery): string {
  const source = backup === null ? 'a new database' : `the backup ${basename(backup)} of ${new Date(backupAtMs ?? 0).toISOString()}`;
  if (kind === 'restore') return `the database was replaced by ${source}; the one before is ${setAside}`;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const refused = tables.flatMap((table) => table.refused);
  return (
    `the database was damaged (${finding ?? 'unknown'}): ${source} took its place, ${rows} rows were taken over from the damaged one, ` +
    `${refused.length === 0 ? 'nothing was refused' : `${refused.length} things could not be: ${refused.slice(0, 3).join('; ')}`}; the damaged one is ${setAside}`
  );
}

function readyPath(dataDir: string): string {
  return `${databasePath(dataDir)}.ready`;
}

function journalPath(dataDir: string): string {
  return join(dataDir, 'recovery.json');
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

async function replaceText(path: string, text: string): Promise<void> {
  await writeFile(`${path}.tmp`, text, { mode: 0o600, flush: true });
  await rename(`${path}.tmp`, path);
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the schema refuses it
  }
}

function parseTables(text: string): Recovery['tables'] {
  return recoverySchema.parse(parseOrNull(text)).tables;
}

function asLatheError(error: unknown): LatheError {
  if (error instanceof LatheError) return error;
  throw error;
}
