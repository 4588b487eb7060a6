/** Bytes changed at random in valid files: a data set or one sentence each time, never anything else. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatheError } from '../../shared/errors.ts';
import { openCifar } from './cifar.ts';
import { readIdx } from './idx.ts';
import { listImageTable } from './image-table.ts';
import { cifarBytes, idxBytes, imageBytes, withFolder, writeFiles } from './testing.ts';

const { signal } = new AbortController();
const runs = 150; // of each kind

/** Changes of a file: bytes replaced, a piece cut out, an end cut off. */
const mutations = fc.record({
  bytes: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
  cut: fc.option(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 40 })), { freq: 2 }),
  end: fc.option(fc.nat(), { freq: 2 }),
});

function mutate(file: Uint8Array, { bytes, cut, end }: typeof mutations extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  let changed = Buffer.from(file);
  for (const [at, value] of bytes) changed[at % changed.length] = value;
  if (cut) changed = Buffer.concat([changed.subarray(0, cut[0] % changed.length), changed.subarray((cut[0] % changed.length) + cut[1])]);
  return end === null ? changed : changed.subarray(0, end % (changed.length + 1));
}

/** Reads each mutation; what is refused is so with a LatheError's one sentence. Both outcomes must come. */
async function readsOrRefuses(path: string, file: Uint8Array, read: () => Promise<unknown>): Promise<void> {
  const outcomes = { read: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(mutations, async (mutation) => {
      await writeFile(path, mutate(file, mutation));
      try {
        await read();
        outcomes.read++;
      } catch (error) {
        if (!(error instanceof LatheError) || !['bad-input', 'not-found'].includes(error.code)) throw error;
        expect(error.message.startsWith(path)).toBe(true);
        outcomes.refused++;
      }
    }),
    { numRuns: runs, seed: 20_260_101 },
  );
  expect(outcomes.read).toBeGreaterThan(0);
  expect(outcomes.refused).toBeGreaterThan(0);
}

describe('mutated files', () => {
  it('of IDX are read or refused in one sentence', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'images');
      await readsOrRefuses(path, idxBytes([3, 4, 5]), () => readIdx(path, { expect: 'images', maximumBytes: 1_000_000 }));
    });
  });

  it('of CIFAR-10 are read or refused in one sentence', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'data_batch_1.bin');
      await writeFile(join(folder, 'test_batch.bin'), cifarBytes([[1]], 0));
      await readsOrRefuses(path, cifarBytes([[0], [9]], 0), () => openCifar(folder, 'cifar-10', signal));
    });
  });

  it('of tables are read or refused in one sentence', async () => {
    await withFolder(async (folder) => {
      const jpeg = await imageBytes(4, 4, 'jpeg');
      await writeFiles(folder, { 'a/0.jpg': jpeg, 'a/1.jpg': jpeg, 'b/0.jpg': jpeg });
      const path = join(folder, 'list.csv');
      const table = Buffer.from('path,label,split\na/0.jpg,a,train\n"a/1.jpg",a,test\nb/0.jpg,b,train\n');
      await readsOrRefuses(path, table, () => listImageTable(path, signal));
    });
  });
});
