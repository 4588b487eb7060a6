/** Rows read a column at a time are what each row is by itself, right and wrong. */
import { describe, expect, it } from 'vitest';

import { rowsToColumns, runsOf, summaryNames, summaryOfRow } from './run-columns.ts';

const right: Readonly<Record<string, unknown>> = {
  ...{ id: 'q-1', name: 'first', method: 'quantize', status: 'completed', network: 'mobilenet-v1', dataset: 'generated', target: null },
  ...{ budgets: JSON.stringify([{ resource: 'latency', kind: 'fraction', value: 0.5 }]) },
  ...{ budgetLimits: '[]', seed: 3, note: '', star: 1, tags: '["paper"]', place: 'list', queueOrder: null, trials: 4 },
  progress: JSON.stringify({ phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null }),
  ...{ bestReward: -0.5, bestAccuracy: 0.9, bestTestAccuracy: null, bestLatencyMs: 12.25, bestEnergyMj: null, bestSizeBytes: 1000 },
  ...{ baselineAccuracy: null, baselineTestAccuracy: 0.875, createdAtMs: 1000, startedAtMs: null, finishedAtMs: 2000, error: null },
  ...{ configHash: 'a', seedlessHash: 'b', pipelines: '["p-1"]', revision: 7 },
};
const rowOf = (change: Readonly<Record<string, unknown>>): unknown[] => summaryNames.map((name) => ({ ...right, ...change })[name]);
const outcome = (read: () => unknown): unknown => {
  try {
    return read();
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
};

describe('rows read as columns', () => {
  it('give the records in their order', () => {
    const rows = [
      rowOf({}),
      rowOf({ id: 'q-2', star: 0, tags: '[]', bestLatencyMs: null }),
      rowOf({ id: 'q-3', status: 'failed', error: 'no memory' }),
    ];
    expect(runsOf(rowsToColumns(rows))).toEqual(rows.map(summaryOfRow));
    expect(runsOf(rowsToColumns(rows))[1]).toMatchObject({ id: 'q-2', star: false, pipelines: ['p-1'], bestLatencyMs: null });
    expect(runsOf(rowsToColumns([]))).toEqual([]);
  });

  it.each(summaryNames)('take of %s what a row takes, and refuse it in the same words', (name) => {
    for (const value of [null, undefined, '', 'x', '[{', '[1]', '{}', -1, 0.5, Number.POSITIVE_INFINITY, Number.NaN, 2 ** 60]) {
      const row = rowOf({ [name]: value });
      expect(outcome(() => runsOf(rowsToColumns([rowOf({}), row]))[1])).toEqual(outcome(() => summaryOfRow(row)));
    }
  });
});
