import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { resetElectron, session } from '../../../test/fakes/electron.ts';
import type { Session } from 'electron';
import { serveScheme } from './protocol.ts';

vi.mock('electron', () => import('../../../test/fakes/electron.ts'));

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lathe-protocol-'));
  mkdirSync(join(folder, 'renderer', 'assets'), { recursive: true });
  mkdirSync(join(folder, 'renderer-other'));
  writeFileSync(join(folder, 'renderer', 'index.html'), '<!doctype html><main></main>');
  writeFileSync(join(folder, 'renderer', 'assets', 'app.js'), 'export {};');
  writeFileSync(join(folder, 'renderer', 'assets', 'notes.sqlite'), 'secret');
  writeFileSync(join(folder, 'outside.html'), 'secret');
  writeFileSync(join(folder, 'renderer-other', 'index.html'), 'secret');
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  resetElectron();
  serveScheme(session.defaultSession as unknown as Session, join(folder, 'renderer'));
});

describe('app://lathe/', () => {
  it.each([
    ['app://lathe/', 'text/html; charset=utf-8', '<main>'],
    ['app://lathe/index.html', 'text/html; charset=utf-8', '<main>'],
    ['app://lathe/assets/app.js?v=1#top', 'text/javascript; charset=utf-8', 'export {}'],
  ])('answers %s', async (url, type, content) => {
    const response = await session.defaultSession.fetch(url);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
    expect(await response.text()).toContain(content);
  });

  it.each([
    'app://lathe/../outside.html',
    'app://lathe/%2e%2e/outside.html',
    'app://lathe/..%2foutside.html',
    'app://lathe/assets/..%2f..%2foutside.html',
    'app://lathe/..%5coutside.html',
    'app://lathe/..%2frenderer-other%2findex.html',
    'app://lathe//etc/passwd',
    'app://lathe/%00index.html',
    'app://lathe/%',
    'app://lathe/assets',
    'app://lathe/assets/notes.sqlite',
    'app://lathe/absent.js',
    'app://other/index.html',
    'app://user@lathe/index.html',
    'app://lathe.evil.example/index.html',
  ])('gives nothing for %s', async (url) => {
    const response = await session.defaultSession.fetch(url);
    expect([403, 404]).toContain(response.status);
    expect(await response.text()).toBe('');
  });

  it.each(['POST', 'PUT', 'DELETE'])('refuses %s', async (method) => {
    expect((await session.defaultSession.fetch('app://lathe/index.html', { method })).status).toBe(405);
  });

  it.each(['app://lathe/index.html', 'app://lathe/absent.js'])('sends the strict policy with %s', async (url) => {
    const { headers } = await session.defaultSession.fetch(url);
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
        "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });
});
