/**
 * The way in, for `npm start`, `npm run lathe`, `npm run dev` and `npm run build`: finds a Node that is new enough, builds what
 * is missing or not made from the present sources, and hands over. Plain JavaScript that Node 20 can read; stdout belongs to what is started.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const say = (line) => process.stderr.write(`${line}\n`);

/** Ends with one sentence for a person. */
function fail(message) {
  say(`lathe: ${message}`);
  process.exit(1);
}

// ---------------------------------------------------------------------------------------------------------------- handing over

/** Becomes the program, where the system can; else runs it and passes signals and exit code through. Does not return. */
function handOver(file, args, env = process.env) {
  if (process.execve && process.platform !== 'win32') process.execve(file, [file, ...args], definedOnly(env));
  const child = spawn(file, args, { stdio: 'inherit', env });
  passSignalsTo(child);
  child.on('error', (error) => fail(`${file} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exit(code ?? 1);
  });
}

function passSignalsTo(child) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal interrupts the whole group: the child has it already, and the parent only has to wait.
      if (signal !== 'SIGINT' || !isatty(0)) child.kill(signal);
    });
  }
}

const definedOnly = (env) => Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));

/** Runs a tool quietly; its output is shown only when it fails. */
function run(args, env = process.env) {
  return new Promise((resolve) => {
    const output = [];
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('exit', (code) =>
      resolve({ ok: code === 0, output: Buffer.concat(output.map((chunk) => Buffer.from(chunk))).toString('utf8') }),
    );
  });
}

// --------------------------------------------------------------------------------------------------------------- what is needed

function requireModules() {
  if (!existsSync(at('node_modules', 'electron-vite')))
    fail(`the packages Lathe is built from are not installed in ${root}: run "npm ci" there first.`);
}

function nodeIsNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 12);
}

/** Goes on with the Node that npm installed beside the other packages, if this one is too old for the database and the bundler. */
function requireNode() {
  if (nodeIsNewEnough()) return true;
  const newer = at('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(newer)) {
    fail(
      `Lathe needs Node 22.12 or newer, found ${process.versions.node}, and the copy that npm installs is missing: run "npm ci" in ${root}.`,
    );
  }
  handOver(newer, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
  return false;
}

/** What the addon's build needs and this machine lacks, as one sentence; null when nothing. */
function missingCompiler() {
  const install =
    process.platform === 'darwin' ? 'macOS: xcode-select --install, and brew install cmake' : 'Debian: apt-get install cmake g++ make';
  const needs = `Lathe needs cmake 3.20 or newer, make or ninja, and a C++20 compiler to build its compute addon (${install})`;
  const cmake = spawnSync('cmake', ['--version'], { encoding: 'utf8' });
  if (cmake.error) return `cmake was not found: ${needs}.`;
  const version = /version (\d+)\.(\d+)/.exec(cmake.stdout ?? '');
  const [major, minor] = version ? [Number(version[1]), Number(version[2])] : [0, 0];
  if (major < 3 || (major === 3 && minor < 20)) return `cmake ${major}.${minor} is too old: ${needs}.`;
  if (process.platform === 'win32') return null; // cmake finds the compiler by other ways than the path
  const has = (program) => !spawnSync(program, ['--version'], { stdio: 'ignore' }).error;
  if (!has('make') && !has('ninja')) return `Neither make nor ninja was found: ${needs}.`;
  const compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find((name) => name && has(name));
  if (!compiler) return `A C++ compiler was not found: ${needs}.`;
  const probe = spawnSync(compiler, ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], {
    input: 'int main() { return 0; }\n',
    encoding: 'utf8',
  });
  return probe.status === 0 ? null : `The compiler ${compiler} does not take C++20: ${needs}.`;
}

/** The Electron program, or null; never downloads it. */
function findElectron() {
  const folder = at('node_modules', 'electron');
  const relative = existsSync(join(folder, 'path.txt')) ? readFileSync(join(folder, 'path.txt'), 'utf8').trim() : 'electron';
  const program = join(process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(folder, 'dist'), relative);
  return existsSync(program) && statSync(program).isFile() ? program : null;
}

const hasDisplay = () => process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);

// --------------------------------------------------------------------------------------------------------------------- building

/** A digest of which files lie under these paths, their sizes and times: it changes with every edit, and with no wrong clock. */
function signatureOf(paths) {
  const digest = createHash('sha256');
  const visit = (path) => {
    const info = statSync(path, { throwIfNoEntry: false });
    if (info?.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else if (info && !path.endsWith('.test.ts')) digest.update(`${path} ${info.size} ${info.mtimeMs}\n`);
  };
  paths.forEach(visit);
  return digest.digest('hex');
}

const addon = {
  what: 'compute addon',
  stamp: at('native', 'build', '.built'),
  products: [at('native', 'build', 'Release', 'lathe.node')],
  sources: ['native/src', 'native/cmake', 'native/CMakeLists.txt', 'native/package.json'].map((path) => at(path)),
  missing: missingCompiler,
  build() {
    const env = { ...process.env, CMAKE_BUILD_PARALLEL_LEVEL: process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()) };
    return run([at('node_modules', 'cmake-js', 'bin', 'cmake-js'), 'compile', '-d', 'native', '--log-level', 'error'], env);
  },
};

const app = {
  what: 'app',
  stamp: at('out', '.built'),
  products: [
    ...['index', 'cli', 'engine', 'highs-worker', 'store-worker', 'upkeep-worker'].map((name) => at('out', 'main', `${name}.js`)),
    at('out', 'preload', 'index.cjs'),
    at('out', 'renderer', 'index.html'),
  ],
  sources: ['src', 'electron.vite.config.ts', 'package.json', 'package-lock.json'].map((path) => at(path)),
  missing: () => null,
  build: () => run([at('node_modules', 'electron-vite', 'bin', 'electron-vite.js'), 'build', '--logLevel', 'warn']),
};

function isStale({ stamp, products, sources }) {
  if (!existsSync(stamp) || products.some((product) => !existsSync(product))) return true;
  return readFileSync(stamp, 'utf8') !== signatureOf(sources);
}

/** Holds the build lock around `work`: an exclusive SQLite transaction, which the system drops with the process, however it ends. */
async function withBuildLock(work) {
  const { default: Database } = await import('better-sqlite3');
  mkdirSync(at('out'), { recursive: true });
  const lock = new Database(at('out', '.build-lock'), { timeout: 0 });
  try {
    try {
      lock.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      if (error.code !== 'SQLITE_BUSY') throw error;
      say('lathe: another build is at work; waiting for it');
      lock.pragma('busy_timeout = 1800000');
      lock.exec('BEGIN EXCLUSIVE');
    }
    return await work();
  } finally {
    lock.close();
  }
}

/** Brings one product up to date; returns null, or the sentence that says why it could not. Call with the lock held. */
async function update(product) {
  if (!isStale(product)) return null;
  const missing = product.missing();
  if (missing) return missing;
  const signature = signatureOf(product.sources); // taken before: what changes meanwhile is built next time
  say(`lathe: building the ${product.what} ...`);
  rmSync(product.stamp, { force: true });
  const { ok, output } = await product.build();
  if (!ok)
    return `the ${product.what} could not be built.\n${stripVTControlCharacters(output).trimEnd().split('\n').slice(-40).join('\n')}`;
  mkdirSync(dirname(product.stamp), { recursive: true });
  writeFileSync(product.stamp, signature);
  return null;
}

/** Brings addon and app up to date. Without `needAddon`, an addon that cannot be built is only reported. */
async function ensureBuilt({ needAddon }) {
  if (!isStale(addon) && !isStale(app)) return;
  await withBuildLock(async () => {
    const addonTrouble = await update(addon);
    if (addonTrouble && needAddon) fail(addonTrouble);
    if (addonTrouble) say(`lathe: ${addonTrouble}`);
    const appTrouble = await update(app);
    if (appTrouble) fail(appTrouble);
  });
}

// ---------------------------------------------------------------------------------------------------------------------- commands

const cli = at('out', 'main', 'cli.js');

/** These tell about the machine and the program, and must answer where no addon can be built. */
const worksWithoutAddon = (args) =>
  args.length === 0 || args.some((arg) => ['doctor', 'help', '--help', '-h', '--version', '-V'].includes(arg));

/** Why the window cannot be opened here, or null. */
function noWindow() {
  if (!findElectron()) return 'The Electron runtime is not installed here (where there is internet, "npx install-electron" gets it)';
  return hasDisplay() ? null : 'There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)';
}

function openWindow(args) {
  const env = { ...process.env };
  delete env.ELECTRON_RUN_AS_NODE; // some terminals inside Electron programs set it
  handOver(findElectron(), [root, ...args], env);
}

const commands = {
  async build() {
    await ensureBuilt({ needAddon: true });
  },

  async lathe(args) {
    await ensureBuilt({ needAddon: !worksWithoutAddon(args) });
    handOver(process.execPath, [cli, ...args]);
  },

  /** Measures; runs from the sources, which Node strips of their types. */
  async bench(args) {
    await ensureBuilt({ needAddon: true });
    handOver(process.execPath, [at('bench', 'main.ts'), ...args]);
  },

  async start(args) {
    await ensureBuilt({ needAddon: true });
    const reason = noWindow();
    if (reason === null) return openWindow(args);
    say(`${reason}: serving the window to a browser instead.`);
    handOver(process.execPath, [cli, 'serve', ...args]);
  },

  /** Builds again at every change; Electron's window shows it after a reload (Ctrl+R), the server restarts by itself. */
  async dev(args) {
    await ensureBuilt({ needAddon: true });
    const watch = "const { build } = await import('electron-vite'); await build({ build: { watch: {} }, logLevel: 'warn' });";
    const watcher = spawn(process.execPath, ['--input-type=module', '--eval', watch], { cwd: root, stdio: ['ignore', 2, 2] });
    process.on('exit', () => watcher.kill());
    const reason = noWindow();
    if (reason !== null) say(`${reason}: serving the window to a browser instead.`);
    const [file, ...rest] =
      reason === null ? [findElectron(), root] : [process.execPath, '--watch', '--watch-preserve-output', cli, 'serve'];
    const child = spawn(file, [...rest, ...args], { stdio: 'inherit' });
    passSignalsTo(child);
    child.on('exit', (code) => process.exit(code ?? 0));
  },
};

const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
if (!command) fail(`unknown command "${name}": expected ${Object.keys(commands).join(', ')}.`);
requireModules();
if (requireNode()) await command(args);
