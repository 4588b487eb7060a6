/** The target files: found, checked, and refused when they do not hold what they should. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requireSimulated } from '../../shared/target.ts';
import { findResources, findTarget, listTargets, parseTarget, readTargets, TargetLibrary } from './targets.ts';

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

describe("targets of one's own", () => {
  async function withLibrary(work: (library: TargetLibrary, dataDir: string) => Promise<void> | void): Promise<void> {
    const dataDir = await mkdtemp(join(tmpdir(), 'lathe-library-'));
    try {
      await work(new TargetLibrary(dataDir), dataDir);
    } finally {
      await rm(dataDir, { recursive: true });
    }
  }
  const mine = { ...requireSimulated(findTarget('bitfusion').target, 'clock'), id: 'mine', title: 'Mine' };

  it("are kept, found, replaced and removed; Lathe's own stay", () =>
    withLibrary((library) => {
      expect(library.put(mine)).toMatchObject({ builtIn: false, target: { id: 'mine' } });
      expect(library.find('mine').sha256).toBe(library.put(mine).sha256);
      expect(library.put({ ...mine, clockMhz: 400 }).sha256).not.toBe(library.put(mine).sha256);
      expect(library.list().map((info) => info.target.id)).toContain('mine');
      expect(() => library.put({ ...mine, id: 'bitfusion' })).toThrow(
        'target bitfusion comes with Lathe and stays as it is; choose another id for your own',
      );
      expect(() => {
        library.remove('bitfusion');
      }).toThrow('target bitfusion comes with Lathe and cannot be removed');
      library.remove('mine');
      expect(() => library.find('mine')).toThrow(/^there is no target mine; /);
      expect(() => {
        library.remove('mine');
      }).toThrow(/^there is no target mine; /);
    }));

  it('a broken file hurts its own target only, and is named', () =>
    withLibrary(async (library, dataDir) => {
      library.put(mine);
      await writeFile(join(dataDir, 'targets', 'broken.json'), JSON.stringify({ ...mine, id: 'broken', clockMhz: 0 }));
      expect(library.list().map((info) => info.target.id)).toContain('mine');
      expect(library.problems()).toEqual([expect.stringMatching(/broken\.json: not a target: clockMhz: /)]);
      expect(() => library.find('broken')).toThrow(/broken\.json: not a target: clockMhz: /);
    }));

  it("every figure of Lathe's targets has its source", () => {
    for (const { target } of listTargets()) {
      if (target.id === 'bismo-cloud') continue; // one source for all, in its text
      const figures = Object.entries<unknown>(target).flatMap(([key, value]) =>
        ['formatVersion', 'id', 'title', 'source', 'sources', 'law', 'dataflow', 'mode', 'calibration', 'energy', 'area'].includes(key)
          ? []
          : typeof value === 'object' && value !== null && !Array.isArray(value)
            ? Object.keys(value).map((inner) => `${key}.${inner}`)
            : [key],
      );
      const sources = Object.keys(target.sources ?? {});
      expect([
        target.id,
        figures.filter((path) => !sources.some((source) => path.startsWith(source) || source.startsWith(`${path}.`))),
      ]).toEqual([target.id, []]);
    }
  });

  it('are those that the design names', () => {
    expect(listTargets().map((info) => info.target.id)).toEqual(
      expect.arrayContaining([
        'bitfusion',
        'bismo-edge',
        'bismo-cloud',
        'systolic-32x32-os',
        'systolic-32x32-ws',
        'systolic-32x32-is',
        'tpu-like',
        'eyeriss-like',
        'v100-roofline',
      ]),
    );
  });

  it('refuses what no machine is: an energy table with zeros, descending precisions, the compatible mode without energy', () => {
    const parse = (target: unknown): unknown => parseTarget('t.json', JSON.stringify(target));
    const { energy } = findTarget('bitfusion').target;
    expect(() => parse({ ...mine, energy: { ...energy, dramPjPerBit: 0 } })).toThrow(/energy\.dramPjPerBit: /);
    expect(() => parse({ ...mine, mode: 'compatible', energy: null })).toThrow(/energy: the mode 'compatible' needs an energy table/);
    expect(() => parse({ ...mine, colour: 'red' })).toThrow(/colour/);
    const v100 = findTarget('v100-roofline').target;
    expect(() => parse({ ...v100, precisions: [{ operandBits: 4, macsPerCycle: 1 }] })).toThrow(
      /precisions: expected one of at least 8 bits/,
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
