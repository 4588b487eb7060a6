import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobPath, deleteBlob, hasBlob, readBlob, writeBlob } from './blobs.ts';

// FIPS 180-2, appendix B.1: the SHA-256 of "abc".
const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const bytes = new TextEncoder().encode('abc');

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'lathe-blobs-'));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

describe('blobs', () => {
  it.each(['', 'abc', abc.toUpperCase(), `${abc}0`, `../../${abc.slice(6)}`])('refuse the name %j', async (name) => {
    await expect(readBlob(dataDir, name)).rejects.toMatchObject({ code: 'bad-input' });
    await expect(deleteBlob(dataDir, name)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('say which file is missing and what to do', async () => {
    await expect(readBlob(dataDir, abc)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining(`${abc} is missing: put it back`) as unknown,
    });
    expect(await hasBlob(dataDir, abc)).toBe(false);
  });

  it.each([
    ['one bit flipped', async (path: string) => writeFile(path, 'abb')],
    ['cut short', async (path: string) => truncate(path, 2)],
    ['emptied', async (path: string) => truncate(path, 0)],
  ])('are refused when %s, naming the file and what was found', async (_, damage) => {
    await writeBlob(dataDir, bytes);
    await damage(blobPath(dataDir, abc));
    await expect(readBlob(dataDir, abc)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringMatching(/ba\/ba7816.* is damaged .*SHA-256 [0-9a-f]{64}.*start the run again/) as unknown,
    });
  });

  it('lie under their SHA-256, for the user alone, with nothing left beside them', async () => {
    expect(await writeBlob(dataDir, bytes)).toEqual({ sha256: abc, sizeBytes: 3 });
    const path = join(dataDir, 'blobs', 'ba', abc);
    expect(await readFile(path, 'utf8')).toBe('abc');
    expect(await readdir(dirname(path))).toEqual([abc]);
    if (process.platform !== 'win32') {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
    }
    expect(Buffer.from(await readBlob(dataDir, abc)).toString()).toBe('abc');
    expect(await hasBlob(dataDir, abc)).toBe(true);
  });

  it('keep an empty content and one of many pages', async () => {
    for (const content of [new Uint8Array(0), Uint8Array.from({ length: 300_001 }, (_, i) => (i * 7) % 251)]) {
      const { sha256, sizeBytes } = await writeBlob(dataDir, content);
      expect(sizeBytes).toBe(content.length);
      expect(Buffer.compare(await readBlob(dataDir, sha256), content)).toBe(0);
    }
  });

  it('are healed by writing the same content again', async () => {
    await writeBlob(dataDir, bytes);
    await writeFile(blobPath(dataDir, abc), 'xyz');
    await writeBlob(dataDir, bytes);
    expect(Buffer.from(await readBlob(dataDir, abc)).toString()).toBe('abc');
  });

  it('may be written by two at once and deleted twice', async () => {
    await Promise.all(Array.from({ length: 8 }, () => writeBlob(dataDir, bytes)));
    expect(await readdir(join(dataDir, 'blobs', 'ba'))).toEqual([abc]);
    await deleteBlob(dataDir, abc);
    await deleteBlob(dataDir, abc);
    expect(await hasBlob(dataDir, abc)).toBe(false);
  });

  it('say so when a file stands where their folder should be', async () => {
    await writeFile(join(dataDir, 'blobs'), '');
    await expect(writeBlob(dataDir, bytes)).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('a file is in the way') as unknown,
    });
  });
});
