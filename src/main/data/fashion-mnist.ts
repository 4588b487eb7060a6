/**
 * Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747; MIT licence): 60,000 + 10,000 grey images of 28 x 28, ten
 * classes. It is got from the first source that has it: the folder of Debian's package, the package itself without root, or the
 * authors' repository. Each file is believed only when its SHA-256 is the published one.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import type { DatasetRecord } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { sha256OfFile } from '../compute/hash.ts';
import { describeFileError } from './file-errors.ts';
import { datasetSha256 } from './records.ts';
import type { PartRole } from './records.ts';

interface Part {
  readonly role: PartRole;
  readonly name: string; // unpacked; packed it is name.gz
  readonly sizeBytes: number; // unpacked
  readonly sha256: string; // unpacked
}

const parts: readonly Part[] = [
  {
    role: 'train-images',
    name: 'train-images-idx3-ubyte',
    sizeBytes: 47_040_016,
    sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
  },
  {
    role: 'train-labels',
    name: 'train-labels-idx1-ubyte',
    sizeBytes: 60_008,
    sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  },
  {
    role: 'test-images',
    name: 't10k-images-idx3-ubyte',
    sizeBytes: 7_840_016,
    sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
  },
  {
    role: 'test-labels',
    name: 't10k-labels-idx1-ubyte',
    sizeBytes: 10_008,
    sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  },
];

const classNames = ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'];
const shape: [number, number, number] = [28, 28, 1];

/** The record of Fashion-MNIST whose files are in this data directory, whether they are there yet or not. */
export function fashionMnistRecord(dataDir: string): DatasetRecord {
  const hashes = Object.fromEntries(parts.map(({ role, sha256 }) => [role, sha256])) as Record<PartRole, string>;
  return {
    id: 'fashion-mnist',
    kind: 'fashion-mnist',
    title: 'Fashion-MNIST',
    classes: classNames.length,
    classNames: [...classNames],
    train: 60_000,
    test: 10_000,
    shape: [...shape],
    sha256: datasetSha256(hashes, shape, classNames.length),
    source: 'Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747 (MIT licence)',
    classCounts: { train: classNames.map(() => 6000), test: classNames.map(() => 1000) },
    files: parts.map(({ role, name, sha256 }) => ({ role, path: join(dataDir, 'datasets', 'fashion-mnist', name), sha256 })),
  };
}

/** What a source is given to work with. */
export interface SourceContext {
  readonly temporaryFolder: string; // empty, on the disk of the data directory, removed afterwards
  readonly log: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Somewhere to get the four .gz files from. `fetch` returns the folder in which they are, or throws with the reason why not. */
export interface FashionMnistSource {
  readonly name: string;
  readonly fetch: (context: SourceContext) => Promise<string>;
}

export interface AddFashionMnistOptions {
  readonly dataDir: string;
  readonly log: (text: string) => void;
  readonly signal?: AbortSignal;
  readonly sources?: readonly FashionMnistSource[]; // default: the three of `fashionMnistSources`
}

/**
 * Makes Fashion-MNIST available in the data directory and returns its record. Files that are there already and whole stay.
 * Throws LatheError unavailable when no source has it, naming each with its reason; cancelled; disk-full.
 */
export async function addFashionMnist({
  dataDir,
  log,
  signal = new AbortController().signal,
  sources,
}: AddFashionMnistOptions): Promise<DatasetRecord> {
  const record = fashionMnistRecord(dataDir);
  if (await isComplete(record)) {
    log('Fashion-MNIST is already there, and whole');
    return record;
  }
  const datasets = join(dataDir, 'datasets');
  await inFolder(datasets, () => mkdir(join(datasets, 'fashion-mnist'), { recursive: true }));
  const failures: string[] = [];
  for (const source of sources ?? fashionMnistSources) {
    const temporaryFolder = await inFolder(datasets, () => mkdtemp(join(datasets, '.fashion-mnist-')));
    try {
      log(`Fashion-MNIST: trying ${source.name}`);
      const folder = await source.fetch({ temporaryFolder, log, signal });
      await unpackAll(folder, record, signal);
      log(`Fashion-MNIST: taken from ${source.name}, every file checked against its published SHA-256`);
      return record;
    } catch (error) {
      if (signal.aborted) throw new LatheError('cancelled', 'adding Fashion-MNIST was stopped on request');
      if (error instanceof LatheError && error.code === 'disk-full') throw error;
      const reason = error instanceof Error ? error.message : String(error);
      log(`Fashion-MNIST: not from ${source.name}: ${reason}`);
      failures.push(`${source.name} (${reason})`);
    } finally {
      await rm(temporaryFolder, { recursive: true, force: true });
    }
  }
  throw new LatheError(
    'unavailable',
    `Fashion-MNIST could not be had from ${failures.join(', nor from ')}; connect this machine to the internet or install Debian's package dataset-fashion-mnist and try again, ` +
      'or add the four files from elsewhere as IDX files under another id',
  );
}

async function isComplete(record: DatasetRecord): Promise<boolean> {
  for (const { path, sha256 } of record.files) {
    try {
      if ((await sha256OfFile(path)) !== sha256) return false;
    } catch {
      return false; // unreadable counts as absent: it is fetched again, and writing it reports what is wrong
    }
  }
  return true;
}

async function unpackAll(folder: string, record: DatasetRecord, signal: AbortSignal): Promise<void> {
  const unpacked: { from: string; to: string }[] = [];
  try {
    for (const part of parts) {
      const to = record.files.find(({ role }) => role === part.role)?.path ?? '';
      const from = `${to}.${process.pid}.part`;
      unpacked.push({ from, to });
      await unpack(join(folder, `${part.name}.gz`), from, part, signal);
    }
    for (const { from, to } of unpacked) await rename(from, to);
  } finally {
    for (const { from } of unpacked) await rm(from, { force: true }); // those that were not renamed
  }
}

/** Unpacks one file, checks its length and SHA-256, and leaves it on disk only then. */
async function unpack(from: string, to: string, part: Part, signal: AbortSignal): Promise<void> {
  const hash = createHash('sha256');
  let found = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      found += chunk.length;
      hash.update(chunk);
      if (found > part.sizeBytes)
        done(new Error(`${from}: unpacks to more than the ${part.sizeBytes.toLocaleString('en-US')} bytes of the published file`));
      else done(null, chunk);
    },
  });
  try {
    await pipeline(createReadStream(from), createGunzip(), check, createWriteStream(to), { signal });
  } catch (error) {
    throw describeFileError(from, error);
  }
  const sha256 = hash.digest('hex');
  if (sha256 !== part.sha256) throw new Error(`${from}: not the published file: expected SHA-256 ${part.sha256}, found ${sha256}`);
  const handle = await open(to, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function inFolder<T>(folder: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw describeFileError(folder, error);
  }
}

/** A folder that has the four files, such as the one of Debian's package. */
export function folderSource(folder: string): FashionMnistSource {
  return {
    name: `the folder ${folder}`,
    fetch: async () => {
      for (const { name } of parts) {
        const path = join(folder, `${name}.gz`);
        try {
          await access(path);
        } catch (error) {
          throw describeFileError(path, error);
        }
      }
      return folder;
    },
  };
}

const run = promisify(execFile);
const commandTimeoutMs = 300_000;

/**
 * Debian's and Ubuntu's package, downloaded and unpacked without installing it: apt works in a state folder of its own, so
 * neither root nor an earlier `apt-get update` is needed, and nothing outside the temporary folder changes.
 */
export const aptSource: FashionMnistSource = {
  name: "Debian's package dataset-fashion-mnist",
  fetch: async ({ temporaryFolder, log, signal }) => {
    await mkdir(join(temporaryFolder, 'state', 'lists', 'partial'), { recursive: true });
    await mkdir(join(temporaryFolder, 'cache', 'archives', 'partial'), { recursive: true });
    await writeFile(join(temporaryFolder, 'status'), '');
    const settings = [
      `Dir::State=${join(temporaryFolder, 'state')}`,
      `Dir::State::status=${join(temporaryFolder, 'status')}`, // what is installed here does not matter
      `Dir::Cache=${join(temporaryFolder, 'cache')}`,
      'Acquire::Languages=none',
      'Acquire::Retries=1',
      'Acquire::http::Timeout=20',
      'Acquire::https::Timeout=20',
      'APT::Sandbox::User=root', // the user _apt may not write into this folder
    ].flatMap((setting) => ['-o', setting]);
    const call = async (command: string, ...args: string[]): Promise<void> => {
      const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
      try {
        await run(command, args, { cwd: temporaryFolder, env, signal, timeout: commandTimeoutMs, maxBuffer: 2 ** 24 });
      } catch (error) {
        throw new Error(describeCommandError(command, error), { cause: error });
      }
    };
    log('Fashion-MNIST: reading the package lists (about 10 MB)');
    let updateFailure: string | null = null;
    try {
      await call('apt-get', '-q', ...settings, 'update');
    } catch (error) {
      // One repository of several may be unreachable; whether the package's own was, the download tells.
      if (signal.aborted) throw error;
      updateFailure = error instanceof Error ? error.message : String(error);
    }
    log('Fashion-MNIST: downloading the package (31 MB)');
    try {
      await call('apt-get', '-q', ...settings, 'download', 'dataset-fashion-mnist');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(updateFailure === null || updateFailure === reason ? reason : `${updateFailure}; ${reason}`, { cause: error });
    }
    const archive = (await readdir(temporaryFolder)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get reported success, but left no package');
    await call('dpkg-deb', '-x', archive, 'package');
    return join(temporaryFolder, 'package', 'usr', 'share', 'datasets', 'fashion-mnist');
  },
};

function describeCommandError(command: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'ENOENT') return `this machine has no ${command}`;
  if ('killed' in error && error.killed === true) return `${command} took longer than ${commandTimeoutMs / 1000} s`;
  const lines = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim().split('\n') : [];
  const line = lines.find((text) => text.startsWith('E: ')) ?? lines.at(-1);
  return line ? `${command}: ${line.replace(/^E: /, '')}` : error.message;
}

const maximumDownloadBytes = 2 ** 26; // packed, the largest is 26 MB

/** The packed files below an address, over HTTPS. */
export function downloadSource(address: string, fetchFile: typeof fetch = fetch): FashionMnistSource {
  return {
    name: `the download from ${new URL(address).host}`,
    fetch: async ({ temporaryFolder, log, signal }) => {
      for (const { name } of parts) {
        log(`Fashion-MNIST: downloading ${name}.gz`);
        const url = new URL(`${name}.gz`, address);
        const response = await fetchFile(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(commandTimeoutMs)]) }).catch(
          (error: unknown) => {
            throw new Error(`${url.host} could not be reached: ${describeFetchError(error)}`, { cause: error });
          },
        );
        if (!response.ok || response.body === null)
          throw new Error(`${url.href}: the server answered ${response.status} ${response.statusText}`.trim());
        let found = 0;
        const cap = new Transform({
          transform(chunk: Uint8Array, _encoding, done) {
            found += chunk.length;
            if (found > maximumDownloadBytes)
              done(new Error(`${url.href}: longer than the ${maximumDownloadBytes.toLocaleString('en-US')} bytes that are allowed`));
            else done(null, chunk);
          },
        });
        await pipeline(response.body, cap, createWriteStream(join(temporaryFolder, `${name}.gz`)), { signal });
      }
      return temporaryFolder;
    },
  };
}

function describeFetchError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

/** In the order in which they are tried. */
export const fashionMnistSources: readonly FashionMnistSource[] = [
  folderSource('/usr/share/datasets/fashion-mnist'),
  aptSource,
  downloadSource('https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/'),
];
