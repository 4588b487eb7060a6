/** Keeps the machine from sleeping while a search runs. */
import { powerSaveBlocker } from 'electron';
import type { LatheClient } from '../../shared/contract.ts';

/** Follows the runs of a service; returns the function that lets the machine sleep again. */
export async function stayAwakeWhileRunning(service: LatheClient): Promise<() => void> {
  const running = new Set<string>();
  let blocker: number | null = null;
  const update = (): void => {
    if (running.size > 0) blocker ??= powerSaveBlocker.start('prevent-app-suspension');
    else if (blocker !== null) {
      powerSaveBlocker.stop(blocker);
      blocker = null;
    }
  };
  const note = ({ id, status }: { readonly id: string; readonly status: string }): void => {
    if (status === 'running') running.add(id);
    else running.delete(id);
    update();
  };
  const stopFollowing = service.subscribe((event) => {
    if (event.name === 'run.changed') note(event.payload);
  });
  for (const run of await service.call('run.list', {})) note(run);
  return () => {
    stopFollowing();
    running.clear();
    update();
  };
}
