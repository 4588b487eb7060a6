/**
 * Bundles as files: a zip of JSON records and blobs with a header that names each by its SHA-256. Whoever reads one trusts nothing
 * in it: names are from a list of forms, sizes are bounded before anything is unpacked, and what is kept has the hash that was told.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { ZipFile as ZipWriter } from 'yazl';
import { z } from 'zod';
import {
  bundleContentSchema,
  bundleHeaderSchema,
  bundledRunSchema,
  largestBundleBytes,
  type BundleContent,
  type BundleHeader,
  type ReadBundle,
} from '../../shared/bundle.ts';
import { describeZodError, LatheError } from '../../shared/errors.ts';
import { networkRecordSchema } from '../../shared/network.ts';
import { targetSchema } from '../../shared/target.ts';
import { hasBlob, readBlob, writeBlob } from '../store/blobs.ts';
import { openZip, type Entry, type ZipFile } from './zip.ts';

export const bundleVersion = 1;
const mostEntries = 5000;
const entryForms = /^(?:(?:bundle|run|policy)\.json|(?:targets|networks)\/[a-z0-9][a-z0-9._-]{0,99}\.json|blobs\/[0-9a-f]{64})$/;

const writeQuestionSchema = z.object({
  dataDir: z.string(),
  path: z.string(),
  lathe: z.string(),
  createdAtMs: z.number(),
  content: bundleContentSchema,
  policy: z.unknown(),
  blobs: z.array(z.string()),
});

/** Writes a bundle beside its place and moves it there. Throws LatheError bad-input for one that no reader would take. */
export async function answerWriteBundle(input: unknown): Promise<{ sizeBytes: number }> {
  const { dataDir, path, lathe, createdAtMs, content, policy, blobs } = writeQuestionSchema.parse(input);
  const files = new Map<string, Buffer>();
  const json = (name: string, value: unknown): Map<string, Buffer> => files.set(name, Buffer.from(`${JSON.stringify(value)}\n`));
  json('run.json', content.run);
  if (policy !== null && policy !== undefined) json('policy.json', policy);
  for (const target of content.targets) json(`targets/${target.id}.json`, target);
  for (const network of content.networks) json(`networks/${network.id}.json`, network);
  for (const sha256 of blobs) files.set(`blobs/${sha256}`, Buffer.from(await readBlob(dataDir, sha256)));
  const total = [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  if (total > largestBundleBytes) {
    throw new LatheError(
      'bad-input',
      `run ${content.run.detail.summary.id}: its bundle would hold ${String(total)} bytes, at most ${String(largestBundleBytes)} can be opened again`,
    );
  }
  const header: BundleHeader = {
    ...{ format: 'lathe-bundle', formatVersion: bundleVersion, lathe, createdAtMs, run: content.run.detail.summary.id },
    files: [...files].map(([name, bytes]) => ({ path: name, sha256: sha256Of(bytes), sizeBytes: bytes.length })),
  };
  const zip = new ZipWriter();
  const mtime = new Date(createdAtMs);
  zip.addBuffer(Buffer.from(`${JSON.stringify(header, null, 2)}\n`), 'bundle.json', { mtime });
  for (const [name, bytes] of files) zip.addBuffer(bytes, name, { mtime, compress: !name.startsWith('blobs/') }); // weights do not shrink
  zip.end();
  const temporary = `${path}.tmp`;
  try {
    const file = createWriteStream(temporary, { mode: 0o600 });
    await pipeline(zip.outputStream, file);
    await rename(temporary, path);
    return { sizeBytes: file.bytesWritten };
  } catch (error) {
    await rm(temporary, { force: true });
    throw new LatheError(
      'unavailable',
      `${path} cannot be written (${error instanceof Error ? error.message : String(error)}); choose another place`,
    );
  }
}

const readQuestionSchema = z.object({ dataDir: z.string(), path: z.string(), name: z.string() });

/** Reads a bundle, keeps its blobs and returns the rest with how many of them were not here yet. Throws LatheError bad-input in one sentence for whatever is not as it should be. */
export async function answerReadBundle(input: unknown): Promise<ReadBundle> {
  const { dataDir, path, name } = readQuestionSchema.parse(input);
  const files = await unpack(path, name);
  const header = parsed(name, 'bundle.json', files, bundleHeaderSchema);
  if (header.formatVersion > bundleVersion) {
    throw new LatheError(
      'newer-version',
      `${name}: written by a newer Lathe (${header.lathe}, form ${String(header.formatVersion)}); open it there, or install that one`,
    );
  }
  checkFiles(name, header, files);
  const folder = (prefix: string): string[] => [...files.keys()].filter((file) => file.startsWith(prefix)).sort();
  const content: BundleContent = {
    run: parsed(name, 'run.json', files, bundledRunSchema),
    targets: folder('targets/').map((file) => parsed(name, file, files, targetSchema)),
    networks: folder('networks/').map((file) => parsed(name, file, files, networkRecordSchema)),
  };
  if (content.run.detail.summary.id !== header.run)
    throw refused(name, `its header is of run ${header.run}, its record of run ${content.run.detail.summary.id}`);
  let newBlobs = 0;
  for (const file of folder('blobs/')) {
    const bytes = files.get(file);
    if (!bytes) continue;
    if (!(await hasBlob(dataDir, file.slice('blobs/'.length)))) newBlobs += 1;
    await writeBlob(dataDir, bytes); // also where it is here: heals a damaged one
  }
  return { ...content, newBlobs };
}

function refused(name: string, finding: string): LatheError {
  return new LatheError('bad-input', `${name} is no bundle that can be opened: ${finding}; nothing was taken from it`);
}

/** Everything in it, by name. */
async function unpack(path: string, name: string): Promise<ReadonlyMap<string, Buffer>> {
  let zip: ZipFile;
  try {
    zip = await openZip(path);
  } catch (error) {
    throw refused(name, error instanceof Error ? error.message : String(error));
  }
  const files = new Map<string, Buffer>();
  let left = largestBundleBytes;
  try {
    if (zip.entryCount > mostEntries) throw refused(name, `expected at most ${String(mostEntries)} files, found ${String(zip.entryCount)}`);
    for await (const entry of zip.entries()) {
      left -= checkEntry(name, entry, files, left);
      files.set(entry.fileName, await zip.read(entry));
    }
  } catch (error) {
    if (error instanceof LatheError) throw error;
    throw refused(name, error instanceof Error ? error.message : String(error));
  } finally {
    zip.close();
  }
  return files;
}

/** The bytes that it will take; refuses what has no place in a bundle before any of it is unpacked. */
function checkEntry(name: string, { fileName, uncompressedSize }: Entry, files: ReadonlyMap<string, Buffer>, left: number): number {
  if (!entryForms.test(fileName)) throw refused(name, `a file named ${JSON.stringify(fileName.slice(0, 80))} has no place in one`);
  if (files.has(fileName)) throw refused(name, `${fileName} is in it twice`);
  if (uncompressedSize > left) throw refused(name, `unpacked it is larger than ${String(largestBundleBytes)} bytes`);
  return uncompressedSize;
}

/** Each file as the header tells it, and no other. */
function checkFiles(name: string, header: BundleHeader, files: ReadonlyMap<string, Buffer>): void {
  const told = new Set(['bundle.json']);
  for (const { path, sha256 } of header.files) {
    const bytes = files.get(path);
    if (!bytes) throw refused(name, `${path} is missing`);
    if (sha256Of(bytes) !== sha256 || (path.startsWith('blobs/') && path !== `blobs/${sha256}`))
      throw refused(name, `${path} is damaged (its SHA-256 is another one)`);
    told.add(path);
  }
  const other = [...files.keys()].find((path) => !told.has(path));
  if (other !== undefined) throw refused(name, `its header does not name ${other}`);
}

function parsed<T extends z.ZodType>(name: string, file: string, files: ReadonlyMap<string, Buffer>, schema: T): z.output<T> {
  const bytes = files.get(file);
  if (!bytes) throw refused(name, `${file} is missing`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw refused(name, `${file} is not JSON`);
  }
  const result = schema.safeParse(value);
  if (!result.success) throw refused(name, `${file}: ${describeZodError(result.error).slice(0, 300)}`);
  return result.data;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
