/** The workstation's side of the queue: puts tickets for its runs into it, announces itself, and sees who is there. */
import os from 'node:os';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Build } from '../../shared/placement.ts';
import type { WorkerInfo } from '../../shared/queue.ts';
import type { QueueAddress } from './address.ts';
import { connectQueue, queueError, serverMemory, serverProblem, type ServerMemory } from './connection.ts';
import { announceHome, listWorkers, withdrawHome } from './presence.ts';
import { buildDifference, queueName, queueProtocolVersion, type Ticket } from './protocol.ts';

/** A workstation is announced this often, and believed in for five times as long. */
const announceMs = 2000;

export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
}

export class QueueHome {
  readonly address: QueueAddress;
  private readonly build: Build;
  private readonly redis: Redis;
  private readonly bull: Queue;
  private announcing: NodeJS.Timeout | null = null;
  private announced: string | null = null;

  private constructor(address: QueueAddress, build: Build, redis: Redis) {
    this.address = address;
    this.build = build;
    this.redis = redis;
    this.bull = new Queue(queueName(build), {
      connection: redis,
      prefix: address.prefix,
      streams: { events: { maxLen: 1000 } },
      defaultJobOptions: {
        removeOnComplete: true,
        removeOnFail: true,
        // A worker's defect is not a run's end: that is told to the workstation alone.
        attempts: 1_000_000,
        backoff: { type: 'fixed', delay: 5000 },
      },
    });
    this.bull.on('error', () => undefined); // each call tells its own
  }

  /** Throws LatheError unavailable with one sentence: no server, a wrong password, one that is too old. */
  static async connect(address: QueueAddress, build: Build): Promise<QueueHome> {
    return new QueueHome(address, build, await connectQueue(address));
  }

  /** The address of this machine at which the server, and so most likely a worker, sees it. */
  get ownHost(): string {
    return this.redis.stream.localAddress ?? '127.0.0.1';
  }

  /** One sentence when runs may not be given to this queue; null: they may. */
  async problem(): Promise<string | null> {
    return await this.guard(() => serverProblem(this.redis, this.address));
  }

  /** Puts a ticket into the queue; one that is there already stays as it is. Throws LatheError unavailable. */
  async submit(ticket: Ticket): Promise<void> {
    const jobId = `${ticket.home}-${ticket.run}-${ticket.kind === 'help' ? 'help-' : ''}${String(ticket.submission)}`;
    await this.guard(() => this.bull.add(ticket.kind, ticket, { jobId }));
  }

  async counts(): Promise<QueueCounts> {
    const counts = await this.guard(() => this.bull.getJobCounts('waiting', 'active', 'delayed'));
    return { waiting: (counts['waiting'] ?? 0) + (counts['delayed'] ?? 0), active: counts['active'] ?? 0 };
  }

  async workers(): Promise<WorkerInfo[]> {
    return await this.guard(() => listWorkers(this.redis, this.address.prefix));
  }

  /** Slots of the workers that are there and of this build. */
  async slots(): Promise<number> {
    const suitable = (await this.workers()).filter(
      ({ state, build }) => (state === 'idle' || state === 'working') && buildDifference(this.build, build) === null,
    );
    return suitable.reduce((sum, { slots }) => sum + slots, 0);
  }

  async memory(): Promise<ServerMemory> {
    return await this.guard(() => serverMemory(this.redis));
  }

  /** Tells workers where to turn to, again and again, until `close`. */
  async announce(id: string, url: string, token: string, onFailure: (error: unknown) => void): Promise<void> {
    const tell = (): Promise<void> =>
      announceHome(
        this.redis,
        this.address.prefix,
        { id, url, token, name: os.hostname(), protocol: queueProtocolVersion, build: this.build },
        5 * announceMs,
      );
    await this.guard(tell);
    this.announced = id;
    this.announcing = setInterval(() => {
      tell().catch(onFailure);
    }, announceMs);
    this.announcing.unref();
  }

  async close(): Promise<void> {
    if (this.announcing) clearInterval(this.announcing);
    if (this.redis.status === 'ready' && this.announced !== null) await withdrawHome(this.redis, this.address.prefix, this.announced);
    await this.bull.close().catch(() => undefined); // the connection is gone already
    this.redis.disconnect();
  }

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw queueError(error, this.address);
    }
  }
}
