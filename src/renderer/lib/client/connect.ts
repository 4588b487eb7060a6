/** Chooses the transport: the preload's bridge in the window, a WebSocket to the page's own origin in a browser. */
import type { LatheBridge } from '../../../shared/ipc.ts';
import { BridgeConnection } from './bridge.ts';
import type { Connection } from './connection.ts';
import { SocketConnection } from './socket.ts';

declare global {
  interface Window {
    readonly lathe?: LatheBridge;
  }
}

export function connect(): Connection {
  if (window.lathe !== undefined) return new BridgeConnection(window.lathe);
  const url = new URL('/api', window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const connection = new SocketConnection(() => new WebSocket(url));
  // A laptop that wakes up, or a tab that is looked at again, does not wait for the next attempt.
  window.addEventListener('online', () => connection.retryNow());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') connection.retryNow();
  });
  return connection;
}
