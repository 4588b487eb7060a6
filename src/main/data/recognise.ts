/** What lies at a path, told by its content and not by its name. */
import { open, readdir, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import type { DatasetKind } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { cifarKindOf } from './cifar.ts';
import { describeFileError } from './file-errors.ts';
import { isTableHeader } from './image-table.ts';

export type PathKind = Extract<DatasetKind, 'idx' | 'cifar-10' | 'cifar-100' | 'folder' | 'csv'>;

export interface IdxPaths {
  readonly trainImages: string;
  readonly trainLabels: string;
  readonly testImages: string;
  readonly testLabels: string;
}

/** What a path holds. Throws LatheError: bad-input with what was expected; not-found. */
export async function recogniseKind(path: string): Promise<PathKind> {
  const absolute = resolve(path);
  const found = await asFile(absolute, () => stat(absolute));
  if (found.isFile()) {
    if (isTableHeader(await firstLine(absolute))) return 'csv';
    throw new LatheError(
      'bad-input',
      `${absolute}: expected a folder, or a CSV table that begins with path,label; unpack an archive first, and name the folder of IDX or CIFAR files`,
    );
  }
  const names = await asFile(absolute, () => readdir(absolute));
  return cifarKindOf(names) ?? (findIdxFiles(absolute, names) ? 'idx' : 'folder');
}

/** The four IDX files in a folder. Throws LatheError: bad-input when they are not there. */
export async function idxFilesAt(path: string): Promise<IdxPaths> {
  const folder = resolve(path);
  const files = findIdxFiles(folder, await asFile(folder, () => readdir(folder)));
  if (files) return files;
  throw new LatheError(
    'bad-input',
    `${folder}: expected four IDX files, such as train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or gzip`,
  );
}

/** Files called as MNIST's are, with any ending; what they hold is checked when they are read. */
function findIdxFiles(folder: string, names: readonly string[]): IdxPaths | null {
  const find = (part: RegExp, what: string): string | null => {
    const name = names.find((candidate) => part.test(candidate) && candidate.includes(what) && /idx|ubyte/.test(candidate));
    return name === undefined ? null : join(folder, name);
  };
  const trainImages = find(/^train/, 'images');
  const trainLabels = find(/^train/, 'labels');
  const testImages = find(/^(t10k|test)/, 'images');
  const testLabels = find(/^(t10k|test)/, 'labels');
  if (trainImages === null || trainLabels === null || testImages === null || testLabels === null) return null;
  return { trainImages, trainLabels, testImages, testLabels };
}

/** An id made of a path's last name; 'images' where nothing of it can stand in an id. */
export function suggestId(path: string): string {
  const name = basename(resolve(path), extname(path));
  const id = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  return id === '' ? 'images' : id;
}

async function firstLine(path: string): Promise<string> {
  const handle = await asFile(path, () => open(path, 'r'));
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
    return (
      buffer
        .toString('utf8', 0, bytesRead)
        .replace(/^\uFEFF/, '')
        .split(/\r?\n/)[0] ?? ''
    );
  } finally {
    await handle.close();
  }
}

async function asFile<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw describeFileError(path, error);
  }
}
