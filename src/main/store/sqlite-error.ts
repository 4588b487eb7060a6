/** What SQLite's refusals mean to a person: each kind one sentence, with the file and what to do. */
import Database from 'better-sqlite3';
import { LatheError, toErrorPayload, type ErrorPayload } from '../../shared/errors.ts';
import { fileError } from './file-error.ts';

/** Anything thrown while the database at `path` was used. */
export function storeErrorPayload(error: unknown, path: string): ErrorPayload {
  return toErrorPayload(error instanceof Database.SqliteError ? sqliteError(error.code, error.message, path) : fileError(error, path));
}

export function sqliteError(code: string, message: string, path: string): LatheError {
  const what = `${code}: ${message}`;
  if (isKind(code, 'SQLITE_CORRUPT') || isKind(code, 'SQLITE_NOTADB')) return damagedDatabase(path, message);
  if (isKind(code, 'SQLITE_BUSY') || isKind(code, 'SQLITE_LOCKED')) {
    return new LatheError('conflict', `${path} is locked by another program (${what}): close that program, then try again`);
  }
  if (isKind(code, 'SQLITE_READONLY') || isKind(code, 'SQLITE_CANTOPEN') || isKind(code, 'SQLITE_PERM')) {
    return new LatheError(
      'unavailable',
      `${path} cannot be written (${what}): make the file and its folder writable for this user, or start with another --data-dir`,
    );
  }
  if (isKind(code, 'SQLITE_FULL'))
    return new LatheError('disk-full', `${path} could not grow, the disk is full: free some space and go on`);
  if (isKind(code, 'SQLITE_IOERR'))
    return new LatheError('unavailable', `${path} could not be read or written (${what}): check the disk, then try again`);
  if (isKind(code, 'SQLITE_CONSTRAINT'))
    return new LatheError('bad-input', `${path} refused a row (${message}): this is a defect of what wrote it`);
  return new LatheError('internal', `${path}: ${what}`);
}

export function damagedDatabase(path: string, finding: string): LatheError {
  return new LatheError(
    'corrupt',
    `${path} is damaged (${finding}); nothing was changed: "lathe repair" sets it aside, puts the newest backup in its place and takes over ` +
      'what can be read, or start with another --data-dir',
    { finding },
  );
}

/** Extended codes carry the primary one as prefix: SQLITE_BUSY_SNAPSHOT. */
function isKind(code: string, kind: string): boolean {
  return code === kind || code.startsWith(`${kind}_`);
}
