/**
 * One attempt of a worker at a run: claims it of its workstation, brings what it needs, lets an engine work, and passes on what
 * that reports, each batch acknowledged to the engine when the workstation has it on disk.
 */
import type { SimdLevel } from '../compute/addon.ts';
import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import type { WorkerIdentity } from '../../shared/placement.ts';
import { RunProcess, type Batch, type RunOutcome } from '../engine/host.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import { blobPath, deleteBlob } from '../store/blobs.ts';
import { HomeAway, type HomeClient } from './home-client.ts';
import type { AttemptOutcome, CallOutput, Ticket } from './protocol.ts';
import { blobsOf } from './references.ts';
import type { WorkerFiles } from './worker-files.ts';

export interface AttemptOptions {
  readonly client: HomeClient;
  readonly files: WorkerFiles;
  readonly identity: WorkerIdentity;
  readonly simd: SimdLevel | null;
  readonly launchEngine: EngineLauncher;
  readonly heartbeatMs: number;
  readonly lostAfterMs: number;
  readonly onWork: (attempt: number) => void; // the claim was granted
}

/** What becomes of the ticket: done with, or to be offered again. */
export type Verdict =
  { readonly kind: 'over'; readonly outcome: AttemptOutcome['kind'] | 'nothing' } | { readonly kind: 'later'; readonly reason: string };

type Claim = Extract<CallOutput<'claim'>, { kind: 'work' }>;

export class Attempt {
  private readonly ticket: Ticket;
  private readonly options: AttemptOptions;
  private process: RunProcess | null = null;
  private isSuperseded = false;
  private isReleasing = false; // this worker stops
  private away: HomeAway | null = null; // why the engine was stopped, if the workstation was away for too long
  private seq = 0;
  private readonly known = new Set<string>(); // blobs that the workstation has
  private readonly checkpoints = new Set<string>();

  constructor(ticket: Ticket, options: AttemptOptions) {
    this.ticket = ticket;
    this.options = options;
  }

  /** Asks the engine for a checkpoint and gives the run back. */
  release(): void {
    this.isReleasing = true;
    this.process?.cancel();
  }

  async work(): Promise<Verdict> {
    const { client, identity, lostAfterMs } = this.options;
    const { run, submission } = this.ticket;
    const claim = await client.callOnce('claim', { run, submission, worker: identity, lostAfterMs });
    switch (claim.kind) {
      case 'over':
        return { kind: 'over', outcome: 'nothing' };
      case 'later':
        return claim;
      case 'work':
        this.options.onWork(claim.attempt);
        return await this.workOn(claim);
    }
  }

  private async workOn(claim: Claim): Promise<Verdict> {
    const stopBeating = this.beat(claim.attempt);
    let outcome: AttemptOutcome;
    try {
      outcome = await this.compute(claim);
    } finally {
      stopBeating();
    }
    if (this.away) throw this.away;
    if (this.isSuperseded) return { kind: 'later', reason: 'another attempt has the run by now' };
    const { isOver } = await this.options.client.call('end', { run: claim.job.runId, attempt: claim.attempt, outcome });
    if (outcome.kind === 'completed') for (const sha256 of this.checkpoints) await deleteBlob(this.options.files.folder, sha256);
    return isOver ? { kind: 'over', outcome: outcome.kind } : { kind: 'later', reason: `the attempt ended: ${outcome.kind}` };
  }

  private async compute(claim: Claim): Promise<AttemptOutcome> {
    const { client, files, identity, simd, launchEngine } = this.options;
    let folder: string | null = null;
    try {
      const job = await files.openJob(claim, client, { simd, maximumThreads: identity.threads });
      folder = job.dataDir;
      for (const { sha256 } of claim.files) this.known.add(sha256);
      if (this.isReleasing) return { kind: 'released' };
      this.process = new RunProcess(launchEngine, job, (batch) =>
        this.pass(claim, batch).catch((error: unknown) => {
          if (error instanceof HomeAway) this.away = error;
          throw error;
        }),
      );
      return this.told(await this.process.ended);
    } catch (error) {
      if (error instanceof HomeAway) throw error;
      return { kind: 'failed', error: toErrorPayload(error) };
    } finally {
      if (folder !== null) await files.removeAttempt(folder);
    }
  }

  private told(outcome: RunOutcome): AttemptOutcome {
    return outcome.kind === 'cancelled' && this.isReleasing ? { kind: 'released' } : outcome;
  }

  /** Blobs first: what a batch speaks of is there when the batch is. */
  private async pass({ job, attempt }: Claim, batch: Batch): Promise<void> {
    const { client, files } = this.options;
    for (const sha256 of await blobsOf(files.folder, batch, batch.checkpoint?.sha256 ?? null)) {
      if (this.known.has(sha256)) continue;
      await client.upload(sha256, blobPath(files.folder, sha256));
      this.known.add(sha256);
    }
    if (batch.checkpoint) this.checkpoints.add(batch.checkpoint.sha256);
    this.seq += 1;
    const answer = await client.call('batch', { run: job.runId, attempt, seq: this.seq, batch });
    this.hear(answer);
    if (!answer.isCurrent) throw new LatheError('conflict', `run ${job.runId}: another attempt has it by now`);
    for (const sha256 of answer.dropped) {
      this.checkpoints.delete(sha256);
      await deleteBlob(files.folder, sha256);
    }
  }

  /** Tells the workstation that the run is worked on, also while nothing is reported. */
  private beat(attempt: number): () => void {
    const { client, heartbeatMs } = this.options;
    const timer = setInterval(() => {
      client.callOnce('alive', { run: this.ticket.run, attempt }).then(
        (answer) => this.hear(answer),
        () => undefined, // the workstation is away: the next batch waits for it, and has patience
      );
    }, heartbeatMs);
    return () => clearInterval(timer);
  }

  private hear({ isCurrent, stop }: { readonly isCurrent: boolean; readonly stop: boolean }): void {
    if (!isCurrent) {
      this.isSuperseded = true;
      this.process?.kill();
    } else if (stop) this.process?.cancel();
  }
}
