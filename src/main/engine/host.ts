/** The host's side of an engine process: one run, or short questions and answers. Messages are checked by schema on arrival. */
import {
  engineMessageSchema,
  engineProtocolVersion,
  type EngineMessage,
  type HostMessage,
  type Job,
  type RequestName,
} from '../../shared/engine-messages.ts';
import type { DatasetProgress } from '../../shared/dataset.ts';
import { allOver, type Offer, type Trade, type Traded } from '../../shared/shared-trials.ts';
import { LatheError, toErrorPayload, type ErrorPayload } from '../../shared/errors.ts';
import type { EngineLauncher, EngineProcess } from './launcher.ts';

export type Batch = Extract<EngineMessage, { type: 'batch' }>;

/** How a run's process ended. `died`: without saying so. */
export type RunOutcome =
  | { readonly kind: 'completed' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: ErrorPayload }
  | { readonly kind: 'died'; readonly description: string };

/** Waits this long for an engine that was asked to stop, then ends it: its last checkpoint stands. */
const cancelPatienceMs = 15_000;

/** What a run that shares its trials, or a helper of one, has to say. */
export interface TrialExchange {
  readonly onOffer?: (offer: Offer) => void;
  readonly onTrade?: (readings: Trade['readings']) => Promise<Traded>;
}

/** One run in a process of its own. */
export class RunProcess {
  private readonly engine: EngineProcess;
  private outcome: RunOutcome | null = null;
  private work: Promise<void> = Promise.resolve();
  private cancelTimer: NodeJS.Timeout | null = null;
  private readonly exchange: TrialExchange;
  private readonly trades = new Map<number, (traded: Traded) => void>();
  private nextTrade = 0;
  readonly ended: Promise<RunOutcome>;

  /** `onBatch` has the batch on disk when it resolves; only then is it acknowledged. If it rejects, the run is stopped. */
  constructor(launch: EngineLauncher, job: Job, onBatch: (batch: Batch) => Promise<void>, exchange: TrialExchange = {}) {
    this.exchange = exchange;
    this.engine = launch();
    this.engine.onMessage((raw) => {
      // In order: a batch is on disk before the next one, and before the end is told.
      this.work = this.work
        .then(() => this.receive(raw, onBatch))
        .catch((error: unknown) => {
          this.fail(error);
        });
    });
    this.ended = new Promise((resolve) => {
      this.engine.onExit((code, signal) => {
        void this.work.then(() => {
          if (this.cancelTimer) clearTimeout(this.cancelTimer);
          for (const answer of this.trades.values()) answer(allOver);
          this.trades.clear();
          resolve(this.outcome ?? { kind: 'died', description: signal ? `signal ${signal}` : `exit code ${String(code)}` });
        });
      });
    });
    this.post({ type: 'run', job });
  }

  cancel(): void {
    this.post({ type: 'cancel' });
    this.cancelTimer ??= setTimeout(() => {
      this.outcome ??= { kind: 'cancelled' }; // it was asked to stop and has: nobody has to be told of a crash
      this.engine.kill();
    }, cancelPatienceMs);
  }

  kill(): void {
    this.engine.kill();
  }

  /** What a helper brings to a run that shares its trials, and what it gets. */
  trade(trade: Trade): Promise<Traded> {
    if (this.outcome) return Promise.resolve(allOver);
    this.nextTrade += 1;
    const id = this.nextTrade;
    return new Promise((resolve) => {
      this.trades.set(id, resolve);
      this.post({ type: 'trade', id, ...trade });
    });
  }

  private async receive(raw: unknown, onBatch: (batch: Batch) => Promise<void>): Promise<void> {
    const message = engineMessageSchema.parse(raw);
    switch (message.type) {
      case 'ready':
        requireProtocol(message.protocol);
        return;
      case 'batch':
        if (this.outcome) return;
        await onBatch(message);
        this.post({ type: 'ack', seq: message.seq });
        return;
      case 'offer':
        this.exchange.onOffer?.(message);
        return;
      case 'traded':
        this.trades.get(message.id)?.(message);
        this.trades.delete(message.id);
        return;
      case 'trade':
        this.post({ type: 'traded', ...((await this.exchange.onTrade?.(message.readings)) ?? allOver) });
        return;
      case 'finished':
        this.outcome ??= { kind: message.outcome };
        this.engine.kill();
        return;
      case 'failed':
        this.outcome ??= { kind: 'failed', error: message.error };
        this.engine.kill();
        return;
      case 'response':
      case 'working':
        return;
    }
  }

  private fail(error: unknown): void {
    this.outcome ??= { kind: 'failed', error: toErrorPayload(error) };
    this.engine.kill();
  }

  private post(message: HostMessage): void {
    this.engine.send(message);
  }
}

/** Short questions (a simulation, what the addon has), answered by an engine that is started at the first one. */
export class EngineRequests {
  private readonly launch: EngineLauncher;
  private engine: EngineProcess | null = null;
  private nextId = 0;
  private readonly waiting = new Map<number, { resolve: (output: unknown) => void; reject: (error: LatheError) => void }>();

  constructor(launch: EngineLauncher) {
    this.launch = launch;
  }

  ask(name: RequestName, input: unknown): Promise<unknown> {
    const engine = this.start();
    this.nextId += 1;
    const id = this.nextId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      engine.send({ type: 'request', id, name, input } satisfies HostMessage);
    });
  }

  close(): void {
    this.engine?.kill();
    this.engine = null;
  }

  private start(): EngineProcess {
    if (this.engine) return this.engine;
    const engine = this.launch();
    this.engine = engine;
    engine.onMessage((raw) => {
      const parsed = engineMessageSchema.safeParse(raw);
      if (!parsed.success) {
        engine.kill(); // of another build; whoever waits is told by the exit
        return;
      }
      this.receive(parsed.data);
    });
    engine.onExit((code, signal) => {
      if (this.engine === engine) this.engine = null;
      const how = signal ?? `exit code ${String(code)}`;
      for (const { reject } of this.waiting.values())
        reject(new LatheError('internal', `the engine process ended (${how}); try again, or run doctor`));
      this.waiting.clear();
    });
    return engine;
  }

  private receive(message: EngineMessage): void {
    if (message.type === 'ready' && message.protocol !== engineProtocolVersion) this.engine?.kill(); // the exit tells who waits
    if (message.type !== 'response') return;
    const waiter = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.ok) waiter?.resolve(message.output);
    else waiter?.reject(LatheError.fromPayload(message.error ?? { code: 'internal', message: 'the engine gave no reason' }));
  }
}

/** One request that takes long, in an engine of its own that ends with it. */
export class EngineTask {
  private readonly engine: EngineProcess;
  private cancelTimer: NodeJS.Timeout | null = null;
  /** The answer; rejects with a LatheError, also when the engine dies. */
  readonly result: Promise<unknown>;

  constructor(launch: EngineLauncher, name: RequestName, input: unknown, onProgress: (progress: DatasetProgress) => void) {
    this.engine = launch();
    this.result = new Promise((resolve, reject) => {
      this.engine.onMessage((raw) => {
        const parsed = engineMessageSchema.safeParse(raw);
        if (!parsed.success) reject(LatheError.fromPayload(toErrorPayload(parsed.error)));
        else if (parsed.data.type === 'working') onProgress(parsed.data.progress);
        else if (parsed.data.type === 'response') {
          if (parsed.data.ok) resolve(parsed.data.output);
          else reject(LatheError.fromPayload(parsed.data.error ?? { code: 'internal', message: 'the engine gave no reason' }));
        }
      });
      this.engine.onExit((code, signal) => {
        const cancelled = this.cancelTimer !== null;
        reject(
          cancelled
            ? new LatheError('cancelled', 'stopped on request')
            : new LatheError('unavailable', `the engine process ended (${signal ?? `exit code ${String(code)}`}); try again`),
        );
      });
    });
    const end = (): void => {
      if (this.cancelTimer) clearTimeout(this.cancelTimer);
      this.engine.kill();
    };
    this.result.then(end, end);
    this.engine.send({ type: 'request', id: 0, name, input } satisfies HostMessage);
  }

  cancel(): void {
    this.engine.send({ type: 'cancel' } satisfies HostMessage);
    this.cancelTimer ??= setTimeout(() => {
      this.engine.kill();
    }, cancelPatienceMs);
  }
}

function requireProtocol(protocol: number): void {
  if (protocol !== engineProtocolVersion) {
    throw new LatheError(
      'internal',
      `engine protocol: expected ${String(engineProtocolVersion)}, found ${String(protocol)}; build Lathe again`,
    );
  }
}
