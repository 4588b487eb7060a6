/** A file that comes over the network: there completely and with the right hash, or not at all. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LatheError } from '../../shared/errors.ts';

/** Writes a stream beside its place and renames it when its bytes hash to the name it has. Throws LatheError corrupt where they do not. */
export async function receiveFile(source: Readable, path: string, sha256: string): Promise<number> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.tmp`;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    const file = await open(temporary, 'wx', 0o600);
    await pipeline(
      source,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          sizeBytes += chunk.length;
          yield chunk;
        }
      },
      file.createWriteStream({ flush: true }), // closes the file
    );
    const found = hash.digest('hex');
    if (found !== sha256)
      throw new LatheError('corrupt', `blob ${sha256.slice(0, 12)} arrived damaged: its content has SHA-256 ${found.slice(0, 12)}`);
    await rename(temporary, path);
    return sizeBytes;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Whether a file is there and has this hash. */
export async function isWhole(path: string, sha256: string): Promise<boolean> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
  return hash.digest('hex') === sha256;
}
