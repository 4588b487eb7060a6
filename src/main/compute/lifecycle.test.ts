/** Loading, and how the addon behaves when what uses it ends: in processes of their own. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addonInfo, findAddon, setSimd, setThreads } from './index.ts';

const folder = import.meta.dirname;

/** Runs a script with the face and the test kit imported; returns what it printed. A crash is a signal. */
function run(script: string): { status: number | null; signal: string | null; output: string } {
  const source = `
    import { Worker, isMainThread, parentPort } from 'node:worker_threads';
    import * as compute from ${JSON.stringify(join(folder, 'index.ts'))};
    import { Random } from ${JSON.stringify(join(folder, '../../shared/random.ts'))};
    import { randomImages, startingValues, tinyProgram } from ${JSON.stringify(join(folder, 'test-kit.ts'))};
    const { dataset } = randomImages(Random.fromSeed(1), 32, tinyProgram.inputShape, tinyProgram.classes);
    const model = compute.createModel(tinyProgram);
    model.setState(startingValues(model.parameters, Random.fromSeed(2)));
    const train = (steps) => model.train({ dataset, order: new Uint32Array(steps * 8).fill(3), batchSize: 8, learningRates: new Float32Array(steps).fill(1e-4), momentum: 0.9, weightDecay: 0 });
    ${script}`;
  const home = mkdtempSync(join(tmpdir(), 'lathe-lifecycle-'));
  const file = join(home, 'script.mjs');
  writeFileSync(file, source);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    encoding: 'utf8',
    timeout: 180_000,
  });
  rmSync(home, { recursive: true });
  return { status, signal, output: stdout + stderr };
}

const clean = { status: 0, signal: null };

describe('the process ends while a call runs', () => {
  it('by process.exit', () => {
    expect(run('train(500_000); setTimeout(() => { console.log("bye"); process.exit(0); }, 100);')).toEqual({
      ...clean,
      output: 'bye\n',
    });
  });

  it('by an exception that nobody catches', () => {
    const { status, signal, output } = run('train(500_000); setTimeout(() => { throw new Error("on purpose"); }, 100);');
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(output).toContain('on purpose');
  });

  it('by itself, after the call: a finished call does not hold it', () => {
    expect(run('train(20).then(({ stepsDone }) => console.log(stepsDone));')).toEqual({ ...clean, output: '20\n' });
  });
});

describe('worker threads', () => {
  it('compute side by side, in one process, to the same result', () => {
    const script = `
      const result = async () => { await train(50); return model.getState().parameters.reduce((sum, x) => sum + x, 0); };
      if (isMainThread) {
        const workers = [1, 2, 3].map(() => new Worker(new URL(import.meta.url)));
        const sums = await Promise.all([result(), ...workers.map((w) => new Promise((resolve, reject) => { w.on('message', resolve); w.on('error', reject); }))]);
        console.log(new Set(sums).size, Number.isFinite(sums[0]));
      } else parentPort.postMessage(await result());`;
    expect(run(script)).toEqual({ ...clean, output: '1 true\n' });
  });

  it('can be stopped in the middle of a call, again and again, while others go on', () => {
    const script = `
      if (isMainThread) {
        for (let i = 0; i < 3; i += 1) {
          const worker = new Worker(new URL(import.meta.url));
          await new Promise((resolve) => worker.once('message', resolve));
          await worker.terminate();
        }
        console.log((await train(30)).stepsDone);
      } else { train(500_000); setTimeout(() => parentPort.postMessage('busy'), 50); }`;
    expect(run(script)).toEqual({ ...clean, output: '30\n' });
  });

  it('may be the only ones that load it: it stays in memory, where its threads are, when the last of them goes', () => {
    const home = mkdtempSync(join(tmpdir(), 'lathe-lifecycle-'));
    const worker = `
      import { createMlp, setThreads } from ${JSON.stringify(join(folder, 'index.ts'))};
      setThreads(2);
      createMlp([2, 2], 'linear').forward(new Float32Array(2), 1);`;
    const main = `
      import { Worker } from 'node:worker_threads';
      const file = new URL('worker.mjs', import.meta.url);
      for (let i = 0; i < 2; i += 1) await new Promise((resolve, reject) => new Worker(file).on('exit', resolve).on('error', reject));
      console.log('still here');`;
    writeFileSync(join(home, 'worker.mjs'), worker);
    writeFileSync(join(home, 'main.mjs'), main);
    const { status, signal, stdout } = spawnSync(process.execPath, [join(home, 'main.mjs')], { encoding: 'utf8', timeout: 180_000 });
    rmSync(home, { recursive: true });
    expect({ status, signal, stdout }).toEqual({ ...clean, stdout: 'still here\n' });
  });
});

describe('finding the addon', () => {
  const home = mkdtempSync(join(tmpdir(), 'lathe-addon-'));

  it('takes the nearest one upwards', () => {
    const release = join(home, 'native', 'build', 'Release');
    const deep = join(home, 'out', 'main');
    mkdirSync(release, { recursive: true });
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(release, 'lathe.node'), '');
    expect(findAddon(deep, undefined)).toBe(join(release, 'lathe.node'));
    rmSync(home, { recursive: true });
  });

  it('says what to do where there is none', () => {
    const start = mkdtempSync(join(tmpdir(), 'lathe-none-'));
    expect(() => findAddon(start, undefined)).toThrow(
      expect.objectContaining({
        code: 'unavailable',
        message: expect.stringMatching(
          /has not been built.*run `npm run build:native` \(it needs cmake 3\.20 or newer and a C\+\+20 compiler\)$/,
        ) as string,
      }),
    );
    expect(() => findAddon(start, join(start, 'missing.node'))).toThrow(/LATHE_ADDON names does not exist/);
    rmSync(start, { recursive: true });
  });
});

describe('the machine', () => {
  it('is described', () => {
    const info = addonInfo();
    expect(info.version).toMatch(/^\d+\.\d+\.\d+\+[0-9a-f]{12}$/);
    expect(info.simdLevels[0]).toBe('baseline');
    expect(info.simdLevels).toContain(info.simd);
    expect(info.cores).toBeGreaterThanOrEqual(1);
    expect(info.compiler).toMatch(/^(gcc|clang) \d/);
  });

  it('refuses threads and instruction sets that it does not have', () => {
    expect(() => setThreads(0)).toThrow('threads must be a whole number from 1 to 1024, found 0');
    expect(() => setSimd('avx1024' as 'avx512')).toThrow("SIMD level 'avx1024' is not available on this machine");
    setThreads(2);
    expect(addonInfo().threads).toBe(2);
  });
});
