import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  app,
  asked,
  BrowserWindow,
  crashReporter,
  dialog,
  Menu,
  nativeTheme,
  powerSaveBlocker,
  protocol,
  resetElectron,
  session,
  shell,
  utilityProcess,
} from '../../../test/fakes/electron.ts';
import { commandInfos } from '../../shared/commands.ts';
import type { LatheEvent } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import { startApp } from './app.ts';
import { backgrounds } from './window.ts';

vi.mock('electron', () => import('../../../test/fakes/electron.ts'));

const fakeService = vi.hoisted(() => ({
  options: null as { dataDir: string; launchEngine: EngineLauncher; adoptQueued?: boolean } | null,
  opening: null as Promise<unknown> | null,
  closed: 0,
  listeners: new Set<(event: LatheEvent) => void>(),
  runs: [] as { id: string; status: string }[],
  busy: false,
}));

vi.mock('../service/index.ts', () => ({
  defaultDataDir: () => '/nowhere',
  createService: (options: typeof fakeService.options) => {
    fakeService.options = options;
    return (
      fakeService.opening ??
      Promise.resolve({
        get busy() {
          return fakeService.busy;
        },
        call: async () => fakeService.runs,
        subscribe: (listener: (event: LatheEvent) => void) => {
          fakeService.listeners.add(listener);
          return () => fakeService.listeners.delete(listener);
        },
        close: async () => {
          fakeService.closed++;
        },
      })
    );
  },
}));

const dataDir = mkdtempSync(join(tmpdir(), 'lathe-app-'));
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

async function started(): Promise<BrowserWindow> {
  startApp(['.', '--data-dir', dataDir]);
  await app.becomeReady();
  const [window] = BrowserWindow.all;
  if (!window) throw new Error('no window was opened');
  return window;
}

function changeRun(id: string, status: string): void {
  const event = { name: 'run.changed', payload: { id, status } } as unknown as LatheEvent;
  for (const listener of fakeService.listeners) listener(event);
}

beforeEach(() => {
  resetElectron();
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  Object.assign(fakeService, { options: null, opening: null, closed: 0, runs: [], busy: false });
  fakeService.listeners.clear();
  rmSync(join(dataDir, 'crash-reports'), { recursive: true, force: true });
});
afterAll(() => rmSync(dataDir, { recursive: true }));

describe('before Electron is ready', () => {
  it('sandboxes every page and registers the scheme', () => {
    startApp(['--data-dir', dataDir]);
    expect(asked).toContain('app.enableSandbox');
    expect(asked).toContain('protocol.registerSchemesAsPrivileged');
    expect(asked).not.toContain('BrowserWindow');
  });

  it('gives the scheme an origin and security of its own, and no way around the policy', () => {
    startApp(['--data-dir', dataDir]);
    expect(protocol.schemes).toEqual([{ scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
  });

  it("keeps Chromium's files in a folder of the data folder", () => {
    startApp(['--data-dir', dataDir]);
    expect(app.paths.get('userData')).toBe(join(dataDir, 'window'));
    expect(existsSync(join(dataDir, 'window'))).toBe(true);
  });

  it('ends at once when the same data folder is open already', async () => {
    app.locked = true;
    startApp(['--data-dir', dataDir]);
    await app.becomeReady();
    expect(app.exitCode).toBe(0);
    expect(BrowserWindow.all).toEqual([]);
    expect(fakeService.options).toBeNull();
  });
});

describe('the window', () => {
  it('locks its page in', async () => {
    const { options } = await started();
    expect(options.webPreferences).toEqual({
      preload: expect.stringMatching(/preload[/\\]index\.cjs$/) as string,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      spellcheck: false,
    });
  });

  it("loads the app's own address", async () => {
    expect((await started()).loaded).toEqual(['app://lathe/index.html']);
  });

  it('is shown when its page has been painted, not before', async () => {
    const window = await started();
    expect(window.options['show']).toBe(false);
    expect(window.shown).toBe(0);
    window.emit('ready-to-show');
    expect(window.shown).toBe(1);
  });

  it.each([
    [true, 'dark', backgrounds.dark],
    [false, 'light', backgrounds.light],
  ])("opens in the page's background (dark: %s)", async (dark, theme, color) => {
    nativeTheme.shouldUseDarkColors = dark;
    expect((await started()).options['backgroundColor']).toBe(color);
    const tokens = readFileSync(new URL('../../../resources/tokens.css', import.meta.url), 'utf8');
    expect(tokens, `${theme} --background of tokens.css`).toContain(`--background: ${color};`);
  });

  it('remembers where it was', async () => {
    const { options } = await started();
    expect(options).toMatchObject({ name: 'main', windowStatePersistence: true });
  });

  it('opens before the service does: it never waits for the database', async () => {
    fakeService.opening = new Promise(() => undefined);
    expect((await started()).loaded).toHaveLength(1);
  });

  it("offers to reload when its page's process dies, and reloads", async () => {
    const window = await started();
    window.webContents.emit('render-process-gone', {}, { reason: 'crashed', exitCode: 139 });
    await vi.waitFor(() => expect(window.webContents.reloads).toBe(1));
    expect(dialog.questions).toHaveLength(1);
    expect(dialog.questions[0]).toMatchObject({ buttons: ['Reload', 'Close'] });
    expect(window.webContents.reloads).toBe(1);
  });

  it('closes instead when asked to', async () => {
    const window = await started();
    dialog.response = 1;
    window.webContents.emit('render-process-gone', {}, { reason: 'oom', exitCode: 1 });
    await vi.waitFor(() => expect(window.closed).toBe(true));
    expect([window.closed, window.webContents.reloads]).toEqual([true, 0]);
  });

  it('is brought to the front by a second start', async () => {
    const window = await started();
    window.minimized = true;
    app.emit('second-instance', {}, ['lathe'], '/');
    expect([window.minimized, window.shown, window.focused]).toEqual([false, 1, 1]);
  });
});

describe('what a start is asked to show', () => {
  it('is in the window, which is not loaded anew for it', async () => {
    const file = join(dataDir, 'net.onnx');
    writeFileSync(file, 'x');
    const window = await started();
    app.emit('second-instance', {}, ['lathe', 'net.onnx'], dataDir);
    app.emit('second-instance', {}, ['lathe', 'lathe://run/q-ab12'], '/');
    app.emit('second-instance', {}, ['lathe', 'lathe://run/../../x', 'https://example.com/'], '/');
    const page = 'app://lathe/index.html';
    expect(window.loaded).toEqual([page, `${page}#/networks?import=${encodeURIComponent(file)}`, `${page}#/runs/q-ab12`]);
  });

  it('waits for the window on macOS, where it is told before the app is ready', async () => {
    startApp(['.', '--data-dir', dataDir]);
    const event = { preventDefault: vi.fn() };
    app.emit('open-url', event, 'lathe://run/q-ab12');
    await app.becomeReady();
    expect(BrowserWindow.all[0]?.loaded).toEqual(['app://lathe/index.html#/runs/q-ab12']);
    expect(event.preventDefault).toHaveBeenCalled();
  });

  it('comes by links of its own only where it is installed', async () => {
    await started();
    expect(app.linkSchemes).toEqual([]);
    resetElectron();
    app.isPackaged = true;
    await started();
    expect(app.linkSchemes).toEqual(['lathe']);
  });
});

describe('closing the window while a run works', () => {
  async function closing(response: number): Promise<BrowserWindow> {
    const window = await started();
    await settle();
    fakeService.busy = true;
    dialog.response = response;
    window.close();
    await settle();
    return window;
  }

  it('asks, and leaves it open when the person thinks again', async () => {
    const window = await closing(2);
    expect(dialog.questions[0]).toMatchObject({ buttons: ['Go on in the background', 'Stop and quit', 'Cancel'] });
    expect([window.closed, app.quits]).toEqual([false, 0]);
  });

  it('goes on in the background until nothing is left to do, and shows a window again when it is started again', async () => {
    const window = await closing(0);
    expect([window.closed, app.quits]).toEqual([true, 0]);
    changeRun('a', 'completed');
    await settle();
    expect(app.quits).toBe(0); // the next of the queue
    app.emit('second-instance', {}, ['lathe'], '/');
    expect(BrowserWindow.getAllWindows()).toHaveLength(1);
    BrowserWindow.getAllWindows()[0]?.close();
    await settle();
    fakeService.busy = false;
    changeRun('b', 'completed');
    await settle();
    expect([app.quits > 0, fakeService.closed]).toEqual([true, 1]);
  });

  it('stops with a checkpoint and quits', async () => {
    await closing(1);
    expect([app.exitCode, fakeService.closed]).toEqual([0, 1]);
  });

  it('asks nothing when nothing is at work', async () => {
    const window = await started();
    await settle();
    window.close();
    await settle();
    expect([window.closed, dialog.questions, app.exitCode]).toEqual([true, [], 0]);
  });
});

describe('a crash', () => {
  it('of a helper or the page leaves a report in the data folder; nothing is sent', async () => {
    const window = await started();
    expect(crashReporter.started).toEqual([{ uploadToServer: false }]);
    window.webContents.emit('render-process-gone', {}, { reason: 'crashed', exitCode: 139 });
    app.emit('child-process-gone', {}, { type: 'GPU', reason: 'killed', exitCode: 9 });
    app.emit('child-process-gone', {}, { type: 'Utility', name: 'Lathe engine', reason: 'crashed', exitCode: 1 }); // told by its run
    await vi.waitFor(() => expect(reports().length + dialog.questions.length).toBe(3));
    expect(
      reports()
        .map((name) => name.replace(/^.*Z-/, ''))
        .sort(),
    ).toEqual(['helper.json', 'window.json']);
    expect(String(dialog.questions[0]?.['detail'])).toMatch(
      /A report is at .*crash-reports.*; it stays on this machine unless you send it/,
    );
  });
});

function reports(): string[] {
  const folder = join(dataDir, 'crash-reports');
  return existsSync(folder) ? readdirSync(folder) : [];
}

describe('what a page may do', () => {
  it.each([
    'http://example.com/',
    'https://example.com/',
    'ws://127.0.0.1:1/',
    'wss://example.com/',
    'file:///etc/passwd',
    'ftp://example.com/',
    'app://other/index.html',
    'blob:https://example.com/1',
  ])('cannot request %s', async (address) => {
    await started();
    expect(session.defaultSession.cancels(address)).toBe(true);
  });

  it.each([
    'app://lathe/index.html',
    'app://lathe/assets/index.js',
    'data:image/png;base64,AA==',
    'blob:app://lathe/1',
    'devtools://devtools/bundled/inspector.html',
  ])('can request %s', async (address) => {
    await started();
    expect(session.defaultSession.cancels(address)).toBe(false);
  });

  it.each(['media', 'geolocation', 'notifications', 'clipboard-read', 'usb', 'openExternal', 'fileSystem', 'unknown'])(
    'gets no permission for %s',
    async (permission) => {
      await started();
      const answers: boolean[] = [];
      session.defaultSession.permissionRequest?.(null, permission, (granted) => answers.push(granted));
      expect(answers).toEqual([false]);
      expect(session.defaultSession.permissionCheck?.()).toBe(false);
      expect(session.defaultSession.devicePermission?.()).toBe(false);
    },
  );

  it.each(['will-navigate', 'will-frame-navigate', 'will-redirect'])('goes nowhere (%s)', async (name) => {
    const { webContents } = await started();
    expect(webContents.prevents(name, { url: 'https://example.com/' })).toBe(true);
    expect(webContents.prevents(name, { url: 'file:///etc/passwd' })).toBe(true);
  });

  it('attaches no webview', async () => {
    const { webContents } = await started();
    expect(webContents.prevents('will-attach-webview')).toBe(true);
  });

  it.each([
    'https://example.com/',
    'file:///etc/passwd',
    'https://arxiv.org/abs/1811.08886/../../evil',
    'https://arxiv.org@evil.example/abs/1811.08886',
    'javascript:alert(1)',
    'app://lathe/index.html',
  ])('opens no window and no browser for %s', async (url) => {
    const { webContents } = await started();
    expect(webContents.openHandler?.({ url })).toEqual({ action: 'deny' });
    expect(shell.opened).toEqual([]);
  });

  it("hands a paper's address to the system's browser", async () => {
    const { webContents } = await started();
    expect(webContents.openHandler?.({ url: 'https://arxiv.org/abs/1811.08886' })).toEqual({ action: 'deny' });
    expect(shell.opened).toEqual(['https://arxiv.org/abs/1811.08886']);
  });

  it('applies to pages that are made later too', async () => {
    await started();
    const later = new BrowserWindow({ webPreferences: {} });
    expect(later.webContents.prevents('will-navigate', { url: 'https://example.com/' })).toBe(true);
  });
});

describe('the menu', () => {
  it('names every command of the interface and tells the page which was chosen', async () => {
    await started();
    const items = ['Go', 'Commands'].flatMap((label) => Menu.template.find((item) => item.label === label)?.submenu ?? []);
    expect(items).toHaveLength(Object.keys(commandInfos).length);
    items.find(({ label }) => label?.startsWith('New run'))?.click?.();
    expect(BrowserWindow.all.at(-1)?.webContents.sent).toContainEqual({ channel: 'lathe:command', payload: 'new-run' });
  });

  it("has the system's roles and opens only allowed addresses", async () => {
    await started();
    expect(Menu.template.map(({ role }) => role)).toEqual(
      expect.arrayContaining(['fileMenu', 'editMenu', 'viewMenu', 'windowMenu', 'help']),
    );
    const links = Menu.template.find(({ role }) => role === 'help')?.submenu ?? [];
    for (const { click } of links) click?.();
    expect(shell.opened).toEqual([
      'https://arxiv.org/abs/1812.00332',
      'https://arxiv.org/abs/1802.03494',
      'https://arxiv.org/abs/1811.08886',
    ]);
  });
});

describe('the service behind the window', () => {
  it('is opened on the data folder and takes up waiting runs', async () => {
    await started();
    expect(fakeService.options).toMatchObject({ dataDir, adoptQueued: true });
  });

  it('is closed before the app ends, once', async () => {
    await started();
    app.quit();
    app.quit();
    expect([fakeService.closed, app.exitCode]).toEqual([0, null]);
    await settle();
    expect([fakeService.closed, app.exitCode]).toEqual([1, 0]);
  });

  it('ends the app though it cannot be closed', async () => {
    fakeService.opening = Promise.resolve({
      call: async () => [],
      subscribe: () => () => undefined,
      close: () => Promise.reject(new Error('disk')),
    });
    await started();
    app.quit();
    await settle();
    expect(app.exitCode).toBe(0);
  });

  it('tells the person why it cannot be opened, and ends with 1', async () => {
    fakeService.opening = Promise.reject(new LatheError('newer-version', 'the database was written by Lathe 9'));
    await started();
    await settle();
    expect(dialog.errors).toEqual([
      { title: 'Lathe cannot open its data', content: `the database was written by Lathe 9\n\nData folder: ${dataDir}` },
    ]);
    expect(app.exitCode).toBe(1);
  });

  it('keeps the machine awake exactly while a run is running', async () => {
    fakeService.runs = [
      { id: 'a', status: 'running' },
      { id: 'b', status: 'completed' },
    ];
    await started();
    await settle();
    expect(powerSaveBlocker.active.size).toBe(1);
    changeRun('c', 'running');
    changeRun('a', 'completed');
    expect(powerSaveBlocker.active.size).toBe(1);
    changeRun('c', 'interrupted');
    expect(powerSaveBlocker.active.size).toBe(0);
  });
});

describe('engine processes', () => {
  async function launched(): Promise<{ engine: ReturnType<EngineLauncher>; fork: (typeof utilityProcess.forks)[number] }> {
    await started();
    const engine = fakeService.options?.launchEngine();
    const [fork] = utilityProcess.forks;
    if (!engine || !fork) throw new Error('no engine was started');
    return { engine, fork };
  }

  it("are utility processes of the engine's bundle", async () => {
    const { fork } = await launched();
    expect(fork.file).toMatch(/[/\\]engine\.js$/);
    expect(fork.options).toMatchObject({ serviceName: 'Lathe engine' });
  });

  it('pass messages both ways', async () => {
    const { engine, fork } = await launched();
    const received: unknown[] = [];
    engine.onMessage((message) => received.push(message));
    engine.send({ type: 'cancel' });
    fork.child.emit('message', { type: 'ready' });
    expect([fork.child.sent, received]).toEqual([[{ type: 'cancel' }], [{ type: 'ready' }]]);
  });

  it('tell of their end, and take no message after it', async () => {
    const { engine, fork } = await launched();
    const ends: unknown[] = [];
    engine.onExit((code, signal) => ends.push([code, signal]));
    fork.child.emit('exit', 9);
    engine.send({ type: 'cancel' });
    expect([ends, fork.child.sent]).toEqual([[[9, null]], []]);
  });

  it('can be killed', async () => {
    const { engine, fork } = await launched();
    engine.kill();
    expect(fork.child.kills).toBe(1);
  });
});
