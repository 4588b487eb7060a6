/** Copies of the data folder, by hand and by themselves, what a check of it finds, and what became of a damaged database. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { DoctorCheck, Output, Parsed } from '../../shared/contract.ts';
import { duration } from '../../shared/format.ts';
import type { Store } from '../store/types.ts';
import { backupsFolder, doUpkeep, listBackups, listRecoveries, requestRestore, restoreRequest } from '../store/upkeep.ts';
import { latheVersion } from '../engine/build.ts';

const hourMs = 3600_000;
const automaticEveryMs = 24 * hourMs;
const recentMs = 30 * 24 * hourMs; // how long doctor speaks of a repair

export interface BackupsOptions {
  readonly store: Store;
  readonly dataDir: string;
  readonly log: (text: string) => void;
  /** Make a copy when the last one is a day old, and one at the end where anything has changed. */
  readonly automatic: boolean;
}

export class Backups {
  private readonly options: BackupsOptions;
  private readonly timer: NodeJS.Timeout | null;
  private working: Promise<unknown> = Promise.resolve();

  constructor(options: BackupsOptions) {
    this.options = options;
    this.timer = options.automatic ? setInterval(() => this.copyWhenDue(automaticEveryMs), hourMs).unref() : null;
    if (options.automatic) this.copyWhenDue(automaticEveryMs);
  }

  async list(): Promise<Output<'backup.list'>> {
    const { dataDir, store, automatic } = this.options;
    const folder = backupsFolder(dataDir);
    const [backups, recoveries] = await Promise.all([listBackups(folder), listRecoveries(dataDir)]);
    return { folder, automatic, backups, recoveries, pending: restoreRequest(dataDir), wasClean: store.wasClean };
  }

  async make({ folder }: Parsed<'backup.make'>): Promise<Output<'backup.make'>> {
    return await doUpkeep(this.options.dataDir, { kind: 'backup', folder: folder ?? null, automatic: false, lathe: latheVersion });
  }

  async restore(path: string | null): Promise<Output<'backup.restore'>> {
    const { dataDir } = this.options;
    if (path !== null) await doUpkeep(dataDir, { kind: 'verify', path });
    await requestRestore(dataDir, path);
    return { pending: path };
  }

  async check(): Promise<Output<'backup.check'>> {
    return await doUpkeep(this.options.dataDir, { kind: 'check' });
  }

  async sweep(dryRun: boolean): Promise<Output<'backup.sweep'>> {
    return await doUpkeep(this.options.dataDir, { kind: 'sweep', dryRun });
  }

  async doctorChecks(): Promise<DoctorCheck[]> {
    const { backups, recoveries, pending, wasClean } = await this.list();
    const [newest] = backups;
    const checks: DoctorCheck[] = [
      {
        name: 'database',
        status: 'ok',
        value: wasClean ? 'whole by a quick check' : 'the last Lathe was killed; checked in full and whole',
        advice: null,
      },
      newest
        ? {
            name: 'backups',
            status: 'ok',
            value: `${backups.length}, the newest ${duration((Date.now() - newest.createdAtMs) / 1000)} old`,
            advice: null,
          }
        : {
            name: 'backups',
            status: 'warning',
            value: 'none yet',
            advice: '"lathe backup" makes one; the window and serve make one a day',
          },
    ];
    if (pending !== null)
      checks.push({
        name: 'restore',
        status: 'warning',
        value: `${pending} is put in place at the next start`,
        advice: 'close every Lathe and start again',
      });
    for (const recovery of recoveries.filter(({ atMs }) => Date.now() - atMs < recentMs))
      checks.push({
        name: `${recovery.kind} of ${new Date(recovery.atMs).toISOString().slice(0, 16)}`,
        status: recovery.kind === 'repair' ? 'warning' : 'ok',
        value: `${recovery.finding ?? 'as was asked'}; ${recovery.backup === null ? 'a new database' : basename(recovery.backup)} took its place`,
        advice: recovery.kind === 'repair' ? `look through your runs; ${recovery.setAside} can be deleted when nothing is missing` : null,
      });
    return checks;
  }

  /** Waits for a copy that is being made, and makes one where anything has changed since the last. */
  async close(): Promise<void> {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.copyWhenDue(0);
    await this.working;
  }

  /** Makes a copy where the last one is so old, and older than the database. One at a time; a failure is told and harms nothing. */
  private copyWhenDue(ageMs: number): void {
    const { dataDir, store, log } = this.options;
    const copy = async (): Promise<void> => {
      const newest = (await listBackups(backupsFolder(dataDir))).find(({ kind }) => kind === 'automatic');
      if (newest && (Date.now() - newest.createdAtMs < ageMs || (await writtenAtMs(store.path)) < newest.createdAtMs)) return;
      if (!newest && (await store.listRuns()).length === 0) return; // nothing is lost yet
      await doUpkeep(dataDir, { kind: 'backup', folder: null, automatic: true, lathe: latheVersion });
    };
    this.working = this.working.then(copy).catch((error: unknown) => {
      log(`no copy of the data folder could be made: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
}

/** When the database or its log was last written. */
async function writtenAtMs(path: string): Promise<number> {
  const times = await Promise.all([path, `${path}-wal`].map(async (file) => (await stat(file).catch(() => null))?.mtimeMs ?? 0));
  return Math.max(...times);
}
