/** What the interface holds: the contract's client and whether it is connected. */
import type { LatheClient } from '../../../shared/contract.ts';
import type { LatheBridge } from '../../../shared/ipc.ts';

/** `connecting`: never connected yet. `reconnecting`: was connected and tries again by itself. */
export type ConnectionStatus = 'connecting' | 'open' | 'reconnecting';

/** What the window can do about files that a page in a browser cannot. */
export type FileAccess = Pick<LatheBridge, 'choosePath' | 'pathOf'>;

export interface Connection extends LatheClient {
  /** In the window; null in a browser. */
  readonly files: FileAccess | null;
  /** In the window: hears the commands of its menu, by their ids, until the returned function is called. */
  onCommand?(listener: (id: string) => void): () => void;
  readonly status: ConnectionStatus;
  /** Calls back on every change of `status` until the returned function is called. */
  onStatus(listener: (status: ConnectionStatus) => void): () => void;
}
