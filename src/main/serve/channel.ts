/**
 * The WebSocket side of the loopback server: request frames in, response and event frames out. A client that does not read is
 * held back in its requests, and cut off when events pile up for it: it then connects again and reads what it missed.
 */
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import { requestFrameSchema, type LatheClient, type LatheEvent, type ServerFrame } from '../../shared/contract.ts';
import { LatheError, describeZodError } from '../../shared/errors.ts';
import { dispatch } from '../service/dispatch.ts';

/** The id of an answer to a frame so malformed that it has none. */
export const unknownRequestId = -1;

export interface ChannelLimits {
  readonly maxClients: number;
  readonly maxFrameBytes: number; // of a request
  readonly maxPendingCalls: number; // of a client; further frames wait in the socket
  readonly maxPendingEventBytes: number; // of a client; beyond, it is cut off
  readonly pingIntervalMs: number; // a client silent for two of these is gone
}

export const defaultLimits: ChannelLimits = {
  maxClients: 16,
  maxFrameBytes: 1024 * 1024,
  maxPendingCalls: 64,
  maxPendingEventBytes: 8 * 1024 * 1024,
  pingIntervalMs: 30_000,
};

interface Client {
  readonly socket: WebSocket;
  pendingCalls: number;
  readonly waiting: (string | null)[]; // frames that came in one piece with the last one that was taken; null: binary
  pendingEventBytes: number;
  alive: boolean;
}

export class Channel {
  readonly server: WebSocketServer;
  private readonly service: LatheClient;
  private readonly limits: ChannelLimits;
  private readonly log: (text: string) => void;
  private readonly clients = new Set<Client>();
  private readonly unsubscribe: () => void;
  private readonly pings: NodeJS.Timeout;

  constructor(service: LatheClient, limits: ChannelLimits, log: (text: string) => void) {
    this.service = service;
    this.limits = limits;
    this.log = log;
    this.server = new WebSocketServer({
      noServer: true,
      maxPayload: limits.maxFrameBytes,
      perMessageDeflate: false,
      clientTracking: false,
    });
    this.server.on('connection', (socket) => this.accept(socket));
    this.unsubscribe = service.subscribe((event) => this.broadcast(event));
    this.pings = setInterval(() => this.ping(), limits.pingIntervalMs);
    this.pings.unref();
  }

  get isFull(): boolean {
    return this.clients.size >= this.limits.maxClients;
  }

  close(): void {
    this.unsubscribe();
    clearInterval(this.pings);
    for (const { socket } of this.clients) socket.close(1001, 'the server stops');
    this.server.close();
  }

  /** Cuts off whoever did not answer `close`. */
  terminate(): void {
    for (const { socket } of this.clients) socket.terminate();
  }

  private accept(socket: WebSocket): void {
    const client: Client = { socket, pendingCalls: 0, waiting: [], pendingEventBytes: 0, alive: true };
    this.clients.add(client);
    socket.on('close', () => this.clients.delete(client));
    socket.on('error', () => undefined); // always followed by `close`; ws has answered a frame that is too large with code 1009
    socket.on('pong', () => {
      client.alive = true;
    });
    socket.on('message', (data, isBinary) => {
      client.waiting.push(isBinary ? null : textOf(data));
      this.work(client);
    });
  }

  /** Takes up what waits, as far as the limit allows; holds the socket back while more waits. */
  private work(client: Client): void {
    while (client.pendingCalls < this.limits.maxPendingCalls) {
      const text = client.waiting.shift();
      if (text === undefined) break;
      client.pendingCalls++;
      this.answer(client, text).catch((error: unknown) => {
        this.log(`a call could not be answered: ${String(error)}`);
      });
    }
    if (client.waiting.length > 0) client.socket.pause();
    else client.socket.resume();
  }

  private async answer(client: Client, text: string | null): Promise<void> {
    const frame = await this.respond(text);
    // A call is over when its answer has left: a client that does not read gets no further.
    client.socket.send(JSON.stringify(frame), () => {
      client.pendingCalls--;
      this.work(client);
    });
  }

  private async respond(text: string | null): Promise<ServerFrame> {
    const request = readRequest(text);
    if (request.error) return { kind: 'response', id: request.id, ok: false, error: request.error.toPayload() };
    const result = await dispatch(this.service, request.method, request.input, (error) => {
      this.log(`${request.method} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
    return { kind: 'response', id: request.id, ...result };
  }

  private broadcast(event: LatheEvent): void {
    if (this.clients.size === 0) return;
    const text = JSON.stringify({ kind: 'event', event } satisfies ServerFrame);
    for (const client of this.clients) {
      if (client.pendingEventBytes > this.limits.maxPendingEventBytes) {
        this.log('a browser does not read its events fast enough: disconnected, it connects again and reads the present state');
        client.socket.terminate();
        continue;
      }
      client.pendingEventBytes += text.length;
      client.socket.send(text, () => {
        client.pendingEventBytes -= text.length;
      });
    }
  }

  private ping(): void {
    for (const client of this.clients) {
      if (!client.alive) {
        client.socket.terminate();
        continue;
      }
      client.alive = false;
      client.socket.ping();
    }
  }
}

type ReadRequest =
  | { readonly error: null; readonly id: number; readonly method: string; readonly input: unknown }
  | { readonly error: LatheError; readonly id: number };

function readRequest(text: string | null): ReadRequest {
  let value: unknown;
  try {
    if (text === null) throw new LatheError('bad-input', 'expected a text frame with a JSON object, found a binary frame');
    value = JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      id: unknownRequestId,
      error: error instanceof LatheError ? error : new LatheError('bad-input', `the frame is not JSON: ${message}`),
    };
  }
  const parsed = requestFrameSchema.safeParse(value);
  if (parsed.success) return { error: null, ...parsed.data, input: parsed.data.input };
  const id = typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'number' ? value.id : unknownRequestId;
  return { id, error: new LatheError('bad-input', `malformed request frame: ${describeZodError(parsed.error)}`) };
}

function textOf(data: Buffer | ArrayBuffer | Buffer[]): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8');
}
