import { beforeEach, describe, expect, it, vi } from 'vitest';
import { dialog, FakeWebContents, ipcMain, resetElectron } from '../../../test/fakes/electron.ts';
import type { LatheClient, LatheEvent } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { connectPages } from './ipc.ts';

vi.mock('electron', () => import('../../../test/fakes/electron.ts'));

const calls: unknown[] = [];
const listeners = new Set<(event: LatheEvent) => void>();
const service: LatheClient = {
  call: (async (method: string, input: unknown) => {
    calls.push([method, input]);
    return [];
  }) as LatheClient['call'],
  subscribe: (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
const rewound: LatheEvent = { name: 'run.rewound', payload: { id: 'r1' } };
const emit = (event: LatheEvent): void => listeners.forEach((listener) => listener(event));

const own = (sender = new FakeWebContents()): Record<string, unknown> => ({
  sender,
  senderFrame: { parent: null, url: 'app://lathe/index.html#/runs' },
});
const follow = (event: unknown, wanted: unknown): void => void ipcMain.emit('lathe:follow', event, wanted);

let logged: string[] = [];
let disconnect = (): void => undefined;

beforeEach(async () => {
  resetElectron();
  calls.length = 0;
  listeners.clear();
  logged = [];
  disconnect = connectPages(Promise.resolve(service), (text) => logged.push(text));
  await Promise.resolve();
});

describe('calls', () => {
  it('go from the own page to the service, checked and completed', async () => {
    const result = await ipcMain.invoke('lathe:call', own(), { method: 'run.trials', input: { id: 'a' } });
    expect(result).toEqual({ ok: true, output: [] });
    expect(calls).toEqual([['run.trials', { id: 'a', fromStep: 0, limit: 2000 }]]);
  });

  it.each([
    ['another site', { parent: null, url: 'https://evil.example/' }],
    ['another host of the scheme', { parent: null, url: 'app://other/index.html' }],
    ['an address that only looks like it', { parent: null, url: 'app://lathe@evil.example/' }],
    ['a file', { parent: null, url: 'file:///tmp/index.html' }],
    ['an empty frame', { parent: null, url: 'about:blank' }],
    ['a frame inside the page', { parent: {}, url: 'app://lathe/index.html' }],
    ['a frame that is gone', null],
  ])('are refused from %s', async (_what, senderFrame) => {
    const event = { sender: new FakeWebContents(), senderFrame };
    await expect(ipcMain.invoke('lathe:call', event, { method: 'run.list', input: {} })).rejects.toThrow(
      'does not come from the page of Lathe',
    );
    expect(calls).toEqual([]);
  });

  it.each([
    ['an unknown method', { method: 'run.delete', input: {} }],
    ['a wrong input', { method: 'run.show', input: { id: 7 } }],
    ['no input', { method: 'run.list' }],
    ['no method', { input: {} }],
    ['no object', 'run.list'],
    ['nothing', undefined],
  ])('with %s are answered as bad input', async (_what, request) => {
    expect(await ipcMain.invoke('lathe:call', own(), request)).toMatchObject({ ok: false, error: { code: 'bad-input' } });
    expect(calls).toEqual([]);
  });

  it('wait for a service that is still opening, and carry its error when it does not open', async () => {
    resetElectron();
    let fail = (_error: Error): void => undefined;
    const opening = new Promise<LatheClient>((_resolve, reject) => {
      fail = reject;
    });
    connectPages(opening, () => undefined);
    const result = ipcMain.invoke('lathe:call', own(), { method: 'run.list', input: {} });
    fail(new LatheError('newer-version', 'written by Lathe 9'));
    expect(await result).toEqual({ ok: false, error: { code: 'newer-version', message: 'written by Lathe 9' } });
  });
});

describe('choosing a path', () => {
  const strange = { sender: new FakeWebContents(), senderFrame: { parent: null, url: 'https://evil.example/' } };

  it('is refused to another page, and for what is neither a folder nor a file', async () => {
    await expect(ipcMain.invoke('lathe:choose', strange, 'folder')).rejects.toThrow('does not come from the page of Lathe');
    await expect(ipcMain.invoke('lathe:choose', own(), 'everything')).rejects.toThrow('expected folder or file');
    expect(dialog.asked).toEqual([]);
  });

  it('gives what the user chose in the dialog, or nothing', async () => {
    expect(await ipcMain.invoke('lathe:choose', own(), 'file')).toBeNull();
    dialog.chosen = '/data/flowers';
    expect(await ipcMain.invoke('lathe:choose', own(), 'folder')).toBe('/data/flowers');
    expect(dialog.asked).toEqual([{ properties: ['openFile'] }, { properties: ['openDirectory'] }]);
  });
});

describe('events', () => {
  it('reach the pages that asked, and no others', () => {
    const [asking, silent] = [new FakeWebContents(), new FakeWebContents()];
    follow(own(asking), true);
    emit(rewound);
    expect(asking.sent).toEqual([{ channel: 'lathe:event', payload: rewound }]);
    expect(silent.sent).toEqual([]);
  });

  it('come once though a page asked twice, and stop when it no longer wants them', () => {
    const page = new FakeWebContents();
    follow(own(page), true);
    follow(own(page), true);
    emit(rewound);
    follow(own(page), false);
    emit(rewound);
    expect(page.sent).toHaveLength(1);
  });

  it('are not sent to a foreign page', () => {
    const page = new FakeWebContents();
    follow({ sender: page, senderFrame: { parent: null, url: 'https://evil.example/' } }, true);
    emit(rewound);
    expect(page.sent).toEqual([]);
    expect(logged).toEqual(['refused to send events to a foreign page']);
  });

  it.each([
    ['destroyed', []],
    ['render-process-gone', []],
    ['did-start-navigation', [{ isMainFrame: true, isSameDocument: false }]],
  ])('stop for a page that is gone (%s) until it asks again', (name, details) => {
    const page = new FakeWebContents();
    follow(own(page), true);
    page.emit(name, ...details);
    emit(rewound);
    expect(page.sent).toEqual([]);
    follow(own(page), true);
    emit(rewound);
    expect(page.sent).toHaveLength(1);
  });

  it('go on when the page only moves within itself', () => {
    const page = new FakeWebContents();
    follow(own(page), true);
    page.emit('did-start-navigation', { isMainFrame: true, isSameDocument: true });
    page.emit('did-start-navigation', { isMainFrame: false, isSameDocument: false });
    emit(rewound);
    expect(page.sent).toHaveLength(1);
  });

  it('end with the connection', () => {
    const page = new FakeWebContents();
    follow(own(page), true);
    disconnect();
    emit(rewound);
    expect([page.sent, listeners.size, ipcMain.handlers.size]).toEqual([[], 0, 0]);
  });
});
