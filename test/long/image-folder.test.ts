/**
 * A folder of 60,000 small JPEGs in ten classes is added within a minute on two cores, in less than 1 GB of resident memory. The time
 * is the machine's when nothing else runs.
 */
import { readFile, rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addPathSchema } from '../../src/shared/dataset.ts';
import { ImageCache } from '../../src/main/data/image-cache.ts';
import { addPath } from '../../src/main/data/add-path.ts';
import { writeImageFolder } from '../support/image-folder.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lathe-long-'));
  await writeImageFolder(join(folder, 'images'), { perClass: 6000, side: 48 });
}, 15 * 60_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Resident memory at its highest since the process began, in bytes; Linux alone tells it. */
async function peakResidentBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

it.skipIf(process.platform !== 'linux')('adds 60,000 JPEGs within 60 s and 1 GB', async () => {
  const startMs = performance.now();
  const record = await addPath(addPathSchema.parse({ kind: 'path', path: join(folder, 'images') }), 'long', {
    cache: new ImageCache(join(folder, 'data')),
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`60,000 JPEGs of 48 x 48: ${seconds.toFixed(1)} s, peak resident ${((await peakResidentBytes()) / 1e6).toFixed(0)} MB`);
  expect([record.train, record.test]).toEqual([54_000, 6000]);
  expect(await peakResidentBytes()).toBeLessThan(1e9);
  expect(seconds).toBeLessThan(60);
});
