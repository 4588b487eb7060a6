/** A value that follows another one at most every so often; the last one always arrives. */
import { untrack } from 'svelte';

export class Throttled<T> {
  #shown: T;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** `pauseMs` may depend on the value; 0 follows at once. Made while a component is. */
  constructor(read: () => T, pauseMs: (value: T) => number) {
    this.#shown = $state.raw(untrack(read));
    $effect.pre(() => {
      const next = read();
      const wait = this.#lastMs + pauseMs(next) - performance.now();
      if (wait <= 0) {
        this.#show(next);
        return;
      }
      const timer = setTimeout(() => this.#show(next), wait);
      return () => clearTimeout(timer);
    });
  }

  get value(): T {
    return this.#shown;
  }

  #show(next: T): void {
    this.#lastMs = performance.now();
    this.#shown = next;
  }
}
