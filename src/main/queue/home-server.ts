/**
 * The workstation's ear: answers workers over HTTP, each call with the token that only who may read the queue knows. Serves the
 * files that a run needs by their SHA-256 and takes the blobs that an engine wrote, checked against their names.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { describeZodError, LatheError, toErrorPayload, type ErrorCode } from '../../shared/errors.ts';
import { blobPath } from '../store/blobs.ts';
import { calls, type CallInput, type CallName, type CallOutput } from './protocol.ts';
import { isWhole, receiveFile } from './transfer.ts';

/** Largest call: a batch of many trials. Blobs travel apart. */
const maximumCallBytes = 64 * 2 ** 20;

export interface HomeHandlers {
  readonly call: { readonly [C in CallName]: (input: CallInput<C>) => Promise<CallOutput<C>> };
  /** The bytes that hash to this; null where there are none. */
  readonly open: (sha256: string) => Promise<Readable | null>;
}

export interface HomeServerOptions {
  readonly dataDir: string; // blobs that workers send come here
  readonly host: string;
  readonly port: number; // 0: any free one
  readonly handlers: HomeHandlers;
  readonly log: (text: string) => void;
}

/** How many bytes and files went which way since the start. */
export interface Traffic {
  sentFiles: number;
  receivedFiles: number;
  receivedBytes: number;
  calls: number;
}

export interface HomeServer {
  readonly url: string;
  readonly token: string;
  readonly traffic: Readonly<Traffic>;
  close(): Promise<void>;
}

/** Listens. Throws LatheError conflict where the port is in use and unavailable where the address is not this machine's. */
export async function startHomeServer(options: HomeServerOptions): Promise<HomeServer> {
  const token = randomBytes(32).toString('base64url');
  const traffic: Traffic = { sentFiles: 0, receivedFiles: 0, receivedBytes: 0, calls: 0 };
  const server = createServer((request, response) => {
    respond(request, response, { ...options, token, traffic }).catch((error: unknown) => {
      refuse(response, error, options.log);
    });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  await listen(server, options);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${String(address.port)}`,
    token,
    traffic,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type Context = HomeServerOptions & { readonly token: string; readonly traffic: Traffic };

async function respond(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  if (!isAllowed(request, context.token)) {
    reply(response, 401, { code: 'bad-input', message: 'the token is not the one of this workstation; read it from the queue again' });
    return;
  }
  const [, what = '', name = ''] = (request.url ?? '').split('/');
  if (what === 'blob') await respondBlob(request, response, name, context);
  else if (what === 'call' && request.method === 'POST' && isCall(name)) {
    context.traffic.calls += 1;
    reply(response, 200, await answer(name, await readCall(request), context.handlers));
  } else reply(response, 404, { code: 'not-found', message: `there is no ${String(request.method)} ${String(request.url)}` });
}

async function answer(name: CallName, value: unknown, handlers: HomeHandlers): Promise<unknown> {
  const parsed = calls[name].input.safeParse(value);
  if (!parsed.success) throw new LatheError('bad-input', `${name}: ${describeZodError(parsed.error)}`);
  // The schema of `name` has just made it one; TypeScript does not follow that through the table.
  const handler = handlers.call[name] as (input: unknown) => Promise<unknown>;
  return await handler(parsed.data);
}

async function respondBlob(request: IncomingMessage, response: ServerResponse, sha256: string, context: Context): Promise<void> {
  const path = blobPath(context.dataDir, sha256); // refuses what is no hash
  switch (request.method) {
    case 'GET': {
      const source = await context.handlers.open(sha256);
      if (!source) throw new LatheError('not-found', `blob ${sha256.slice(0, 12)} is not here`);
      response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
      context.traffic.sentFiles += 1;
      await pipeline(source, response);
      return;
    }
    case 'HEAD':
      response.writeHead((await isWhole(path, sha256)) ? 200 : 404).end();
      return;
    case 'PUT':
      context.traffic.receivedBytes += await receiveFile(request, path, sha256);
      context.traffic.receivedFiles += 1;
      reply(response, 200, {});
      return;
    default:
      reply(response, 405, { code: 'bad-input', message: 'expected GET, HEAD or PUT' });
  }
}

function isAllowed(request: IncomingMessage, token: string): boolean {
  const given = /^Bearer ([\w-]+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

function isCall(name: string): name is CallName {
  return Object.hasOwn(calls, name);
}

async function readCall(request: IncomingMessage): Promise<unknown> {
  if (Number(request.headers['content-length'] ?? Number.NaN) > maximumCallBytes)
    throw new LatheError('bad-input', `expected at most ${String(maximumCallBytes)} bytes`);
  let sizeBytes = 0;
  async function* bounded(): AsyncGenerator<Buffer> {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > maximumCallBytes) throw new LatheError('bad-input', `expected at most ${String(maximumCallBytes)} bytes`);
      yield chunk;
    }
  }
  try {
    return await json(Readable.from(bounded()));
  } catch (error) {
    if (error instanceof SyntaxError) throw new LatheError('bad-input', `expected JSON (${error.message})`);
    throw error;
  }
}

const statusOf: Partial<Record<ErrorCode, number>> = { 'bad-input': 400, 'not-found': 404, conflict: 409, corrupt: 422, 'disk-full': 507 };

function refuse(response: ServerResponse, error: unknown, log: (text: string) => void): void {
  const payload = toErrorPayload(error);
  const status = statusOf[payload.code] ?? 500;
  if (status === 500 && !response.destroyed)
    log(`a worker's call failed: ${error instanceof Error ? (error.stack ?? error.message) : payload.message}`);
  if (response.headersSent)
    response.destroy(); // half a file: the receiver sees that it is not whole
  else reply(response, status, payload);
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

function listen(server: Server, { host, port }: HomeServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE')
        reject(new LatheError('conflict', `port ${String(port)} of ${host} is in use; let workers reach another one`));
      else
        reject(
          new LatheError(
            'unavailable',
            `this machine cannot listen on ${host} (${error.code ?? error.message}); name an address of its own`,
          ),
        );
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}
