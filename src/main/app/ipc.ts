/** The window's end of the contract: one checked way in for calls, and events for the pages that asked for them. */
import {
  BrowserWindow,
  dialog,
  ipcMain,
  type IpcMainEvent,
  type IpcMainInvokeEvent,
  type OpenDialogOptions,
  type WebContents,
} from 'electron';
import type { LatheClient } from '../../shared/contract.ts';
import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import { ipcChannels, type CallResult } from '../../shared/ipc.ts';
import { dispatch } from '../service/dispatch.ts';
import { isOwnUrl } from './origin.ts';

/**
 * Connects pages to the service. It may still be opening: a window shows at once and its first calls wait.
 * Returns the function that disconnects them again.
 */
export function connectPages(opening: Promise<LatheClient>, log: (text: string) => void): () => void {
  const followers = new Set<WebContents>();
  const watched = new WeakSet<WebContents>();
  let stopFollowing = (): void => undefined;
  let disconnected = false;

  ipcMain.handle(ipcChannels.call, async (event, request: unknown): Promise<CallResult> => {
    requireOwnPage(event);
    try {
      const { method, input } = readRequest(request);
      return await dispatch(await opening, method, input, (error) => {
        log(`${method} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      });
    } catch (error) {
      return { ok: false, error: toErrorPayload(error) };
    }
  });

  ipcMain.handle(ipcChannels.choose, async (event, kind: unknown): Promise<string | null> => {
    requireOwnPage(event);
    if (kind !== 'folder' && kind !== 'file') throw new Error('refused: expected folder or file');
    const window = BrowserWindow.fromWebContents(event.sender);
    const options: OpenDialogOptions = { properties: [kind === 'folder' ? 'openDirectory' : 'openFile'] };
    const { canceled, filePaths } = await (window ? dialog.showOpenDialog(window, options) : dialog.showOpenDialog(options));
    return canceled ? null : (filePaths[0] ?? null);
  });

  ipcMain.on(ipcChannels.follow, (event, wanted: unknown) => {
    if (!isOwnPage(event)) {
      log('refused to send events to a foreign page');
      return;
    }
    const page = event.sender;
    if (wanted !== true) {
      followers.delete(page);
      return;
    }
    followers.add(page);
    if (watched.has(page)) return;
    watched.add(page);
    // A page that is left, reloaded or killed asks again when it is back.
    const forget = (): void => {
      followers.delete(page);
    };
    page.on('destroyed', forget);
    page.on('render-process-gone', forget);
    page.on('did-start-navigation', ({ isMainFrame, isSameDocument }) => {
      if (isMainFrame && !isSameDocument) forget();
    });
  });

  opening.then(
    (service) => {
      if (disconnected) return;
      stopFollowing = service.subscribe((event) => {
        for (const page of followers) if (!page.isDestroyed()) page.send(ipcChannels.event, event);
      });
    },
    () => undefined, // told by whoever opens the service
  );

  return () => {
    disconnected = true;
    stopFollowing();
    followers.clear();
    ipcMain.removeHandler(ipcChannels.call);
    ipcMain.removeHandler(ipcChannels.choose);
    ipcMain.removeAllListeners(ipcChannels.follow);
  };
}

/** Whether a message is from the main frame of Lathe's own page. */
function isOwnPage({ senderFrame }: IpcMainEvent | IpcMainInvokeEvent): boolean {
  return senderFrame !== null && senderFrame.parent === null && isOwnUrl(senderFrame.url);
}

function requireOwnPage(event: IpcMainInvokeEvent): void {
  if (!isOwnPage(event)) throw new Error('refused: the call does not come from the page of Lathe');
}

function readRequest(request: unknown): { method: string; input: unknown } {
  if (typeof request === 'object' && request !== null && 'method' in request && typeof request.method === 'string') {
    return { method: request.method, input: 'input' in request ? request.input : undefined };
  }
  throw new LatheError('bad-input', 'a call is an object with a method and an input');
}
