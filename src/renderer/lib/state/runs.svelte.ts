/** All runs, read once and kept up to date by events. */
import type { LatheClient } from '../../../shared/contract.ts';
import type { LatheError } from '../../../shared/errors.ts';
import type { RunSummary } from '../../../shared/run.ts';
import { FrameBatch } from './batch.ts';
import { asLatheError } from './loader.svelte.ts';

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
    });
  }

  async load(): Promise<void> {
    try {
      const rows = await this.#client.call('run.list', {});
      const listed = new Set(rows.map((row) => row.id));
      for (const id of this.#byId.keys()) if (!listed.has(id)) this.#byId.delete(id);
      this.#apply(rows);
      this.error = null;
      this.loaded = true;
    } catch (error) {
      this.error = asLatheError(error);
    }
  }

  get(id: string): RunSummary | undefined {
    return this.rows.find((row) => row.id === id);
  }

  /** Puts what a call returned, without waiting for its event. */
  put(summary: RunSummary): void {
    this.#apply([summary]);
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
