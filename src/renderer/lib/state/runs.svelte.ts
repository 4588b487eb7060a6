/** All runs, read once and kept up to date by events. */
import type { LatheClient } from '../../../shared/contract.ts';
import type { LatheError } from '../../../shared/errors.ts';
import type { RunSummary } from '../../../shared/run.ts';
import { FrameBatch, nextFrame } from './batch.ts';
import { asLatheError } from './loader.svelte.ts';

/** Rows of the first reading: more than any screen shows, few enough to be there at once. */
const firstPage = 100;
/** Rows of the others: a page of them is written and read without holding up a frame. */
const nextPage = 2000;

export class Runs {
  rows = $state.raw<readonly RunSummary[]>([]);
  loaded = $state(false);
  error = $state.raw<LatheError | null>(null);
  readonly #client: LatheClient;
  readonly #schedule: (callback: () => void) => void;
  readonly #byId = new Map<string, RunSummary>();
  readonly #batch: FrameBatch<RunSummary>;

  /** `schedule` calls back with the next frame. */
  constructor(client: LatheClient, schedule: (callback: () => void) => void = nextFrame) {
    this.#client = client;
    this.#schedule = schedule;
    this.#batch = new FrameBatch((summaries) => this.#apply(summaries), schedule);
    client.subscribe((event) => {
      if (event.name === 'run.changed') this.#batch.add(event.payload);
      if (event.name === 'run.removed') this.#remove(new Set(event.payload.ids));
    });
  }

  /** The newest come first, and are there to be looked at while the others are still on their way. */
  async load(): Promise<void> {
    const before = [...this.#byId.keys()];
    try {
      const rows = await this.#client.call('run.list', { limit: firstPage });
      this.#apply(rows);
      this.error = null;
      this.loaded = true;
      const rest = rows.length < firstPage ? [] : await this.#readRest(rows);
      const listed = new Set([...rows, ...rest].map((row) => row.id));
      for (const id of before) if (!listed.has(id)) this.#byId.delete(id); // what came meanwhile was told by an event
      this.#apply(rest);
    } catch (error) {
      this.error = asLatheError(error);
    }
  }

  /** Behind the frame that shows the first rows, a page after another. A page begins with the last row that is known, where nothing was removed meanwhile. */
  async #readRest(first: readonly RunSummary[]): Promise<readonly RunSummary[]> {
    await new Promise<void>((resolve) => this.#schedule(() => this.#schedule(resolve)));
    const rest: RunSummary[] = [];
    for (let last = first.at(-1); last !== undefined;) {
      const { id } = last;
      const page = await this.#client.call('run.list', { offset: first.length + rest.length - 1, limit: nextPage });
      const at = page.findIndex((row) => row.id === id); // behind what was created meanwhile
      if (at < 0 || (at === nextPage - 1 && page.length === nextPage)) return await this.#client.call('run.list', {}); // the list is another one
      rest.push(...page.slice(at + 1));
      last = page.length < nextPage ? undefined : page.at(-1);
    }
    return rest;
  }

  get(id: string): RunSummary | undefined {
    void this.rows; // whoever asks is told when they change
    return this.#byId.get(id);
  }

  /** Puts what a call returned, without waiting for its event. */
  put(...summaries: readonly RunSummary[]): void {
    this.#apply(summaries);
  }

  #remove(ids: ReadonlySet<string>): void {
    for (const id of ids) this.#byId.delete(id);
    this.rows = [...this.#byId.values()];
  }

  /** An older revision never replaces a newer one: a reading can be overtaken by an event. */
  #apply(summaries: readonly RunSummary[]): void {
    for (const summary of summaries) {
      const known = this.#byId.get(summary.id);
      if (known === undefined || summary.revision >= known.revision) this.#byId.set(summary.id, summary);
    }
    this.rows = [...this.#byId.values()];
  }
}
