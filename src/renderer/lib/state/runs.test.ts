import { describe, expect, it } from 'vitest';
import type { LatheClient, LatheEvent } from '../../../shared/contract.ts';
import type { RunSummary } from '../../../shared/run.ts';
import { Runs } from './runs.svelte.ts';

const run = (id: string, revision: number): RunSummary => ({ id, revision }) as RunSummary;

function clientOf(rows: () => RunSummary[]): { client: LatheClient; push: (event: LatheEvent) => void } {
  let listener: (event: LatheEvent) => void = () => undefined;
  const client = {
    call: () => Promise.resolve(rows()),
    subscribe: (next: (event: LatheEvent) => void) => {
      listener = next;
      return () => undefined;
    },
  } as unknown as LatheClient;
  return { client, push: (event) => listener(event) };
}

describe('the list of runs', () => {
  it('changes once for a burst of events, and an older revision changes nothing', async () => {
    let flush: () => void = () => undefined;
    const { client, push } = clientOf(() => [run('a', 3)]);
    const runs = new Runs(client, (callback) => (flush = callback));
    await runs.load();
    const before = runs.rows;
    push({ name: 'run.changed', payload: run('a', 2) });
    push({ name: 'run.changed', payload: run('b', 1) });
    push({ name: 'run.changed', payload: run('b', 2) });
    expect(runs.rows).toBe(before);
    flush();
    expect(runs.rows).toEqual([run('a', 3), run('b', 2)]);
  });

  it('drops what is no longer in the store when it is read again', async () => {
    let rows = [run('a', 1), run('b', 1)];
    const { client } = clientOf(() => rows);
    const runs = new Runs(client);
    await runs.load();
    rows = [run('b', 1)];
    await runs.load();
    expect(runs.rows.map((r) => r.id)).toEqual(['b']);
  });
});

describe('a long list', () => {
  const stored = (count: number): RunSummary[] => Array.from({ length: count }, (_, i) => run(`r-${String(i)}`, 1));
  /** Answers as the service does; `before` is called before each answer, with its number. */
  function pagedClient(store: { rows: RunSummary[] }, before: (call: number) => void): { client: LatheClient; calls: () => number } {
    let calls = 0;
    const client = {
      call: (_method: string, { offset = 0, limit = Number.MAX_SAFE_INTEGER }: { offset?: number; limit?: number }) => {
        before(calls);
        calls += 1;
        return Promise.resolve(store.rows.slice(offset, offset + limit));
      },
      subscribe: () => () => undefined,
    } as unknown as LatheClient;
    return { client, calls: () => calls };
  }

  it.each([
    ['nothing changes', () => undefined, 5000],
    ['runs are created', (rows: RunSummary[]) => rows.unshift(run('new-1', 1), run('new-2', 1)), 5000],
    ['a run that was read is removed', (rows: RunSummary[]) => rows.splice(50, 1), 5000],
    [
      'more runs are created than a page holds',
      (rows: RunSummary[]) => rows.unshift(...stored(3000).map(({ id }) => run(`new-${id}`, 1))),
      5000,
    ],
  ])('is read whole in pages while %s', async (_what, change, count) => {
    const store = { rows: stored(count) };
    const { client, calls } = pagedClient(store, (call) => {
      if (call === 2) change(store.rows);
    });
    const runs = new Runs(client, (callback) => callback());
    await runs.load();
    expect(runs.error).toBeNull();
    const there = new Set(runs.rows.map(({ id }) => id));
    expect(store.rows.filter(({ id }) => !id.startsWith('new') && !there.has(id))).toEqual([]);
    expect(calls()).toBeGreaterThan(3);
  });
});
