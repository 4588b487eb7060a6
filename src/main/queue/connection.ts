/** The connection to the Redis server: refused with one sentence when it cannot be used, kept up by itself later. */
import { Redis } from 'ioredis';
import { LatheError } from '../../shared/errors.ts';
import { bytes } from '../../shared/format.ts';
import type { QueueAddress } from './address.ts';

/** Least version of the server; BullMQ needs what came with it. */
const leastRedis = [6, 2] as const;
const connectPatienceMs = 5000;
const longestWaitMs = 2000; // between two tries to connect again

export interface ServerMemory {
  readonly usedBytes: number;
  readonly limitBytes: number | null;
}

/** Connects for the first time. Throws LatheError unavailable: nobody there, a wrong password, a server that is too old. */
export async function connectQueue(address: QueueAddress): Promise<Redis> {
  let isUp = false;
  const redis = new Redis({
    ...address.connection,
    lazyConnect: true,
    maxRetriesPerRequest: null, // a command waits for the connection, however long that is away
    connectTimeout: connectPatienceMs,
    retryStrategy: (times) => (isUp ? Math.min(50 * times, longestWaitMs) : null), // the first time a person waits for the answer
  });
  const errors: Error[] = [];
  redis.on('error', (error: Error) => {
    errors.push(error);
    errors.splice(0, errors.length - 1); // the last says most
  });
  try {
    await redis.connect();
    requireVersion(await redis.info('server'), address);
    isUp = true;
    return redis;
  } catch (error) {
    redis.disconnect();
    throw queueError(errors[0] ?? error, address);
  }
}

/** What went wrong with the server as one sentence; an error of ours as it is. */
export function queueError(error: unknown, address: QueueAddress): LatheError {
  if (error instanceof LatheError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const sentence = (what: string): LatheError =>
    new LatheError('unavailable', `queue ${address.shown}: ${what}; runs on this machine are not touched by that`);
  if (/^(WRONGPASS|NOAUTH|ERR AUTH|ERR invalid password)/.test(message) || message.includes('NOAUTH'))
    return sentence('the server wants another user or password; put the right one into the address');
  if (/NOPERM/.test(message)) return sentence(`the user may not do what the queue needs (${message}); ask the server's administrator`);
  if (/\bOOM\b/.test(message)) return sentence('the server is out of memory (maxmemory); free some or raise the limit, then submit again');
  if (/MISCONF/.test(message)) return sentence('the server cannot write to its disk and takes no changes; make room there');
  if (/READONLY/.test(message)) return sentence('the server is a read-only replica; name its master');
  if (code === 'ECONNREFUSED' || code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'ECONNRESET')
    return sentence(`no Redis server answers there (${code}); start it, or correct the address`);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return sentence('there is no machine of this name; correct the address');
  if (/certificate|SSL|TLS/i.test(`${code} ${message}`))
    return sentence(
      `the encrypted connection was refused (${message}); redis:// is without TLS, NODE_EXTRA_CA_CERTS names an authority of your own`,
    );
  if (/timed? ?out|Connection is closed/i.test(message)) return sentence('no Redis server answers there; start it, or correct the address');
  return sentence(`the server says ${JSON.stringify(message)}`);
}

/** Whether the server has a limit to its memory and how far it is from it. */
export async function serverMemory(redis: Redis): Promise<ServerMemory> {
  const info = await redis.info('memory');
  const limit = Number(field(info, 'maxmemory'));
  return { usedBytes: Number(field(info, 'used_memory')), limitBytes: limit > 0 ? limit : null };
}

/** One sentence when the server may forget jobs, or is full; null when all is well. */
export async function serverProblem(redis: Redis, address: QueueAddress): Promise<string | null> {
  const info = await redis.info('memory');
  const policy = field(info, 'maxmemory_policy');
  const { usedBytes, limitBytes } = await serverMemory(redis);
  if (limitBytes !== null && usedBytes >= limitBytes)
    return `queue ${address.shown}: the server is out of memory (${bytes(usedBytes)} of ${bytes(limitBytes)}); free some or raise maxmemory`;
  if (limitBytes !== null && policy !== 'noeviction')
    return `queue ${address.shown}: the server forgets keys when it is full (maxmemory-policy ${policy}); set noeviction, or runs may wait for ever`;
  return null;
}

function requireVersion(info: string, address: QueueAddress): void {
  const version = field(info, 'redis_version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > leastRedis[0] || (major === leastRedis[0] && minor >= leastRedis[1])) return;
  throw new LatheError(
    'unavailable',
    `queue ${address.shown}: expected Redis ${leastRedis.join('.')} or newer, found ${version === '' ? 'a server that tells no version' : version}; update the server`,
  );
}

function field(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
}
