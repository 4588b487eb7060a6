/** The window's transport: what the preload script exposes, behind the contract's client. Always open. */
import type { Input, LatheEvent, Method, Output } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { LatheBridge } from '../../../shared/ipc.ts';
import type { Connection, ConnectionStatus, FileAccess } from './connection.ts';

export class BridgeConnection implements Connection {
  readonly status: ConnectionStatus = 'open';
  readonly files: FileAccess;
  readonly #bridge: LatheBridge;

  constructor(bridge: LatheBridge) {
    this.#bridge = bridge;
    this.files = bridge;
  }

  async call<M extends Method>(method: M, input: Input<M>): Promise<Output<M>> {
    const answer = await this.#bridge.call(method, input);
    if (!answer.ok) throw LatheError.fromPayload(answer.error);
    return answer.output as Output<M>; // checked by schema on the other side
  }

  subscribe(listener: (event: LatheEvent) => void): () => void {
    return this.#bridge.subscribe(listener);
  }

  onCommand(listener: (id: string) => void): () => void {
    return this.#bridge.onCommand(listener);
  }

  onStatus(): () => void {
    return () => undefined;
  }
}
