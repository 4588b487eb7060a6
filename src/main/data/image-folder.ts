/**
 * A folder of images, a folder for each class: ROOT/CLASS/..., or ROOT/train/CLASS/... with val/ and test/ beside it. The classes
 * are the folders' names in order; within a class, images are taken from all its folders. Hidden files are passed over; links
 * are followed to files inside the root alone.
 */
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { LatheError } from '../../shared/errors.ts';
import { describeFileError } from './file-errors.ts';
import { checkClassNames, isImageName, maximumFiles, partNames } from './listing.ts';
import type { ListedFile, ListedPart, Listing } from './listing.ts';

const maximumDepth = 16; // folders within a class
const filesAtOnce = 64;

/** Lists a folder. Throws LatheError: bad-input with one sentence that begins with the path; cancelled. */
export async function listImageFolder(path: string, signal: AbortSignal): Promise<Listing> {
  const root = await realRoot(path);
  const top = await foldersIn(root);
  if (top.length === 0) throw new LatheError('bad-input', `${root}: it has no folders; expected one for each class, with its images`);
  const parts =
    top.every((name) => partNames[name.toLowerCase()] !== undefined) && top.some((name) => partNames[name.toLowerCase()] === 'train');
  const walk = new Walk(root, signal);
  if (!parts) {
    checkClassNames(root, top);
    for (const [label, name] of top.entries()) await walk.class(name, label, null);
    return walk.listing(top);
  }
  const partOf = (name: string): ListedPart => partNames[name.toLowerCase()] ?? 'train';
  const twice = top.find((name, index) => top.findIndex((other) => partOf(other) === partOf(name)) !== index);
  if (twice !== undefined)
    throw new LatheError('bad-input', `${root}: two folders are for ${partOf(twice)} images (${top.join(', ')}); keep one`);
  const trainFolder = top.find((name) => partOf(name) === 'train') ?? '';
  const classes = await foldersIn(join(root, trainFolder));
  checkClassNames(join(root, trainFolder), classes);
  for (const folder of top) {
    const unknown = (await foldersIn(join(root, folder))).find((name) => !classes.includes(name));
    if (unknown !== undefined) {
      throw new LatheError(
        'bad-input',
        `${join(root, folder, unknown)}: class ${unknown} is not among those of ${trainFolder}/ (${classes.slice(0, 10).join(', ')})`,
      );
    }
    for (const [label, name] of classes.entries()) await walk.class(join(folder, name), label, partOf(folder));
  }
  return walk.listing(classes);
}

async function realRoot(path: string): Promise<string> {
  try {
    return await realpath(resolve(path));
  } catch (error) {
    throw describeFileError(path, error);
  }
}

/** Names of the folders in a folder, in order; hidden ones and links apart. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await entriesOf(folder);
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
}

/** Sorted by code units: the same on every machine, whatever its language. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw describeFileError(folder, error);
  }
}

/** Collects the images of one class after the other. */
class Walk {
  readonly #root: string;
  readonly #signal: AbortSignal;
  readonly #files: ListedFile[] = [];
  readonly #passedOver: string[] = [];

  constructor(root: string, signal: AbortSignal) {
    this.#root = root;
    this.#signal = signal;
  }

  /** All images of one class folder, which may be missing in a part. */
  async class(folder: string, label: number, part: ListedPart | null): Promise<void> {
    const before = this.#files.length;
    const exists = await lstat(join(this.#root, folder)).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (exists) await this.#folder(folder, label, part, 0);
    if (this.#files.length === before && part !== 'validation' && part !== 'test') {
      throw new LatheError(
        'bad-input',
        `${join(this.#root, folder)}: it has no images (JPEG, PNG or WebP); add some, or take the folder away`,
      );
    }
  }

  listing(classNames: readonly string[]): Listing {
    const [first] = this.#passedOver;
    const count = this.#passedOver.length;
    const notes =
      first === undefined
        ? []
        : [
            `${String(count)} ${count === 1 ? 'file has' : 'files have'} no image's extension and ${count === 1 ? 'was' : 'were'} passed over, such as ${first}`,
          ];
    return { kind: 'folder', root: this.#root, classNames, files: this.#files, notes };
  }

  async #folder(folder: string, label: number, part: ListedPart | null, depth: number): Promise<void> {
    if (this.#signal.aborted) throw new LatheError('cancelled', 'listing was stopped on request');
    const path = join(this.#root, folder);
    if (depth > maximumDepth) throw new LatheError('bad-input', `${path}: folders within a class go deeper than ${maximumDepth}`);
    const entries = (await entriesOf(path)).filter(({ name }) => !name.startsWith('.'));
    const images = entries.filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && isImageName(entry.name));
    for (let first = 0; first < images.length; first += filesAtOnce) {
      const some = images.slice(first, first + filesAtOnce);
      this.#files.push(...(await Promise.all(some.map((entry) => this.#file(join(folder, entry.name), label, part, entry)))));
      if (this.#files.length > maximumFiles) {
        throw new LatheError(
          'bad-input',
          `${this.#root}: more than ${maximumFiles.toLocaleString('en-US')} images; Lathe takes as many in one set`,
        );
      }
    }
    for (const entry of entries) {
      const name = join(folder, entry.name);
      if (entry.isDirectory()) await this.#folder(name, label, part, depth + 1);
      else if (!images.includes(entry)) this.#passedOver.push(slashes(name));
    }
  }

  async #file(name: string, label: number, part: ListedPart | null, entry: Dirent): Promise<ListedFile> {
    const path = join(this.#root, name);
    const listed = { name: slashes(name), label, part };
    try {
      if (entry.isSymbolicLink() && !isInside(this.#root, await realpath(path))) {
        return { ...listed, sizeBytes: 0, problem: 'it is a link that leads out of the folder' };
      }
      const found = await stat(path);
      return { ...listed, sizeBytes: found.size, problem: found.isFile() ? null : 'it is a link to something else than a file' };
    } catch (error) {
      const described = describeFileError(path, error);
      return { ...listed, sizeBytes: 0, problem: described.message.slice(described.message.indexOf(': ') + 2) };
    }
  }
}

/** Whether a path lies in a folder; both real paths. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && resolve(folder, way) === path;
}

export function slashes(path: string): string {
  return sep === '/' ? path : path.split(sep).join('/');
}
