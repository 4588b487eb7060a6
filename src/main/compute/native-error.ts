/** What the addon throws, as LatheErrors. Its sentences are written for a person; here they get a code. */
import { LatheError } from '../../shared/errors.ts';

/** Any value that a call into the addon threw or rejected with. */
export function toLatheError(error: unknown): unknown {
  if (error instanceof LatheError || !(error instanceof Error)) return error;
  if (error instanceof TypeError || error instanceof RangeError) return new LatheError('bad-input', error.message);
  if (error.message.startsWith('training diverged')) return new LatheError('bad-input', error.message);
  if (error.message.startsWith('the model is busy')) return new LatheError('conflict', error.message);
  if (/ (could not be (opened|measured|read): |was cut short while it was in use)/.test(error.message)) {
    return new LatheError('unavailable', error.message);
  }
  if (error.message.startsWith('there is not enough memory')) return new LatheError('unavailable', error.message);
  return new LatheError('internal', error.message);
}

/** Runs a synchronous call into the addon. */
export function guard<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toLatheError(error);
  }
}

/** Waits for an asynchronous call into the addon. */
export async function guardAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toLatheError(error);
  }
}
