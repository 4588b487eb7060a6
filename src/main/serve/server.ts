/**
 * The web face: the same renderer in a browser, from a server that listens on 127.0.0.1 alone unless another address is asked for. For a machine without a display,
 * or a workstation reached over SSH with its port forwarded. Read-only over HTTP; every call goes over the WebSocket at /api.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import sirv from 'sirv';
import type { LatheClient } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { securityHeaders } from '../../shared/web-security.ts';
import { Access, newSecret } from './access.ts';
import { Channel, defaultLimits, type ChannelLimits } from './channel.ts';
import { Refusals } from './refusals.ts';

export const defaultPort = 4173;
const loopback = '127.0.0.1'; // the channel can start searches and read files
const maxConnections = 256;
const portsTried = 20;

export interface ServerOptions {
  readonly service: LatheClient;
  readonly rendererDir: string; // the built page, with its index.html
  readonly log: (text: string) => void;
  readonly port?: number; // default: 4173, or the next free one; 0: any free one
  readonly token?: string; // default: 256 random bits
  /** The IP address to listen on; default: 127.0.0.1, and then nobody outside of this machine can connect. */
  readonly address?: string;
  readonly limits?: Partial<ChannelLimits>;
}

export interface LatheServer {
  readonly url: string; // with the token; opens the page
  readonly origin: string;
  readonly port: number;
  readonly token: string;
  close(): Promise<void>;
}

/**
 * Starts the web face on 127.0.0.1.
 * @throws LatheError `unavailable` when the page was not built, `conflict` when the port asked for is in use.
 */
export async function startServer(options: ServerOptions): Promise<LatheServer> {
  if (!existsSync(join(options.rendererDir, 'index.html'))) {
    throw new LatheError('unavailable', `no page to serve: ${join(options.rendererDir, 'index.html')} does not exist; run "npm run build"`);
  }
  const address = options.address ?? loopback;
  const http = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 });
  http.maxConnections = maxConnections;
  const port = await listen(http, address, options.port, options.log);
  const token = options.token ?? newSecret();
  const access = new Access(token, port, address);
  const refusals = new Refusals();
  const channel = new Channel(options.service, { ...defaultLimits, ...options.limits }, options.log);
  const files = sirv(options.rendererDir, { dev: true, etag: true }); // `dev`: looks at the disk, which a build may change
  http.on('request', (request, response) => serveRequest(request, response, { access, files, refusals }));
  http.on('upgrade', (request, socket: Duplex, head: Buffer) => upgrade(request, socket, head, { access, channel, refusals }));
  http.on('clientError', (_error, socket) => socket.destroy());

  const origin = `http://${hostOf(address)}:${port}`;
  return {
    url: `${origin}/?token=${token}`,
    origin,
    port,
    token,
    close: () =>
      new Promise((resolve) => {
        channel.close();
        http.close(() => resolve());
        http.closeIdleConnections();
        const impatience = setTimeout(() => {
          channel.terminate();
          http.closeAllConnections();
        }, 500);
        http.once('close', () => clearTimeout(impatience));
      }),
  };
}

interface Rules {
  readonly access: Access;
  readonly refusals: Refusals;
}

function serveRequest(
  request: IncomingMessage,
  response: ServerResponse,
  { access, files, refusals }: Rules & { readonly files: ReturnType<typeof sirv> },
): void {
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
  response.setHeader('Cache-Control', 'no-store');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return reply(response, 405, `Expected GET or HEAD, found ${String(request.method)}.`);
  }
  const from = request.socket.remoteAddress ?? '';
  const refuse = (status: number, sentence: string): void => {
    if (refusals.isTooMany(from)) {
      response.setHeader('Retry-After', '10');
      return reply(response, 429, 'Too many requests were refused: wait ten seconds.');
    }
    refusals.add(from);
    reply(response, status, sentence);
  };
  const foreign = access.refuseForeign(request);
  if (foreign) return refuse(foreign.status, foreign.message);

  const target = URL.parse(request.url ?? '/', `http://${loopback}`);
  if (!target) return reply(response, 400, 'The address cannot be read.');
  const token = target.searchParams.get('token');
  if (target.pathname === '/' && token !== null) {
    if (!access.acceptsToken(token)) return refuse(403, 'The token is not the one of this server: it changes with every start.');
    response.setHeader('Set-Cookie', access.sessionCookie());
    response.setHeader('Location', '/');
    return reply(response, 303, 'Welcome.');
  }

  const stranger = access.refuseStranger(request);
  if (stranger) {
    // Followed from a page of another site, a first visit comes without its cookie, for that is strict: ask once more, from here.
    if (target.pathname === '/' && request.headers['sec-fetch-site'] === 'cross-site') return askAgain(response);
    return refuse(stranger.status, stranger.message);
  }
  response.removeHeader('Cache-Control');
  delete request.headers.range; // whole files only
  files(request, response, () => reply(response, 404, 'There is no such file.'));
}

function reply(response: ServerResponse, status: number, sentence: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(`${sentence}\n`);
}

function askAgain(response: ServerResponse): void {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end('<!doctype html><meta http-equiv="refresh" content="0; url=/"><title>Lathe</title>');
}

function upgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { access, channel, refusals }: Rules & { readonly channel: Channel },
): void {
  socket.on('error', () => socket.destroy());
  const from = request.socket.remoteAddress ?? '';
  const refusal = access.refuseSocket(request);
  if (refusal && refusals.isTooMany(from)) {
    socket.destroy();
    return;
  }
  if (refusal) {
    refusals.add(from);
    return refuseUpgrade(socket, refusal.status, refusal.message);
  }
  if (URL.parse(request.url ?? '', `http://${loopback}`)?.pathname !== '/api') return refuseUpgrade(socket, 404, 'The channel is at /api.');
  if (channel.isFull) return refuseUpgrade(socket, 503, 'Too many windows are connected: close one.');
  channel.server.handleUpgrade(request, socket, head, (client) => channel.server.emit('connection', client, request));
}

function refuseUpgrade(socket: Duplex, status: number, sentence: string): void {
  const body = `${sentence}\n`;
  const headers = Object.entries({
    ...securityHeaders,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  socket.end(`HTTP/1.1 ${status} Refused\r\n${headers.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n${body}`);
}

/** An IP address as a part of a web address. */
function hostOf(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

/** Listens on the port asked for, or on the default one or the next that is free. */
async function listen(http: Server, address: string, asked: number | undefined, log: (text: string) => void): Promise<number> {
  const candidates = asked === undefined ? Array.from({ length: portsTried }, (_, offset) => defaultPort + offset) : [asked];
  for (const port of candidates) {
    if (await listensOn(http, address, port)) {
      const actual = http.address();
      if (actual === null || typeof actual === 'string') throw new Error('the server listens on no port');
      if (asked === undefined && actual.port !== defaultPort) log(`port ${defaultPort} is in use; using ${actual.port}`);
      return actual.port;
    }
  }
  const range = candidates.length === 1 ? `port ${String(asked)} is` : `ports ${defaultPort} to ${defaultPort + portsTried - 1} are`;
  throw new LatheError('conflict', `${range} in use on ${address}; name a free one with --port, or 0 for any`);
}

function listensOn(http: Server, address: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
        reject(new LatheError('bad-input', `--host ${address}: expected an IP address of this machine`));
      else if (error.code === 'EACCES')
        reject(
          new LatheError('unavailable', `port ${port} on ${address} needs rights that this user does not have; name another with --port`),
        );
      else reject(error);
    };
    http.once('error', failed);
    http.listen(port, address, () => {
      http.off('error', failed);
      resolve(true);
    });
  });
}
