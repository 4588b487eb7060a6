/**
 * Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer in a folder of its own and runs the tests that call it
 * (src/main/compute) with that build. More arguments go to vitest, in place of the folder. Leaks are not looked for: Node's own
 * memory lives until the process ends. Run by `npm run test:long`.
 */
import { spawnSync } from 'node:child_process';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const build = join(root, 'native', 'build', 'sanitized');

function run(args, env = process.env) {
  const { status, signal, error } = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(signal ? 1 : (status ?? 1));
}

/** The compiler's run-time library, which must be loaded before everything else. */
function library(name) {
  const compiler = process.env.CXX ?? 'c++';
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' });
  const path = stdout?.trim() ?? '';
  if (isAbsolute(path)) return path;
  console.error(`sanitize: ${compiler} has no ${name}: install it with the compiler's sanitizers (Debian: apt-get install g++).`);
  process.exit(1);
}

const preload = `${library('libasan.so')} ${library('libubsan.so')}`;
run([
  join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js'),
  'compile',
  '-d',
  'native',
  '-O',
  build,
  '--CDLATHE_SANITIZE=ON',
  '--log-level',
  'error',
]);
const files = process.argv.slice(2);
// As the stack of a sanitized function is deeper and all of it slower, limits of time are wide and the files run one by one.
run(
  [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    ...['--project', 'main', '--maxWorkers', '1', '--testTimeout', '900000'],
    ...(files.length > 0 ? files : ['src/main/compute']),
  ],
  {
    ...process.env,
    LATHE_ADDON: join(build, 'Release', 'lathe.node'),
    LD_PRELOAD: preload,
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  },
);
