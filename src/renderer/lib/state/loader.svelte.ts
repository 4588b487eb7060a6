/** A value that is read by a call: loading, there, or failed with a sentence. The last good value stays while reading again. */
import { LatheError, toErrorPayload } from '../../../shared/errors.ts';

export function asLatheError(error: unknown): LatheError {
  return error instanceof LatheError ? error : LatheError.fromPayload(toErrorPayload(error));
}

export class Loader<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<LatheError | null>(null);
  loading = $state(false);
  readonly #read: () => Promise<T>;
  #turn = 0;

  constructor(read: () => Promise<T>) {
    this.#read = read;
  }

  /** Reads; of several readings under way only the last one counts. */
  async load(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    this.loading = true;
    try {
      const value = await this.#read();
      if (turn !== this.#turn) return;
      this.value = value;
      this.error = null;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = asLatheError(error);
    }
    this.loading = false;
  }

  /** Reads if nothing was read yet. */
  ensure(): void {
    if (this.value === null && !this.loading) void this.load();
  }

  /** Puts a value that is known from elsewhere. */
  set(value: T): void {
    this.#turn += 1;
    this.value = value;
    this.error = null;
    this.loading = false;
  }
}
