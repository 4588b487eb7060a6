/**
 * Fashion-MNIST: what happens when a source fails or lies, and the content of the real files where this machine can get them.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestSplit, openTrainSplit } from './datasets.ts';
import { addFashionMnist, aptSource, downloadSource, fashionMnistRecord, folderSource } from './fashion-mnist.ts';
import type { FashionMnistSource } from './fashion-mnist.ts';
import { idxBytes, withFolder } from './testing.ts';

const names = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'];
const quiet = (): void => undefined;
const failing = (name: string, reason: string): FashionMnistSource => ({ name, fetch: async () => Promise.reject(new Error(reason)) });

async function writeForgeries(folder: string, content: Uint8Array): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of names) await writeFile(join(folder, `${name}.gz`), gzipSync(content));
  return folder;
}

describe('addFashionMnist, misuse', () => {
  it('tries every source in turn and says what each answered and what to do', async () => {
    await withFolder(async (folder) => {
      const log: string[] = [];
      const sources = [folderSource(join(folder, 'absent')), failing('the second', 'it is closed'), failing('the third', 'no route')];
      const adding = addFashionMnist({ dataDir: join(folder, 'data'), log: (text) => log.push(text), sources });
      await expect(adding).rejects.toMatchObject({
        code: 'unavailable',
        message:
          `Fashion-MNIST could not be had from the folder ${folder}/absent (${folder}/absent/train-images-idx3-ubyte.gz: there is no such file), ` +
          'nor from the second (it is closed), nor from the third (no route); connect this machine to the internet or install ' +
          "Debian's package dataset-fashion-mnist and try again, or add the four files from elsewhere as IDX files under another id",
      });
      expect(log.filter((line) => line.startsWith('Fashion-MNIST: trying'))).toHaveLength(3);
      expect(await readdir(join(folder, 'data', 'datasets'))).toEqual(['fashion-mnist']); // no temporary folder is left
    });
  });

  it('refuses files that are not the published ones, and leaves nothing of them', async () => {
    await withFolder(async (folder) => {
      for (const [content, sentence] of [
        [idxBytes([60_000, 28, 28]), /not the published file: expected SHA-256 c59f468a2f672dc8[0-9a-f]{48}, found/],
        [idxBytes([60_001, 28, 28]), /unpacks to more than the 47,040,016 bytes of the published file/],
      ] as const) {
        const forged = await writeForgeries(join(folder, 'forged'), content);
        await expect(addFashionMnist({ dataDir: folder, log: quiet, sources: [folderSource(forged)] })).rejects.toThrow(sentence);
        expect(await readdir(join(folder, 'datasets', 'fashion-mnist'))).toEqual([]);
      }
    });
  });

  it('says what a server answered, or that it could not be reached', async () => {
    await withFolder(async (folder) => {
      const answering = (answer: () => Promise<Response>): FashionMnistSource => downloadSource('https://example.org/data/', answer);
      const missing = answering(async () => new Response('no', { status: 404, statusText: 'Not Found' }));
      await expect(addFashionMnist({ dataDir: folder, log: quiet, sources: [missing] })).rejects.toThrow(
        'the download from example.org (https://example.org/data/train-images-idx3-ubyte.gz: the server answered 404 Not Found)',
      );
      const offline = answering(async () =>
        Promise.reject(new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND example.org') })),
      );
      await expect(addFashionMnist({ dataDir: folder, log: quiet, sources: [offline] })).rejects.toThrow(
        'example.org could not be reached: getaddrinfo ENOTFOUND example.org',
      );
    });
  });

  it('stops on request', async () => {
    await withFolder(async (folder) => {
      const stopping = new AbortController();
      const waiting: FashionMnistSource = {
        name: 'a slow one',
        fetch: async ({ signal }) => new Promise((_, fail) => signal.addEventListener('abort', () => fail(new Error('stopped')))),
      };
      const adding = addFashionMnist({
        dataDir: folder,
        log: () => setTimeout(() => stopping.abort(), 5),
        signal: stopping.signal,
        sources: [waiting],
      });
      await expect(adding).rejects.toMatchObject({ code: 'cancelled', message: 'adding Fashion-MNIST was stopped on request' });
    });
  });
});

const installed = '/usr/share/datasets/fashion-mnist';
const hasApt = existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-deb');
const obtainable = existsSync(installed) || hasApt;

describe.skipIf(!obtainable)(
  `Fashion-MNIST itself${obtainable ? '' : " (SKIPPED: neither Debian's package nor apt-get on this machine)"}`,
  () => {
    let folder = '';
    let failure: string | null = null;
    let release = (): void => undefined;
    beforeAll(async () => {
      await new Promise<void>((ready) => {
        void withFolder(async (path) => {
          folder = path;
          try {
            await addFashionMnist({ dataDir: path, log: quiet, sources: [folderSource(installed), aptSource] });
          } catch (error) {
            failure = error instanceof Error ? error.message : 'unknown';
          }
          ready();
          await new Promise<void>((done) => (release = done));
        });
      });
    }, 300_000);
    afterAll(() => release());

    it('is unpacked as four files with the published hashes, and is not fetched again', async (context) => {
      if (failure !== null) return context.skip(`Fashion-MNIST could not be had here: ${failure}`);
      const log: string[] = [];
      const record = await addFashionMnist({ dataDir: folder, log: (text) => log.push(text), sources: [] });
      expect(record).toEqual(fashionMnistRecord(folder));
      expect(log).toEqual(['Fashion-MNIST is already there, and whole']);
      const unpacked = join(folder, 'datasets', 'fashion-mnist');
      expect((await readdir(unpacked)).sort()).toEqual([...names].sort());
      expect((await stat(join(unpacked, names[0] ?? ''))).size).toBe(47_040_016);
      expect(record.files.map(({ sha256 }) => sha256.slice(0, 16))).toEqual([
        'c59f468a2f672dc8',
        'bad3541b69d91243',
        '5b4141f0afbad91e',
        '0402a96d92fd2663',
      ]);
    });

    it('has 6,000 and 1,000 images of each class and a mean training pixel of 0.28604', async (context) => {
      if (failure !== null) return context.skip(`Fashion-MNIST could not be had here: ${failure}`);
      const record = fashionMnistRecord(folder);
      const train = await openTrainSplit(record, { dataDir: folder });
      const test = await openTestSplit(record, { dataDir: folder });
      expect([train.count, train.height, train.width, train.channels, test.count]).toEqual([60_000, 28, 28, 1, 10_000]);
      const counts = (labels: Uint8Array): number[] =>
        Array.from({ length: 10 }, (_, label) => labels.filter((found) => found === label).length);
      expect(counts(train.labels)).toEqual(new Array(10).fill(6000));
      expect(counts(test.labels)).toEqual(new Array(10).fill(1000));
      const { mean, std } = await train.normalisationOf(Uint32Array.from(train.labels.keys()));
      expect(mean[0]?.toFixed(5)).toBe('0.28604');
      expect(std[0]?.toFixed(5)).toBe('0.35302');
      const padded = await openTrainSplit(record, { dataDir: folder, height: 32, width: 32 });
      expect([padded.height, padded.inputHeight]).toEqual([28, 32]);
      // The zeros around an image count: they are pixels of the network's input.
      expect((await padded.normalisationOf(Uint32Array.from(train.labels.keys()))).mean[0]).toBeCloseTo(((mean[0] ?? 0) * 784) / 1024, 12);
    });

    it('does not take a damaged file for the data set', async (context) => {
      if (failure !== null) return context.skip(`Fashion-MNIST could not be had here: ${failure}`);
      const record = fashionMnistRecord(folder);
      const [, labels] = record.files;
      const whole = await readFile(labels?.path ?? '');
      try {
        await writeFile(labels?.path ?? '', whole.subarray(0, 100));
        await expect(addFashionMnist({ dataDir: folder, log: quiet, sources: [] })).rejects.toMatchObject({ code: 'unavailable' });
      } finally {
        await writeFile(labels?.path ?? '', whole);
      }
    });

    it('comes over the network just as well', async (context) => {
      if (failure !== null) return context.skip(`Fashion-MNIST could not be had here: ${failure}`);
      await withFolder(async (other) => {
        const asked: string[] = [];
        const source = downloadSource('https://example.org/data/', async (url) => {
          const name = String(url instanceof Request ? url.url : url).slice('https://example.org/data/'.length);
          asked.push(name);
          return new Response(gzipSync(await readFile(join(folder, 'datasets', 'fashion-mnist', name.replace(/\.gz$/, ''))), { level: 1 }));
        });
        const record = await addFashionMnist({ dataDir: other, log: quiet, sources: [source] });
        expect(asked).toEqual(names.map((name) => `${name}.gz`));
        expect((await openTestSplit(record, { dataDir: other })).count).toBe(10_000);
        expect(await readdir(join(other, 'datasets'))).toEqual(['fashion-mnist']);
      });
    });
  },
);
