/**
 * The web face: the same renderer in a browser, from a server that listens on 127.0.0.1 alone. For a machine without a display,
 * or a workstation reached over SSH with its port forwarded. Read-only over HTTP; every call goes over the WebSocket at /api.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import sirv from 'sirv';
import type { LatheClient } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { securityHeaders } from '../../shared/web-security.ts';
import { Access, newSecret } from './access.ts';
import { Channel, defaultLimits, type ChannelLimits } from './channel.ts';

export const defaultPort = 4173;
const address = '127.0.0.1'; // never another: the channel can start searches and read files
const portsTried = 20;

export interface ServerOptions {
  readonly service: LatheClient;
  readonly rendererDir: string; // the built page, with its index.html
  readonly log: (text: string) => void;
  readonly port?: number; // default: 4173, or the next free one; 0: any free one
  readonly token?: string; // default: 256 random bits
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
  const http = createServer();
  const port = await listen(http, options.port, options.log);
  const token = options.token ?? newSecret();
  const access = new Access(token, port);
  const channel = new Channel(options.service, { ...defaultLimits, ...options.limits }, options.log);
  const files = sirv(options.rendererDir, { dev: true, etag: true }); // `dev`: looks at the disk, which a build may change
  http.on('request', (request, response) => serveRequest(request, response, access, files));
  http.on('upgrade', (request, socket: Duplex, head: Buffer) => upgrade(request, socket, head, access, channel));
  http.on('clientError', (_error, socket) => socket.destroy());

  const origin = `http://${address}:${port}`;
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

function serveRequest(request: IncomingMessage, response: ServerResponse, access: Access, files: ReturnType<typeof sirv>): void {
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
  response.setHeader('Cache-Control', 'no-store');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return reply(response, 405, `Expected GET or HEAD, found ${String(request.method)}.`);
  }
  const foreign = access.refuseForeign(request);
  if (foreign) return reply(response, foreign.status, foreign.message);

  const target = URL.parse(request.url ?? '/', `http://${address}`);
  if (!target) return reply(response, 400, 'The address cannot be read.');
  const token = target.searchParams.get('token');
  if (target.pathname === '/' && token !== null) {
    if (!access.acceptsToken(token)) return reply(response, 403, 'The token is not the one of this server: it changes with every start.');
    response.setHeader('Set-Cookie', access.sessionCookie());
    response.setHeader('Location', '/');
    return reply(response, 303, 'Welcome.');
  }

  const stranger = access.refuseStranger(request);
  if (stranger) {
    // Followed from a page of another site, a first visit comes without its cookie, for that is strict: ask once more, from here.
    if (target.pathname === '/' && request.headers['sec-fetch-site'] === 'cross-site') return askAgain(response);
    return reply(response, stranger.status, stranger.message);
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

function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, access: Access, channel: Channel): void {
  socket.on('error', () => socket.destroy());
  const refusal = access.refuseSocket(request);
  if (refusal) return refuseUpgrade(socket, refusal.status, refusal.message);
  if (URL.parse(request.url ?? '', `http://${address}`)?.pathname !== '/api') return refuseUpgrade(socket, 404, 'The channel is at /api.');
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

/** Listens on the port asked for, or on the default one or the next that is free. */
async function listen(http: Server, asked: number | undefined, log: (text: string) => void): Promise<number> {
  const candidates = asked === undefined ? Array.from({ length: portsTried }, (_, offset) => defaultPort + offset) : [asked];
  for (const port of candidates) {
    if (await listensOn(http, port)) {
      const actual = http.address();
      if (actual === null || typeof actual === 'string') throw new Error('the server listens on no port');
      if (asked === undefined && actual.port !== defaultPort) log(`port ${defaultPort} is in use; using ${actual.port}`);
      return actual.port;
    }
  }
  const range = candidates.length === 1 ? `port ${String(asked)} is` : `ports ${defaultPort} to ${defaultPort + portsTried - 1} are`;
  throw new LatheError('conflict', `${range} in use on ${address}; name a free one with --port, or 0 for any`);
}

function listensOn(http: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE') resolve(false);
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
