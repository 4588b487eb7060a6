/**
 * Runs that are worked on here and whose trials the queue's workers help to measure. The engine at work decides everything; this
 * puts seats for helpers into the queue while it has candidates to give away, and passes on what helpers and engine say to each other.
 */
import type { Job } from '../../shared/engine-messages.ts';
import type { Target } from '../../shared/target.ts';
import { allOver, type Offer, type Trade, type Traded } from '../../shared/shared-trials.ts';
import type { RunProcess } from '../engine/host.ts';
import type { QueueHome } from '../queue/home.ts';
import type { CallOutput } from '../queue/protocol.ts';
import type { QueueFiles } from './queue-files.ts';

interface Shared {
  readonly job: Job;
  readonly process: RunProcess;
  readonly offer: Offer;
}

export class SharedTrials {
  private readonly files: QueueFiles;
  private readonly targetsOf: (manifest: Job['manifest']) => Target[];
  private readonly runs = new Map<string, Shared>();

  constructor(files: QueueFiles, targetsOf: (manifest: Job['manifest']) => Target[]) {
    this.files = files;
    this.targetsOf = targetsOf;
  }

  /** What the engine of a run has to give away now. */
  offer(job: Job, process: RunProcess, offer: Offer): void {
    this.runs.set(job.runId, { job, process, offer });
  }

  /** The run's engine has ended. */
  withdraw(run: string): void {
    this.runs.delete(run);
  }

  /** Has a seat in the queue for every slot of a worker there, while there are candidates for it; one that is there stays as it is. */
  async seat(home: QueueHome, id: string): Promise<void> {
    const wanting = [...this.runs].filter(([, { offer }]) => offer.candidates > 0);
    if (wanting.length === 0) return;
    const slots = await home.slots();
    for (const [run, { offer }] of wanting)
      for (let seat = 0; seat < Math.min(slots, offer.candidates - 1); seat += 1)
        await home.submit({ kind: 'help', home: id, run, submission: seat });
  }

  async help(run: string): Promise<CallOutput<'help'>> {
    const shared = this.runs.get(run);
    if (!shared || shared.offer.candidates === 0) return { kind: 'over' };
    const { checkpoint, epoch } = shared.offer;
    const job: Job = { ...shared.job, checkpoint, trials: 'help' };
    return { kind: 'work', epoch, job, files: await this.files.neededBy(job), targets: this.targetsOf(job.manifest) };
  }

  async trade(run: string, trade: Trade): Promise<Traded> {
    return (await this.runs.get(run)?.process.trade(trade)) ?? allOver;
  }
}
