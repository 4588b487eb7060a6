/** Changed files through every importer, a few hundred each. A hundred thousand: test/long/fuzz.test.ts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDataDir, removeDataDir } from '../support/service.ts';
import { fuzz } from './harness.ts';
import { importers } from './importers.ts';

let home = '';
beforeAll(async () => {
  home = await makeDataDir();
});
afterAll(async () => {
  await removeDataDir(home);
});

it.each(importers)('$name: a changed file is read, or refused in one sentence', async (importer) => {
  const folder = join(home, importer.name.replaceAll(/\W/g, '-'));
  mkdirSync(join(folder, 'work'), { recursive: true });
  const { read, refused } = await fuzz(importer, { folder, runs: 200, seed: 1 });
  expect([read > 0, refused > 0]).toEqual([true, true]); // or the changes show nothing
});
