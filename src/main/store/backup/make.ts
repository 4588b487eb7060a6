/**
 * Makes a backup: a folder with a copy of the database, the blobs that it refers to, the user's targets, and `backup.json`,
 * which names all of them by their SHA-256. It has its name when it is complete and on disk, not before.
 *
 * The database is copied while others write (one read transaction over it, VACUUM INTO) and checked in full. Images of data
 * sets are not in a backup: they are the user's own files, or made again from them.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, rename, rm, stat, writeFile, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { backupManifestSchema, type BackupInfo, type BackupManifest } from '../../../shared/backup.ts';
import { LatheError } from '../../../shared/errors.ts';
import { blobPath } from '../blobs.ts';
import { databasePath } from '../database.ts';
import { failpoint } from '../failpoint.ts';
import { isErrno } from '../file-error.ts';
import { readPragma } from '../migrate.ts';
import { backupsFolder, infoOf, listBackups } from './list.ts';
import { blobFiles } from './check.ts';
import { copyFile, hashFile, stampOf, syncFolder } from './files.ts';
import { mentionedBlobs, requiredBlobs } from './references.ts';

export interface MakeBackup {
  readonly dataDir: string;
  readonly folder: string | null; // in which the backup's own folder is made; null: that of the data folder
  readonly kind: BackupManifest['kind'];
  readonly lathe: string; // this version
  readonly atMs: number;
}

/** Half-made backups of a process that was killed are cleared away after this long. */
const abandonedAfterMs = 24 * 3600_000;

/** Automatic backups that stay: the last ones, and the last one of each of the last days that have any. */
const keptLast = 5;
const keptDays = 7;

/** Resolves when the backup is on disk. Throws `conflict` where one would lie in the data folder's blobs or the like, `disk-full`, `unavailable`. */
export async function makeBackup(options: MakeBackup): Promise<BackupInfo> {
  const { dataDir, kind, atMs } = options;
  const parent = options.folder ?? backupsFolder(dataDir);
  const folder = join(parent, `lathe-backup-${stampOf(atMs)}-${randomUUID().slice(0, 8)}`);
  const partial = `${folder}.partial`;
  await mkdir(partial, { recursive: true, mode: 0o700 });
  try {
    const manifest = await fill(partial, options);
    failpoint('before-backup');
    await rename(partial, folder);
    await syncFolder(parent);
    failpoint('after-backup');
    if (kind === 'automatic') await forgetOld(parent, atMs);
    return infoOf(folder, manifest);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function fill(partial: string, { dataDir, kind, lathe, atMs }: MakeBackup): Promise<BackupManifest> {
  const copy = join(partial, 'lathe.sqlite');
  copyDatabase(databasePath(dataDir), copy);
  const db = new Database(copy, { readonly: true, fileMustExist: true });
  try {
    const finding = String(db.pragma('integrity_check(1)', { simple: true }));
    if (finding !== 'ok') throw new LatheError('corrupt', `the copy of the database failed its check (${finding}): run "lathe check"`);
    await syncFile(copy);
    const files: BackupManifest['files'] = [];
    for (const name of await namesIn(join(dataDir, 'targets')))
      if (/^[a-z0-9][a-z0-9._-]{0,100}\.json$/.test(name))
        files.push({ path: `targets/${name}`, ...(await copyFile(join(dataDir, 'targets', name), join(partial, 'targets', name))) });
    const { blobs, missing } = await collectBlobs(db, dataDir, partial, kind === 'automatic');
    const manifest = backupManifestSchema.parse({
      ...{ format: 'lathe-backup', formatVersion: 1, lathe, createdAtMs: atMs, kind, blobs, missing, files },
      databaseVersion: readPragma(db, 'user_version'),
      database: await hashFile(copy),
    } satisfies BackupManifest);
    await writeFile(join(partial, 'backup.json'), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600, flush: true });
    await syncFolder(partial);
    return manifest;
  } finally {
    db.close();
  }
}

/** One file, with nothing beside it, as the database is now. */
export function copyDatabase(from: string, to: string): void {
  const source = new Database(from, { readonly: true, fileMustExist: true });
  try {
    source.prepare('VACUUM INTO ?').run(to);
  } finally {
    source.close();
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.sync().finally(() => file.close());
}

/**
 * Puts every blob that the database mentions into the backup. Linked, a blob costs no space and stays when the data folder
 * gives it up (its content is checked when the backup is used); where links cannot be, and when the user asked for the
 * backup, it is copied and checked.
 */
async function collectBlobs(
  db: Database.Database,
  dataDir: string,
  partial: string,
  mayLink: boolean,
): Promise<Pick<BackupManifest, 'blobs' | 'missing'>> {
  const blobs: BackupManifest['blobs'] = [];
  const missing: BackupManifest['missing'] = [];
  const required = requiredBlobs(db);
  // Linked, they cost nothing: all of them, which saves a reading of every checkpoint.
  const others = mayLink ? (await blobFiles(dataDir)).flatMap(({ sha256 }) => sha256 ?? []) : await mentionedBlobs(db, dataDir);
  for (const sha256 of new Set([...required, ...others])) {
    const from = blobPath(dataDir, sha256);
    const to = blobPath(partial, sha256);
    try {
      const linked = mayLink && (await tryLink(from, to));
      const copied = linked ? { sha256, sizeBytes: (await stat(to)).size } : await copyFile(from, to);
      if (copied.sha256 === sha256) blobs.push(copied);
      else {
        await rm(to);
        missing.push({ sha256, finding: `${from} is damaged (its content has SHA-256 ${copied.sha256})` });
      }
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      await rm(to, { force: true });
      if (required.has(sha256)) missing.push({ sha256, finding: `${from} is missing` });
    }
  }
  return { blobs, missing };
}

/** False where the file system cannot link these two. */
async function tryLink(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw error;
    return false;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Deletes automatic backups beyond the last few and one a day, and what killed processes left half-made. */
async function forgetOld(folder: string, nowMs: number): Promise<void> {
  const automatic = (await listBackups(folder)).filter(({ kind }) => kind === 'automatic');
  for (const { path } of superfluous(automatic)) await rm(path, { recursive: true, force: true });
  for (const name of await namesIn(folder)) {
    if (!/^lathe-backup-.*\.partial$/.test(name)) continue;
    const path = join(folder, name);
    if (nowMs - (await stat(path)).mtimeMs > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}

/** Of automatic backups, the newest first: those that neither are among the last nor the last of one of the last days. */
export function superfluous<T extends { readonly createdAtMs: number }>(newestFirst: readonly T[]): T[] {
  const days = new Set<string>();
  return newestFirst.filter(({ createdAtMs }, index) => {
    const day = new Date(createdAtMs).toISOString().slice(0, 10);
    const isLastOfItsDay = !days.has(day) && days.size < keptDays;
    if (isLastOfItsDay) days.add(day);
    return index >= keptLast && !isLastOfItsDay;
  });
}
