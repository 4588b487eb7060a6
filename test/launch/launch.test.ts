/** The launcher, on a small project of the same shape in a folder of its own: real builds, real processes. */
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
let project = '';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the launcher there; `ready` may act on the process once it has printed a line. */
function launch(
  args: readonly string[],
  { env = {}, node = process.execPath, ready }: { env?: NodeJS.ProcessEnv; node?: string; ready?: (pid: number) => void } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [join(project, 'scripts', 'launch.mjs'), ...args], {
      env: { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '', ...env },
    });
    let [stdout, stderr, seen] = ['', '', false];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (!seen && stdout.includes('\n') && child.pid !== undefined) ready?.(child.pid);
      seen ||= stdout.includes('\n');
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), text);
}

/** As an editor does when it saves. */
function touch(path: string): void {
  const now = Date.now() / 1000;
  utimesSync(join(project, path), now, now);
}

/** A folder of programs in which only these are found. */
function onlyPrograms(...names: string[]): string {
  const folder = mkdtempSync(join(project, 'path-'));
  for (const name of names) {
    const found = spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim();
    symlinkSync(found, join(folder, name));
  }
  return folder;
}

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'lathe-launch-'));
  for (const path of ['scripts/launch.mjs', 'electron.vite.config.ts', 'package.json', 'package-lock.json'])
    cpSync(join(root, path), join(project, path));
  // Node reads better-sqlite3 and the tools from the real folder, but Electron is never there.
  mkdirSync(join(project, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== 'electron' && !name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
  write('node_modules/electron/package.json', readFileSync(join(root, 'node_modules', 'electron', 'package.json'), 'utf8'));
  write(
    'src/main/cli/main.ts',
    `const args = process.argv.slice(2);
     if (args[0] === 'fail') process.exitCode = 2;
     if (args[0] === 'wait') {
       process.on('SIGTERM', () => process.exit(42));
       setTimeout(() => undefined, 20_000);
     }
     process.stdout.write(JSON.stringify({ args, node: process.versions.node }) + '\\n');`,
  );
  const entries = readFileSync(join(root, 'electron.vite.config.ts'), 'utf8').matchAll(/at\('(src\/main\/[^']+\.ts)'\)/g);
  for (const [, path] of entries) if (path !== undefined && path !== 'src/main/cli/main.ts') write(path, 'export {};');
  write('src/preload/index.ts', 'export {};');
  write('src/renderer/index.html', '<!doctype html><title>Small</title>');
  write('native/package.json', readFileSync(join(root, 'native', 'package.json'), 'utf8'));
  write(
    'native/CMakeLists.txt',
    `cmake_minimum_required(VERSION 3.20)
     project(lathe LANGUAGES CXX)
     add_library(lathe MODULE src/addon.cpp)
     set_target_properties(lathe PROPERTIES PREFIX "" SUFFIX ".node")
     target_include_directories(lathe PRIVATE \${CMAKE_JS_INC})`,
  );
  write('native/src/addon.cpp', '#include <node_api.h>\nNAPI_MODULE_INIT() { (void)env; return exports; }\n');
  const first = await launch(['build']);
  expect(first, first.stderr).toMatchObject({ code: 0, stdout: '' });
  expect(first.stderr).toBe('lathe: building the compute addon ...\nlathe: building the app ...\n');
});
afterAll(() => rmSync(project, { recursive: true }));

describe('building', () => {
  it('makes everything that is started later', () => {
    const products = [
      'native/build/Release/lathe.node',
      'out/main/cli.js',
      'out/main/engine.js',
      'out/main/store-worker.js',
      'out/preload/index.cjs',
      'out/renderer/index.html',
    ];
    expect(products.filter((path) => !existsSync(join(project, path)))).toEqual([]);
  });

  it('is silent when nothing changed', async () => {
    expect(await launch(['build'])).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('happens again for the part whose source changed, and only for that', async () => {
    touch('src/preload/index.ts');
    expect((await launch(['build'])).stderr).toBe('lathe: building the app ...\n');
    touch('native/src/addon.cpp');
    expect((await launch(['build'])).stderr).toBe('lathe: building the compute addon ...\n');
  });

  it('happens again when a product is gone', async () => {
    rmSync(join(project, 'out', 'main', 'engine.js'));
    expect((await launch(['build'])).stderr).toBe('lathe: building the app ...\n');
  });

  it('happens once when three are started together', async () => {
    touch('src/main/cli/main.ts');
    const all = await Promise.all(['a', 'b', 'c'].map((name) => launch(['lathe', name])));
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(all.filter(({ stderr }) => stderr.includes('building')).length).toBe(1);
  });

  it('goes on after a builder was killed: a lock does not outlive its process', async () => {
    touch('src/main/cli/main.ts');
    const victim = spawn(process.execPath, [join(project, 'scripts', 'launch.mjs'), 'build'], { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise((resolve) => victim.stderr.once('data', resolve)); // it is building now
    victim.kill('SIGKILL');
    expect(await launch(['build'])).toMatchObject({ code: 0 });
    expect(statSync(join(project, 'out', '.built')).isFile()).toBe(true);
  });

  it('shows what the compiler said when it fails, and does not pass for built', async () => {
    const source = readFileSync(join(project, 'native', 'src', 'addon.cpp'), 'utf8');
    write('native/src/addon.cpp', 'this is no C++\n');
    touch('native/src/addon.cpp');
    for (const attempt of [1, 2]) {
      const { code, stdout, stderr } = await launch(['lathe', 'quantize']);
      expect([attempt, code, stdout]).toEqual([attempt, 1, '']);
      expect(stderr).toContain('the compute addon could not be built');
      expect(stderr).toContain('addon.cpp');
    }
    write('native/src/addon.cpp', source);
    expect(await launch(['build'])).toMatchObject({ code: 0 });
  });
});

describe('a machine that lacks something', () => {
  it.each([
    ['cmake', [], 'cmake was not found'],
    ['make and ninja', ['cmake'], 'Neither make nor ninja was found'],
    ['a compiler', ['cmake', 'make'], 'A C++ compiler was not found'],
  ])('hears in one sentence that %s is missing, and still has its doctor', async (_what, programs, sentence) => {
    touch('native/src/addon.cpp');
    const env = { PATH: onlyPrograms(...programs), CXX: '' };
    const search = await launch(['lathe', 'quantize'], { env });
    expect(search).toMatchObject({ code: 1, stdout: '' });
    expect(search.stderr).toContain(sentence);
    expect(search.stderr.trimEnd().split('\n')).toHaveLength(1);
    const doctor = await launch(['lathe', 'doctor', '--json'], { env });
    expect(doctor.code).toBe(0);
    expect(JSON.parse(doctor.stdout)).toMatchObject({ args: ['doctor', '--json'] });
    expect(doctor.stderr).toContain(sentence);
  });

  it('hears that the packages are not installed', async () => {
    const bare = join(project, 'bare');
    cpSync(join(project, 'scripts'), join(bare, 'scripts'), { recursive: true });
    const { status, stderr } = spawnSync(process.execPath, [join(bare, 'scripts', 'launch.mjs'), 'start'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([
      1,
      `lathe: the packages Lathe is built from are not installed in ${bare}: run "npm ci" there first.\n`,
    ]);
  });

  it('serves where no window can be opened, and says why', async () => {
    await launch(['build']);
    const { code, stdout, stderr } = await launch(['start', '--port', '0']);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { args: ['serve', '--port', '0'] }]);
    expect(stderr).toMatch(/^The Electron runtime is not installed here .*: serving the window to a browser instead\.\n$/);
  });

  const oldNode = existsSync('/usr/bin/node') ? spawnSync('/usr/bin/node', ['--version'], { encoding: 'utf8' }).stdout : '';
  const isOld = /^v(1\d|20|21)\./.test(oldNode);
  it.skipIf(!isOld)(`works from a Node that is too old itself (${isOld ? oldNode.trim() : 'skipped: this machine has none'})`, async () => {
    const { code, stdout } = await launch(['lathe', 'run', 'list', '--json'], { node: '/usr/bin/node' });
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      { args: ['run', 'list', '--json'], node: expect.stringMatching(/^24\./) as string },
    ]);
  });
});

describe('handing over', () => {
  it("passes arguments and exit code through, and keeps stdout for the command's own words", async () => {
    touch('src/main/cli/main.ts');
    const { code, stdout, stderr } = await launch(['lathe', 'fail', '--json', '--note', 'two words']);
    expect([code, JSON.parse(stdout)]).toMatchObject([2, { args: ['fail', '--json', '--note', 'two words'] }]);
    expect(stderr).toBe('lathe: building the app ...\n');
  });

  it('passes signals through', async () => {
    const { code } = await launch(['lathe', 'wait'], { ready: (pid) => process.kill(pid, 'SIGTERM') });
    expect(code).toBe(42);
  });

  it('names its commands when it does not know one', async () => {
    expect(await launch(['go'])).toMatchObject({
      code: 1,
      stderr: 'lathe: unknown command "go": expected build, lathe, bench, start, dev.\n',
    });
  });
});
