/** The same change to several runs, with a message that takes it back. */
import type { Input } from '../../../shared/contract.ts';
import type { RunSummary } from '../../../shared/run.ts';
import type { AppState } from './app.svelte.ts';

type Change = Omit<Input<'run.organize'>, 'ids'>;

/** `done` says what was done, such as “3 runs archived”. False where it failed, which a message tells. */
export async function organize(app: AppState, ids: readonly string[], change: Change, done: string): Promise<boolean> {
  const before = ids.flatMap((id) => app.runs.get(id) ?? []);
  const changed = await app.attempt('run.organize', { ids: [...ids], ...change });
  if (changed === null) return false;
  app.runs.put(...changed);
  const after = new Map(changed.map((run) => [run.id, run]));
  const ways = before.flatMap((run) => wayBack(run, after.get(run.id)) ?? []);
  app.toasts.info(done, ways.length === 0 ? null : { label: 'Undo', run: () => void undo(app, ways) });
  return true;
}

interface WayBack {
  readonly id: string;
  readonly change: Change;
}

/** Null where nothing has changed. */
function wayBack(before: RunSummary, after: RunSummary | undefined): WayBack | null {
  if (after === undefined) return null;
  const added = after.tags.filter((tag) => !before.tags.includes(tag));
  const removed = before.tags.filter((tag) => !after.tags.includes(tag));
  const change: Change = {
    ...(before.star === after.star ? {} : { star: before.star }),
    ...(before.place === after.place ? {} : { place: before.place }),
    ...(removed.length === 0 ? {} : { addTags: removed }),
    ...(added.length === 0 ? {} : { removeTags: added }),
  };
  return Object.keys(change).length === 0 ? null : { id: before.id, change };
}

/** Runs that go back the same way go together. */
async function undo(app: AppState, ways: readonly WayBack[]): Promise<void> {
  const byChange = new Map<string, { readonly change: Change; readonly ids: string[] }>();
  for (const { id, change } of ways) {
    const key = JSON.stringify(change);
    const alike = byChange.get(key);
    if (alike) alike.ids.push(id);
    else byChange.set(key, { change, ids: [id] });
  }
  for (const { change, ids } of byChange.values()) {
    const changed = await app.attempt('run.organize', { ids, ...change });
    if (changed !== null) app.runs.put(...changed);
  }
}
