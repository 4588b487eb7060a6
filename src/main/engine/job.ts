/**
 * A run, from its manifest or its last checkpoint to its end, phase by phase: load, train (where the weights are not there
 * yet), calibrate, baselines, search, test. Between two steps it may be cancelled; then it writes a checkpoint first.
 * The test split is opened in the last phase and nowhere else.
 */
import type { EngineMessage, Job } from '../../shared/engine-messages.ts';
import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import { createControl } from '../compute/index.ts';
import type { NativeControl } from '../compute/addon.ts';
import { allOver, type Trade, type Traded } from '../../shared/shared-trials.ts';
import { Helping, OwnMeasuring, SharedMeasuring, type Measuring } from './measuring.ts';
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
  readonly measuring: Measuring;
  readonly helping: Helping | null; // not null: this engine helps a run that is worked on elsewhere, and reports nothing else
}

export class RunningJob {
  private readonly send: (message: EngineMessage) => void;
  private readonly context: JobContext;
  private readonly stop = new AbortController();
  private readonly shared: SharedMeasuring | null;
  private onTraded: (traded: Traded) => void = () => undefined;

  constructor(job: Job, send: (message: EngineMessage) => void) {
    this.send = send;
    const now = (): number => Date.now();
    this.shared = job.trials === 'share' ? new SharedMeasuring((offer) => send({ type: 'offer', ...offer }), now) : null;
    this.context = {
      ...{ job, reporter: new Reporter(send, now), control: createControl(), signal: this.stop.signal, now },
      measuring: this.shared ?? new OwnMeasuring(),
      helping: job.trials === 'help' ? new Helping((readings) => this.ask(readings)) : null,
    };
  }

  cancel(): void {
    this.context.control.cancel();
    this.stop.abort();
  }

  acknowledge(seq: number): void {
    this.context.reporter.acknowledge(seq);
  }

  /** What a helper brings, and what it is given. */
  trade(id: number, trade: Trade): void {
    this.send({ type: 'traded', id, ...(this.shared?.trade(trade) ?? allOver) });
  }

  /** What this engine is given as a helper. */
  traded(traded: Traded): void {
    this.onTraded(traded);
  }

  private ask(readings: Trade['readings']): Promise<Traded> {
    return new Promise((resolve) => {
      this.onTraded = resolve;
      this.send({ type: 'trade', readings });
    });
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

/** No more candidates come that others could measure: says who measured how many. */
export function endSharing({ measuring, reporter }: JobContext): void {
  const measured = [...measuring.close()];
  const count = measured.reduce((sum, [, own]) => sum + own, 0);
  if (measured.length > 1)
    reporter.log(
      'info',
      `${String(count)} policies that do not follow from each other were measured: ${measured.map(([who, own]) => `${String(own)} by ${who}`).join(', ')}`,
    );
}

/** Throws `cancelled` when the run has been asked to stop. */
export function throwIfCancelled(context: JobContext): void {
  if (context.control.cancelled) throw new LatheError('cancelled', 'cancelled on request');
}
