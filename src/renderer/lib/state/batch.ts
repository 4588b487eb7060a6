/** Gathers what arrives between two frames, so that a burst of events is one change of state. */
export class FrameBatch<T> {
  readonly #flush: (items: readonly T[]) => void;
  readonly #schedule: (callback: () => void) => void;
  #items: T[] = [];

  /**
   * `schedule` asks for a frame. A hidden page gets none, so the default falls back to a timer there: what arrives is kept
   * up to date, only less often.
   */
  constructor(flush: (items: readonly T[]) => void, schedule: (callback: () => void) => void = nextFrame) {
    this.#flush = flush;
    this.#schedule = schedule;
  }

  add(item: T): void {
    this.#items.push(item);
    if (this.#items.length === 1) this.#schedule(() => this.flush());
  }

  /** Hands over what is there, now. */
  flush(): void {
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    this.#flush(items);
  }
}

export function nextFrame(callback: () => void): void {
  if (document.hidden) setTimeout(callback, 250);
  else requestAnimationFrame(callback);
}
