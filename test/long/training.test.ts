/**
 * Training on Fashion-MNIST as docs/guide/training.md tells it: accuracy over three seeds on the test split (read once a run, at
 * its end), and flat memory. Environment: LATHE_NETWORKS, LATHE_SEEDS, LATHE_THREADS, LATHE_MEMORY_MINUTES choose less or more.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestService } from '../support/service.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus } from '../support/service.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const seeds = (process.env['LATHE_SEEDS'] ?? '1,2,3').split(',').map(Number);
const threads = process.env['LATHE_THREADS'] ?? '2';
const memoryMinutes = Number(process.env['LATHE_MEMORY_MINUTES'] ?? 30);

/** What each network has to reach on the test split. */
const goals = [
  { network: 'mobilenet-v1-0.25', recipe: 'accurate', least: 0.925 },
  { network: 'resnet-20', recipe: 'accurate', least: 0.935 },
].filter(({ network }) => (process.env['LATHE_NETWORKS'] ?? network).split(',').includes(network));

interface Trained {
  readonly testAccuracy: number;
  readonly trainSeconds: number;
  readonly imagesPerSecond: number;
}

let dataDir: string;
beforeAll(async () => {
  dataDir = await makeDataDir();
  lathe('dataset', 'add', 'fashion-mnist');
});
afterAll(() => removeDataDir(dataDir));

function lathe(...args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync('npm', ['run', '-s', 'lathe', '--', ...args, '--data-dir', dataDir], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return stdout;
}

describe.each(goals)('$network with the recipe "$recipe"', ({ network, recipe, least }) => {
  it(
    `has a mean test accuracy of at least ${String(least)} over the seeds`,
    () => {
      const results = seeds.map((seed) => {
        const args = [
          'train',
          network,
          '--dataset',
          'fashion-mnist',
          '--recipe',
          recipe,
          '--seed',
          String(seed),
          '--threads',
          threads,
          '--json',
        ];
        const result = JSON.parse(lathe(...args)) as Trained;
        console.log(
          `${network}, seed ${seed}: ${(result.testAccuracy * 100).toFixed(2)} % in ${result.trainSeconds.toFixed(0)} s, ${result.imagesPerSecond.toFixed(0)} images/s`,
        );
        return result;
      });
      const mean = results.reduce((sum, { testAccuracy }) => sum + testAccuracy, 0) / results.length;
      console.log(`${network}: mean ${(mean * 100).toFixed(2)} %`);
      expect(mean).toBeGreaterThanOrEqual(least);
    },
    24 * 3_600_000,
  );
});

describe(`a training of ${String(memoryMinutes)} minutes`, () => {
  let test: TestService;
  beforeAll(async () => {
    test = await openService(dataDir);
  });
  afterAll(() => test.service.close());

  it(
    'grows by less than 1 % in resident memory',
    async () => {
      const { service } = test;
      const run = await service.call('run.create', {
        method: 'train',
        network: { id: 'mobilenet-v1', width: 0.25 },
        dataset: 'fashion-mnist',
        training: { epochs: 10_000, flip: true, cropPadding: 1 },
        threads: Number(threads),
      });
      await waitForStatus(service, run.id, ['running']);
      await new Promise((resolve) => setTimeout(resolve, memoryMinutes * 60_000));
      await service.call('run.cancel', { id: run.id });
      await waitForStatus(service, run.id, ['cancelled']);
      const resident = (await service.call('run.metrics', { id: run.id, series: 'machine/residentBytes' })).map(({ value }) => value);
      // The first tenth is the program settling: code compiled, heaps grown, the first checkpoints written.
      const settled = resident.slice(Math.ceil(resident.length / 10));
      const quarter = Math.floor(settled.length / 4);
      const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
      const [first, last] = [median(settled.slice(0, quarter)), median(settled.slice(-quarter))];
      console.log(
        `resident: ${(first / 1e6).toFixed(1)} MB, later ${(last / 1e6).toFixed(1)} MB (${(100 * (last / first - 1)).toFixed(2)} %), ${resident.length} readings`,
      );
      expect(quarter).toBeGreaterThan(5);
      expect(last / first).toBeLessThan(1.01);
    },
    (memoryMinutes + 5) * 60_000,
  );
});
