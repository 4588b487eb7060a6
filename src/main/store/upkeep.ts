/**
 * Work on a data folder that takes long: backups, checks, sweeps, a restore. Each in a thread of its own with a connection of
 * its own, so that neither a window nor the store's requests wait for it.
 */
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import type { BackupInfo, CheckReport, Recovery, SweepReport } from '../../shared/backup.ts';
import { LatheError, type ErrorPayload } from '../../shared/errors.ts';
import { backupsFolder, listBackups } from './backup/list.ts';
import { describeRecovery, listRecoveries } from './backup/recover.ts';
import { requestRestore, restoreRequest } from './open.ts';

export { backupsFolder, describeRecovery, listBackups, listRecoveries, requestRestore, restoreRequest };

export const upkeepTaskSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('backup'), folder: z.string().nullable(), automatic: z.boolean(), lathe: z.string() }),
  z.object({ kind: z.literal('check') }),
  z.object({ kind: z.literal('sweep'), dryRun: z.boolean() }),
  z.object({ kind: z.literal('verify'), path: z.string() }),
  z.object({ kind: z.literal('restore'), path: z.string() }),
  z.object({ kind: z.literal('repair') }),
]);
export type UpkeepTask = z.infer<typeof upkeepTaskSchema>;

interface UpkeepResults {
  readonly backup: BackupInfo;
  readonly check: CheckReport;
  readonly sweep: SweepReport;
  readonly verify: null; // a backup that is not whole is refused with a sentence
  readonly restore: Recovery; // throws conflict while anybody has the data folder open
  readonly repair: Recovery | null; // null: there was nothing to repair
}

export const upkeepDataSchema = z.object({ dataDir: z.string().min(1), task: upkeepTaskSchema });
export type UpkeepMessage = { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly error: ErrorPayload };

/** Resolves when the work is done and on disk. Throws a LatheError with one sentence. */
export async function doUpkeep<T extends UpkeepTask>(dataDir: string, task: T): Promise<UpkeepResults[T['kind']]> {
  const worker = new Worker(workerFile(), { name: 'lathe-upkeep', workerData: { dataDir, task }, execArgv: [] });
  return await new Promise((resolve, reject) => {
    worker.once('message', (message: UpkeepMessage) => {
      // The worker answers with the result of the task's kind: the one place where it gets its type.
      if (message.ok) resolve(message.output as UpkeepResults[T['kind']]);
      else reject(LatheError.fromPayload(message.error));
    });
    worker.once('error', (error: Error) => reject(new LatheError('internal', `${task.kind} failed: ${error.message}`)));
    worker.once('exit', (code) => reject(new LatheError('internal', `${task.kind}: its thread ended with code ${code}`)));
  });
}

/** Beside this file: the source when it runs from source, else the bundle. */
function workerFile(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './upkeep-worker.ts' : './upkeep-worker.js', import.meta.url);
}
