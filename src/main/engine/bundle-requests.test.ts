/** Bundles come from strangers: what is not exactly one is refused in one sentence, and leaves nothing behind. */
import fc from 'fast-check';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runDetail, solution, trial } from '../../../test/support/store-samples.ts';
import type { ReadBundle } from '../../shared/bundle.ts';
import { LatheError } from '../../shared/errors.ts';
import { writeBlob } from '../store/blobs.ts';
import { answerReadBundle, answerWriteBundle } from './bundle-requests.ts';

describe('a bundle', () => {
  let folder: string;
  let file: string;
  let blob: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lathe-bundle-test-'));
    file = join(folder, 'run.lathe');
    blob = (await writeBlob(join(folder, 'from'), new TextEncoder().encode('weights'.repeat(100)))).sha256;
    const detail = runDetail('q-1', { solutions: [solution('best', 'found', { weights: blob })] });
    await answerWriteBundle({
      ...{ dataDir: join(folder, 'from'), path: file, lathe: '0.1.0', createdAtMs: 1_700_000_000_000, policy: null, blobs: [blob] },
      content: { run: { detail, trials: [trial(0), trial(1)], metrics: [], log: [], weights: null }, targets: [], networks: [] },
    });
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const blobAt = (to: string): string => join(folder, to, 'blobs', blob.slice(0, 2), blob);
  async function readChanged(to: string, change: (bytes: Buffer) => void): Promise<ReadBundle> {
    const bytes = Buffer.from(await readFile(file));
    change(bytes);
    const changed = join(folder, `${to}.lathe`);
    await writeFile(changed, bytes);
    return await answerReadBundle({ dataDir: join(folder, to), path: changed, name: 'x.lathe' });
  }
  /** Puts another text of the same length in the place of every occurrence. */
  function replaceAll(bytes: Buffer, from: string, to: string): void {
    for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) bytes.write(to, at, 'latin1');
  }

  it('is refused when a name leads out of its folder, or has no place in one', async () => {
    const name = `blobs/${blob}`;
    await expect(readChanged('out', (bytes) => replaceAll(bytes, name, `../../${'a'.repeat(name.length - 6)}`))).rejects.toThrow(
      /no bundle.*\.\.\//,
    );
    await expect(readChanged('out', (bytes) => replaceAll(bytes, name, `/tmp/${'a'.repeat(name.length - 5)}`))).rejects.toThrow(
      /no bundle/,
    );
    await expect(readChanged('out', (bytes) => replaceAll(bytes, 'run.json', 'run.html'))).rejects.toThrow('"run.html" has no place');
    expect(existsSync(blobAt('out'))).toBe(false);
  });

  it('is refused before it is unpacked when it tells, or holds, more than may be', async () => {
    const grow = (size: number) => (bytes: Buffer) => {
      const central = bytes.indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]));
      bytes.writeUInt32LE(size, central + 24); // uncompressed size of the first entry
    };
    await expect(readChanged('bomb', grow(0x7fff_ffff))).rejects.toThrow('unpacked it is larger');
    await expect(readChanged('bomb', grow(3))).rejects.toThrow(/no bundle/); // it holds more than it tells
    expect(existsSync(blobAt('bomb'))).toBe(false);
  });

  it('is refused when what is in it is not what its header says', async () => {
    await expect(readChanged('damaged', (bytes) => replaceAll(bytes, 'weightsweights', 'weightsWeights'))).rejects.toThrow(
      /damaged|no bundle/,
    );
    await expect(answerReadBundle({ dataDir: folder, path: join(folder, 'none.lathe'), name: 'none.lathe' })).rejects.toThrow(
      'none.lathe is no bundle',
    );
    expect(existsSync(blobAt('damaged'))).toBe(false);
  });

  it('gives the run back as it was, with its blobs', async () => {
    const { run, newBlobs } = await answerReadBundle({ dataDir: join(folder, 'to'), path: file, name: 'run.lathe' });
    expect(run.detail.summary.id).toBe('q-1');
    expect(run.trials.map(({ step }) => step)).toEqual([0, 1]);
    expect(existsSync(blobAt('to'))).toBe(true);
    expect(newBlobs).toBe(1);
    expect((await answerReadBundle({ dataDir: join(folder, 'to'), path: file, name: 'run.lathe' })).newBlobs).toBe(0);
  });

  it('with any byte changed is read the same or refused, and never ends otherwise', async () => {
    const textOf = ({ newBlobs: _where, ...content }: ReadBundle): string => JSON.stringify(content);
    const whole = textOf(await answerReadBundle({ dataDir: join(folder, 'to'), path: file, name: 'run.lathe' }));
    const size = (await readFile(file)).length;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(size - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), async (changes) => {
        try {
          const content = await readChanged('fuzz', (bytes) => changes.forEach(([at, value]) => bytes.writeUInt8(value, at)));
          expect(textOf(content)).toBe(whole);
        } catch (error) {
          if (!(error instanceof LatheError)) throw error;
          expect(['bad-input', 'newer-version']).toContain(error.code);
        }
      }),
      { numRuns: 150, seed: 7 },
    );
  });
});
