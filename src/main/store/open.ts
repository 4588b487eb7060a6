/**
 * Opens a data folder: first who has it open, then what a killed process left undone, then a restore that was asked for while
 * the database was open, and last the database; damaged, it is repaired where that is wanted. What is done with a database is
 * told by `recoveries`, and done only by who has the folder alone.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { z } from 'zod';
import type { Recovery } from '../../shared/backup.ts';
import { LatheError } from '../../shared/errors.ts';
import { finishRecovery, repairDatabase, restoreBackup } from './backup/recover.ts';
import { DataLock } from './data-lock.ts';
import { damageOf, databasePath, endedUncleanly, openDatabase } from './database.ts';
import { storeErrorPayload } from './sqlite-error.ts';

const lockPatienceMs = 30_000; // for another process that restores

export interface OpenedData {
  readonly db: Database.Database;
  readonly lock: DataLock;
  readonly recoveries: readonly Recovery[];
  readonly wasClean: boolean;
}

export async function openData(dataDir: string, repair: boolean): Promise<OpenedData> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = new DataLock(dataDir);
  try {
    const recoveries: Recovery[] = [];
    const alone = lock.tryAlone();
    if (alone) recoveries.push(...(await finishWhatWasBegun(dataDir)));
    const wasClean = !alone || !endedUncleanly(dataDir);
    lock.share(lockPatienceMs);
    try {
      return { db: await openDatabase(dataDir, { checkAll: !wasClean }), lock, recoveries, wasClean };
    } catch (error) {
      const { code } = storeErrorPayload(error, databasePath(dataDir));
      if (code !== 'corrupt' || !repair || !lock.tryAlone()) throw error;
      const damage = damageOf(dataDir);
      if (damage === null) throw error;
      recoveries.push(await repairDatabase(dataDir, damage, Date.now()));
      lock.share(lockPatienceMs);
      return { db: await openDatabase(dataDir), lock, recoveries, wasClean };
    }
  } catch (error) {
    lock.close();
    throw error;
  }
}

async function finishWhatWasBegun(dataDir: string): Promise<Recovery[]> {
  const finished = await finishRecovery(dataDir);
  const asked = await takeRestoreRequest(dataDir);
  return [...(finished ? [finished] : []), ...(asked ? [asked] : [])];
}

const restoreRequestSchema = z.object({ path: z.string().min(1) });

function requestPath(dataDir: string): string {
  return join(dataDir, 'restore-request.json');
}

/** Has a backup put in place by whoever next opens the data folder alone; null takes a request back. */
export async function requestRestore(dataDir: string, path: string | null): Promise<void> {
  const place = requestPath(dataDir);
  if (path === null) {
    await rm(place, { force: true });
    return;
  }
  await writeFile(`${place}.tmp`, JSON.stringify({ path }), { mode: 0o600, flush: true });
  await rename(`${place}.tmp`, place);
}

/** The backup that the next start is to put in place, or null. */
export function restoreRequest(dataDir: string): string | null {
  const place = requestPath(dataDir);
  if (!existsSync(place)) return null;
  return restoreRequestSchema.safeParse(JSON.parse(readFileSync(place, 'utf8'))).data?.path ?? null;
}

/** A request is tried once: one that cannot be met leaves the database as it is, and is renamed. */
async function takeRestoreRequest(dataDir: string): Promise<Recovery | null> {
  const place = requestPath(dataDir);
  if (!existsSync(place)) return null;
  try {
    const path = restoreRequest(dataDir);
    if (path === null) throw new LatheError('corrupt', `${place} is damaged`);
    const recovery = await restoreBackup(dataDir, path, Date.now());
    await rm(place);
    return recovery;
  } catch (error) {
    if (existsSync(join(dataDir, 'recovery.json'))) throw error; // begun: the next start goes on with it
    await rename(place, `${place}.failed`);
    process.emitWarning(`the restore that was asked for was not done: ${storeErrorPayload(error, place).message}`);
    return null;
  }
}
