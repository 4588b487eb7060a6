/** What a file system's refusal means to a person. */
import { LatheError } from '../../shared/errors.ts';

export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** A file system's error as one sentence with the path and what to do; a LatheError and anything unexpected stay what they are. */
export function fileError(error: unknown, path: string): unknown {
  if (isErrno(error, 'ENOSPC', 'EDQUOT'))
    return new LatheError('disk-full', `${path} could not be written, the disk is full: free some space and go on`);
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new LatheError(
      'unavailable',
      `${path} cannot be used (${errnoOf(error)}): make its folder writable for this user, or start with another --data-dir`,
    );
  }
  if (isErrno(error, 'ENOTDIR', 'EEXIST')) {
    return new LatheError('bad-input', `${path} cannot be made, a file is in the way (${errnoOf(error)}): start with another --data-dir`);
  }
  return error;
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
