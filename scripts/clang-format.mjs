// Formats the addon's sources with the clang-format that npm installed: `--write` changes them, `--check` only judges.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const mode = process.argv[2];
if (mode !== '--write' && mode !== '--check') {
  console.error(`usage: node scripts/clang-format.mjs --write | --check (found ${mode ?? 'nothing'})`);
  process.exit(2);
}
const files = globSync('native/src/**/*.{h,cpp}', { cwd: root }).sort();
const packaged = dirname(createRequire(import.meta.url).resolve('clang-format/package.json'));
const launcher = join(packaged, 'index.js');
if (process.platform !== 'win32' && !existsSync(join(packaged, 'bin', `${process.platform}_${process.arch}`))) {
  console.error(`skipped: the clang-format package has no binary for ${process.platform} ${process.arch}`);
  process.exit(0);
}
const flags = mode === '--write' ? ['-i'] : ['--dry-run', '--Werror'];
const result = spawnSync(process.execPath, [launcher, ...flags, ...files], { cwd: root, stdio: 'inherit' });
if (result.error) throw result.error;
process.exit(result.status ?? 1);
