/** The window: where its page runs locked in, when it is shown, and what happens when the page's process dies. */
import { BrowserWindow, dialog, nativeTheme } from 'electron';

/** The page's own `--background` (resources/tokens.css), so that the window opens in it and not in white. */
export const backgrounds = { dark: '#12161a', light: '#f4f6f7' } as const;

export interface WindowOptions {
  readonly preload: string; // absolute path of the bundle
  readonly address: string; // of the page, with what it shows first
  /** Writes a report of the page's end; its path is told, null where there is none. */
  readonly report: (how: string) => Promise<string | null>;
  readonly log: (text: string) => void;
}

export function openWindow({ preload, address, report, log }: WindowOptions): BrowserWindow {
  const window = new BrowserWindow({
    name: 'main',
    windowStatePersistence: true,
    title: 'Lathe',
    width: 1440,
    height: 900,
    minWidth: 880,
    minHeight: 560,
    show: false,
    backgroundColor: nativeTheme.shouldUseDarkColors ? backgrounds.dark : backgrounds.light,
    webPreferences: {
      preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      spellcheck: false, // would fetch dictionaries
    },
  });
  window.once('ready-to-show', () => window.show());
  window.webContents.on('render-process-gone', (_event, { reason, exitCode }) => {
    if (reason === 'clean-exit') return;
    log(`the window's page ended: ${reason} (exit code ${exitCode})`);
    offerReload(window, reason, report(`${reason}, exit code ${exitCode}`)).catch((error: unknown) =>
      log(`could not ask about the ended page: ${String(error)}`),
    );
  });
  window.loadURL(address).catch((error: unknown) => log(`the page did not load: ${String(error)}`));
  return window;
}

async function offerReload(window: BrowserWindow, reason: string, reported: Promise<string | null>): Promise<void> {
  const report = await reported;
  if (window.isDestroyed()) return;
  const reload = 0;
  const { response } = await dialog.showMessageBox(window, {
    type: 'error',
    message: 'The window stopped working.',
    detail:
      `Its process ended (${reason}). Running searches are not affected: they run in processes of their own.` +
      (report === null ? '' : ` A report is at ${report}; it stays on this machine unless you send it.`),
    buttons: ['Reload', 'Close'],
    defaultId: reload,
    cancelId: 1,
  });
  if (window.isDestroyed()) return;
  if (response === reload) window.webContents.reload();
  else window.close();
}
