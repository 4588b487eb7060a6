/** All runs, read once and kept up to date by events. */
import type { LatheClient } from '../../../shared/contract.ts';
import type { LatheError } from '../../../shared/errors.ts';
import type { RunSummary } from '../../../shared/run.ts';
import { FrameBatch, nextFrame } from './batch.ts';
import { asLatheError } from './loader.svelte.ts';

/** Rows of the first reading: more than any screen shows, few enough to be there at once. */
const firstPage = 100;

export class Runs {
  rows = $state.raw<readonly RunSummary[]>([]);
  loaded = $state(false);
  error = $state.raw<LatheError | null>(null);
  readonly #client: LatheClient;
  readonly #byId = new Map<string, RunSummary>();
  readonly #batch: FrameBatch<RunSummary>;

  constructor(client: LatheClient, schedule?: (callback: () => void) => void) {
    this.#client = client;
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
      const rest = rows.length < firstPage ? [] : await this.#readRest();
      const listed = new Set([...rows, ...rest].map((row) => row.id));
      for (const id of before) if (!listed.has(id)) this.#byId.delete(id); // what came meanwhile was told by an event
      this.#apply(rest);
    } catch (error) {
      this.error = asLatheError(error);
    }
  }

  /** Behind the frame that shows the first rows: reading thousands more would hold it up. */
  async #readRest(): Promise<readonly RunSummary[]> {
    await new Promise<void>((resolve) => nextFrame(() => nextFrame(resolve)));
    return await this.#client.call('run.list', { offset: firstPage });
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
