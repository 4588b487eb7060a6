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
