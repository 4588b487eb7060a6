/** The file system's errors as sentences for a person. */
import { LatheError } from '../../shared/errors.ts';
import type { ErrorCode } from '../../shared/errors.ts';

const sentences: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['not-found', 'there is no such file'],
  ENOTDIR: ['not-found', 'a part of its path is no folder'],
  EISDIR: ['bad-input', 'it is a folder, expected a file'],
  EACCES: ['bad-input', 'this user may not read it'],
  EPERM: ['bad-input', 'this user may not read it'],
  ENOSPC: ['disk-full', 'the disk is full; make room and try again'],
  EDQUOT: ['disk-full', "this user's disk quota is used up; make room and try again"],
  EROFS: ['unavailable', 'the file system is read-only'],
};

/** Where the same error means something else to one who writes. */
const writingSentences: typeof sentences = {
  ...sentences,
  ENOENT: ['not-found', 'its folder does not exist; make it first, or choose another'],
  EISDIR: ['bad-input', 'it is a folder, expected the name of a file'],
  EACCES: ['bad-input', 'this user may not write there'],
  EPERM: ['bad-input', 'this user may not write there'],
};

/** What happened to a file that was read, as a LatheError that begins with its path; anything but a system error is given back as it is. */
export function describeFileError(path: string, error: unknown): Error {
  return describe(path, error, sentences);
}

/** As `describeFileError`, of a file that could not be written. */
export function describeWriteError(path: string, error: unknown): Error {
  return describe(path, error, writingSentences);
}

function describe(path: string, error: unknown, meanings: typeof sentences): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (error instanceof LatheError || code === null) return error;
  const [latheCode, sentence] = meanings[code] ?? ['unavailable', error.message];
  return new LatheError(latheCode, `${path}: ${sentence}`);
}
