import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../shared/run.ts';
import { runColumnOrder, runColumns } from './columns.ts';
import { groupRuns, groupText, isGroup, sortRuns } from './rows.ts';

const columns = runColumns(() => 0);
const byId = new Map(runColumnOrder.map((id) => [id as string, columns[id]]));
const run = (id: string, change: Partial<RunSummary>): RunSummary =>
  ({
    id,
    name: `run ${id}`,
    seedlessHash: 'a',
    seed: 1,
    bestTestAccuracy: null,
    createdAtMs: 0,
    tags: [],
    budgets: [],
    target: 'edge',
    ...change,
  }) as RunSummary;
const ids = (rows: readonly { id: string }[]): string[] => rows.map(({ id }) => id);

describe('sorting', () => {
  it('puts what is unknown last, up and down, and keeps the order of equals', () => {
    const runs = [
      run('1', {}),
      run('2', { bestTestAccuracy: 0.9 }),
      run('3', { bestTestAccuracy: 0.8 }),
      run('4', { bestTestAccuracy: 0.9 }),
    ];
    expect(ids(sortRuns(runs, columns.test, true))).toEqual(['2', '4', '3', '1']);
    expect(ids(sortRuns(runs, columns.test, false))).toEqual(['3', '2', '4', '1']);
    expect(sortRuns(runs, undefined, true)).toBe(runs);
  });
});

describe('groups', () => {
  const runs = [
    run('1', { seed: 1, bestTestAccuracy: 0.9, createdAtMs: 5 }),
    run('2', { seed: 2, bestTestAccuracy: 0.92, target: 'cloud' }),
    run('3', { seed: 3, bestTestAccuracy: 0.94 }),
    run('4', { seedlessHash: 'b', bestTestAccuracy: 0.99 }),
  ];
  const options = { groupBy: ['seedless'], sort: { id: 'test', desc: true }, open: new Set<string>() };

  it('of runs that differ in the seed alone show mean ± deviation of the sample, and no deviation of one run', () => {
    const rows = groupRuns(runs, byId, options).filter(isGroup);
    expect(rows.map((group) => groupText(group, columns.test))).toEqual(['99.00', '92.00 ± 2.00']);
    expect(rows.map((group) => groupText(group, columns.target))).toEqual(['edge', '2 different']);
    expect(rows.map((group) => groupText(group, columns.latency))).toEqual(['—', '—']);
    expect(rows.map((group) => group.label)).toEqual(['run 4', 'run 1']);
  });

  it('show their runs, sorted, when they are open', () => {
    const [, second] = groupRuns(runs, byId, options);
    const rows = groupRuns(runs, byId, { ...options, open: new Set([second?.id ?? '']) });
    expect(ids(rows).slice(2)).toEqual(['3', '2', '1']);
    expect(groupRuns(runs, byId, { ...options, groupBy: ['target', 'seed'] }).map((row) => isGroup(row) && row.label)).toEqual([
      'edge · 1', // the mean of runs 1 and 4
      'edge · 3',
      'cloud · 2',
    ]);
  });
});
