/** The runs that the user has chosen, for whatever is done with several at once. It survives a change of screen, not a reload. */

export class Selection {
  ids = $state.raw<ReadonlySet<string>>(new Set());
  #anchor: string | null = null;

  get size(): number {
    return this.ids.size;
  }

  has(id: string): boolean {
    return this.ids.has(id);
  }

  /** Chooses some or leaves them out; the last one is where a range starts. */
  set(ids: readonly string[], chosen: boolean): void {
    const next = new Set(this.ids);
    for (const id of ids) {
      if (chosen) next.add(id);
      else next.delete(id);
    }
    this.ids = next;
    this.#anchor = ids.at(-1) ?? this.#anchor;
  }

  toggle(id: string): void {
    this.set([id], !this.has(id));
  }

  /** Chooses all from where the last choice was made to this one, both included, in the order in which they are shown. */
  extend(id: string, order: readonly string[]): void {
    const to = order.indexOf(id);
    if (to < 0) return;
    const anchor = this.#anchor === null ? -1 : order.indexOf(this.#anchor);
    const from = anchor < 0 ? to : anchor;
    this.ids = new Set([...this.ids, ...order.slice(Math.min(from, to), Math.max(from, to) + 1)]);
    this.#anchor = anchor < 0 ? id : this.#anchor;
  }

  /** Chooses these and no others. */
  replace(ids: Iterable<string>): void {
    this.ids = new Set(ids);
    this.#anchor = null;
  }

  clear(): void {
    this.replace([]);
  }

  /** Forgets those that are no longer there. */
  retain(exists: (id: string) => boolean): void {
    const left = [...this.ids].filter(exists);
    if (left.length < this.ids.size) this.ids = new Set(left);
  }
}
