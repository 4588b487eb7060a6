/** The tables of AMC from made-up results: what stands where, and what is not known yet. */
import { describe, expect, it } from 'vitest';
import type { RunDetail, Solution } from '../../../shared/run.ts';
import { table3, table4 } from './amc-tables.ts';
import type { Labels, StudyRun, StudyWorld } from './definition.ts';

const world: StudyWorld = {
  preview: () => Promise.reject(new Error('not asked for')),
  spacePreview: () => Promise.reject(new Error('not asked')),
  simulate: () => Promise.reject(new Error('not asked for')),
};

function solution(
  role: Solution['role'],
  label: string,
  testAccuracy: number,
  latencyMs: number,
  withinBudget = role !== 'float',
): Partial<Solution> {
  return { role, label, testAccuracy, validationAccuracy: testAccuracy, latencyMs, macs: 1e6, sizeBytes: 4e6, withinBudget };
}

function run(labels: Labels, solutions: readonly Partial<Solution>[]): StudyRun {
  return { labels, detail: { summary: { status: 'completed' }, solutions } as unknown as RunDetail };
}

const pruned = (whole: number, uniform: number, found: number): Partial<Solution>[] => [
  solution('float', 'whole', whole, 4),
  solution('baseline', 'stage 1 of 2', 0.99, 3, false), // over the budget: no rival
  solution('baseline', 'uniform ×0.50', uniform, 2.5),
  solution('best', 'found', found, 2),
];

describe('table 4', () => {
  it('holds both against the whole network, a mean over seeds, and leaves open what is not done', async () => {
    const cells = ['1', '2'].map((seed, index) =>
      run({ network: 'mobilenet-v1', share: '0.5', by: 'agent', seed }, pruned(0.91, 0.88, 0.9 + index * 0.01)),
    );
    const [table] = await table4.report(cells, world);
    const [v1 = [], lower = [], ...rest] = table?.rows ?? [];
    expect(v1.slice(0, 4)).toEqual(['mobilenet-v1', 0.5, 2, 0.91]);
    expect(v1[4]).toBeCloseTo(-0.03, 12);
    expect(v1[5]).toBeCloseTo(-0.005, 12);
    expect(v1[6]).toBeCloseTo(0.025, 12);
    expect(v1.slice(8)).toEqual([-0.025, 0.56, -0.004]);
    expect(lower.slice(2, 8)).toEqual([0, null, null, null, null, null]);
    expect(rest.map(([name]) => name)).toEqual(['mobilenet-v2', 'mobilenet-v2, agent of mobilenet-v1']);
  });

  it('plans the transfer behind the run whose agent it takes', async () => {
    const planned = await table4.plan('quick', world);
    const transfer = planned.find(({ labels }) => labels['by'] === 'transfer');
    expect(transfer?.request((labels) => `${labels['network'] ?? ''} ${labels['share'] ?? ''}`)).toMatchObject({
      network: { id: 'mobilenet-v2' },
      agentRun: 'mobilenet-v1 0.5',
      search: { method: 'transfer' },
    });
    expect(await table4.plan('full', world)).toHaveLength(12);
  });
});

describe('table 3', () => {
  it('tells the speed-up of each network on the target, with the published one beside it', async () => {
    const [table] = await table3.report([run({ budget: 'latency', seed: '1' }, pruned(0.91, 0.88, 0.9))], world);
    const speedUp = table?.columns.findIndex(({ label }) => label === 'speed-up') ?? -1;
    expect(table?.rows.map((row) => [row[0], row[speedUp], row.at(-1)])).toEqual([
      ['whole', 1, null],
      ['uniform at half the MACs', null, 1.71],
      ['uniform at half the latency', 1.6, null],
      ['found at half the MACs', null, 1.81],
      ['found at half the latency', 2, 1.95],
    ]);
  });
});
