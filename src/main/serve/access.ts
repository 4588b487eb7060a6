/**
 * Who may talk to the loopback server: requests that name this server as their host (no name rebound to 127.0.0.1), come from
 * its own page or from no page, and carry the secret of this run.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** A refusal: the HTTP status and the sentence to show. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly message: string;
}

/** A fresh 256-bit secret, safe in an address and in a cookie. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Compares in a time that tells nothing of where, or in how many characters, the two differ. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

export class Access {
  private readonly token: string;
  private readonly session = newSecret();
  private readonly hosts: ReadonlySet<string>;
  /** Cookies know no port, so the name holds it: two servers on one machine do not overwrite each other's. */
  readonly cookieName: string;

  /** `address`: the one that is listened on, or one that means all of this machine's. */
  constructor(token: string, port: number, address = '127.0.0.1') {
    this.token = token;
    this.hosts = new Set(['127.0.0.1', 'localhost', ...namesOf(address)].map((host) => `${host}:${port}`));
    this.cookieName = `lathe-${port}`;
  }

  /** Null when Host and Origin are this server's own. An absent Origin is a request of no page, or a plain navigation. */
  refuseForeign(request: IncomingMessage): Refusal | null {
    const { host, origin } = request.headers;
    if (host === undefined || !this.hosts.has(host)) {
      const expected = [...this.hosts].join(' or ');
      return {
        status: 403,
        message: `This server answers as ${expected}; the request asked for another host. Behind a tunnel, forward the same port.`,
      };
    }
    if (origin !== undefined && origin !== `http://${host}`)
      return { status: 403, message: 'The request comes from a page of another origin.' };
    return null;
  }

  /** Null when the request carries the session's cookie or the token as a bearer. */
  refuseStranger(request: IncomingMessage): Refusal | null {
    const cookie = this.cookie(request);
    if (cookie !== null && sameSecret(cookie, this.session)) return null;
    const bearer = bearerOf(request);
    if (bearer !== null && sameSecret(bearer, this.token)) return null;
    return { status: 401, message: 'Open the full address that "lathe serve" printed, with its token.' };
  }

  /** For a WebSocket: a cookie is sent by pages, and a page always names its origin; a bearer may come without. */
  refuseSocket(request: IncomingMessage): Refusal | null {
    const refusal = this.refuseForeign(request) ?? this.refuseStranger(request);
    if (refusal) return refusal;
    const bearer = bearerOf(request);
    if (request.headers.origin === undefined && bearer === null)
      return { status: 403, message: 'A page must name its origin to open the channel.' };
    return null;
  }

  acceptsToken(token: string): boolean {
    return sameSecret(token, this.token);
  }

  /** The cookie that stands for the token from now on, as a Set-Cookie value. */
  sessionCookie(): string {
    return `${this.cookieName}=${this.session}; Path=/; HttpOnly; SameSite=Strict`;
  }

  private cookie(request: IncomingMessage): string | null {
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const separator = part.indexOf('=');
      if (separator > 0 && part.slice(0, separator).trim() === this.cookieName) return part.slice(separator + 1).trim();
    }
    return null;
  }
}

/** The addresses that a browser may name for a server that listens on this one. Names of other machines are not among them. */
function namesOf(address: string): string[] {
  const all = address === '0.0.0.0' || address === '::';
  const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address));
  return (all ? own : [address]).map((one) => (isIPv6(one) ? `[${one}]` : one));
}

function bearerOf(request: IncomingMessage): string | null {
  const match = /^Bearer ([\w-]+)$/.exec(request.headers.authorization ?? '');
  return match?.[1] ?? null;
}
