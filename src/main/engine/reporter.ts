/**
 * What a running job reports to its host: collected for a quarter of a second, then sent as one batch, so that a host
 * writes a few transactions a second however fast the trials come. A checkpoint goes out with everything reported before
 * it, and the job waits until the host has it on disk.
 */
import type { NetworkRecord } from '../../shared/network.ts';
import type { Budget } from '../../shared/policy.ts';
import type { EngineMessage } from '../../shared/engine-messages.ts';
import type { LogLine, Metric, Progress, Solution, Trial } from '../../shared/run.ts';

type Batch = Extract<EngineMessage, { type: 'batch' }>;
type CheckpointMessage = NonNullable<Batch['checkpoint']>;
type WeightsMessage = NonNullable<Batch['weights']>;

const flushIntervalMs = 250;

export class Reporter {
  private readonly send: (message: EngineMessage) => void;
  private readonly now: () => number;
  private pending: Omit<Batch, 'type' | 'seq'> = {};
  private seq = 0;
  private timer: NodeJS.Timeout | null = null;
  private readonly waiting = new Map<number, () => void>();

  constructor(send: (message: EngineMessage) => void, now: () => number) {
    this.send = send;
    this.now = now;
  }

  progress(progress: Progress): void {
    this.pending.progress = progress;
    this.schedule();
  }

  trial(trial: Trial): void {
    (this.pending.trials ??= []).push(trial);
    this.schedule();
  }

  metrics(metrics: readonly Metric[]): void {
    (this.pending.metrics ??= []).push(...metrics);
    this.schedule();
  }

  log(level: LogLine['level'], text: string): void {
    (this.pending.log ??= []).push({ atMs: this.now(), level, text });
    this.schedule();
  }

  solution(solution: Solution): void {
    (this.pending.solutions ??= []).push(solution);
    this.schedule();
  }

  network(record: NetworkRecord): void {
    (this.pending.networks ??= []).push(record);
    this.schedule();
  }

  budgetLimits(limits: readonly Budget[]): void {
    this.pending.budgetLimits = [...limits];
    this.schedule();
  }

  /** Sends all that was reported, with this checkpoint; resolves when the host has it on disk. */
  async checkpoint(checkpoint: CheckpointMessage): Promise<void> {
    this.pending.checkpoint = checkpoint;
    await this.flush();
  }

  /** As `checkpoint`, for weights that were trained. */
  async weights(weights: WeightsMessage): Promise<void> {
    this.pending.weights = weights;
    await this.flush();
  }

  /** Sends all that was reported; resolves when the host has it on disk. */
  flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const batch = this.pending;
    this.pending = {};
    this.seq += 1;
    const seq = this.seq;
    return new Promise((resolve) => {
      this.waiting.set(seq, resolve);
      this.send({ type: 'batch', seq, ...batch });
    });
  }

  acknowledge(seq: number): void {
    this.waiting.get(seq)?.();
    this.waiting.delete(seq);
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      // While the host is behind, batches grow instead of queueing up.
      if (this.waiting.size > 4) this.schedule();
      else void this.flush();
    }, flushIntervalMs);
  }
}

/** Rate and time left from the steps done since `start`; known after the first few. */
export class RateMeter {
  private readonly now: () => number;
  private readonly startMs: number;
  private readonly startDone: number;

  constructor(now: () => number, done: number) {
    this.now = now;
    this.startMs = now();
    this.startDone = done;
  }

  progress(phase: Progress['phase'], done: number, total: number, remainingPhasesSeconds = 0): Progress {
    const seconds = (this.now() - this.startMs) / 1000;
    const steps = done - this.startDone;
    const ratePerSecond = steps > 0 && seconds > 0 ? steps / seconds : null;
    return {
      phase,
      done,
      total,
      ratePerSecond,
      etaSeconds: ratePerSecond === null ? null : (total - done) / ratePerSecond + remainingPhasesSeconds,
    };
  }
}
