/**
 * Blobs: checkpoints and weights, files that are named by their content. Files only, no SQL.
 *
 *   DATA-DIR/blobs/ab/abcdef...   the SHA-256 of the content, in folders by its first two digits
 *
 * A blob is there completely or not at all: it is written beside its place, forced to disk, and renamed. SQLite has no
 * checksums of its own, so what must not be wrong by one bit lies here, and every read is checked against the name.
 */
import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LatheError } from '../../shared/errors.ts';
import { failpoint } from './failpoint.ts';
import { fileError, isErrno } from './file-error.ts';

export interface BlobReference {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Where a blob lies. Throws `bad-input` for what is not a SHA-256 in lower-case hexadecimal. */
export function blobPath(dataDir: string, sha256: string): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new LatheError(
      'bad-input',
      `blob ${JSON.stringify(sha256.slice(0, 80))}: expected a SHA-256 of 64 lower-case hexadecimal digits`,
    );
  }
  return join(dataDir, 'blobs', sha256.slice(0, 2), sha256);
}

/** Writes a blob; it is on disk when this resolves. The same content again is harmless, and heals a damaged file. */
export async function writeBlob(dataDir: string, bytes: Uint8Array): Promise<BlobReference> {
  const sha256 = sha256Of(bytes);
  const path = blobPath(dataDir, sha256);
  try {
    await makeFolder(dirname(path));
    await replaceFile(path, bytes);
  } catch (error) {
    throw fileError(error, path);
  }
  return { sha256, sizeBytes: bytes.byteLength };
}

/** Reads a blob and checks it against its name. Throws `not-found` without the file and `corrupt` when its content has changed. */
export async function readBlob(dataDir: string, sha256: string): Promise<Uint8Array> {
  const path = blobPath(dataDir, sha256);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      throw new LatheError('not-found', `${path} is missing: put it back from a copy of the data folder, or start the run again`);
    }
    throw fileError(error, path);
  }
  const found = sha256Of(bytes);
  if (found !== sha256) {
    throw new LatheError(
      'corrupt',
      `${path} is damaged (its content has SHA-256 ${found}): put it back from a copy of the data folder, or move it away and start the run again`,
    );
  }
  return bytes;
}

/** Whether the file is there; its content is checked when it is read. */
export async function hasBlob(dataDir: string, sha256: string): Promise<boolean> {
  const path = blobPath(dataDir, sha256);
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw fileError(error, path);
  }
}

/** Bytes on disk; 0 where the file is not there. */
export async function blobSize(dataDir: string, sha256: string): Promise<number> {
  const path = blobPath(dataDir, sha256);
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw fileError(error, path);
  }
}

/** Deletes a blob; one that is not there is already deleted. */
export async function deleteBlob(dataDir: string, sha256: string): Promise<void> {
  const path = blobPath(dataDir, sha256);
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw fileError(error, path);
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Writes beside the place, forces to disk and renames: a reader sees the old file or the new one. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  failpoint('before-temporary');
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    failpoint('before-rename');
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  failpoint('after-rename');
  await syncFolder(dirname(path));
}

/** Makes the folder with those above it; the names of the new ones are on disk when this resolves. */
async function makeFolder(folder: string): Promise<void> {
  const firstMade = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (firstMade === undefined) return;
  for (let made = folder; made.length >= firstMade.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Forces a folder's list of names to disk. Windows cannot open a folder, and orders these writes itself (NTFS journal). */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
