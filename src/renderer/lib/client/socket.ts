/**
 * The browser's transport: frames of the contract over one WebSocket, which is opened again by itself when it breaks.
 * Calls made while it is down wait for the next connection; calls that were under way when it broke are rejected, for
 * nobody knows whether they were done.
 */
import type { Input, LatheEvent, Method, Output, RequestFrame, ServerFrame } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { Connection, ConnectionStatus } from './connection.ts';

/** The part of WebSocket that is used, so that a test can stand in for it. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string): void;
  close(): void;
}

interface Pending {
  readonly method: string;
  readonly frame: string;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: LatheError) => void;
  sent: boolean;
}

const firstRetryMs = 250;
const longestRetryMs = 5000;

export class SocketConnection implements Connection {
  readonly files = null;
  readonly #open: () => Socket;
  readonly #listeners = new Set<(event: LatheEvent) => void>();
  readonly #statusListeners = new Set<(status: ConnectionStatus) => void>();
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | null = null;
  #status: ConnectionStatus = 'connecting';
  #nextId = 0;
  #retryMs = firstRetryMs;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `open` makes a socket that is about to connect; it is called again for every attempt. */
  constructor(open: () => Socket) {
    this.#open = open;
    this.#connect();
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  call<M extends Method>(method: M, input: Input<M>): Promise<Output<M>> {
    return new Promise<Output<M>>((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      const frame: RequestFrame = { id, method, input };
      const pending: Pending = {
        method,
        frame: JSON.stringify(frame),
        resolve: (output) => resolve(output as Output<M>), // checked by schema on the other side
        reject,
        sent: false,
      };
      this.#pending.set(id, pending);
      this.#send(pending);
    });
  }

  subscribe(listener: (event: LatheEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Tries at once instead of after the pause, when the connection is down. */
  retryNow(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#connect();
  }

  #connect(): void {
    const socket = this.#open();
    this.#socket = socket;
    socket.onopen = () => {
      this.#retryMs = firstRetryMs;
      this.#setStatus('open');
      for (const pending of this.#pending.values()) this.#send(pending);
    };
    socket.onmessage = (event: { readonly data: unknown }) => this.#receive(event.data);
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost();
    };
  }

  #lost(): void {
    this.#socket = null;
    if (this.#status === 'open') this.#setStatus('reconnecting');
    for (const [id, pending] of this.#pending) {
      if (!pending.sent) continue;
      this.#pending.delete(id);
      pending.reject(
        new LatheError(
          'unavailable',
          `The connection broke before ${pending.method} was answered. It is tried again by itself; repeat the action then.`,
        ),
      );
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#connect();
    }, this.#retryMs);
    this.#retryMs = Math.min(longestRetryMs, this.#retryMs * 2);
  }

  #send(pending: Pending): void {
    if (this.#status !== 'open' || this.#socket === null || pending.sent) return;
    pending.sent = true;
    this.#socket.send(pending.frame);
  }

  #receive(data: unknown): void {
    if (typeof data !== 'string') return;
    const frame = JSON.parse(data) as ServerFrame;
    if (frame.kind === 'event') {
      for (const listener of this.#listeners) listener(frame.event);
      return;
    }
    const pending = this.#pending.get(frame.id);
    if (pending === undefined) return;
    this.#pending.delete(frame.id);
    if (frame.ok) pending.resolve(frame.output);
    else pending.reject(LatheError.fromPayload(frame.error));
  }

  #setStatus(status: ConnectionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    for (const listener of this.#statusListeners) listener(status);
  }
}
