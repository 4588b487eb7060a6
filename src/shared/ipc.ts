/** What the window's page and the main process agree on: the channels, and the functions that the page is given. */
import type { LatheEvent } from './contract.ts';
import type { ErrorPayload } from './errors.ts';

/** How a call ended. An error crosses as data: an Error object would lose its class and its code on the way. */
export type CallResult = { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly error: ErrorPayload };

export const ipcChannels = {
  call: 'lathe:call', // page to main: { method, input }, answered by a CallResult
  follow: 'lathe:follow', // page to main: true or false, whether it wants events
  event: 'lathe:event', // main to page: a LatheEvent
  command: 'lathe:command', // main to page: a CommandId that was chosen in the menu
  choose: 'lathe:choose', // page to main: a PathKind, answered by the path that the user chose in the system's dialog, or null
} as const;

export type PathKind = 'folder' | 'file';

/** `window.lathe`, in the window only: a browser has the WebSocket instead. */
export interface LatheBridge {
  call(method: string, input: unknown): Promise<CallResult>;
  subscribe(listener: (event: LatheEvent) => void): () => void;
  /** Hears what is chosen in the window's menu, until the returned function is called. */
  onCommand(listener: (id: string) => void): () => void;
  /** Asks for a folder or a file in the system's dialog; null where the user chose none. */
  choosePath(kind: PathKind): Promise<string | null>;
  /** Where a dropped file or folder lies; empty for one that a page made. */
  pathOf(file: File): string;
}
