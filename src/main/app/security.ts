/**
 * What a page in the window may do: show itself. It reaches no network and no file, gets no permission, goes nowhere and opens
 * nothing; a link to one of a few known addresses is handed to the system's browser.
 */
import { app, shell, type Session, type WebContents } from 'electron';
import { isOwnUrl } from './origin.ts';

/** The only addresses that may leave for the system's browser: the papers behind the three searches. */
export const externalLinks = {
  proxylessnas: 'https://arxiv.org/abs/1812.00332',
  amc: 'https://arxiv.org/abs/1802.03494',
  haq: 'https://arxiv.org/abs/1811.08886',
} as const;

export function isAllowedLink(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && Object.values<string>(externalLinks).includes(url.href);
}

/** Hands an allowed address to the system's browser; everything else is refused and logged. */
export async function openLink(address: string, log: (text: string) => void): Promise<void> {
  if (isAllowedLink(address)) await shell.openExternal(new URL(address).href);
  else log(`refused to open ${address.slice(0, 200)}`);
}

/** Closes a session: no request leaves it, no permission is given, nothing is downloaded. */
export function hardenSession(session: Session, log: (text: string) => void): void {
  session.webRequest.onBeforeRequest((details, callback) => {
    const allowed = isLocalRequest(details.url);
    if (!allowed) log(`refused a request to ${details.url.slice(0, 200)}`);
    callback({ cancel: !allowed });
  });
  session.setPermissionRequestHandler((_contents, _permission, callback) => callback(false));
  session.setPermissionCheckHandler(() => false);
  session.setDevicePermissionHandler(() => false);
}

/** The page's own files, what it made itself, and the developer tools. */
function isLocalRequest(address: string): boolean {
  const protocol = URL.parse(address)?.protocol;
  return isOwnUrl(address) || protocol === 'data:' || protocol === 'devtools:' || address.startsWith('blob:app://lathe/');
}

/** Applies to every page that is ever made, whoever makes it. */
export function hardenEveryPage(log: (text: string) => void): void {
  app.on('web-contents-created', (_event, contents) => hardenPage(contents, log));
}

function hardenPage(contents: WebContents, log: (text: string) => void): void {
  const stay = (event: { preventDefault(): void; readonly url: string }): void => {
    event.preventDefault();
    log(`refused to go to ${event.url.slice(0, 200)}`);
  };
  contents.on('will-navigate', stay);
  contents.on('will-frame-navigate', stay);
  contents.on('will-redirect', stay);
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    openLink(url, log).catch((error: unknown) => log(`the system's browser did not open: ${String(error)}`));
    return { action: 'deny' };
  });
}
