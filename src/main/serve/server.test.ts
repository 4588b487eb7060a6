import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { LatheClient, LatheEvent } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { contentSecurityPolicy } from '../../shared/web-security.ts';
import { startServer, type LatheServer, type ServerOptions } from './server.ts';

let rendererDir = '';
let server: LatheServer;
let service: FakeService;
const logged: string[] = [];

class FakeService implements LatheClient {
  readonly calls: { method: string; input: unknown }[] = [];
  readonly listeners = new Set<(event: LatheEvent) => void>();
  answer: (method: string) => unknown = () => [];

  call = (async (method: string, input: unknown) => {
    this.calls.push({ method, input });
    return this.answer(method);
  }) as LatheClient['call'];

  subscribe(listener: (event: LatheEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(event: LatheEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

const sockets: WebSocket[] = [];
const extraServers: LatheServer[] = [];

async function start(options: Partial<ServerOptions> = {}): Promise<LatheServer> {
  const started = await startServer({ service, rendererDir, port: 0, log: (text) => logged.push(text), ...options });
  extraServers.push(started);
  return started;
}

beforeAll(async () => {
  rendererDir = mkdtempSync(join(tmpdir(), 'lathe-serve-'));
  writeFileSync(join(rendererDir, 'index.html'), '<!doctype html><title>Lathe</title><main></main>');
  writeFileSync(join(rendererDir, 'app.js'), 'export const ready = true;\n');
  writeFileSync(join(rendererDir, '..', 'lathe-serve-outside.txt'), 'outside');
  service = new FakeService();
  server = await startServer({ service, rendererDir, port: 0, log: (text) => logged.push(text) });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await Promise.all(extraServers.splice(0).map((extra) => extra.close()));
  service.calls.length = 0;
  service.answer = () => [];
  logged.length = 0;
});

afterAll(async () => {
  await server.close();
  rmSync(rendererDir, { recursive: true });
  rmSync(join(tmpdir(), 'lathe-serve-outside.txt'), { force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A request with every header as given: `fetch` would correct Host and the path. */
function ask(
  path: string,
  { method = 'GET', headers = {}, to = server }: { method?: string; headers?: Record<string, string>; to?: LatheServer } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: to.port, path, method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    request.on('error', reject);
    request.end();
  });
}

async function cookieOf(to = server): Promise<string> {
  const { headers } = await ask(`/?token=${to.token}`, { to });
  return headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

interface Connection {
  readonly socket: WebSocket;
  /** The next frame, in the order in which they came. */
  next(): Promise<unknown>;
  send(frame: unknown): void;
}

/** Opens the channel; rejects with the HTTP status when refused. */
async function connect(headers: Record<string, string>, { to = server, path = '/api' } = {}): Promise<Connection> {
  const socket = new WebSocket(`ws://127.0.0.1:${to.port}${path}`, { headers });
  sockets.push(socket);
  const frames: unknown[] = [];
  const waiting: ((frame: unknown) => void)[] = [];
  socket.on('message', (data: Buffer) => {
    const frame: unknown = JSON.parse(data.toString('utf8'));
    const waiter = waiting.shift();
    if (waiter) waiter(frame);
    else frames.push(frame);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_request, response) => reject(new Error(`refused with ${String(response.statusCode)}`)));
    socket.once('error', reject);
  });
  return {
    socket,
    next: () =>
      new Promise((resolve) => {
        if (frames.length > 0) resolve(frames.shift());
        else waiting.push(resolve);
      }),
    send: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
  };
}

const bearer = (to = server): Record<string, string> => ({ Authorization: `Bearer ${to.token}` });
const closed = (socket: WebSocket): Promise<number> => new Promise((resolve) => socket.once('close', resolve));
const rewound: LatheEvent = { name: 'run.rewound', payload: { id: 'r1' } };

describe('access over HTTP', () => {
  it('shows nothing without the token', async () => {
    const answer = await ask('/');
    expect(answer.status).toBe(401);
    expect(answer.body).not.toContain('<main>');
  });

  it('refuses a wrong token and gives no cookie', async () => {
    const answer = await ask(`/?token=${'A'.repeat(server.token.length)}`);
    expect(answer.status).toBe(403);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  it('makes a token of 256 random bits, another one for each start', async () => {
    const other = await start();
    expect(Buffer.from(server.token, 'base64url')).toHaveLength(32);
    expect(other.token).not.toBe(server.token);
  });

  it('exchanges the token for a strict cookie that is not the token, and leaves the address without it', async () => {
    const answer = await ask(`/?token=${server.token}`);
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toBe('/');
    const cookie = answer.headers['set-cookie']?.[0] ?? '';
    expect(cookie).toMatch(new RegExp(`^lathe-${server.port}=[\\w-]{43}; Path=/; HttpOnly; SameSite=Strict$`));
    expect(cookie).not.toContain(server.token);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('serves the page and its files to the cookie, and to the token as a bearer', async () => {
    const cookie = await cookieOf();
    expect((await ask('/', { headers: { Cookie: `other=1; ${cookie}` } })).body).toContain('<main>');
    const script = await ask('/app.js', { headers: bearer() });
    expect(script.status).toBe(200);
    expect(script.headers['content-type']).toContain('javascript');
  });

  it("does not take another server's cookie", async () => {
    const other = await start();
    const value = (await cookieOf(other)).split('=')[1] ?? '';
    expect((await ask('/', { headers: { Cookie: `lathe-${server.port}=${value}` } })).status).toBe(401);
  });

  it.each(['evil.example', '127.0.0.1', '127.0.0.1:1', 'localhost.evil.example:4173'])(
    'refuses the host "%s", to which a name could be rebound',
    async (host) => {
      expect((await ask('/', { headers: { ...bearer(), Host: host } })).status).toBe(403);
    },
  );

  it('takes localhost for its name', async () => {
    expect((await ask('/', { headers: { ...bearer(), Host: `localhost:${server.port}` } })).status).toBe(200);
  });

  it.each(['https://evil.example', 'null', 'http://127.0.0.1:1'])('refuses the origin %s and allows none across', async (origin) => {
    const answer = await ask('/', { headers: { ...bearer(), Origin: origin } });
    expect(answer.status).toBe(403);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('answers %s with 405', async (method) => {
    const answer = await ask('/', { method, headers: bearer() });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET, HEAD');
  });

  it.each([
    '/../lathe-serve-outside.txt',
    '/%2e%2e/lathe-serve-outside.txt',
    '/..%2flathe-serve-outside.txt',
    '/..\\lathe-serve-outside.txt',
    '/nothing.js',
  ])('does not leave its folder for %s', async (path) => {
    const answer = await ask(path, { headers: bearer() });
    expect(answer.status).toBe(404);
    expect(answer.body).not.toContain('outside');
  });

  it('survives a range that ends before it begins', async () => {
    expect((await ask('/app.js', { headers: { ...bearer(), Range: 'bytes=5-2' } })).status).toBe(200);
  });

  it.each([
    ['a page', '/', {}, 200],
    ['a refusal', '/', { Authorization: 'Bearer wrong' }, 401],
    ['a missing file', '/nothing', {}, 404],
  ])('sends the security headers with %s', async (_what, path, headers, status) => {
    const answer = await ask(path, { headers: { ...bearer(), ...headers } });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-security-policy']).toBe(contentSecurityPolicy);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['referrer-policy']).toBe('no-referrer');
    expect(answer.headers['x-frame-options']).toBe('DENY');
    expect(answer.headers['cross-origin-opener-policy']).toBe('same-origin');
    expect(answer.headers['cross-origin-resource-policy']).toBe('same-origin');
  });

  it('lets a first visit that was followed from another site ask again from here, once', async () => {
    const fromOutside = await ask('/', { headers: { 'Sec-Fetch-Site': 'cross-site' } });
    expect(fromOutside.body).toContain('http-equiv="refresh"');
    expect(fromOutside.body).not.toContain('<main>');
    expect((await ask('/', { headers: { 'Sec-Fetch-Site': 'same-origin' } })).status).toBe(401);
  });
});

describe('the channel', () => {
  it('needs the token', async () => {
    await expect(connect({})).rejects.toThrow('refused with 401');
    await expect(connect({ Authorization: 'Bearer wrong' })).rejects.toThrow('refused with 401');
  });

  it('refuses a page of another origin even with the cookie', async () => {
    const cookie = await cookieOf();
    await expect(connect({ Cookie: cookie, Origin: 'https://evil.example' })).rejects.toThrow('refused with 403');
    await expect(connect({ Cookie: cookie })).rejects.toThrow('refused with 403');
    const own = await connect({ Cookie: cookie, Origin: `http://127.0.0.1:${server.port}` });
    expect(own.socket.readyState).toBe(WebSocket.OPEN);
  });

  it('refuses another host', async () => {
    await expect(connect({ ...bearer(), Host: 'evil.example' })).rejects.toThrow('refused with 403');
  });

  it('is at /api and nowhere else', async () => {
    await expect(connect(bearer(), { path: '/other' })).rejects.toThrow('refused with 404');
  });

  it('answers a call with its output, under its id, with defaults filled in', async () => {
    service.answer = () => [{ step: 1 }];
    const { send, next } = await connect(bearer());
    send({ id: 7, method: 'run.trials', input: { id: 'r1' } });
    expect(await next()).toEqual({ kind: 'response', id: 7, ok: true, output: [{ step: 1 }] });
    expect(service.calls).toEqual([{ method: 'run.trials', input: { id: 'r1', fromStep: 0, limit: 2000 } }]);
  });

  it("passes on the service's error with its code", async () => {
    service.answer = () => {
      throw new LatheError('not-found', 'run r9 does not exist');
    };
    const { send, next } = await connect(bearer());
    send({ id: 1, method: 'run.show', input: { id: 'r9' } });
    expect(await next()).toEqual({ kind: 'response', id: 1, ok: false, error: { code: 'not-found', message: 'run r9 does not exist' } });
  });

  it('logs the stack of a defect and does not send it', async () => {
    service.answer = () => {
      throw new TypeError('boom');
    };
    const { send, next } = await connect(bearer());
    send({ id: 1, method: 'run.list', input: {} });
    expect(JSON.stringify(await next())).not.toContain('server.test.ts');
    expect(logged.join('\n')).toContain('server.test.ts');
  });

  it.each([
    ['an unknown method', { id: 3, method: 'run.delete', input: {} }, 3, 'there is no method "run.delete"'],
    ['a wrong input', { id: 4, method: 'run.show', input: { id: 5 } }, 4, 'run.show: id: '],
    ['a missing method', { id: 5, input: {} }, 5, 'malformed request frame: method'],
    ['an unknown key', { id: 6, method: 'run.list', input: {}, more: 1 }, 6, 'malformed request frame'],
    ['no object', '[]', -1, 'malformed request frame'],
    ['malformed JSON', '{"id":', -1, 'the frame is not JSON'],
  ])('answers %s with an error frame and stays open', async (_what, frame, id, message) => {
    const { send, next } = await connect(bearer());
    send(frame);
    const answer = (await next()) as { id: number; ok: boolean; error: { code: string; message: string } };
    expect(answer).toMatchObject({ kind: 'response', id, ok: false, error: { code: 'bad-input' } });
    expect(answer.error.message).toContain(message);
    expect(service.calls).toEqual([]);
    send({ id: 99, method: 'run.list', input: {} });
    expect(await next()).toEqual({ kind: 'response', id: 99, ok: true, output: [] });
  });

  it('answers a binary frame with an error frame', async () => {
    const { socket, next } = await connect(bearer());
    socket.send(Buffer.from([1, 2, 3]));
    expect(await next()).toMatchObject({ id: -1, ok: false, error: { code: 'bad-input' } });
  });

  it('closes on a frame of more than 1 MiB with code 1009', async () => {
    const { socket, send } = await connect(bearer());
    send({ id: 1, method: 'run.show', input: { id: 'x'.repeat(1024 * 1024) } });
    expect(await closed(socket)).toBe(1009);
    expect(service.calls).toEqual([]);
  });

  it('pushes events to every client, and to none after it left', async () => {
    const one = await connect(bearer());
    const two = await connect(bearer());
    service.emit(rewound);
    const frame = { kind: 'event', event: rewound };
    expect(await Promise.all([one.next(), two.next()])).toEqual([frame, frame]);
    one.socket.close();
    await closed(one.socket);
    service.emit({ name: 'run.solutions', payload: { id: 'r2' } });
    expect(await two.next()).toMatchObject({ event: { name: 'run.solutions' } });
  });

  it('answers each client with its own answers', async () => {
    const one = await connect(bearer());
    const two = await connect(bearer());
    service.answer = (method) => method;
    one.send({ id: 1, method: 'run.list', input: {} });
    two.send({ id: 1, method: 'target.list', input: {} });
    expect(await one.next()).toMatchObject({ output: 'run.list' });
    expect(await two.next()).toMatchObject({ output: 'target.list' });
  });

  it('takes no more clients than its limit', async () => {
    const small = await start({ limits: { maxClients: 2 } });
    await connect(bearer(small), { to: small });
    await connect(bearer(small), { to: small });
    await expect(connect(bearer(small), { to: small })).rejects.toThrow('refused with 503');
  });

  it('cuts off a client that does not read its events, and keeps the others', async () => {
    const small = await start({ limits: { maxPendingEventBytes: 256 * 1024 } });
    const slow = await connect(bearer(small), { to: small });
    const quick = await connect(bearer(small), { to: small });
    slow.socket.pause();
    const big: LatheEvent = { name: 'run.rewound', payload: { id: 'x'.repeat(512 * 1024) } };
    for (let sent = 0; sent < 60 && logged.length === 0; sent++) {
      service.emit(big);
      await quick.next();
    }
    expect(logged.join()).toContain('does not read its events fast enough');
    slow.socket.resume();
    expect(await closed(slow.socket)).toBe(1006);
    expect(quick.socket.readyState).toBe(WebSocket.OPEN);
  });

  it('works on no more calls of one client at once than its limit, and on all of them in the end', async () => {
    const small = await start({ limits: { maxPendingCalls: 4 } });
    const { send, next } = await connect(bearer(small), { to: small });
    let atOnce = 0;
    let most = 0;
    service.answer = async () => {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 5));
      atOnce--;
      return [];
    };
    for (let id = 0; id < 200; id++) send({ id, method: 'run.list', input: {} });
    const ids: number[] = [];
    for (let index = 0; index < 200; index++) ids.push(((await next()) as { id: number }).id);
    expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, id) => id));
    expect(most).toBe(4);
  });

  it('drops a client that is silent to its pings', async () => {
    const small = await start({ limits: { pingIntervalMs: 500 } });
    const silent = new WebSocket(`ws://127.0.0.1:${small.port}/api`, { headers: bearer(small), autoPong: false });
    sockets.push(silent);
    const answering = await connect(bearer(small), { to: small });
    expect(await closed(silent)).toBe(1006);
    expect(answering.socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe('under attack', () => {
  it('refuses 1,000 requests at once, and answers its own page meanwhile', async () => {
    const to = await start();
    const mine = await connect(bearer(to), { to });
    const kinds: Record<string, string>[] = [
      {},
      { Authorization: 'Bearer wrong' },
      { Host: 'evil.example', ...bearer(to) },
      { Origin: 'https://evil.example', ...bearer(to) },
      { Cookie: `lathe-${to.port}=guessed` },
    ];
    const asked = Array.from({ length: 1000 }, async (_, i) => {
      // More than 256 at once are not even accepted.
      return await ask('/app.js', { to, headers: kinds[i % kinds.length] ?? {} }).then(
        ({ status }) => status,
        () => 0,
      );
    });
    mine.send({ id: 1, method: 'run.list', input: {} });
    expect(await mine.next()).toMatchObject({ kind: 'response', id: 1, ok: true });
    const statuses = await Promise.all(asked);
    expect(statuses.filter((status) => ![0, 401, 403, 429].includes(status))).toEqual([]);
    expect((await ask('/app.js', { to, headers: bearer(to) })).status).toBe(200); // the right token is not held up
    expect(service.calls).toHaveLength(1);
  });

  it.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['a header without an end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}`],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a broken upgrade', 'GET /api HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ])('closes a connection that sends %s', async (_, text) => {
    const socket = connectTcp({ host: '127.0.0.1', port: server.port }, () => socket.write(text));
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answer).not.toContain(' 200 ');
    expect((await ask('/app.js', { headers: bearer() })).status).toBe(200);
  });
});

describe('on another address than 127.0.0.1', () => {
  it.runIf(process.platform === 'linux')('answers by that address alone, and still needs the token', async () => {
    const other = await start({ address: '127.0.0.2' });
    expect(other.url).toContain('http://127.0.0.2:');
    const status = async (headers: Record<string, string>): Promise<number> => (await fetch(`${other.origin}/app.js`, { headers })).status;
    expect(await status({})).toBe(401);
    expect(await status(bearer(other))).toBe(200);
  });

  it('that is none of this machine is refused', async () => {
    await expect(start({ address: '203.0.113.7' })).rejects.toMatchObject({ code: 'bad-input' });
  });
});

describe('starting and stopping', () => {
  it('prints an address with its token', () => {
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/?token=${server.token}`);
  });

  it('cannot be reached by another address of this machine', async () => {
    const outside = Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).filter((one) => one.family === 'IPv4' && !one.internal),
    );
    const others = [...outside.map(({ address }) => address), ...(process.platform === 'linux' ? ['127.0.0.2'] : [])];
    expect(others.length).toBeGreaterThan(0);
    for (const host of others) {
      const outcome = await new Promise<string>((resolve) => {
        const attempt = connectTcp({ host, port: server.port }, () => resolve('connected'));
        attempt.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      });
      expect(`${host}: ${outcome}`).toBe(`${host}: ECONNREFUSED`);
    }
  });

  it('takes the next free port when the default one is in use, and says so', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => {
      blocker.once('error', () => resolve()); // somebody else has it: as good
      blocker.listen(4173, '127.0.0.1', resolve);
    });
    const moved = await startServer({ service, rendererDir, log: (text) => logged.push(text) });
    expect(moved.port).toBeGreaterThan(4173);
    expect(logged).toEqual([`port 4173 is in use; using ${moved.port}`]);
    await moved.close();
    blocker.close();
  });

  it('refuses a port asked for that is in use', async () => {
    await expect(start({ port: server.port })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(String(server.port)) as string,
    });
  });

  it('names what is missing when the page was not built', async () => {
    await expect(start({ rendererDir: join(rendererDir, 'none') })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('closes its clients with 1001, stops listening to the service and frees the port', async () => {
    const listenersBefore = service.listeners.size;
    const passing = await startServer({ service, rendererDir, port: 0, log: () => undefined });
    const { socket } = await connect(bearer(passing), { to: passing });
    expect(service.listeners.size).toBe(listenersBefore + 1);
    const code = closed(socket);
    await passing.close();
    expect(await code).toBe(1001);
    expect(service.listeners.size).toBe(listenersBefore);
    await expect(ask('/', { to: passing })).rejects.toThrow('ECONNREFUSED');
  });
});
