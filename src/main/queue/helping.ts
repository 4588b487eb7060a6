/**
 * A worker's help with the trials of a run that its workstation works on itself: an engine opens the run from a checkpoint and measures
 * what it is given. Nothing of it is kept, and nothing hangs on it: the workstation measures again what does not come back.
 */
import { RunProcess } from '../engine/host.ts';
import { allOver } from '../../shared/shared-trials.ts';
import type { AttemptOptions, Verdict } from './attempt.ts';
import { HomeAway } from './home-client.ts';
import type { Ticket } from './protocol.ts';
import { LatheError } from '../../shared/errors.ts';

type HelpingOptions = Omit<AttemptOptions, 'heartbeatMs' | 'lostAfterMs'>;

export class Help {
  private readonly ticket: Ticket;
  private readonly options: HelpingOptions;
  private process: RunProcess | null = null;
  private isReleased = false;

  constructor(ticket: Ticket, options: HelpingOptions) {
    this.ticket = ticket;
    this.options = options;
  }

  /** Stops at once: what is being measured is measured by somebody else. */
  release(): void {
    this.isReleased = true;
    this.process?.kill();
  }

  async work(): Promise<Verdict> {
    const { client, files, identity, simd, launchEngine, onWork } = this.options;
    const { run } = this.ticket;
    const claim = await client.callOnce('help', { run });
    if (claim.kind === 'over') return { kind: 'over', outcome: 'nothing' };
    const { epoch } = claim;
    onWork(0);
    const job = await files.openJob(claim, client, { simd, maximumThreads: identity.threads });
    try {
      if (this.isReleased) return { kind: 'over', outcome: 'nothing' };
      this.process = new RunProcess(launchEngine, job, () => Promise.resolve(), {
        onTrade: async (readings) => {
          try {
            return await client.callOnce('trade', { run, epoch, by: identity.name, readings });
          } catch (error) {
            if (error instanceof HomeAway) return allOver; // a workstation that is gone has ended its run as well
            throw error;
          }
        },
      });
      const outcome = await this.process.ended;
      if (outcome.kind === 'failed') throw LatheError.fromPayload(outcome.error);
      return { kind: 'over', outcome: 'nothing' };
    } finally {
      await files.removeAttempt(job.dataDir);
    }
  }
}
