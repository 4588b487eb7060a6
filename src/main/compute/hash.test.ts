/** SHA-256 against the published test vectors of FIPS 180-4. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256Hex, sha256OfFile, sha256OfJson } from './hash.ts';

const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('sha256', () => {
  it('hashes text, bytes and files alike', async () => {
    expect(sha256Hex('abc')).toBe(abc);
    expect(sha256Hex(new Uint8Array([0x61, 0x62, 0x63]))).toBe(abc);
    expect(sha256Hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    const folder = await mkdtemp(join(tmpdir(), 'lathe-hash-'));
    try {
      await writeFile(join(folder, 'abc'), 'abc');
      expect(await sha256OfFile(join(folder, 'abc'))).toBe(abc);
      await expect(sha256OfFile(join(folder, 'none'))).rejects.toThrow(/ENOENT/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('hashes equal JSON values alike', () => {
    expect(sha256OfJson({ a: 1, b: [2] })).toBe(sha256OfJson({ b: [2], a: 1 }));
    expect(sha256OfJson({ a: 1, b: [2] })).toBe(sha256Hex('{"a":1,"b":[2]}'));
    expect(sha256OfJson({ a: 1 })).not.toBe(sha256OfJson({ a: 2 }));
  });
});
