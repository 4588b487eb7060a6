/** What a real browser makes of the loopback server's rules: headers mean what the browser does with them. */
import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LatheClient, LatheEvent } from '../../src/shared/contract.ts';
import { startServer, type LatheServer } from '../../src/main/serve/server.ts';
import { launchChromium, noChromium } from '../support/chromium.ts';

if (noChromium !== null) process.stderr.write(`skipped: the loopback server in a browser, for ${noChromium}\n`);

const page = `<!doctype html><title>Lathe</title><script>window.inline = true;</script><script type="module" src="/app.js"></script>`;
const script = `
  const socket = new WebSocket('ws://' + location.host + '/api');
  window.frames_ = [];
  socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: 'run.list', input: {} }));
  socket.onmessage = ({ data }) => window.frames_.push(JSON.parse(data));
  window.module = true;
`;

describe.skipIf(noChromium !== null)('the loopback server in a browser', () => {
  const listeners = new Set<(event: LatheEvent) => void>();
  const service: LatheClient = {
    call: (async () => []) as unknown as LatheClient['call'],
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  let rendererDir = '';
  let server: LatheServer;
  let foreign: Server;
  let foreignOrigin = '';
  let browser: Browser;
  let context: BrowserContext;
  let tab: Page;

  beforeAll(async () => {
    rendererDir = mkdtempSync(join(tmpdir(), 'lathe-browser-'));
    writeFileSync(join(rendererDir, 'index.html'), page);
    writeFileSync(join(rendererDir, 'app.js'), script);
    server = await startServer({ service, rendererDir, port: 0, log: () => undefined });
    // Another site on this machine, with a link to Lathe.
    foreign = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<!doctype html><title>Foreign</title><a href="${server.url}">Lathe</a>`);
    });
    await new Promise<void>((resolve) => foreign.listen(0, 'localhost', resolve));
    foreignOrigin = `http://localhost:${(foreign.address() as AddressInfo).port}`;
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    foreign.close();
    rmSync(rendererDir, { recursive: true });
  });
  beforeEach(async () => {
    context = await browser.newContext();
    tab = await context.newPage();
  });
  afterEach(async () => {
    await context.close();
  });

  const refused = (action: string): Promise<unknown> =>
    tab.evaluate(`(async () => { try { await ${action}; return 'reached'; } catch { return 'refused'; } })()`);
  const socketTo = (address: string): string =>
    `new Promise((resolve, reject) => { const socket = new WebSocket('${address}'); socket.onopen = resolve; socket.onerror = reject; })`;

  it('opens from its address, which does not keep the token', async () => {
    await tab.goto(server.url);
    expect(tab.url()).toBe(`${server.origin}/`);
    expect(await tab.title()).toBe('Lathe');
  });

  it('answers and pushes over its channel', async () => {
    await tab.goto(server.url);
    await tab.waitForFunction('window.frames_?.length === 1');
    for (const listener of listeners) listener({ name: 'run.rewound', payload: { id: 'r1' } });
    await tab.waitForFunction('window.frames_.length === 2');
    expect(await tab.evaluate('window.frames_')).toEqual([
      { kind: 'response', id: 1, ok: true, output: [] },
      { kind: 'event', event: { name: 'run.rewound', payload: { id: 'r1' } } },
    ]);
  });

  /** Not waitForFunction: the page's policy forbids the evaluation that it does between frames. */
  async function moduleHasRun(): Promise<void> {
    await expect.poll(async () => await tab.evaluate('window.module')).toBe(true);
  }

  it('opens by a link on another site, though its cookie is strict', async () => {
    await tab.goto(foreignOrigin);
    await tab.click('a');
    await moduleHasRun();
    expect(tab.url()).toBe(`${server.origin}/`);
  });

  it('runs no inline script and hides its cookie from scripts', async () => {
    await tab.goto(server.url);
    await moduleHasRun();
    expect(await tab.evaluate('window.inline')).toBeUndefined();
    expect(await tab.evaluate('document.cookie')).toBe('');
    expect((await context.cookies()).map(({ httpOnly, sameSite }) => [httpOnly, sameSite])).toEqual([[true, 'Strict']]);
  });

  it('connects to nothing but itself', async () => {
    await tab.goto(server.url);
    expect(await refused(`fetch('${foreignOrigin}', { mode: 'no-cors' })`)).toBe('refused');
    expect(await refused(`fetch('${server.origin}/app.js')`)).toBe('reached');
  });

  it('gives a page of another site neither its files nor its channel, though the browser has the cookie', async () => {
    await tab.goto(server.url);
    await tab.goto(foreignOrigin);
    expect(await refused(`fetch('${server.origin}/app.js', { credentials: 'include' })`)).toBe('refused');
    expect(await refused(socketTo(`ws://127.0.0.1:${server.port}/api`))).toBe('refused');
    expect(await refused(socketTo(`ws://localhost:${server.port}/api`))).toBe('refused');
  });

  it('is shown in no frame of another site', async () => {
    await tab.goto(server.url);
    await tab.goto(foreignOrigin);
    const title = await tab.evaluate(`new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.src = '${server.origin}/';
      frame.onload = () => { try { resolve(frame.contentDocument?.title ?? 'closed'); } catch { resolve('closed'); } };
      document.body.append(frame);
    })`);
    expect(title).toBe('closed');
    expect(tab.frames().some((frame) => frame.url() === `${server.origin}/`)).toBe(false);
  });
});
