/** Cancelling a call in the addon: by its own flag, by an AbortSignal, or both. */
import type { NativeControl } from './addon.ts';
import { guard } from './native-error.ts';
import { loadAddon } from './load.ts';

/** A new flag that calls poll. Throws LatheError: unavailable. */
export function createControl(): NativeControl {
  return guard(() => new (loadAddon().Control)());
}

/** What long calls take to be cancelled; both may be given. */
export interface Cancellable {
  readonly control?: NativeControl;
  readonly signal?: AbortSignal;
}

/** Runs a call with a control that also follows the signal. */
export async function withCancel<T>(options: Cancellable, call: (control: NativeControl | undefined) => Promise<T>): Promise<T> {
  const { signal } = options;
  if (signal === undefined) return call(options.control);
  const control = options.control ?? createControl();
  const cancel = (): void => control.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel);
  try {
    return await call(control);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
