/** The demonstration for three seeds: what README and docs/algorithms/haq.md say of it. Prints the table for the docs. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDataDir, removeDataDir } from '../support/service.ts';

const root = join(import.meta.dirname, '..', '..');
const seeds = [1, 2, 3];
const longestSeconds = 8 * 60;

interface Row {
  readonly label: string;
  readonly role: string;
  readonly testAccuracy: number;
  readonly validationAccuracy: number;
  readonly latencyMs: number | null;
  readonly withinBudget: boolean;
}
interface Demo {
  readonly seconds: number;
  readonly best: Row;
  readonly baseline: Row;
  readonly solutions: readonly Row[];
}

let dataDir = '';
const results: Demo[] = [];
beforeAll(async () => {
  dataDir = await makeDataDir();
});
afterAll(async () => {
  await removeDataDir(dataDir);
  const column = (value: (demo: Demo) => number): string => {
    const values = results.map((demo) => value(demo) * 100);
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, values.length - 1));
    return `${mean.toFixed(2)} +- ${spread.toFixed(2)} % (${values.map((v) => v.toFixed(2)).join(', ')})`;
  };
  console.log(`test accuracy over seeds ${seeds.join(', ')}: mean +- standard deviation (each)`);
  for (const label of results[0]?.solutions.map((row) => row.label) ?? []) {
    const known = results.filter((demo) => demo.solutions.some((row) => row.label === label));
    if (known.length === results.length)
      console.log(`${label.padEnd(8)} ${column((demo) => demo.solutions.find((row) => row.label === label)?.testAccuracy ?? Number.NaN)}`);
  }
  console.log(`found minus best uniform: ${column((demo) => demo.best.testAccuracy - demo.baseline.testAccuracy)}`);
  console.log(`seconds: ${results.map((demo) => demo.seconds.toFixed(0)).join(', ')}`);
});

it.each(seeds)('seed %i: 90 %% in float, the found policy no worse than the best uniform one, in under eight minutes', (seed) => {
  const { stdout, stderr, status } = spawnSync(
    'npm',
    ['run', '-s', 'demo', '--', '--json', '--seed', String(seed), '--data-dir', dataDir],
    { cwd: root, encoding: 'utf8' },
  );
  expect(status, stderr).toBe(0);
  const demo = JSON.parse(stdout) as Demo;
  results.push(demo);
  expect(demo.solutions.find((row) => row.role === 'float')?.testAccuracy).toBeGreaterThanOrEqual(0.9);
  expect(demo.best.withinBudget).toBe(true);
  expect(demo.best.testAccuracy).toBeGreaterThanOrEqual(demo.baseline.testAccuracy);
  expect(demo.seconds).toBeLessThan(longestSeconds);
});
