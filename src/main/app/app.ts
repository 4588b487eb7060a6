/** The Electron face from start to end: opens window and service side by side, and closes the service before the app ends. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { app, BrowserWindow, dialog, session } from 'electron';
import { toErrorPayload } from '../../shared/errors.ts';
import { createService, defaultDataDir, type Service } from '../service/index.ts';
import { stayAwakeWhileRunning } from './awake.ts';
import { launchUtilityEngine } from './engine-launcher.ts';
import { connectPages } from './ipc.ts';
import { setMenu } from './menu.ts';
import { registerScheme, serveScheme } from './protocol.ts';
import { hardenEveryPage, hardenSession } from './security.ts';
import { openWindow } from './window.ts';

const here = dirname(fileURLToPath(import.meta.url)); // out/main
const rendererDir = join(here, '..', 'renderer');
const preload = join(here, '..', 'preload', 'index.cjs');

const log = (text: string): void => {
  process.stderr.write(`lathe: ${text}\n`);
};

/**
 * Starts the app. What must happen before Electron is ready happens before this returns: the sandbox for every page, the
 * scheme, and the lock that makes a second start of the same data folder show the first one's window.
 */
export function startApp(argv: readonly string[]): void {
  const dataDir = dataDirOf(argv);
  const chromiumDir = join(dataDir, 'window'); // Chromium's own files, apart from Lathe's
  mkdirSync(chromiumDir, { recursive: true });
  app.setPath('userData', chromiumDir);
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return;
  }
  app.enableSandbox();
  registerScheme();
  hardenEveryPage(log);
  app.on('second-instance', showWindow);
  app.on('child-process-gone', (_event, { type, reason, name }) => {
    if (reason !== 'clean-exit') log(`a process ended: ${name ?? type}, ${reason}`);
  });
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  app
    .whenReady()
    .then(() => run(dataDir))
    .catch((error: unknown) => giveUp('Lathe could not start', error, dataDir));
}

function dataDirOf(argv: readonly string[]): string {
  const { values } = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } }, strict: false, allowPositionals: true });
  const given = values['data-dir'];
  return typeof given === 'string' && given !== '' ? given : defaultDataDir();
}

function run(dataDir: string): void {
  setMenu(log);
  hardenSession(session.defaultSession, log);
  serveScheme(session.defaultSession, rendererDir);
  const opening = createService({ dataDir, launchEngine: launchUtilityEngine, log, adoptQueued: true, guardData: true });
  const disconnect = connectPages(opening, log);
  openWindow({ preload, log });
  app.on('activate', () => {
    if (BrowserWindow.getAllWindows().length === 0) openWindow({ preload, log });
  });
  closeBeforeQuit(opening, disconnect);
  opening.then(
    (service) => {
      stayAwakeWhileRunning(service).catch((error: unknown) => log(`the machine may sleep during a search: ${String(error)}`));
    },
    (error: unknown) => giveUp('Lathe cannot open its data', error, dataDir),
  );
}

function giveUp(title: string, error: unknown, dataDir: string): void {
  log(`${title}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  dialog.showErrorBox(title, `${toErrorPayload(error).message}\n\nData folder: ${dataDir}`);
  app.exit(1);
}

/** Holds the app's end back until the service has stopped its engines and closed the database, once. */
function closeBeforeQuit(opening: Promise<Service>, disconnect: () => void): void {
  let state: 'open' | 'closing' | 'closed' = 'open';
  app.on('will-quit', (event) => {
    if (state === 'closed') return;
    event.preventDefault();
    if (state === 'closing') return;
    state = 'closing';
    disconnect();
    opening
      .then((service) => service.close())
      .catch((error: unknown) => log(`the service did not close: ${String(error)}`))
      .finally(() => {
        state = 'closed';
        app.quit();
      });
  });
}

function showWindow(): void {
  const [window] = BrowserWindow.getAllWindows();
  if (!window) return;
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
}
