/**
 * A hundred thousand changed files over all importers, each importer in a process of its own with a bound on its memory: no crash,
 * no hang, no more memory than that. LATHE_FUZZ_FILES: how many in all; LATHE_FUZZ_SEED: others.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { most, type Outcomes } from '../fuzz/harness.ts';
import { importers } from '../fuzz/importers.ts';
import { makeDataDir, removeDataDir } from '../support/service.ts';

const child = fileURLToPath(new URL('../fuzz/child.ts', import.meta.url));
const runs = Math.ceil(Number(process.env['LATHE_FUZZ_FILES'] ?? 100_000) / importers.length);
const seed = process.env['LATHE_FUZZ_SEED'] ?? '20260101';
/** JavaScript's own memory, in MiB; what lies beside it is measured. */
const heapMiB = 512;
/** A process that says nothing for so long hangs; a hundred files take a second or two. */
const silenceMs = 180_000;

let home = '';
const all = { files: 0, read: 0, refused: 0 };
beforeAll(async () => {
  home = await makeDataDir();
});
afterAll(async () => {
  await removeDataDir(home);
  console.log(`${all.files} changed files: ${all.read} read, ${all.refused} refused`);
});

it.each(importers)('$name', { timeout: 3_600_000 }, async ({ name }) => {
  const folder = join(home, name.replaceAll(/\W/g, '-'));
  mkdirSync(folder);
  const args = [`--max-old-space-size=${heapMiB}`, '--no-warnings', child, name, folder, String(runs), seed];
  const process_ = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, complaints] = ['', ''];
  let timer = setTimeout(() => process_.kill('SIGKILL'), silenceMs);
  process_.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    clearTimeout(timer);
    timer = setTimeout(() => process_.kill('SIGKILL'), silenceMs);
  });
  process_.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const [code, signal] = (await once(process_, 'close')) as [number | null, string | null];
  clearTimeout(timer);
  const last = (): string => readFileSync(join(folder, 'last-file')).toString('base64').slice(0, 20_000);
  expect([code, signal], code === 0 ? '' : `${complaints.slice(-8000)}\nthe last file, base64: ${last()}`).toEqual([0, null]);
  const { read, refused, slowestSeconds, residentBytes } = JSON.parse(output.split('\n').at(-2) ?? '') as Outcomes;
  console.log(
    `${name}: ${read} read, ${refused} refused; slowest ${slowestSeconds.toFixed(2)} s, at most ${Math.round(residentBytes / 2 ** 20)} MiB`,
  );
  all.files += read + refused;
  all.read += read;
  all.refused += refused;
  expect(read + refused).toBe(runs);
  expect(residentBytes).toBeLessThan(most.residentBytes);
});
