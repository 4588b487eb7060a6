/** The IDX reader: every way in which a file can be wrong, with its sentence; then what it reads. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LatheError } from '../../shared/errors.ts';
import { sha256Hex } from '../compute/hash.ts';
import { readIdx } from './idx.ts';
import type { IdxOptions } from './idx.ts';
import { idxBytes, withFolder } from './testing.ts';

let folder = '';
let release = (): void => undefined;
beforeAll(async () => {
  await new Promise<void>((ready) => {
    void withFolder(
      (path) =>
        new Promise<void>((done) => {
          folder = path;
          release = done;
          ready();
        }),
    );
  });
});
afterAll(() => release());

/** The code and the sentence behind the path. */
async function refusal(content: Uint8Array | string, options: IdxOptions): Promise<string> {
  const path = join(folder, 'x.idx');
  await writeFile(path, content);
  try {
    await readIdx(path, options);
  } catch (error) {
    if (!(error instanceof LatheError)) throw error;
    expect(error.message.startsWith(`${path}: `)).toBe(true);
    return `${error.code}: ${error.message.slice(path.length + 2)}`;
  }
  return 'accepted';
}

const images: IdxOptions = { expect: 'images' };
const labels: IdxOptions = { expect: 'labels' };
const six = idxBytes([2, 1, 3], Uint8Array.of(1, 2, 3, 4, 5, 6));

describe('readIdx, misuse', () => {
  it('says that there is no such file, that it is a folder, or that it may not be read', async () => {
    await expect(readIdx(join(folder, 'none.idx'), images)).rejects.toMatchObject({
      code: 'not-found',
      message: `${join(folder, 'none.idx')}: there is no such file`,
    });
    await expect(readIdx(folder, images)).rejects.toMatchObject({
      code: 'bad-input',
      message: `${folder}: it is a folder, expected a file`,
    });
    if (process.getuid?.() !== 0) {
      const path = join(folder, 'secret.idx');
      await writeFile(path, six);
      await chmod(path, 0o000);
      await expect(readIdx(path, images)).rejects.toMatchObject({ message: `${path}: this user may not read it` });
    }
  });

  it.each<[string, Uint8Array | string, string]>([
    ['an empty file', '', 'not an IDX file: it ends inside its header, after 0 bytes'],
    ['a file that ends inside the header', six.subarray(0, 9), 'not an IDX file: it ends inside its header, after 9 bytes'],
    ['another format', 'PK\u0003\u0004zip', 'not an IDX file: expected it to begin with the bytes 00 00 08, found 50 4B 03'],
    ['an unknown type', idxBytes([1], undefined, 0x42), 'not an IDX file: expected it to begin with the bytes 00 00 08, found 00 00 42'],
    ['floats', idxBytes([1], new Uint8Array(4), 0x0d), 'its values are 32-bit floats (type 0x0D); Lathe reads unsigned bytes (0x08)'],
    [
      'labels in the place of images',
      idxBytes([60]),
      'expected images, 3 dimensions (count, height, width) or 4 (and channels); found 1: this looks like a file of labels',
    ],
    ['two dimensions', idxBytes([6, 7]), 'expected images, 3 dimensions (count, height, width) or 4 (and channels); found 2'],
    ['no images', idxBytes([0, 28, 28]), 'it holds nothing: its dimensions are 0 x 28 x 28'],
    [
      'a truncated file',
      idxBytes([60_000, 28, 28], new Uint8Array(984)),
      'truncated: expected 47,040,016 bytes for 60000 x 28 x 28, found 1,000',
    ],
    ['one byte less', six.subarray(0, -1), 'truncated: expected 22 bytes for 2 x 1 x 3, found 21'],
    ['one byte more', Buffer.concat([six, Uint8Array.of(0)]), 'too long: expected 22 bytes for 2 x 1 x 3, found 23'],
    [
      'dimensions beyond memory',
      idxBytes([0xffff_ffff, 0xffff_ffff, 0xffff_ffff], new Uint8Array(3)),
      `4294967295 x 4294967295 x 4294967295 are ${(0xffff_ffff ** 3).toLocaleString('en-US')} bytes, more than the 1,073,741,824 that Lathe keeps in memory`,
    ],
  ])('refuses %s', async (_, content, sentence) => {
    expect(await refusal(content, images)).toBe(`bad-input: ${sentence}`);
  });

  it('refuses images in the place of labels', async () => {
    expect(await refusal(six, labels)).toBe('bad-input: expected labels, 1 dimension (count); found 3: this looks like a file of images');
  });

  it.each<[string, Uint8Array, string]>([
    [
      'gzip data that end early',
      gzipSync(idxBytes([40, 28, 28], Buffer.alloc(31_360, 'lathe'))).subarray(0, 60),
      'truncated: the gzip data end early, after',
    ],
    ['a gzipped file that is truncated inside', gzipSync(six.subarray(0, -1)), 'truncated: expected 22 bytes for 2 x 1 x 3, found 21'],
    [
      'a gzipped file that is too long inside',
      gzipSync(Buffer.concat([six, Uint8Array.of(0)])),
      'too long: expected 22 bytes for 2 x 1 x 3, found more',
    ],
    ['damaged gzip data', damaged(gzipSync(six)), "damaged: gzip reports 'incorrect data check'"],
    ['two magic bytes and nothing else', Uint8Array.of(0x1f, 0x8b), 'truncated: the gzip data end early, after 0 bytes'],
    [
      'a header that asks for too much',
      gzipSync(idxBytes([50_000, 1024, 1024], new Uint8Array(9))),
      '50000 x 1024 x 1024 are 52,428,800,000 bytes, more than the 1,073,741,824',
    ],
  ])('refuses %s', async (_, content, sentence) => {
    expect(await refusal(content, images)).toContain(`bad-input: ${sentence}`);
  });

  it('stops unpacking where the header says the file ends: a gzip bomb costs no memory', async () => {
    const bomb = Buffer.concat([idxBytes([2, 1, 3]), Buffer.alloc(2 ** 28)]); // 256 MiB in 260 kB
    const before = process.memoryUsage().rss;
    expect(await refusal(gzipSync(bomb), images)).toBe('bad-input: too long: expected 22 bytes for 2 x 1 x 3, found more');
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 27);
  });

  it('holds to a cap that is passed in', async () => {
    expect(await refusal(six, { ...images, maximumBytes: 5 })).toBe(
      'bad-input: 2 x 1 x 3 are 6 bytes, more than the 5 that Lathe keeps in memory',
    );
  });

  it('stops on request', async () => {
    expect(await refusal(idxBytes([100, 28, 28]), { ...images, signal: AbortSignal.abort() })).toBe(
      'cancelled: reading was stopped on request',
    );
  });
});

function damaged(packed: Buffer): Buffer {
  const copy = Buffer.from(packed);
  copy[copy.length - 8] = (copy[copy.length - 8] ?? 0) ^ 0xff; // the checksum
  return copy;
}

describe('readIdx', () => {
  it.each([
    ['plain', six],
    ['gzipped', gzipSync(six)],
    ['gzipped in two members', Buffer.concat([gzipSync(six.subarray(0, 7)), gzipSync(six.subarray(7))])],
  ])('reads a %s file, whatever its name, and hashes what is inside', async (_, content) => {
    const path = join(folder, 'any-name');
    await writeFile(path, content);
    const idx = await readIdx(path, images);
    expect(idx.dimensions).toEqual([2, 1, 3]);
    expect(idx.values).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(idx.sha256).toBe(sha256Hex(six));
  });

  it('reads colour images and labels', async () => {
    const path = join(folder, 'colour.idx');
    await writeFile(path, idxBytes([5, 4, 3, 2]));
    expect((await readIdx(path, images)).dimensions).toEqual([5, 4, 3, 2]);
    await writeFile(path, idxBytes([3], Uint8Array.of(7, 0, 255)));
    expect((await readIdx(path, labels)).values).toEqual(Uint8Array.of(7, 0, 255));
  });

  it('reads a file that comes in many pieces', async () => {
    const values = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251);
    const path = join(folder, 'large.idx');
    for (const content of [idxBytes([3000, 10, 10], values), gzipSync(idxBytes([3000, 10, 10], values))]) {
      await writeFile(path, content);
      expect(Buffer.compare((await readIdx(path, images)).values, values)).toBe(0);
    }
  });
});
