/** A worker: takes runs of its own build from the queue, as many at once as it has slots, and tells who it is and what it does. */
import { randomUUID } from 'node:crypto';
import os from 'node:os';
import { DelayedError, Worker, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import type { SimdLevel } from '../compute/addon.ts';
import { LatheError } from '../../shared/errors.ts';
import type { WorkerIdentity } from '../../shared/placement.ts';
import type { WorkerInfo } from '../../shared/queue.ts';
import { buildOf, describeAddon } from '../engine/build.ts';
import { EngineRequests } from '../engine/host.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import { hostTargetId } from '../hardware/targets.ts';
import type { QueueAddress } from './address.ts';
import { Attempt, type AttemptOptions, type Verdict } from './attempt.ts';
import { connectQueue, queueError } from './connection.ts';
import { HomeAway, HomeClient } from './home-client.ts';
import { Help } from './helping.ts';
import { announceWorker, listHomes, refusal, withdrawWorker } from './presence.ts';
import { queueName, ticketSchema, type Ticket } from './protocol.ts';
import { WorkerFiles } from './worker-files.ts';

export const defaultLostAfterMs = 30_000;

export interface QueueWorkerOptions {
  readonly address: QueueAddress;
  readonly folder: string; // for what is fetched
  readonly name: string;
  readonly slots: number;
  readonly threads?: number; // of a run at most; default: the cores shared among the slots
  readonly simd?: SimdLevel; // default: the machine's best
  readonly launchEngine: EngineLauncher;
  readonly lostAfterMs: number; // silent for this long, it is lost and its runs are another's
  readonly patienceMs: number; // how long a workstation may be away before its run is given back
  readonly log: (text: string) => void;
}

interface Working {
  readonly attempt: Attempt | Help;
  readonly ticket: Ticket;
  readonly sinceMs: number;
  number: number | null; // of the attempt, 0 as a helper; null: not granted yet
}

export class QueueWorker {
  readonly identity: WorkerIdentity;
  private readonly options: QueueWorkerOptions;
  private readonly redis: Redis;
  private readonly files: WorkerFiles;
  private readonly bull: Worker;
  private readonly working = new Set<Working>();
  private readonly stop = new AbortController();
  private readonly startedAtMs = Date.now();
  private readonly beats: NodeJS.Timeout;
  private isClosing = false;
  private completed = 0;
  private failed = 0;
  private busyMs = 0;

  private constructor(options: QueueWorkerOptions, identity: WorkerIdentity, redis: Redis, files: WorkerFiles) {
    this.options = options;
    this.identity = identity;
    this.redis = redis;
    this.files = files;
    const { lostAfterMs, slots, address } = options;
    this.bull = new Worker(queueName(identity.build), (job, token) => this.process(job, token), {
      connection: redis,
      prefix: address.prefix,
      name: identity.name,
      concurrency: slots,
      lockDuration: lostAfterMs,
      stalledInterval: Math.max(500, lostAfterMs / 2),
      maxStalledCount: 1_000_000, // the workstation counts, and gives a run up that no worker survives
      runRetryDelay: 1000,
    });
    this.bull.on('error', (error) => {
      // Locks that were lost and connections that broke: the workstation's answers decide what becomes of a run.
      if (!this.isClosing) options.log(`queue: ${error.message}`);
    });
    this.beats = setInterval(() => {
      this.announce().catch((error: unknown) => {
        if (!this.isClosing) options.log(`queue: ${String(error)}`);
      });
    }, lostAfterMs / 5);
  }

  /** Connects and begins. Throws LatheError unavailable: no server, or workstations that are all of another build. */
  static async start(options: QueueWorkerOptions): Promise<QueueWorker> {
    const requests = new EngineRequests(options.launchEngine);
    const addon = await describeAddon(requests).finally(() => {
      requests.close();
    });
    const simd = options.simd ?? addon.simd;
    if (!addon.simdLevels.includes(simd))
      throw new LatheError('bad-input', `SIMD level ${simd}: this machine can run ${addon.simdLevels.join(', ')}; name one of these`);
    const identity: WorkerIdentity = {
      id: randomUUID(),
      name: options.name,
      build: { ...buildOf(addon), simd },
      cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
      os: `${os.platform()} ${os.release()} ${os.arch()}`,
      cores: addon.cores,
      slots: options.slots,
      threads: options.threads ?? Math.max(1, Math.floor(addon.cores / options.slots)),
      targets: [`${hostTargetId}@${options.name}`],
    };
    const files = new WorkerFiles(options.folder);
    await files.open();
    const redis = await connectQueue(options.address);
    try {
      const reason = refusal(identity.build, await listHomes(redis, options.address.prefix), addon.simdLevels);
      const worker = reason === null ? new QueueWorker(options, identity, redis, files) : null;
      await announceWorker(redis, options.address.prefix, worker?.info() ?? refusing(identity, reason ?? ''), options.lostAfterMs);
      if (worker) return worker;
      throw new LatheError('unavailable', reason ?? '');
    } catch (error) {
      redis.disconnect();
      throw queueError(error, options.address);
    }
  }

  /** Lets every engine write a checkpoint, gives the runs back and says goodbye. */
  async close(): Promise<void> {
    if (this.isClosing) return;
    this.isClosing = true;
    clearInterval(this.beats);
    for (const { attempt } of this.working) attempt.release();
    await this.bull.close();
    this.stop.abort();
    // Nobody waits for a server that is gone.
    await Promise.race([
      withdrawWorker(this.redis, this.options.address.prefix, this.identity.id),
      new Promise((resolve) => setTimeout(resolve, 1000)),
    ]);
    this.redis.disconnect();
  }

  private async process(job: Job, token: string | undefined): Promise<void> {
    const verdict = await this.workOn(ticketSchema.parse(job.data));
    if (verdict.kind === 'over') return;
    await job.moveToDelayed(Date.now() + this.options.lostAfterMs / 5, token);
    throw new DelayedError(verdict.reason);
  }

  private async workOn(ticket: Ticket): Promise<Verdict> {
    const { address, lostAfterMs, patienceMs, launchEngine, simd } = this.options;
    const client = new HomeClient({
      redis: this.redis,
      prefix: address.prefix,
      home: ticket.home,
      retryMs: Math.min(1000, lostAfterMs / 10),
      patienceMs,
      signal: this.stop.signal,
    });
    const options: AttemptOptions = {
      ...{ client, launchEngine, lostAfterMs, files: this.files, identity: this.identity, simd: simd ?? null },
      heartbeatMs: lostAfterMs / 5,
      onWork: (number) => {
        working.number = number;
        this.options.log(`run ${ticket.run}: ${number === 0 ? 'helps with its trials' : `attempt ${String(number)}`}`);
      },
    };
    const attempt = ticket.kind === 'help' ? new Help(ticket, options) : new Attempt(ticket, options);
    const working: Working = { attempt, ticket, sinceMs: Date.now(), number: null };
    this.working.add(working);
    try {
      const verdict = await attempt.work();
      if (verdict.kind === 'over' && verdict.outcome === 'completed') this.completed += 1;
      if (verdict.kind === 'over' && verdict.outcome === 'failed') this.failed += 1;
      this.options.log(`run ${ticket.run}: ${verdict.kind === 'over' ? verdict.outcome : verdict.reason}`);
      return verdict;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof HomeAway)) this.options.log(`run ${ticket.run}: ${reason}`);
      return ticket.kind === 'help' ? { kind: 'over', outcome: 'nothing' } : { kind: 'later', reason };
    } finally {
      this.busyMs += Date.now() - working.sinceMs;
      this.working.delete(working);
    }
  }

  private info(): WorkerInfo {
    const now = Date.now();
    const running = [...this.working].flatMap(({ number, ...rest }) => (number === null ? [] : [{ ...rest, number }]));
    return {
      ...this.identity,
      state: running.length > 0 ? 'working' : 'idle',
      reason: null,
      startedAtMs: this.startedAtMs,
      heardAtMs: now,
      runs: running.map(({ ticket, sinceMs, number }) => ({ run: ticket.run, home: ticket.home, attempt: number, sinceMs })),
      completed: this.completed,
      failed: this.failed,
      busySeconds: (this.busyMs + running.reduce((sum, { sinceMs }) => sum + now - sinceMs, 0)) / 1000,
    };
  }

  private async announce(): Promise<void> {
    const { address, lostAfterMs } = this.options;
    const reason = this.working.size > 0 ? null : refusal(this.identity.build, await listHomes(this.redis, address.prefix), []);
    const info = this.info();
    await announceWorker(this.redis, address.prefix, reason === null ? info : { ...info, state: 'refusing', reason }, lostAfterMs);
  }
}

function refusing(identity: WorkerIdentity, reason: string): WorkerInfo {
  const now = Date.now();
  return { ...identity, state: 'refusing', reason, startedAtMs: now, heardAtMs: now, runs: [], completed: 0, failed: 0, busySeconds: 0 };
}
