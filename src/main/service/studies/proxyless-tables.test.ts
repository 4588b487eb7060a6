/** The studies of the architecture search: what they plan, and what they make of runs that are not there yet and of those that are. */
import { describe, expect, it } from 'vitest';
import type { SpacePreview } from '../../../shared/space.ts';
import { runDetail } from '../../../../test/support/store-samples.ts';
import type { StudyWorld } from './definition.ts';
import { figure2, table1, table2 } from './proxyless-tables.ts';

/** A space from 1 to 16 ms on every target, and networks that cost as many milliseconds as their name says on each. */
const world: StudyWorld = {
  preview: () => Promise.reject(new Error('not asked')),
  spacePreview: () =>
    Promise.resolve({ resources: [{ resource: 'latency', fixed: 0, least: 1, most: 16, reference: 8 }] } as never as SpacePreview),
  simulate: ({ network, target }) => {
    const costs: Readonly<Record<string, number>> = JSON.parse(network.id.startsWith('{') ? network.id : '{}') as Record<string, number>;
    return Promise.resolve({ latencyMs: costs[target] ?? 1 } as never);
  },
};

describe('the studies of the architecture search', () => {
  it('plan a run for each target or latency and seed, within what the space can do', async () => {
    expect((await table1.plan('full', world)).map(({ labels }) => labels['seed'])).toEqual(['1', '2', '3']);
    expect(await table2.plan('quick', world)).toHaveLength(3);
    const planned = await figure2.plan('quick', world);
    const limits = planned.map(({ request }) => {
      const made = request(() => '');
      return made.method === 'specialize' ? made.budgets[0]?.value : null;
    });
    expect(limits).toEqual([16 ** 0.25, 16 ** 0.4, 16 ** 0.6]);
  });

  it('show what was published beside nothing, while no run is completed', async () => {
    for (const study of [table1, table2, figure2]) expect((await study.report([], world)).length).toBeGreaterThan(0);
    const [own, published] = await table2.report([], world);
    expect(own?.rows.map((row) => row.slice(1))).toEqual([0, 1, 2].map(() => [null, null, null, null]));
    expect(published?.rows[2]).toEqual(['mobile', 0.746, 7.2, 164.1, 78]);
  });

  it('measure the network of each row on the target of each column, and say which is the fastest there', async () => {
    const run = (target: string, costs: Readonly<Record<string, number>>) => {
      const detail = runDetail('s-1');
      const architecture = { architecture: null, graph: 'a', decisions: [], params: 1, costs: [], network: JSON.stringify(costs) };
      const solution = { role: 'best', label: 'found', testAccuracy: 0.9, latencyMs: 1, architecture } as never;
      return { labels: { target, seed: '1' }, detail: { ...detail, solutions: [solution] } };
    };
    const [table] = await table2.report(
      [
        run('v100-roofline', { 'v100-roofline': 1, 'bismo-cloud': 5, 'eyeriss-like': 9 }),
        run('bismo-cloud', { 'v100-roofline': 2, 'bismo-cloud': 4, 'eyeriss-like': 6 }),
        run('eyeriss-like', { 'v100-roofline': 3, 'bismo-cloud': 3, 'eyeriss-like': 3 }),
      ],
      world,
    );
    expect(table?.rows[1]).toEqual(['bismo-cloud', 0.9, 2, 4, 6]);
    expect(table?.notes[0]).toBe('On v100-roofline the network specialized for it is the fastest of the three.');
    expect(table?.notes[1]).toMatch(/^On bismo-cloud the network specialized for eyeriss-like is faster/);
  });
});
