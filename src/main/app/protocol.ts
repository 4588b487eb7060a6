/** `app://lathe/`: the built page, from its folder and nowhere else, with the security headers of the browser face. */
import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { protocol, type Session } from 'electron';
import { securityHeaders } from '../../shared/web-security.ts';
import { isOwnUrl, scheme } from './origin.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** Makes the scheme one with an origin of its own. Before the app is ready. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
}

/** Answers the scheme in this session from `rendererDir`. */
export function serveScheme(session: Session, rendererDir: string): void {
  session.protocol.handle(scheme, (request) => answer(request, rendererDir));
}

async function answer(request: Request, rendererDir: string): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405);
  if (!isOwnUrl(request.url)) return refuse(403);
  const path = fileOf(request.url, rendererDir);
  if (path === null) return refuse(403);
  const contentType = contentTypes[extname(path)];
  if (contentType === undefined) return refuse(404);
  try {
    const body = await readFile(path);
    return new Response(request.method === 'HEAD' ? null : body, { headers: { ...securityHeaders, 'Content-Type': contentType } });
  } catch {
    return refuse(404); // absent, or a folder: for the page it is the same
  }
}

/** The file that an address means, or null when that would be outside the folder. */
function fileOf(address: string, rendererDir: string): string | null {
  let pathname: string;
  try {
    pathname = decodeURIComponent(new URL(address).pathname);
  } catch {
    return null;
  }
  if (pathname.includes('\0') || pathname.includes('\\')) return null;
  const root = normalize(rendererDir + sep);
  const path = normalize(join(root, pathname === '/' ? 'index.html' : pathname));
  return path.startsWith(root) ? path : null;
}

function refuse(status: number): Response {
  return new Response(null, { status, headers: { ...securityHeaders } });
}
