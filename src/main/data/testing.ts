/** IDX files and folders for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An IDX file's bytes; `values` default to zeros. */
export function idxBytes(dimensions: readonly number[], values?: Uint8Array, type = 0x08): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header[2] = type;
  header[3] = dimensions.length;
  for (const [index, dimension] of dimensions.entries()) header.writeUInt32BE(dimension, 4 + 4 * index);
  return Buffer.concat([header, values ?? new Uint8Array(dimensions.reduce((product, dimension) => product * dimension, 1))]);
}

/** Runs with a folder of its own, removed afterwards. */
export async function withFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'lathe-data-'));
  try {
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
