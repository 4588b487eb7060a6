/**
 * Runs that other machines work on: given to the queue, handed out to whoever asks, and recorded here as if an engine of this
 * process had reported. The database is the truth: a ticket that is lost is written again, a worker that falls silent loses its
 * attempt to the next one, and what an earlier attempt sends is refused. One process a data folder receives (`HomeRecord`).
 */
import type { Readable } from 'node:stream';

import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import type { Job } from '../../shared/engine-messages.ts';
import type { Placement } from '../../shared/placement.ts';
import type { QueueStatus } from '../../shared/queue.ts';
import type { Manifest, RunSummary } from '../../shared/run.ts';
import type { Offer } from '../../shared/shared-trials.ts';
import type { Target } from '../../shared/target.ts';
import { buildOf, type AddonInfo } from '../engine/build.ts';
import type { RunProcess } from '../engine/host.ts';
import type { QueueAddress } from '../queue/address.ts';
import type { QueueHome } from '../queue/home.ts';
import type { HomeHandlers, HomeServer } from '../queue/home-server.ts';
import type { AttemptOutcome, CallInput, CallOutput } from '../queue/protocol.ts';
import { currentOwner, isOwnerAlive } from '../store/owner.ts';
import type { Owner, Store } from '../store/types.ts';
import type { QueueConfig } from './queue-config.ts';
import type { QueueFiles } from './queue-files.ts';
import type { RunRecord } from './run-record.ts';
import { SharedTrials } from './shared-trials.ts';

export interface QueueRunsOptions {
  readonly store: Store;
  readonly dataDir: string;
  readonly record: RunRecord;
  readonly files: QueueFiles;
  /** A target of the user's, as a worker needs it; null: it comes with Lathe. */
  readonly ownTarget: (id: string) => Target | null;
  readonly addonInfo: () => Promise<AddonInfo>;
  readonly log: (text: string) => void;
}

/** Attempts in a row that may end without a word or a checkpoint before a run is given up. */
const mostLostInARow = 20;
const tickMs = 1000;
const ensureMs = 15_000; // how often every ticket is looked after
/** A worker that says nothing else is believed in for this long, by who has to decide without it. */
const silentMs = 30_000;

const stopped = { cancel: 'cancelled', pause: 'paused' } as const;
type StopRequest = keyof typeof stopped;

interface Receiving {
  readonly server: HomeServer;
  readonly sinceMs: number;
}

export class QueueRuns {
  private readonly options: QueueRunsOptions;
  private config: QueueConfig | null;
  private connecting: Promise<QueueHome> | null = null;
  private receiving: Receiving | null = null;
  private ticking: NodeJS.Timeout | null = null;
  private tickWork: Promise<void> = Promise.resolve();
  private ensuredAtMs = 0;
  private problem: string | null = null; // of the last tick
  private readonly heardAtMs = new Map<string, number>(); // by run
  private readonly lostAfterMs = new Map<string, number>(); // by run, as its worker said
  private readonly requests = new Map<string, StopRequest>(); // by run
  private readonly shared: SharedTrials; // of runs that are worked on here
  private readonly turns = new Map<string, Promise<unknown>>(); // one at a time for each run

  constructor(options: QueueRunsOptions, config: QueueConfig | null) {
    this.options = options;
    this.config = config;
    this.shared = new SharedTrials(options.files, (manifest) => this.targetsOf(manifest));
  }

  get isConfigured(): boolean {
    return this.config !== null;
  }

  /** Uses another queue from now on, or none. */
  async use(config: QueueConfig | null): Promise<void> {
    await this.disconnect();
    this.config = config;
    this.problem = null;
  }

  /** Throws LatheError unavailable with one sentence where runs cannot be given to the queue now. */
  async requireReady(): Promise<void> {
    const home = await this.connect();
    const problem = await home.problem();
    if (problem !== null) throw new LatheError('unavailable', problem);
  }

  /** Gives a run that waits to the queue. Where the server does not take it, the run is paused, with the reason, and that is thrown. */
  async submit(id: string): Promise<RunSummary> {
    const { store, record } = this.options;
    const placement = await store.placeRun(id, Date.now());
    try {
      await this.putTicket(await this.connect(), placement);
    } catch (error) {
      record.changed(await store.finishRun(id, 'paused', toErrorPayload(error).message, Date.now()));
      throw error;
    }
    this.receive();
    return record.changed(await record.require(id));
  }

  /** Receives what workers send, as soon as no other process of this data folder does; keeps trying. */
  receive(): void {
    if (this.ticking || this.config === null) return;
    const tick = (): void => {
      this.tickWork = this.tick()
        .then(
          () => {
            this.problem = null;
          },
          (error: unknown) => {
            const { message } = toErrorPayload(error);
            if (message !== this.problem) this.options.log(message);
            this.problem = message;
          },
        )
        .finally(() => {
          if (this.ticking) this.ticking = setTimeout(tick, tickMs);
        });
    };
    this.ticking = setTimeout(tick, 0);
  }

  /** The job of a run that is worked on here, as its engine is to have it: where there is a queue, workers may help with its trials. */
  sharing(job: Job): Job {
    return this.config === null ? job : { ...job, trials: 'share' };
  }

  offer(job: Job, process: RunProcess, offer: Offer): void {
    this.shared.offer(job, process, offer);
    this.receive();
  }

  withdraw(run: string): void {
    this.shared.withdraw(run);
  }

  async status(): Promise<QueueStatus> {
    const { store } = this.options;
    const placements = await store.listPlacements();
    const runs = await Promise.all(
      placements.map(async (placement) => {
        const { name, status, progress } = await this.options.record.require(placement.run);
        return { ...placement, name, status, progress };
      }),
    );
    const { owner } = await store.getHome();
    const base = {
      address: null,
      prefix: '',
      problem: null,
      isReceiving: owner !== null && (await isOwnerAlive(owner)),
      isHere: this.receiving !== null,
      ...{ waiting: 0, active: 0, memory: null, workers: [], runs },
    };
    if (this.config === null) return base;
    const { parseQueueAddress } = await import('../queue/address.ts');
    const { shown, prefix } = parseQueueAddress(this.config.url);
    try {
      const home = await this.connect();
      const [counts, memory, workers, problem] = await Promise.all([home.counts(), home.memory(), home.workers(), home.problem()]);
      return { ...base, address: shown, prefix, problem: problem ?? this.problem, ...counts, memory, workers };
    } catch (error) {
      return { ...base, address: shown, prefix, problem: toErrorPayload(error).message };
    }
  }

  async close(): Promise<void> {
    await this.disconnect();
  }

  private async disconnect(): Promise<void> {
    if (this.ticking) clearTimeout(this.ticking);
    this.ticking = null;
    const { connecting } = this;
    this.connecting = null;
    await Promise.race([this.tickWork, new Promise((resolve) => setTimeout(resolve, 2000))]); // a server that is gone answers nothing
    if (this.receiving) {
      await this.receiving.server.close();
      this.receiving = null;
      await Promise.allSettled(this.turns.values());
      await this.leaveRuns();
      await this.options.store.takeHome(await currentOwner(), null);
    }
    const home = await connecting?.catch(() => null);
    await home?.close();
  }

  private connect(): Promise<QueueHome> {
    if (this.config === null)
      return Promise.reject(
        new LatheError(
          'unavailable',
          'no queue is configured: choose one with "lathe queue use redis://host:6379", or name it with --queue',
        ),
      );
    const { url } = this.config;
    this.connecting ??= (async () => {
      // Loaded when they are needed: nobody without a queue waits for them.
      const [{ parseQueueAddress }, { QueueHome }] = await Promise.all([import('../queue/address.ts'), import('../queue/home.ts')]);
      return await QueueHome.connect(parseQueueAddress(url), buildOf(await this.options.addonInfo()));
    })();
    this.connecting.catch(() => {
      this.connecting = null; // tried again the next time
    });
    return this.connecting;
  }

  private async tick(): Promise<void> {
    const home = await this.connect();
    if (!this.receiving && !(await this.becomeHome(home))) return;
    await this.followRequests();
    await this.shared.seat(home, (await this.options.store.getHome()).id);
    if (Date.now() - this.ensuredAtMs < ensureMs) return;
    for (const placement of await this.options.store.listPlacements()) await this.putTicket(home, placement);
    this.ensuredAtMs = Date.now();
  }

  private async putTicket(home: QueueHome, { run, submission }: Placement): Promise<void> {
    const { id } = await this.options.store.getHome();
    await home.submit({ kind: 'run', home: id, run, submission });
  }

  private async becomeHome(home: QueueHome): Promise<boolean> {
    const { store } = this.options;
    const { id, owner: seen } = await store.getHome();
    const owner = await currentOwner();
    if (seen && (await isOwnerAlive(seen)) && !isSame(seen, owner)) return false;
    if (!(await store.takeHome(seen, owner))) return false;
    const { startHomeServer } = await import('../queue/home-server.ts');
    const server = await startHomeServer({
      dataDir: this.options.dataDir,
      ...this.listenAt(home.address, home.ownHost),
      handlers: this.handlers(),
      log: this.options.log,
    });
    this.receiving = { server, sinceMs: Date.now() };
    await this.takeUp(owner);
    await home.announce(id, server.url, server.token, (error) => {
      this.problem = toErrorPayload(error).message;
    });
    return true;
  }

  private listenAt(address: QueueAddress, ownHost: string): { host: string; port: number } {
    const { listen } = this.config ?? {};
    if (listen === undefined) return { host: ownHost, port: 0 };
    const url = URL.parse(`http://${listen}`);
    if (!url) throw new LatheError('bad-input', `queue ${address.shown}: ${listen} is no host and port to listen at`);
    return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port === '' ? 0 : Number(url.port) };
  }

  /** Attempts go on across a restart of this process: what their workers send is received again. */
  private async takeUp(owner: Owner): Promise<void> {
    const { store, record } = this.options;
    const found = new Map((await store.interruptOrphans(isOwnerAlive, Date.now())).map((summary) => [summary.id, summary]));
    for (const { run, isWorking } of await store.listPlacements()) {
      const { status } = await record.require(run);
      if (isWorking && status === 'interrupted') found.set(run, await store.claimRun(run, owner, Date.now()));
    }
    for (const summary of found.values()) record.changed(summary); // told when they have gone on: nobody has to take them for stopped
  }

  private async leaveRuns(): Promise<void> {
    const { store, record } = this.options;
    for (const { run } of await store.listPlacements()) {
      if ((await record.require(run)).status === 'running') record.changed(await store.leaveRun(run, Date.now()));
    }
  }

  private handlers(): HomeHandlers {
    return {
      call: {
        claim: (input) => this.inTurn(input.run, () => this.claim(input)),
        batch: (input) => this.inTurn(input.run, () => this.batch(input)),
        alive: (input) => this.inTurn(input.run, () => this.alive(input)),
        end: (input) => this.inTurn(input.run, () => this.end(input)),
        help: ({ run }) => this.shared.help(run),
        trade: ({ run, ...trade }) => this.shared.trade(run, trade),
      },
      open: (sha256): Promise<Readable | null> => this.options.files.open(sha256),
    };
  }

  private async claim({ run, submission, worker, lostAfterMs }: CallInput<'claim'>): Promise<CallOutput<'claim'>> {
    const { store, record } = this.options;
    const summary = await store.getSummary(run);
    const placement = summary && (await store.getPlacement(run));
    if (!summary || !placement?.isOpen || placement.submission !== submission)
      return { kind: 'over', reason: `run ${run} is not in the queue any more` };
    if (placement.isWorking && placement.worker?.id !== worker.id && this.silenceMs(run) < lostAfterMs)
      return { kind: 'later', reason: `run ${run} is worked on by ${placement.worker?.name ?? 'another worker'}` };
    const { manifest } = await record.show(run);
    const waitsFor = await this.isWaitingFor(manifest);
    if (waitsFor !== null) return { kind: 'later', reason: `run ${run} waits for run ${waitsFor}, whose agent it takes` };
    if (summary.status !== 'running') record.changed(await store.claimRun(run, await currentOwner(), Date.now()));
    const begun = await store.beginAttempt(run, worker, Date.now());
    this.heardAtMs.set(run, Date.now());
    this.lostAfterMs.set(run, lostAfterMs);
    const request = this.requests.get(run);
    if (request) {
      await this.finish(run, stopped[request], null);
      return { kind: 'over', reason: `run ${run} was stopped on request` };
    }
    if (begun.lostInARow >= mostLostInARow) return await this.giveUp(run, begun);
    try {
      const job = await record.makeJob(run);
      const files = await this.options.files.neededBy(job);
      return { kind: 'work', attempt: begun.attempt, job, files, targets: this.targetsOf(manifest) };
    } catch (error) {
      const { message } = toErrorPayload(error);
      await this.finish(run, 'failed', message);
      return { kind: 'over', reason: message };
    }
  }

  private async giveUp(run: string, { lostInARow, worker }: Placement): Promise<CallOutput<'claim'>> {
    const reason = `${String(lostInARow)} workers in a row were lost with it, the last ${worker?.name ?? 'one of no name'}, and none reached a checkpoint; look at their memory, then resume`;
    await this.finish(run, 'failed', reason);
    return { kind: 'over', reason };
  }

  private async batch({ run, attempt, seq, batch }: CallInput<'batch'>): Promise<CallOutput<'batch'>> {
    try {
      const dropped = await this.options.record.applyBatch(run, batch, { attempt, seq });
      this.heardAtMs.set(run, Date.now());
      return { isCurrent: true, stop: this.requests.has(run), dropped };
    } catch (error) {
      if (error instanceof LatheError && error.code === 'conflict') return { isCurrent: false, stop: true, dropped: [] };
      throw error;
    }
  }

  private async alive({ run, attempt }: CallInput<'alive'>): Promise<CallOutput<'alive'>> {
    const isCurrent = await this.isCurrent(run, attempt);
    if (isCurrent) this.heardAtMs.set(run, Date.now());
    return { isCurrent, stop: this.requests.has(run) };
  }

  private async end({ run, attempt, outcome }: CallInput<'end'>): Promise<CallOutput<'end'>> {
    if (!(await this.isCurrent(run, attempt))) return { isOver: (await this.options.store.getPlacement(run))?.isOpen !== true };
    return { isOver: await this.settle(run, attempt, outcome) };
  }

  /** What an attempt's end means for the run; false: it goes back into the queue. */
  private async settle(run: string, attempt: number, outcome: AttemptOutcome): Promise<boolean> {
    const { store, record } = this.options;
    switch (outcome.kind) {
      case 'completed':
        await this.finish(run, 'completed', null);
        return true;
      case 'cancelled':
        await this.finish(run, stopped[this.requests.get(run) ?? 'cancel'], null);
        return true;
      case 'failed':
        await this.finish(run, 'failed', outcome.error.message);
        return true;
      case 'died':
      case 'released':
        record.changed(await store.releaseAttempt(run, attempt, outcome.kind === 'died'));
        return false;
    }
  }

  private async finish(run: string, status: 'completed' | 'cancelled' | 'paused' | 'failed', error: string | null): Promise<void> {
    const { store, record } = this.options;
    record.changed(await store.finishRun(run, status, error, Date.now()));
    this.requests.delete(run);
    this.heardAtMs.delete(run);
  }

  private async isCurrent(run: string, attempt: number): Promise<boolean> {
    const placement = await this.options.store.getPlacement(run);
    return placement !== null && placement.isOpen && placement.isWorking && placement.attempt === attempt;
  }

  /** The run that this one cannot start before; null: none. */
  private async isWaitingFor(manifest: Manifest): Promise<string | null> {
    if (!('agentRun' in manifest) || manifest.agentRun === undefined) return null;
    const before = await this.options.store.getSummary(manifest.agentRun);
    return before?.status === 'queued' || before?.status === 'running' ? manifest.agentRun : null;
  }

  private targetsOf(manifest: Manifest): Target[] {
    if (manifest.method === 'train') return [];
    const ids = [manifest.target, ...(manifest.method === 'specialize' ? manifest.also.map(({ target }) => target) : [])];
    return [...new Set(ids)].flatMap((id) => (id === null ? [] : (this.options.ownTarget(id) ?? [])));
  }

  /** Takes up what was asked of runs; where the worker says nothing, the run stops at its last checkpoint. */
  private async followRequests(): Promise<void> {
    for (const { id, request } of await this.options.store.takeRequests(await currentOwner())) {
      const placement = await this.options.store.getPlacement(id);
      if (!placement?.isOpen) continue; // of an engine of this process
      this.requests.set(id, request);
      if (this.silenceMs(id) < (this.lostAfterMs.get(id) ?? silentMs)) continue;
      await this.inTurn(id, () => this.finish(id, stopped[request], null));
    }
  }

  private silenceMs(run: string): number {
    return Date.now() - (this.heardAtMs.get(run) ?? this.receiving?.sinceMs ?? 0);
  }

  private async inTurn<T>(run: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.turns.get(run) ?? Promise.resolve()).then(work, work);
    const settled = turn.catch(() => undefined);
    this.turns.set(run, settled);
    void settled.then(() => {
      if (this.turns.get(run) === settled) this.turns.delete(run);
    });
    return await turn;
  }
}

function isSame(a: Owner, b: Owner): boolean {
  return a.pid === b.pid && a.startedAt === b.startedAt && a.bootId === b.bootId;
}
