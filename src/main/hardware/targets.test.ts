/** The target files: found, checked, and refused when they do not hold what they should. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findResources, findTarget, listTargets, parseTarget, readTargets } from './targets.ts';

describe('targets, misuse', () => {
  it('lists what it knows for an unknown id', () => {
    expect(() => findTarget('bismo-clod')).toThrow(
      expect.objectContaining({
        code: 'not-found',
        message: expect.stringMatching(/^there is no target bismo-clod; known: .*did you mean bismo-cloud\?$/) as string,
      }),
    );
  });

  it('says what is wrong with a file', () => {
    expect(() => parseTarget('t.json', '{')).toThrow(
      expect.objectContaining({ code: 'corrupt', message: expect.stringMatching(/^t\.json: not JSON: /) as string }),
    );
    expect(() => parseTarget('t.json', '{}')).toThrow(/^t\.json: not a target: law: /);
    const text = JSON.stringify({ ...findTarget('bismo-cloud').target, clockMhz: -1 });
    expect(() => parseTarget('t.json', text)).toThrow(/^t\.json: not a target: clockMhz: /);
  });

  it('refuses a file that is named otherwise than its target', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lathe-targets-'));
    try {
      await writeFile(join(folder, 'other.json'), JSON.stringify(findTarget('bismo-cloud').target));
      expect(() => readTargets(folder)).toThrow(/other\.json: expected the target other, found bismo-cloud/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says when there is no resources folder', () => {
    expect(() => findResources('/')).toThrow(
      expect.objectContaining({ code: 'unavailable', message: expect.stringContaining('install it again') as string }),
    );
  });
});

describe('targets', () => {
  it('has the cloud array as published: 16 x 16 x 256 at 200 MHz, two buffers of 512 KiB', () => {
    const { target, sha256, builtIn } = findTarget('bismo-cloud');
    expect(target).toMatchObject({
      law: 'bismo',
      calibration: 'exact',
      clockMhz: 200,
      defaultBatch: 16,
      energy: null,
      depthwiseGroupChannels: 16,
    });
    if (target.law !== 'bismo') throw new Error(target.law);
    expect(target.array).toEqual({ rows: 16, columns: 16, wordBits: 256 });
    expect((target.weightBufferWords * target.array.wordBits) / 8).toBe(512 * 1024);
    expect((target.activationBufferWords * target.array.wordBits) / 8).toBe(512 * 1024);
    expect(2 * 16 * 16 * 256 * target.clockMhz * 1e6).toBeCloseTo(26.2e12, -11); // binary operations a second
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(builtIn).toBe(true);
    expect(listTargets()).toContainEqual({ target, sha256, builtIn });
  });

  it('finds the resources from a folder deep inside, as from a bundle', async () => {
    const root = await mkdtemp(join(tmpdir(), 'lathe-resources-'));
    try {
      await mkdir(join(root, 'resources', 'targets'), { recursive: true });
      await mkdir(join(root, 'out', 'main', 'resources'), { recursive: true }); // another folder of that name, without targets
      expect(findResources(join(root, 'out', 'main'))).toBe(join(root, 'resources'));
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
