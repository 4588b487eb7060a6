/** The tests that call the addon, with a build of it that reports bad addresses and undefined behaviour (scripts/sanitize.mjs). */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

it.skipIf(process.platform !== 'linux')('the addon passes its tests under ASan and UBSan', { timeout: 3_600_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'sanitize.mjs')], {
    encoding: 'utf8',
    maxBuffer: 256 * 2 ** 20,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
  });
  expect(stdout.slice(-20_000) + stderr.slice(-20_000)).toMatch(/Tests +\d+ passed/);
  expect(status).toBe(0);
});
