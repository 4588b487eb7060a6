/** A worker's line to one workstation: finds it through the queue, and tries again for as long as the workstation may only be restarting. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { errorPayloadSchema, LatheError } from '../../shared/errors.ts';
import {
  calls,
  homeAnnouncementSchema,
  homeKey,
  type CallInput,
  type CallName,
  type CallOutput,
  type HomeAnnouncement,
} from './protocol.ts';
import { receiveFile } from './transfer.ts';

/** The workstation cannot be reached, and that may pass. */
export class HomeAway extends Error {}

export interface HomeClientOptions {
  readonly redis: Redis;
  readonly prefix: string;
  readonly home: string;
  readonly retryMs: number;
  readonly patienceMs: number; // how long a workstation may be away before its run is given back
  readonly signal: AbortSignal;
}

/** The workstation as it announced itself last; null: it is not there. */
export async function findHome(redis: Redis, prefix: string, id: string): Promise<HomeAnnouncement | null> {
  const text = await redis.get(homeKey(prefix, id));
  if (text === null) return null;
  const parsed = homeAnnouncementSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : null; // of another version
}

export class HomeClient {
  private readonly options: HomeClientOptions;
  private known: HomeAnnouncement | null = null;

  constructor(options: HomeClientOptions) {
    this.options = options;
  }

  /** One call, tried again while the workstation is away. Throws HomeAway after all patience, and a LatheError where it refuses. */
  async call<C extends CallName>(name: C, input: CallInput<C>): Promise<CallOutput<C>> {
    const body = JSON.stringify(input);
    return await this.persist(async (home) => {
      const response = await this.fetch(home, `/call/${name}`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
      return calls[name].output.parse(await response.json()) as CallOutput<C>;
    });
  }

  /** One call, once. Throws HomeAway where the workstation cannot be reached now. */
  async callOnce<C extends CallName>(name: C, input: CallInput<C>): Promise<CallOutput<C>> {
    return await this.once(async (home) => {
      const response = await this.fetch(home, `/call/${name}`, {
        method: 'POST',
        body: JSON.stringify(input),
        headers: { 'Content-Type': 'application/json' },
      });
      return calls[name].output.parse(await response.json()) as CallOutput<C>;
    });
  }

  /** Brings a file to its place, its hash checked. */
  async download(sha256: string, path: string): Promise<number> {
    return await this.persist(async (home) => {
      const response = await this.fetch(home, `/blob/${sha256}`, { method: 'GET' });
      if (!response.body) throw new HomeAway('the answer has no content');
      // The same stream by two names: of the DOM's types and of Node's.
      return await receiveFile(Readable.fromWeb(response.body as ReadableStream), path, sha256);
    });
  }

  /** Sends a blob unless the workstation has it; returns the bytes that were sent. */
  async upload(sha256: string, path: string): Promise<number> {
    return await this.persist(async (home) => {
      const found = await fetch(`${home.url}/blob/${sha256}`, { method: 'HEAD', headers: bearer(home), signal: this.options.signal });
      if (found.status === 200) return 0;
      const { size } = await stat(path);
      const response = await this.fetch(home, `/blob/${sha256}`, {
        method: 'PUT',
        body: Readable.toWeb(createReadStream(path)) as RequestInit['body'] & object,
        headers: { 'Content-Length': String(size) },
        duplex: 'half',
      } as Omit<RequestInit, 'headers'>);
      await response.arrayBuffer();
      return size;
    });
  }

  private async persist<T>(work: (home: HomeAnnouncement) => Promise<T>): Promise<T> {
    const until = Date.now() + this.options.patienceMs;
    for (;;) {
      try {
        return await this.once(work);
      } catch (error) {
        if (!(error instanceof HomeAway) || Date.now() > until) throw error;
        await sleep(this.options.retryMs, undefined, { signal: this.options.signal });
      }
    }
  }

  /** Looks the workstation up again where it did not answer as it was known: it may have been restarted on another port. */
  private async once<T>(work: (home: HomeAnnouncement) => Promise<T>): Promise<T> {
    const { redis, prefix, home } = this.options;
    this.known ??= await findHome(redis, prefix, home);
    if (!this.known) throw new HomeAway(`workstation ${home} is not there`);
    try {
      return await work(this.known);
    } catch (error) {
      if (this.options.signal.aborted) throw error;
      if (error instanceof LatheError && error.code !== 'corrupt') throw error;
      this.known = null;
      throw new HomeAway(`workstation ${home} cannot be reached: ${describe(error)}`);
    }
  }

  private async fetch(
    home: HomeAnnouncement,
    path: string,
    { headers, ...init }: Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> },
  ): Promise<Response> {
    const response = await fetch(`${home.url}${path}`, {
      ...init,
      headers: { 'Content-Type': 'application/octet-stream', ...headers, ...bearer(home) },
      signal: this.options.signal,
    });
    if (response.ok) return response;
    const text = await response.text();
    if (response.status === 401) throw new HomeAway('it was restarted'); // and has another token now
    if (response.status === 500) throw new HomeAway(text); // it is closing, or has a defect: no fault of the run
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new HomeAway(`answer ${String(response.status)}`); // something between us and it
    }
    const payload = errorPayloadSchema.safeParse(value);
    if (!payload.success) throw new HomeAway(`answer ${String(response.status)}`);
    throw LatheError.fromPayload(payload.data);
  }
}

function bearer(home: HomeAnnouncement): Record<string, string> {
  return { Authorization: `Bearer ${home.token}` };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
