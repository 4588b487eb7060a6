/**
 * Decoded images on disk: DATA-DIR/cache/images/<sha256>, each file the bytes of one part of a data set, named by their SHA-256.
 * A file is there completely or not at all: it is written in a folder of its own beside the others, forced to disk and renamed.
 * Beyond a bound the files that were used longest ago go; whoever needs one again makes it again from its source.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ImageCacheInfo } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { bytes as bytesText } from '../../shared/format.ts';
import { sha256OfFile } from '../compute/hash.ts';
import { describeFileError } from './file-errors.ts';

/** 20 GiB: ImageNet's million images at 80 x 80, or 130,000 at 224 x 224. */
export const defaultCacheLimitBytes = 20 * 2 ** 30;

const settingsSchema = z.object({ limitBytes: z.number().int().positive() });
const temporaryPrefix = '.adding-'; // then the process and a random name
const writeBytes = 4 * 2 ** 20;

export class ImageCache {
  readonly #folder: string;
  readonly #settingsPath: string;

  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'cache', 'images');
    this.#settingsPath = join(dataDir, 'cache', 'settings.json');
  }

  /** Where the bytes of this hash lie, or would. */
  path(sha256: string): string {
    return join(this.#folder, sha256);
  }

  async has(sha256: string): Promise<boolean> {
    return stat(this.path(sha256)).then(
      (found) => found.isFile(),
      () => false,
    );
  }

  /**
   * The path of these bytes once they are checked against their name, marked as used now; null where they are not there. A
   * damaged file is deleted and counts as not there.
   */
  async find(sha256: string, signal?: AbortSignal): Promise<string | null> {
    const path = this.path(sha256);
    if (!(await this.has(sha256))) return null;
    if ((await sha256OfFile(path, signal)) !== sha256) {
      await rm(path, { force: true });
      return null;
    }
    const now = new Date();
    await utimes(path, now, now);
    return path;
  }

  async info(): Promise<ImageCacheInfo> {
    const entries = await this.#entries();
    return {
      path: this.#folder,
      limitBytes: await this.limitBytes(),
      usedBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      entries: entries.length,
    };
  }

  async limitBytes(): Promise<number> {
    try {
      return settingsSchema.parse(JSON.parse(await readFile(this.#settingsPath, 'utf8'))).limitBytes;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return defaultCacheLimitBytes;
      throw new LatheError(
        'corrupt',
        `${this.#settingsPath} cannot be read (${error instanceof Error ? error.message : String(error)}): delete it, or set the bound again with "dataset cache --limit"`,
      );
    }
  }

  /** Sets the bound; what is beyond it now goes at once. */
  async setLimit(limitBytes: number): Promise<void> {
    await inPlace(this.#folder, () => mkdir(this.#folder, { recursive: true, mode: 0o700 }));
    const temporary = `${this.#settingsPath}.${randomBytes(6).toString('hex')}`;
    await writeFile(temporary, `${JSON.stringify({ limitBytes })}\n`, { mode: 0o600 });
    await rename(temporary, this.#settingsPath);
    await this.evict(new Set());
  }

  /** Throws LatheError: bad-input when the bound holds no `sizeBytes`, disk-full when the disk does not. */
  async requireRoom(sizeBytes: number): Promise<void> {
    const limit = await this.limitBytes();
    if (sizeBytes > limit) {
      throw new LatheError(
        'bad-input',
        `decoded, the images take ${bytesText(sizeBytes)}, more than the image cache's bound of ${bytesText(limit)}; ask for smaller images, or raise the bound with "dataset cache --limit"`,
      );
    }
    await inPlace(this.#folder, () => mkdir(this.#folder, { recursive: true, mode: 0o700 }));
    const disk = await statfs(this.#folder);
    const free = disk.bavail * disk.bsize;
    if (sizeBytes > free) {
      throw new LatheError(
        'disk-full',
        `decoded, the images take ${bytesText(sizeBytes)}; the disk of ${this.#folder} has ${bytesText(free)} free`,
      );
    }
  }

  /** A folder for files that are being made; `discard` it whatever happens. Those of processes that are gone are swept away. */
  async begin(): Promise<CacheWork> {
    await inPlace(this.#folder, () => mkdir(this.#folder, { recursive: true, mode: 0o700 }));
    await this.sweep();
    return new CacheWork(this.#folder, await mkdtemp(join(this.#folder, `${temporaryPrefix}${String(process.pid)}-`)));
  }

  /** Deletes what processes that are gone had in the making. */
  async sweep(): Promise<void> {
    for (const name of await namesIn(this.#folder)) {
      const pid = Number(new RegExp(`^\\${temporaryPrefix}(\\d+)-`).exec(name)?.[1] ?? 0);
      if (pid > 0 && pid !== process.pid && !isAlive(pid)) await rm(join(this.#folder, name), { recursive: true, force: true });
    }
  }

  /** Deletes a file that nothing refers to any more. */
  async remove(sha256: string): Promise<void> {
    await rm(this.path(sha256), { force: true });
  }

  /** Deletes what was used longest ago until the rest is within the bound; `keep` stays. */
  async evict(keep: ReadonlySet<string>): Promise<void> {
    const limit = await this.limitBytes();
    const entries = await this.#entries();
    let used = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const entry of entries.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (used <= limit) return;
      if (keep.has(entry.sha256)) continue;
      await this.remove(entry.sha256);
      used -= entry.sizeBytes;
    }
  }

  async #entries(): Promise<{ sha256: string; sizeBytes: number; usedAtMs: number }[]> {
    const names = await namesIn(this.#folder);
    const found = await Promise.all(
      names
        .filter((name) => /^[0-9a-f]{64}$/.test(name))
        .map(async (sha256) => {
          const file = await stat(this.path(sha256)).catch(() => null); // another process may just have evicted it
          return file ? [{ sha256, sizeBytes: file.size, usedAtMs: file.mtimeMs }] : [];
        }),
    );
    return found.flat();
  }
}

/** Files of the cache in the making, in a folder of their own. */
export class CacheWork {
  readonly #cacheFolder: string;
  readonly #folder: string;
  readonly #files: CacheFile[] = [];

  constructor(cacheFolder: string, folder: string) {
    this.#cacheFolder = cacheFolder;
    this.#folder = folder;
  }

  async create(name: string): Promise<CacheFile> {
    const path = join(this.#folder, name);
    const file = new CacheFile(path, await inPlace(path, () => open(path, 'wx', 0o600)));
    this.#files.push(file);
    return file;
  }

  /** Moves every file to its place; they must be finished. */
  async commit(): Promise<void> {
    for (const file of this.#files) {
      const { sha256 } = await file.finish();
      await inPlace(file.path, () => rename(file.path, join(this.#cacheFolder, sha256)));
    }
    await syncFolder(this.#cacheFolder);
    await this.discard();
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    for (const file of this.#files) await file.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** One file that is written from its beginning to its end, and hashed on the way. */
export class CacheFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  readonly #buffer = Buffer.allocUnsafe(writeBytes);
  #filled = 0;
  #sizeBytes = 0;
  #finished: { readonly sha256: string; readonly sizeBytes: number } | null = null;
  #open = true;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const some = Math.min(bytes.length - at, writeBytes - this.#filled);
      this.#buffer.set(bytes.subarray(at, at + some), this.#filled);
      this.#filled += some;
      at += some;
      if (this.#filled === writeBytes) await this.#flush();
    }
  }

  /** Forces the file to disk and gives its hash; the second time the same. */
  async finish(): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
    if (this.#finished) return this.#finished;
    await this.#flush();
    await inPlace(this.path, () => this.#handle.sync());
    await this.close();
    this.#finished = { sha256: this.#hash.digest('hex'), sizeBytes: this.#sizeBytes };
    return this.#finished;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#filled);
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await inPlace(this.path, () => this.#handle.write(bytes, at));
      at += bytesWritten;
    }
    this.#sizeBytes += bytes.length;
    this.#filled = 0;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw describeFileError(folder, error);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // there, and another user's
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // cannot open a folder, and orders these writes itself
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function inPlace<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw describeFileError(path, error);
  }
}
