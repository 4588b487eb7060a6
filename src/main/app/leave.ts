/** Closing the last window while a run works: it goes on in the background, or stops with a checkpoint, as the user says. */
import { app, dialog, type BrowserWindow } from 'electron';
import type { Service } from '../service/index.ts';

export interface Leaving {
  /** Asks before this window closes; to be called once for each. */
  guard(window: BrowserWindow): void;
  /** Whether the app works on without a window. */
  readonly inBackground: boolean;
  /** A window is there again. */
  comeBack(): void;
}

/** `service` is null until it is open. */
export function askBeforeLeaving(service: () => Service | null, log: (text: string) => void): Leaving {
  let inBackground = false;
  let quitting = false;
  let stopFollowing = (): void => undefined;
  app.on('before-quit', () => {
    quitting = true;
  });

  async function ask(window: BrowserWindow, opened: Service): Promise<void> {
    const { response } = await dialog.showMessageBox(window, {
      type: 'question',
      message: 'A run is at work or waiting.',
      detail:
        'In the background it goes on without a window, and Lathe ends when nothing is left to do; starting Lathe again shows the window. ' +
        'Stopped, it keeps a checkpoint and goes on from there when it is resumed, to the same result.',
      buttons: ['Go on in the background', 'Stop and quit', 'Cancel'],
      defaultId: 0,
      cancelId: 2,
    });
    if (response === 0) goOn(window, opened);
    else if (response === 1) app.quit();
  }

  function goOn(window: BrowserWindow, opened: Service): void {
    inBackground = true;
    stopFollowing = opened.subscribe((event) => {
      // The next run of the queue is taken up after this event.
      if (event.name === 'run.changed') setImmediate(() => inBackground && !opened.busy && app.quit());
    });
    window.destroy();
    log('goes on in the background');
  }

  return {
    guard(window) {
      window.on('close', (event) => {
        const opened = service();
        if (quitting || opened?.busy !== true) return;
        event.preventDefault();
        ask(window, opened).catch((error: unknown) => log(`could not ask about the running work: ${String(error)}`));
      });
    },
    get inBackground() {
      return inBackground;
    },
    comeBack() {
      inBackground = false;
      stopFollowing();
    },
  };
}
