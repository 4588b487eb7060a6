import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../shared/run.ts';
import type { AppState } from './app.svelte.ts';
import { organize } from './organize.ts';
import type { ToastAction } from './toasts.svelte.ts';

const run = (id: string, change: Partial<RunSummary>): RunSummary =>
  ({ id, star: false, place: 'list', tags: [], ...change }) as RunSummary;

describe('a change to several runs', () => {
  it('is taken back as it was for each: what did not change is left alone, and alike runs go together', async () => {
    const before = [run('a', { tags: ['old'] }), run('b', { tags: ['old'] }), run('c', { place: 'archive', tags: ['new'] })];
    const after = [run('a', { place: 'archive', tags: ['new', 'old'] }), run('b', { place: 'archive', tags: ['new', 'old'] }), before[2]];
    const calls: unknown[] = [];
    let action: ToastAction | null = null;
    const app = {
      attempt: (_method: string, input: unknown) => {
        calls.push(input);
        return Promise.resolve(after);
      },
      runs: { get: (id: string) => before.find((known) => known.id === id), put: () => undefined },
      toasts: { info: (_text: string, offered: ToastAction | null) => (action = offered) },
    } as unknown as AppState;
    expect(await organize(app, ['a', 'b', 'c'], { place: 'archive', addTags: ['new'] }, 'done')).toBe(true);
    (action as ToastAction | null)?.run();
    await Promise.resolve();
    expect(calls).toEqual([
      { ids: ['a', 'b', 'c'], place: 'archive', addTags: ['new'] },
      { ids: ['a', 'b'], place: 'list', removeTags: ['new'] },
    ]);
  });
});
