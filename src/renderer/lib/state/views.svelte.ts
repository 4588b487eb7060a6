/** The named views of the runs table, and the one that is looked at: what is changed of it is kept by itself. */
import { runViewSchema, type RunView } from '../../../shared/view.ts';
import type { Connection } from '../client/connection.ts';
import { Loader } from './loader.svelte.ts';

/** The view that is always there. */
export const mainView: RunView = runViewSchema.parse({ id: 'all', name: 'All runs' });

const saveAfterMs = 400;

export class Views {
  readonly list: Loader<readonly RunView[]>;
  readonly #client: Connection;
  readonly #pending = new Map<string, RunView>();
  readonly #failed: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Connection, failed: (error: unknown) => void) {
    this.#client = client;
    this.#failed = failed;
    this.list = new Loader(async () => await client.call('view.list', {}));
    client.subscribe((event) => {
      if (event.name === 'view.changed' && !this.#pending.has(event.payload.id)) void this.list.load();
    });
  }

  /** The main view first, then the others by name. */
  get all(): readonly RunView[] {
    const kept = this.list.value ?? [];
    return [kept.find(({ id }) => id === mainView.id) ?? mainView, ...kept.filter(({ id }) => id !== mainView.id)];
  }

  /** The main view where there is none of this id. */
  get(id: string): RunView {
    return this.all.find((view) => view.id === id) ?? this.all[0] ?? mainView;
  }

  /** Changes a view at once, and in the store a moment later. */
  change(id: string, change: Partial<Omit<RunView, 'id'>>): void {
    const view = { ...this.get(id), ...change };
    this.#put(view);
    this.#pending.set(view.id, view);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#save(), saveAfterMs);
  }

  /** A new view of this name; its id is made from it. */
  async add(name: string, from: RunView): Promise<RunView> {
    const stem =
      name
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, '-')
        .replaceAll(/^-|-$/g, '')
        .slice(0, 40) || 'view';
    const taken = new Set(this.all.map(({ id }) => id));
    let id = stem;
    for (let i = 2; taken.has(id); i++) id = `${stem}-${String(i)}`;
    const view = await this.#client.call('view.put', { ...from, id, name });
    this.#put(view);
    return view;
  }

  async remove(id: string): Promise<void> {
    this.#pending.delete(id);
    await this.#client.call('view.remove', { id });
    this.list.set((this.list.value ?? []).filter((view) => view.id !== id));
  }

  #put(view: RunView): void {
    this.list.set([...(this.list.value ?? []).filter(({ id }) => id !== view.id), view].sort((a, b) => a.name.localeCompare(b.name)));
  }

  async #save(): Promise<void> {
    for (const [id, view] of [...this.#pending]) {
      try {
        await this.#client.call('view.put', view);
      } catch (error) {
        this.#failed(error);
      }
      if (this.#pending.get(id) === view) this.#pending.delete(id);
    }
  }
}
