/** Where a queue is: `redis://[user:password@]host[:port][/database][?prefix=NAME]`, with TLS as `rediss://`. */
import { LatheError } from '../../shared/errors.ts';

export const defaultPrefix = 'lathe';

export interface QueueAddress {
  readonly url: string; // as it was given, with its password
  readonly shown: string; // for a person, without it
  readonly prefix: string; // of every key
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly db: number;
    readonly username?: string;
    readonly password?: string;
    readonly tls?: { readonly servername: string };
  };
}

/** Throws LatheError bad-input with what was expected. Certificates of an authority of one's own are named to Node by NODE_EXTRA_CA_CERTS. */
export function parseQueueAddress(text: string): QueueAddress {
  const url = URL.parse(text);
  const refuse = (what: string): LatheError =>
    new LatheError(
      'bad-input',
      `queue address: ${what}; expected redis://[user:password@]host[:port][/database][?prefix=NAME], or rediss:// for TLS`,
    );
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '')
    throw refuse(`${JSON.stringify(withoutPassword(text))} is not the address of a Redis server`);
  const database = url.pathname === '' || url.pathname === '/' ? 0 : Number(url.pathname.slice(1));
  if (!Number.isInteger(database) || database < 0) throw refuse(`the database ${JSON.stringify(url.pathname.slice(1))} is not a number`);
  const prefix = url.searchParams.get('prefix') ?? defaultPrefix;
  if (!/^[\w.-]{1,64}$/.test(prefix)) throw refuse(`the prefix ${JSON.stringify(prefix)} is not 1 to 64 letters, digits, dots and dashes`);
  const other = [...url.searchParams.keys()].find((name) => name !== 'prefix');
  if (other !== undefined) throw refuse(`there is no option ${other}`);
  const port = url.port === '' ? 6379 : Number(url.port);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1'); // of IPv6
  return {
    url: text,
    shown: `${url.protocol}//${url.hostname}:${String(port)}${database === 0 ? '' : `/${String(database)}`}`,
    prefix,
    connection: {
      host,
      port,
      db: database,
      ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
      ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
      ...(url.protocol === 'rediss:' ? { tls: { servername: host } } : {}),
    },
  };
}

function withoutPassword(text: string): string {
  return text.slice(0, 200).replace(/\/\/[^@/]*@/, '//');
}
