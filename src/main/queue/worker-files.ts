/**
 * A worker's files:
 *
 *   FOLDER/blobs/, FOLDER/cache/images/   what was fetched, by SHA-256: each file once, for all runs
 *   FOLDER/work/PID-.../                  a data folder for one attempt at a run: the two above by links, targets of its own
 */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetRecord } from '../../shared/dataset.ts';
import type { Job } from '../../shared/engine-messages.ts';
import type { Target } from '../../shared/target.ts';
import { blobPath } from '../store/blobs.ts';
import type { HomeClient } from './home-client.ts';
import type { NeededFile, Work } from './protocol.ts';
import { isWhole } from './transfer.ts';

export class WorkerFiles {
  readonly folder: string;
  private readonly fetching = new Map<string, Promise<void>>();

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the folders and clears away what processes that are gone have left. */
  async open(): Promise<void> {
    for (const name of ['blobs', join('cache', 'images'), 'work']) await mkdir(join(this.folder, name), { recursive: true, mode: 0o700 });
    for (const name of await readdir(join(this.folder, 'work'))) {
      const pid = Number(name.split('-')[0]);
      if (!isProcess(pid)) await rm(join(this.folder, 'work', name), { recursive: true, force: true });
    }
  }

  /** Has all these files when it resolves, each whole; what is missing or damaged is fetched, once for all who want it. */
  private async have(files: readonly NeededFile[], fetch: (sha256: string, path: string) => Promise<unknown>): Promise<void> {
    for (const file of files) {
      const there = this.fetching.get(file.sha256) ?? this.bring(file, fetch);
      this.fetching.set(file.sha256, there);
      try {
        await there;
      } finally {
        this.fetching.delete(file.sha256);
      }
    }
  }

  private async bring({ sha256, kind }: NeededFile, fetch: (sha256: string, path: string) => Promise<unknown>): Promise<void> {
    const path = kind === 'images' ? join(this.folder, 'cache', 'images', sha256) : blobPath(this.folder, sha256);
    if (!(await isWhole(path, sha256))) await fetch(sha256, path);
  }

  /** Has what the work needs, and returns its job as an engine of this machine is to have it: in a data folder that `removeAttempt` takes away. */
  async openJob({ job, files, targets }: Work, client: HomeClient, own: Pick<Job, 'simd' | 'maximumThreads'>): Promise<Job> {
    await this.have(files, (sha256, path) => client.download(sha256, path));
    return { ...job, ...own, dataDir: await this.makeAttempt(targets), dataset: this.localDataset(job.dataset) };
  }

  /** A data folder for one attempt. */
  private async makeAttempt(targets: readonly Target[]): Promise<string> {
    const folder = await mkdtemp(join(this.folder, 'work', `${String(process.pid)}-`));
    // On Windows a link to a folder that needs no special right; elsewhere the type says nothing.
    for (const name of ['blobs', 'cache']) await symlink(join(this.folder, name), join(folder, name), 'junction');
    await mkdir(join(folder, 'targets'));
    for (const target of targets) await writeFile(join(folder, 'targets', `${target.id}.json`), JSON.stringify(target));
    return folder;
  }

  async removeAttempt(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true }); // the links, not what they lead to
  }

  /** The record of a data set whose files have come as blobs. */
  private localDataset(record: DatasetRecord): DatasetRecord {
    return { ...record, files: record.files.map((file) => ({ ...file, path: blobPath(this.folder, file.sha256) })) };
  }
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // somebody else's
  }
}
