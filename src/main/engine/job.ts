/**
 * A run, from its manifest or its last checkpoint to its end, phase by phase: load, train (where the weights are not there
 * yet), calibrate, baselines, search, test. Between two steps it may be cancelled; then it writes a checkpoint first.
 * The test split is opened in the last phase and nowhere else.
 */
import type { EngineMessage, Job } from '../../shared/engine-messages.ts';
import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import { createControl } from '../compute/index.ts';
import type { NativeControl } from '../compute/addon.ts';
import { runPrune } from './prune-job.ts';
import { Reporter } from './reporter.ts';
import { runQuantize } from './quantize-job.ts';
import { runSpecialize } from './specialize-job.ts';
import { runTrain } from './train-job.ts';

/** What every phase works with. */
export interface JobContext {
  readonly job: Job;
  readonly reporter: Reporter;
  readonly control: NativeControl;
  readonly signal: AbortSignal; // aborted together with `control`, for work that is not in the addon
  readonly now: () => number;
}

export class RunningJob {
  private readonly send: (message: EngineMessage) => void;
  private readonly context: JobContext;
  private readonly stop = new AbortController();

  constructor(job: Job, send: (message: EngineMessage) => void) {
    this.send = send;
    const now = (): number => Date.now();
    this.context = { job, reporter: new Reporter(send, now), control: createControl(), signal: this.stop.signal, now };
  }

  cancel(): void {
    this.context.control.cancel();
    this.stop.abort();
  }

  acknowledge(seq: number): void {
    this.context.reporter.acknowledge(seq);
  }

  /** Never rejects: the end, good or bad, is a message. */
  async run(): Promise<void> {
    const { reporter } = this.context;
    try {
      await this.work();
      await reporter.flush();
      this.send({ type: 'finished', outcome: 'completed' });
    } catch (error) {
      if (error instanceof LatheError && error.code === 'cancelled') {
        await reporter.flush();
        this.send({ type: 'finished', outcome: 'cancelled' });
        return;
      }
      const payload = toErrorPayload(error);
      reporter.log('error', payload.code === 'internal' && error instanceof Error ? (error.stack ?? payload.message) : payload.message);
      await reporter.flush();
      this.send({ type: 'failed', error: payload });
    }
  }

  private async work(): Promise<void> {
    const { manifest } = this.context.job;
    switch (manifest.method) {
      case 'train':
        await runTrain(this.context, manifest);
        return;
      case 'quantize':
        await runQuantize(this.context, manifest);
        return;
      case 'prune':
        await runPrune(this.context, manifest);
        return;
      case 'specialize':
        await runSpecialize(this.context, manifest);
        return;
    }
  }
}

/** Throws `cancelled` when the run has been asked to stop. */
export function throwIfCancelled(context: JobContext): void {
  if (context.control.cancelled) throw new LatheError('cancelled', 'cancelled on request');
}
