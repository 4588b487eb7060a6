/** The backups there are, and whether one is whole. Nothing in a backup is believed before its hash is right. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { backupManifestSchema, type BackupInfo, type BackupManifest } from '../../../shared/backup.ts';
import { describeZodError, LatheError } from '../../../shared/errors.ts';
import { blobPath } from '../blobs.ts';
import { isErrno } from '../file-error.ts';
import { applicationId, readPragma, requireKnown } from '../migrate.ts';
import { migrations } from '../migrations/index.ts';
import { hashFile } from './files.ts';

const manifestBytes = 64 * 2 ** 20; // a hundred bytes a blob

export function backupsFolder(dataDir: string): string {
  return join(dataDir, 'backups');
}

export function infoOf(path: string, manifest: BackupManifest): BackupInfo {
  return {
    path,
    kind: manifest.kind,
    createdAtMs: manifest.createdAtMs,
    databaseVersion: manifest.databaseVersion,
    databaseBytes: manifest.database.sizeBytes,
    blobs: manifest.blobs.length,
    blobBytes: manifest.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    missing: manifest.missing.length,
  };
}

/** The backups of a folder, the newest first; what cannot be read is none. */
export async function listBackups(folder: string): Promise<BackupInfo[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
  const found = await Promise.all(names.map((name) => describe(join(folder, name), name)));
  return found.filter((info) => info !== null).sort((a, b) => b.createdAtMs - a.createdAtMs);
}

async function describe(path: string, name: string): Promise<BackupInfo | null> {
  const copy = /^lathe-v(\d+)-.*\.sqlite$/.exec(name);
  if (copy) {
    const { size, mtimeMs } = await stat(path);
    const common = { blobs: 0, blobBytes: 0, missing: 0 };
    return { path, kind: 'migration', createdAtMs: mtimeMs, databaseVersion: Number(copy[1]), databaseBytes: size, ...common };
  }
  if (!/^lathe-backup-.*(?<!\.partial)$/.test(name)) return null;
  try {
    return infoOf(path, await readManifest(path));
  } catch (error) {
    if (error instanceof LatheError) return null; // `openBackup` says what is wrong with it
    throw error;
  }
}

export interface OpenedBackup {
  readonly path: string;
  readonly database: string; // path of the copy
  readonly manifest: BackupManifest | null; // null: a copy of the database alone
  readonly createdAtMs: number;
}

/**
 * A backup's folder, its `backup.json`, or a copy of the database alone, with its database checked. Blobs are checked when
 * they are taken. Throws `not-found`, `bad-input` (no backup), `newer-version` or `corrupt`, each with a sentence.
 */
export async function openBackup(given: string): Promise<OpenedBackup> {
  const path = resolve(given.endsWith('backup.json') ? join(given, '..') : given);
  let isFolder: boolean;
  let createdAtMs: number;
  try {
    const found = await stat(path);
    isFolder = found.isDirectory();
    createdAtMs = found.mtimeMs;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR'))
      throw new LatheError('not-found', `${path}: there is no such backup; "lathe backup list" shows those there are`);
    throw error;
  }
  if (!isFolder) {
    checkCopy(path);
    return { path, database: path, manifest: null, createdAtMs };
  }
  const manifest = await readManifest(path);
  requireKnown(manifest.databaseVersion, migrations.length, path);
  const database = join(path, 'lathe.sqlite');
  const found = await hashFile(database).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) throw new LatheError('corrupt', `${database} is missing: take another backup`);
    throw error;
  });
  if (found.sha256 !== manifest.database.sha256)
    throw new LatheError(
      'corrupt',
      `${database} is damaged (expected SHA-256 ${manifest.database.sha256}, found ${found.sha256}): take another backup`,
    );
  checkCopy(database);
  return { path, database, manifest, createdAtMs: manifest.createdAtMs };
}

/** What is wrong with a backup's blobs, a sentence each. */
export async function blobFindings({ path, manifest }: OpenedBackup): Promise<string[]> {
  const findings: string[] = [];
  for (const { sha256 } of manifest?.blobs ?? []) {
    const blob = blobPath(path, sha256);
    try {
      if ((await hashFile(blob)).sha256 !== sha256) findings.push(`${blob} is damaged`);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      findings.push(`${blob} is missing`);
    }
  }
  return findings;
}

async function readManifest(folder: string): Promise<BackupManifest> {
  const path = join(folder, 'backup.json');
  let value: unknown;
  try {
    const { size } = await stat(path);
    if (size > manifestBytes) throw new LatheError('bad-input', `${path}: expected at most ${manifestBytes} bytes, found ${size}`);
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new LatheError('bad-input', `${folder} is no backup of Lathe: it has no backup.json`);
    if (error instanceof SyntaxError) throw new LatheError('corrupt', `${path} is not JSON (${error.message}): take another backup`);
    throw error;
  }
  const parsed = backupManifestSchema.safeParse(value);
  if (!parsed.success) throw new LatheError('corrupt', `${path}: ${describeZodError(parsed.error)}: take another backup`);
  return parsed.data;
}

/** A copy of the database that Lathe can put in place: its own, of a version that it knows, whole as far as SQLite can tell. */
function checkCopy(path: string): void {
  let db: Database.Database | null = null;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    if (readPragma(db, 'application_id') !== applicationId)
      throw new LatheError('bad-input', `${path} is not a database of Lathe: name a backup's folder, or a copy of lathe.sqlite`);
    requireKnown(readPragma(db, 'user_version'), migrations.length, path);
    const finding = String(db.pragma('integrity_check(1)', { simple: true }));
    if (finding !== 'ok') throw new LatheError('corrupt', `${path} is damaged (${finding}): take another backup`);
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    throw new LatheError('corrupt', `${path} is damaged or no database (${error.message}): take another backup`);
  } finally {
    db?.close();
  }
}
