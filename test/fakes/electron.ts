/**
 * Stands in for the `electron` module where its runtime is not installed, and records what was asked of it. Tests say
 * `vi.mock('electron', () => import('.../test/fakes/electron.ts'))` and look at the same objects here.
 */
import { EventEmitter } from 'node:events';

/** Everything that was asked for in order, as `object.method`. */
export const asked: string[] = [];

type Answer = (request: Request) => Promise<Response>;
type BeforeRequest = (details: { url: string }, callback: (answer: { cancel?: boolean }) => void) => void;
type PermissionRequest = (contents: unknown, permission: string, callback: (granted: boolean) => void) => void;

export class FakeSession {
  readonly handlers = new Map<string, Answer>();
  beforeRequest: BeforeRequest | null = null;
  permissionRequest: PermissionRequest | null = null;
  permissionCheck: (() => boolean) | null = null;
  devicePermission: (() => boolean) | null = null;
  readonly protocol = { handle: (scheme: string, answer: Answer) => void this.handlers.set(scheme, answer) };
  readonly webRequest = { onBeforeRequest: (listener: BeforeRequest) => void (this.beforeRequest = listener) };
  setPermissionRequestHandler = (handler: PermissionRequest): void => void (this.permissionRequest = handler);
  setPermissionCheckHandler = (handler: () => boolean): void => void (this.permissionCheck = handler);
  setDevicePermissionHandler = (handler: () => boolean): void => void (this.devicePermission = handler);

  /** Whether a request to this address would be cancelled. */
  cancels(url: string): boolean {
    let cancelled = false;
    this.beforeRequest?.({ url }, ({ cancel }) => (cancelled = cancel === true));
    return cancelled;
  }

  /** Asks the custom protocol, as the page would. */
  async fetch(url: string, init?: RequestInit): Promise<Response> {
    const answer = this.handlers.get(url.slice(0, url.indexOf(':')));
    if (!answer) throw new Error(`no handler for ${url}`);
    // A Request normalises its address; a hostile one is passed as it is.
    return await answer({ url, method: init?.method ?? 'GET' } as unknown as Request);
  }
}

export class FakeWebContents extends EventEmitter {
  readonly sent: { channel: string; payload: unknown }[] = [];
  openHandler: ((details: { url: string }) => { action: string }) | null = null;
  destroyed = false;
  reloads = 0;
  send = (channel: string, payload: unknown): void => void this.sent.push({ channel, payload });
  setWindowOpenHandler = (handler: (details: { url: string }) => { action: string }): void => void (this.openHandler = handler);
  isDestroyed = (): boolean => this.destroyed;
  reload = (): void => void this.reloads++;

  /** Emits an event that can be prevented; says whether it was. */
  prevents(name: string, properties: Record<string, unknown> = {}): boolean {
    let prevented = false;
    this.emit(name, { ...properties, preventDefault: () => (prevented = true) });
    return prevented;
  }
}

export class BrowserWindow extends EventEmitter {
  static readonly all: BrowserWindow[] = [];
  static fromWebContents(contents: unknown): BrowserWindow | null {
    return BrowserWindow.all.find((window) => window.webContents === contents) ?? null;
  }
  static getAllWindows(): BrowserWindow[] {
    return BrowserWindow.all.filter((window) => !window.closed);
  }

  readonly options: Record<string, unknown> & { webPreferences: Record<string, unknown> };
  readonly webContents = new FakeWebContents();
  readonly loaded: string[] = [];
  shown = 0;
  focused = 0;
  minimized = false;
  closed = false;

  constructor(options: Record<string, unknown> & { webPreferences: Record<string, unknown> }) {
    super();
    this.options = options;
    BrowserWindow.all.push(this);
    asked.push('BrowserWindow');
    app.emit('web-contents-created', {}, this.webContents);
  }

  loadURL(url: string): Promise<void> {
    this.loaded.push(url);
    return Promise.resolve();
  }

  show = (): void => void this.shown++;
  focus = (): void => void this.focused++;
  restore = (): void => void (this.minimized = false);
  /** As the real one: asks whoever holds it open. */
  close = (): void => {
    const event = { prevented: false, preventDefault: () => (event.prevented = true) };
    this.emit('close', event);
    if (!event.prevented) this.destroy();
  };
  destroy = (): void => {
    this.closed = true;
    if (BrowserWindow.getAllWindows().length === 0) app.emit('window-all-closed');
  };
  isMinimized = (): boolean => this.minimized;
  isDestroyed = (): boolean => this.closed;
}

class FakeApp extends EventEmitter {
  locked = false; // by another start
  readonly paths = new Map<string, string>();
  exitCode: number | null = null;
  quits = 0;
  private becomesReady = (): void => undefined;
  private ready: Promise<unknown> = Promise.resolve();

  isPackaged = false;
  readonly linkSchemes: string[] = [];
  setAsDefaultProtocolClient = (scheme: string): void => void this.linkSchemes.push(scheme);
  enableSandbox = (): void => void asked.push('app.enableSandbox');
  setPath = (name: string, path: string): void => void this.paths.set(name, path);
  requestSingleInstanceLock = (): boolean => {
    asked.push('app.requestSingleInstanceLock');
    return !this.locked;
  };
  whenReady = (): Promise<unknown> => this.ready;
  exit = (code: number): void => void (this.exitCode = code);
  /** As the real one: asks whoever holds the end back, and ends when nobody does. */
  quit = (): void => {
    this.quits++;
    this.emit('before-quit', {});
    const event = { prevented: false, preventDefault: () => (event.prevented = true) };
    this.emit('will-quit', event);
    if (!event.prevented) this.exitCode = 0;
  };

  async becomeReady(): Promise<void> {
    asked.push('ready');
    this.becomesReady();
    await new Promise((resolve) => setImmediate(resolve));
  }

  reset(): void {
    this.removeAllListeners();
    this.locked = false;
    this.exitCode = null;
    this.isPackaged = false;
    this.linkSchemes.length = 0;
    this.quits = 0;
    this.paths.clear();
    this.ready = new Promise<void>((resolve) => {
      this.becomesReady = resolve;
    });
  }
}

export const app = new FakeApp();

export const protocol = {
  schemes: [] as { scheme: string; privileges: Record<string, boolean> }[],
  registerSchemesAsPrivileged: (schemes: { scheme: string; privileges: Record<string, boolean> }[]): void => {
    asked.push('protocol.registerSchemesAsPrivileged');
    protocol.schemes.push(...schemes);
  },
};

export const crashReporter = {
  started: [] as Record<string, unknown>[],
  start: (options: Record<string, unknown>): void => void crashReporter.started.push(options),
};

export const session = { defaultSession: new FakeSession() };

class FakeIpcMain extends EventEmitter {
  readonly handlers = new Map<string, (event: unknown, ...args: unknown[]) => Promise<unknown>>();
  handle = (channel: string, handler: (event: unknown, ...args: unknown[]) => Promise<unknown>): void =>
    void this.handlers.set(channel, handler);
  removeHandler = (channel: string): void => void this.handlers.delete(channel);

  async invoke(channel: string, event: unknown, ...args: unknown[]): Promise<unknown> {
    const handler = this.handlers.get(channel);
    if (!handler) throw new Error(`no handler for ${channel}`);
    return await handler(event, ...args);
  }
}

export const ipcMain = new FakeIpcMain();

export const shell = {
  opened: [] as string[],
  openExternal: (address: string): Promise<void> => {
    shell.opened.push(address);
    return Promise.resolve();
  },
};

export const dialog = {
  errors: [] as { title: string; content: string }[],
  questions: [] as Record<string, unknown>[],
  response: 0,
  chosen: null as string | null, // what the user chooses; null: nothing
  asked: [] as Record<string, unknown>[],
  showOpenDialog: (...args: readonly unknown[]): Promise<{ canceled: boolean; filePaths: string[] }> => {
    dialog.asked.push(args.at(-1) as Record<string, unknown>);
    return Promise.resolve({ canceled: dialog.chosen === null, filePaths: dialog.chosen === null ? [] : [dialog.chosen] });
  },
  showErrorBox: (title: string, content: string): void => void dialog.errors.push({ title, content }),
  showMessageBox: (_window: unknown, options: Record<string, unknown>): Promise<{ response: number }> => {
    dialog.questions.push(options);
    return Promise.resolve({ response: dialog.response });
  },
};

export interface FakeMenuItem {
  readonly role?: string;
  readonly label?: string;
  readonly submenu?: readonly FakeMenuItem[];
  readonly click?: () => void;
}

export const Menu = {
  template: [] as readonly FakeMenuItem[],
  buildFromTemplate: (template: readonly FakeMenuItem[]): readonly FakeMenuItem[] => template,
  setApplicationMenu: (menu: readonly FakeMenuItem[]): void => void (Menu.template = menu),
};

export const nativeTheme = { shouldUseDarkColors: false };

export const powerSaveBlocker = {
  active: new Set<number>(),
  started: 0,
  start: (_kind: string): number => {
    powerSaveBlocker.started++;
    powerSaveBlocker.active.add(powerSaveBlocker.started);
    return powerSaveBlocker.started;
  },
  stop: (id: number): void => void powerSaveBlocker.active.delete(id),
};

export class FakeUtilityProcess extends EventEmitter {
  readonly sent: unknown[] = [];
  kills = 0;
  postMessage = (message: unknown): void => void this.sent.push(message);
  kill = (): boolean => {
    this.kills++;
    return true;
  };
}

export const utilityProcess = {
  forks: [] as { file: string; args: string[]; options: Record<string, unknown>; child: FakeUtilityProcess }[],
  fork: (file: string, args: string[], options: Record<string, unknown>): FakeUtilityProcess => {
    const child = new FakeUtilityProcess();
    utilityProcess.forks.push({ file, args, options, child });
    return child;
  },
};

/** The page's side. */
class FakeIpcRenderer extends EventEmitter {
  readonly sent: { channel: string; payload: unknown }[] = [];
  readonly invoked: { channel: string; payload: unknown }[] = [];
  answer: unknown = { ok: true, output: null };
  send = (channel: string, payload: unknown): void => void this.sent.push({ channel, payload });
  invoke = (channel: string, payload: unknown): Promise<unknown> => {
    this.invoked.push({ channel, payload });
    return Promise.resolve(this.answer);
  };
}

export const ipcRenderer = new FakeIpcRenderer();

export const webUtils = { getPathForFile: (file: { readonly name: string }): string => `/dropped/${file.name}` };

export const contextBridge = {
  exposed: new Map<string, Record<string, unknown>>(),
  exposeInMainWorld: (name: string, value: Record<string, unknown>): void => void contextBridge.exposed.set(name, value),
};

/** Forgets everything, between tests. */
export function resetElectron(): void {
  asked.length = 0;
  crashReporter.started.length = 0;
  app.reset();
  BrowserWindow.all.length = 0;
  protocol.schemes.length = 0;
  session.defaultSession = new FakeSession();
  ipcMain.handlers.clear();
  ipcMain.removeAllListeners();
  shell.opened.length = 0;
  dialog.errors.length = 0;
  dialog.questions.length = 0;
  dialog.response = 0;
  dialog.chosen = null;
  dialog.asked.length = 0;
  Menu.template = [];
  nativeTheme.shouldUseDarkColors = false;
  powerSaveBlocker.active.clear();
  utilityProcess.forks.length = 0;
}
