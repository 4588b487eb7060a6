/** The Electron face from start to end: opens window and service side by side, and closes the service before the app ends. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { app, BrowserWindow, crashReporter, dialog, session } from 'electron';
import { toErrorPayload } from '../../shared/errors.ts';
import { writeCrashReport } from '../service/crash-reports.ts';
import { createService, defaultDataDir, type Service } from '../service/index.ts';
import { stayAwakeWhileRunning } from './awake.ts';
import { engineName, launchUtilityEngine } from './engine-launcher.ts';
import { connectPages } from './ipc.ts';
import { addressOf, linkScheme, targetOfArguments, targetOfLink, targetOfPath, type LaunchTarget } from './launch-targets.ts';
import { askBeforeLeaving } from './leave.ts';
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
  crashReporter.start({ uploadToServer: false }); // minidumps of native crashes stay in the data folder
  app.on('child-process-gone', (_event, { type, reason, name, exitCode }) => {
    if (reason === 'clean-exit' || name === engineName) return; // an engine's end is told by its run
    log(`a process ended: ${name ?? type}, ${reason}`);
    void writeCrashReport(dataDir, { what: 'helper', how: `${name ?? type}: ${reason}, exit code ${exitCode}` });
  });
  let asked = targetOfArguments(argv, process.cwd()); // what the first window shows
  let show = (target: LaunchTarget | null): void => {
    asked = target ?? asked;
  };
  app.on('second-instance', (_event, otherArgv, cwd) => show(targetOfArguments(otherArgv.slice(1), cwd)));
  // macOS tells of files and links by events, the first of them before it is ready.
  app.on('open-file', (event, path) => {
    event.preventDefault();
    show(targetOfPath(path, '/'));
  });
  app.on('open-url', (event, link) => {
    event.preventDefault();
    show(targetOfLink(link));
  });
  app
    .whenReady()
    .then(() => {
      if (app.isPackaged) app.setAsDefaultProtocolClient(linkScheme);
      show = run(dataDir, asked);
    })
    .catch((error: unknown) => giveUp('Lathe could not start', error, dataDir));
}

function dataDirOf(argv: readonly string[]): string {
  const { values } = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } }, strict: false, allowPositionals: true });
  const given = values['data-dir'];
  return typeof given === 'string' && given !== '' ? given : defaultDataDir();
}

/** Opens window and service; returns the function that shows something in the window, or in a new one where there is none. */
function run(dataDir: string, first: LaunchTarget | null): (target: LaunchTarget | null) => void {
  setMenu(log);
  hardenSession(session.defaultSession, log);
  serveScheme(session.defaultSession, rendererDir);
  const opening = createService({ dataDir, launchEngine: launchUtilityEngine, log, adoptQueued: true, guardData: true });
  const disconnect = connectPages(opening, log);
  let service: Service | null = null;
  const leaving = askBeforeLeaving(() => service, log);
  const open = (target: LaunchTarget | null): void => {
    leaving.comeBack();
    const report = (how: string): Promise<string | null> => writeCrashReport(dataDir, { what: 'window', how });
    leaving.guard(openWindow({ preload, address: addressOf(target), report, log }));
  };
  open(first);
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin' && !leaving.inBackground) app.quit();
  });
  app.on('activate', () => {
    if (BrowserWindow.getAllWindows().length === 0) open(null);
  });
  closeBeforeQuit(opening, disconnect);
  opening.then(
    (opened) => {
      service = opened;
      stayAwakeWhileRunning(opened).catch((error: unknown) => log(`the machine may sleep during a search: ${String(error)}`));
    },
    (error: unknown) => giveUp('Lathe cannot open its data', error, dataDir),
  );
  return (target) => {
    if (!showInWindow(target)) open(target);
  };
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

/** False where there is no window. */
function showInWindow(target: LaunchTarget | null): boolean {
  const [window] = BrowserWindow.getAllWindows();
  if (!window) return false;
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
  if (target) window.loadURL(addressOf(target)).catch((error: unknown) => log(`the page did not change: ${String(error)}`));
  return true;
}
