/** What every screen shares: the client, where the user is, the lists that rarely change, and the messages. */
import { createContext } from 'svelte';
import type { Input, Method, Output } from '../../../shared/contract.ts';
import type { RunSummary } from '../../../shared/run.ts';
import type { Connection, ConnectionStatus } from '../client/connection.ts';
import { Intake } from './intake.svelte.ts';
import { asLatheError, Loader } from './loader.svelte.ts';
import { Recents } from './recents.svelte.ts';
import { Router } from './router.svelte.ts';
import { Runs } from './runs.svelte.ts';
import { Selection } from './selection.svelte.ts';
import { Theme } from './theme.svelte.ts';
import { Toasts } from './toasts.svelte.ts';
import { Views } from './views.svelte.ts';

export class AppState {
  readonly client: Connection;
  readonly router = new Router();
  readonly theme = new Theme();
  readonly toasts = new Toasts();
  readonly runs: Runs;
  readonly selection = new Selection();
  readonly recents = new Recents();
  readonly intake = new Intake(this);
  readonly views: Views;
  readonly info: Loader<Output<'system.info'>>;
  readonly networks: Loader<Output<'network.list'>>;
  readonly targets: Loader<Output<'target.list'>>;
  readonly tables: Loader<Output<'table.list'>>;
  readonly datasets: Loader<Output<'dataset.list'>>;
  connection = $state<ConnectionStatus>('connecting');
  /** Grows with every reconnection: what was read before may be old. */
  reconnections = $state(0);
  /** The second hand of the interface: Unix time, for durations of running work. */
  nowMs = $state(Date.now());
  paletteOpen = $state(false);
  shortcutsOpen = $state(false);

  constructor(client: Connection) {
    this.client = client;
    this.runs = new Runs(client);
    this.views = new Views(client, (error) => this.toasts.error(asLatheError(error).message));
    this.info = new Loader(() => client.call('system.info', {}));
    this.networks = new Loader(() => client.call('network.list', {}));
    this.targets = new Loader(() => client.call('target.list', {}));
    this.tables = new Loader(() => client.call('table.list', {}));
    this.datasets = new Loader(() => client.call('dataset.list', {}));
    this.connection = client.status;
    let opened = client.status === 'open';
    client.onStatus((status) => {
      this.connection = status;
      if (status !== 'open') return;
      if (opened) {
        this.reconnections += 1;
        this.#readAll();
      }
      opened = true;
    });
    client.subscribe((event) => {
      if (event.name !== 'run.changed' || event.payload.status !== 'completed' || this.networks.value === null) return;
      const { id, method } = event.payload;
      if (this.runs.get(id)?.status === 'completed') return; // as it was before: a note, a tag
      // What such a run has found is one of the user's networks now.
      if (['prune', 'specialize', 'pipeline'].includes(method)) void this.networks.load();
    });
    setInterval(() => {
      if (!document.hidden) this.nowMs = Date.now();
    }, 1000);
    this.#readAll();
  }

  /** A call whose failure is shown as a message; null then. */
  async attempt<M extends Method>(method: M, input: Input<M>): Promise<Output<M> | null> {
    try {
      return await this.client.call(method, input);
    } catch (error) {
      this.toasts.error(asLatheError(error).message);
      return null;
    }
  }

  /** The same for a call that returns a run: the list knows it at once. */
  async changeRun<M extends 'run.create' | 'run.reproduce' | 'run.cancel' | 'run.pause' | 'run.resume' | 'run.annotate'>(
    method: M,
    input: Input<M>,
  ): Promise<RunSummary | null> {
    const summary: RunSummary | null = await this.attempt(method, input);
    if (summary !== null) this.runs.put(summary);
    return summary;
  }

  #readAll(): void {
    void this.runs.load(); // first: it is what is looked at first
    void this.views.list.load();
    void this.info.load();
    if (this.networks.value !== null) void this.networks.load();
    if (this.targets.value !== null) void this.targets.load();
    if (this.tables.value !== null) void this.tables.load();
    void this.datasets.load();
  }
}

export const [getApp, setApp] = createContext<AppState>();
