/** Events of the contract, from where something was stored to everybody who watches. */
import type { LatheEvent } from '../../shared/contract.ts';

export class EventBus {
  private readonly listeners = new Set<(event: LatheEvent) => void>();

  subscribe(listener: (event: LatheEvent) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  emit(event: LatheEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }
}
