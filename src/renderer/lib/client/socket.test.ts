/** The browser's transport against a socket that the test holds. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LatheEvent } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import { SocketConnection, type Socket } from './socket.ts';

class TestSocket implements Socket {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  readonly sent: { id: number; method: string; input: unknown }[] = [];

  send(data: string): void {
    this.sent.push(JSON.parse(data) as { id: number; method: string; input: unknown });
  }

  close(): void {
    this.onclose?.(undefined as never);
  }

  open(): void {
    this.onopen?.(undefined as never);
  }

  receive(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as never);
  }
}

describe('the socket connection', () => {
  let sockets: TestSocket[] = [];
  const last = (): TestSocket => {
    const socket = sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  };
  const connect = (): SocketConnection =>
    new SocketConnection(() => {
      const socket = new TestSocket();
      sockets.push(socket);
      return socket;
    });

  beforeEach(() => {
    sockets = [];
    vi.useFakeTimers();
  });
  afterEach(() => vi.useRealTimers());

  it('rejects what was under way when it broke, and says that nobody knows whether it was done', async () => {
    const connection = connect();
    last().open();
    const call = connection.call('run.list', {});
    last().close();
    await expect(call).rejects.toThrow(LatheError);
    await expect(call).rejects.toThrow('broke before run.list was answered');
  });

  it('rejects with the error of the answer, its code kept', async () => {
    const connection = connect();
    last().open();
    const call = connection.call('run.show', { id: 'x' });
    last().receive({ kind: 'response', id: 0, ok: false, error: { code: 'not-found', message: 'There is no run "x".' } });
    await expect(call).rejects.toMatchObject({ code: 'not-found', message: 'There is no run "x".' });
  });

  it('holds calls until it is open, and matches answers that come in another order', async () => {
    const connection = connect();
    const first = connection.call('network.list', {});
    const second = connection.call('target.list', {});
    expect(last().sent).toEqual([]);
    last().open();
    expect(last().sent.map((frame) => frame.method)).toEqual(['network.list', 'target.list']);
    last().receive({ kind: 'response', id: 1, ok: true, output: ['second'] });
    last().receive({ kind: 'response', id: 0, ok: true, output: ['first'] });
    expect([await first, await second]).toEqual([['first'], ['second']]);
  });

  it('connects again with longer and longer pauses, tells its status, and sends what waited', async () => {
    const connection = connect();
    const seen: string[] = [];
    connection.onStatus((status) => seen.push(status));
    last().open();
    last().close();
    expect(connection.status).toBe('reconnecting');
    const call = connection.call('run.list', {});
    await vi.advanceTimersByTimeAsync(250);
    expect(sockets.length).toBe(2);
    last().close();
    await vi.advanceTimersByTimeAsync(499);
    expect(sockets.length).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(sockets.length).toBe(3);
    last().open();
    expect(last().sent.map((frame) => frame.method)).toEqual(['run.list']);
    last().receive({ kind: 'response', id: last().sent[0]?.id, ok: true, output: [] });
    expect(await call).toEqual([]);
    expect(seen).toEqual(['open', 'reconnecting', 'open']);
  });

  it('tries at once when asked to, and not twice', async () => {
    const connection = connect();
    last().close();
    expect(connection.status).toBe('connecting'); // never was open
    connection.retryNow();
    connection.retryNow();
    expect(sockets.length).toBe(2);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sockets.length).toBe(2);
  });

  it('hands events to followers until they stop', () => {
    const connection = connect();
    last().open();
    const events: LatheEvent[] = [];
    const stop = connection.subscribe((event) => events.push(event));
    last().receive({ kind: 'event', event: { name: 'run.rewound', payload: { id: 'a' } } });
    stop();
    last().receive({ kind: 'event', event: { name: 'run.rewound', payload: { id: 'b' } } });
    expect(events).toEqual([{ name: 'run.rewound', payload: { id: 'a' } }]);
  });
});
