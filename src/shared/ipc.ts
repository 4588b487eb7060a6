/** What the window's page and the main process agree on: three channels, and the two functions that the page is given. */
import type { LatheEvent } from './contract.ts';
import type { ErrorPayload } from './errors.ts';

/** How a call ended. An error crosses as data: an Error object would lose its class and its code on the way. */
export type CallResult = { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly error: ErrorPayload };

export const ipcChannels = {
  call: 'lathe:call', // page to main: { method, input }, answered by a CallResult
  follow: 'lathe:follow', // page to main: true or false, whether it wants events
  event: 'lathe:event', // main to page: a LatheEvent
} as const;

/** `window.lathe`, in the window only: a browser has the WebSocket instead. */
export interface LatheBridge {
  call(method: string, input: unknown): Promise<CallResult>;
  subscribe(listener: (event: LatheEvent) => void): () => void;
}
