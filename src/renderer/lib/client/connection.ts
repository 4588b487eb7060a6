/** What the interface holds: the contract's client and whether it is connected. */
import type { LatheClient } from '../../../shared/contract.ts';

/** `connecting`: never connected yet. `reconnecting`: was connected and tries again by itself. */
export type ConnectionStatus = 'connecting' | 'open' | 'reconnecting';

export interface Connection extends LatheClient {
  readonly status: ConnectionStatus;
  /** Calls back on every change of `status` until the returned function is called. */
  onStatus(listener: (status: ConnectionStatus) => void): () => void;
}
