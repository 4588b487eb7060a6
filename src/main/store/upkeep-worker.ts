/** The thread of one upkeep task (upkeep.ts). */
import { mkdirSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { LatheError } from '../../shared/errors.ts';
import { checkData, sweepBlobs } from './backup/check.ts';
import { blobFindings, openBackup } from './backup/list.ts';
import { makeBackup } from './backup/make.ts';
import { finishRecovery, repairDatabase, restoreBackup } from './backup/recover.ts';
import { DataLock } from './data-lock.ts';
import { damageOf, databasePath } from './database.ts';
import { storeErrorPayload } from './sqlite-error.ts';
import { upkeepDataSchema, type UpkeepMessage, type UpkeepTask } from './upkeep.ts';

async function perform(dataDir: string, task: UpkeepTask): Promise<unknown> {
  switch (task.kind) {
    case 'backup': {
      const { folder, lathe } = task;
      return await makeBackup({ dataDir, folder, lathe, kind: task.automatic ? 'automatic' : 'asked', atMs: Date.now() });
    }
    case 'check':
      return await checkData(dataDir);
    case 'sweep':
      return await sweepBlobs(dataDir, task.dryRun, Date.now());
    case 'verify':
      return await verify(task.path);
    case 'restore':
      await verify(task.path);
      return await alone(dataDir, 'restore again', async () => {
        await finishRecovery(dataDir);
        return await restoreBackup(dataDir, task.path, Date.now());
      });
    case 'repair':
      return await alone(dataDir, 'repair again', async () => {
        const finished = await finishRecovery(dataDir);
        const damage = damageOf(dataDir);
        return damage === null ? finished : await repairDatabase(dataDir, damage, Date.now());
      });
  }
}

async function verify(path: string): Promise<null> {
  const [finding] = await blobFindings(await openBackup(path));
  if (finding !== undefined) throw new LatheError('corrupt', `${finding}: take another backup; nothing was changed`);
  return null;
}

async function alone<T>(dataDir: string, what: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = new DataLock(dataDir);
  try {
    lock.requireAlone(what);
    return await work();
  } finally {
    lock.close();
  }
}

const port = parentPort;
if (!port) throw new Error('upkeep runs in a worker thread; call doUpkeep');
const { dataDir, task } = upkeepDataSchema.parse(workerData);
let message: UpkeepMessage;
try {
  message = { ok: true, output: await perform(dataDir, task) };
} catch (error) {
  message = { ok: false, error: storeErrorPayload(error, databasePath(dataDir)) };
}
port.postMessage(message);
