/** Looks through a data folder for what is not whole, and for blobs that nothing needs. Changes nothing but for `sweep`. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { CheckReport, SweepReport } from '../../../shared/backup.ts';
import { blobPath } from '../blobs.ts';
import { databasePath } from '../database.ts';
import { isErrno } from '../file-error.ts';
import { hashFile } from './files.ts';
import { mentionedBlobs, requiredBlobs } from './references.ts';

/** A blob is written before the row that names it: younger ones than this are left alone. */
const graceMs = 3600_000;

/** Every page of the database, and every byte of every blob. */
export async function checkData(dataDir: string): Promise<CheckReport> {
  return await withDatabase(dataDir, async (db) => {
    const findings = (db.pragma('integrity_check(20)') as { integrity_check: string }[])
      .map(({ integrity_check }) => integrity_check)
      .filter((line) => line !== 'ok')
      .map((line) => `lathe.sqlite: ${line}`);
    const broken = (db.pragma('foreign_key_check') as readonly unknown[]).length;
    if (broken > 0) findings.push(`lathe.sqlite: ${broken} rows refer to rows that are gone`);
    const mentioned = await mentionedBlobs(db, dataDir);
    const files = await blobFiles(dataDir);
    const there = new Set(files.map(({ sha256 }) => sha256));
    for (const sha256 of requiredBlobs(db)) if (!there.has(sha256)) findings.push(`${blobPath(dataDir, sha256)} is missing`);
    let blobBytes = 0;
    let whole = 0;
    for (const { sha256, path } of files) {
      if (sha256 === null) continue;
      const found = await hashFile(path).catch(missingIsNull);
      if (found === null) continue; // given up meanwhile
      if (found.sha256 !== sha256) findings.push(`${path} is damaged (its content has SHA-256 ${found.sha256})`);
      else whole += 1;
      blobBytes += found.sizeBytes;
    }
    const orphans = files.filter(({ sha256 }) => sha256 === null || !mentioned.has(sha256));
    return { findings, blobs: whole, blobBytes, orphans: orphans.length, orphanBytes: sum(orphans) };
  });
}

/**
 * Deletes blobs that nothing mentions, and what killed processes left of blobs half-written. Spares what is younger than an
 * hour, and what is younger than a run that works.
 */
export async function sweepBlobs(dataDir: string, dryRun: boolean, nowMs: number): Promise<SweepReport> {
  const { mentioned, spareFromMs } = await withDatabase(dataDir, async (db) => {
    const started = db.prepare<[], number | null>("SELECT min(startedAtMs) FROM run WHERE status = 'running'").pluck().get();
    return { mentioned: await mentionedBlobs(db, dataDir), spareFromMs: Math.min(nowMs - graceMs, (started ?? nowMs) - graceMs) };
  });
  const files = await blobFiles(dataDir);
  const orphans = files.filter(({ sha256, writtenAtMs }) => (sha256 === null || !mentioned.has(sha256)) && writtenAtMs < spareFromMs);
  if (!dryRun) for (const { path } of orphans) await rm(path, { force: true });
  return { blobs: orphans.length, bytes: sum(orphans), kept: files.length - orphans.length, dryRun };
}

export interface BlobFile {
  readonly path: string;
  readonly sha256: string | null; // null: a blob that was not finished
  readonly sizeBytes: number;
  readonly writtenAtMs: number;
}

/** Blobs and what was to become one; damaged ones that were set aside (*.corrupt-TIME) are the user's to delete. */
export async function blobFiles(dataDir: string): Promise<BlobFile[]> {
  const folder = join(dataDir, 'blobs');
  const names = await readdir(folder, { recursive: true }).catch(missingIsNull);
  const files: BlobFile[] = [];
  for (const name of names ?? []) {
    const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
    const isWhole = /^[0-9a-f]{64}$/.test(base);
    if (!isWhole && !/^[0-9a-f]{64}\..*(tmp|restoring)$/.test(base)) continue;
    const found = await stat(join(folder, name)).catch(missingIsNull);
    if (found) files.push({ path: join(folder, name), sha256: isWhole ? base : null, sizeBytes: found.size, writtenAtMs: found.mtimeMs });
  }
  return files;
}

async function withDatabase<T>(dataDir: string, work: (db: Database.Database) => Promise<T>): Promise<T> {
  const db = new Database(databasePath(dataDir), { readonly: true, fileMustExist: true });
  try {
    return await work(db);
  } finally {
    db.close();
  }
}

function sum(files: readonly { readonly sizeBytes: number }[]): number {
  return files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

function missingIsNull(error: unknown): null {
  if (isErrno(error, 'ENOENT')) return null;
  throw error;
}
