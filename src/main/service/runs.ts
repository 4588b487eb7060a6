/**
 * Runs: made from a request, queued, worked on by an engine process each, cancelled, resumed. What an engine reports is
 * stored first and pushed to watchers then. Runs of another Lathe process on the same database are followed through it.
 */
import { randomInt } from 'node:crypto';
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import { agentParametersSchema, runRequestSchema, type Manifest, type RunMethod, type RunSummary, type Where } from '../../shared/run.ts';
import { requestOf } from '../../shared/run-request.ts';
import { sha256OfJson } from '../compute/hash.ts';
import { RunProcess, type Batch, type RunOutcome } from '../engine/host.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import { blobSize, deleteBlob } from '../store/blobs.ts';
import { currentOwner, isOwnerAlive } from '../store/owner.ts';
import type { Owner, Store } from '../store/types.ts';
import { writeCrashReport } from './crash-reports.ts';
import type { EventBus } from './event-bus.ts';
import type { MadeManifest, ManifestMaker } from './manifests.ts';
import { PipelineWork, type NetworkCost, type PipelineEnd } from './pipelines.ts';
import type { QueueRuns } from './queue-runs.ts';
import type { RunRecord } from './run-record.ts';

export interface RunsOptions {
  readonly store: Store;
  readonly dataDir: string;
  readonly launchEngine: EngineLauncher;
  readonly manifests: ManifestMaker;
  readonly record: RunRecord;
  readonly queue: QueueRuns;
  readonly where: Where; // of a run that does not say
  readonly costOf: NetworkCost;
  readonly bus: EventBus;
  readonly log: (text: string) => void;
}

export class Runs {
  private readonly options: RunsOptions;
  private readonly owner: Owner;
  private readonly queue: string[] = [];
  private active: ActiveRun | null = null;
  private starting: string | null = null; // taken off the queue, until it ends
  private working: string | null = null; // the same run, or the stage of it where it is a pipeline
  private readonly stopEarly = new Map<string, StopRequest>(); // what was asked of a run while it was starting
  private closing = false;
  private readonly stopWatching: () => void;

  private constructor(options: RunsOptions, owner: Owner) {
    this.options = options;
    this.owner = owner;
    this.stopWatching = options.store.onExternalChange(() => {
      this.followOthers().catch((error: unknown) => {
        options.log(`could not read changes of another Lathe process: ${String(error)}`);
      });
    });
  }

  /** Opens the runs: those whose process is gone become `interrupted`. With `adoptQueued`, waiting runs start. */
  static async open(options: RunsOptions, adoptQueued: boolean): Promise<Runs> {
    const runs = new Runs(options, await currentOwner());
    await options.store.interruptOrphans(isOwnerAlive, Date.now());
    const summaries = await options.store.listRuns();
    for (const summary of summaries) options.record.markSeen(summary);
    if (adoptQueued) {
      const placed = new Set((await options.store.listPlacements()).map(({ run }) => run)); // other machines work on these
      const waiting = summaries.filter((run) => run.status === 'queued' && !placed.has(run.id)).sort(byQueue);
      runs.queue.push(...waiting.map((run) => run.id));
      runs.pump();
    }
    return runs;
  }

  async create(request: Parsed<'run.create'>): Promise<RunSummary> {
    if (request.method === 'quantize' || request.method === 'prune') await this.checkAgent(request);
    return await this.add(await this.options.manifests.make(request), request.note ?? '', request.where);
  }

  /** A run that is there already, or is completed, with the very same manifest; else a new one. */
  async createOrReuse(request: Parsed<'run.create'>): Promise<RunSummary> {
    if (request.method === 'quantize' || request.method === 'prune') await this.checkAgent(request);
    const made = await this.options.manifests.make(request);
    const hash = sha256OfJson(made.manifest);
    const reusable = (await this.options.store.listRuns()).find(
      (run) => run.configHash === hash && (run.status === 'completed' || run.status === 'queued' || run.status === 'running'),
    );
    return reusable ?? (await this.add(made, request.note ?? '', request.where));
  }

  /** A completed run with the very same manifest, whose network is still there; else a new one, which nobody works on yet. */
  private async makeStage(request: Parsed<'run.create'>, name: string): Promise<RunSummary> {
    const { store } = this.options;
    const made = await this.options.manifests.make(request);
    const hash = sha256OfJson(made.manifest);
    for (const run of await store.listRuns()) {
      if (run.configHash !== hash || run.status !== 'completed' || run.place === 'trash') continue;
      const best = (await this.show(run.id)).solutions.find(({ role }) => role === 'best');
      const network = best?.architecture?.network ?? best?.prune?.network ?? null;
      if (network === null || (await store.getNetwork(network))) return run;
    }
    return await this.insert({ ...made, name }, '');
  }

  /** Starts a run of this store again, or takes it into this process's queue where it still waits and is not given to other machines. */
  async adopt(id: string, where?: Where): Promise<void> {
    const { status } = await this.require(id);
    if (status === 'completed' || status === 'running') return;
    if (status !== 'queued') await this.resume(id, where);
    else if ((await this.options.store.getPlacement(id))?.isOpen === true) this.options.queue.receive();
    else await this.place(id, where);
  }

  /** Gives a run to the queue, from wherever it is but at work or completed. */
  async submit(id: string): Promise<RunSummary> {
    const { status, method } = await this.require(id);
    if (status === 'completed' || status === 'running')
      throw new LatheError('conflict', `run ${id} is ${status}: only a run that waits or was stopped can be given to the queue`);
    await this.requireQueue(method, 'queue');
    if (status !== 'queued') return await this.resume(id, 'queue');
    const place = this.queue.indexOf(id);
    if (place >= 0) this.queue.splice(place, 1);
    return await this.options.queue.submit(id);
  }

  private async checkAgent({ method, search, agentRun }: Extract<Parsed<'run.create'>, { method: 'quantize' | 'prune' }>): Promise<void> {
    if (search?.method !== 'transfer') {
      if (agentRun === undefined) return;
      throw new LatheError('bad-input', `run ${agentRun} as agent: only method transfer takes one; leave it out, or choose that method`);
    }
    if (agentRun === undefined)
      throw new LatheError('bad-input', 'method transfer: name the run whose agent decides, one of method ddpg that is completed');
    const { manifest } = await this.show(agentRun);
    const searched = manifest.method === 'quantize' || manifest.method === 'prune' ? manifest : null;
    if (searched?.method !== method || searched.search.method !== 'ddpg')
      throw new LatheError(
        'bad-input',
        `run ${agentRun} has no agent for this; name a run that searched ${method === 'prune' ? 'channels' : 'bits'} by method ddpg`,
      );
    const wanted = search.agent?.hiddenUnits ?? agentParametersSchema.parse({}).hiddenUnits;
    if (wanted !== searched.search.agent.hiddenUnits)
      throw new LatheError(
        'bad-input',
        `hidden units ${String(wanted)}: the agent of run ${agentRun} has ${String(searched.search.agent.hiddenUnits)}; give the same`,
      );
  }

  private async add(made: MadeManifest, note: string, where?: Where): Promise<RunSummary> {
    await this.requireQueue(made.manifest.method, where);
    const summary = await this.insert(made, note);
    return (await this.place(summary.id, where)) ?? summary;
  }

  /** Before anything is written: a queue that cannot be used is told at once. */
  private async requireQueue(method: RunMethod, where = this.options.where): Promise<void> {
    if (where === 'here') return;
    if (method === 'pipeline')
      throw new LatheError(
        'bad-input',
        'a pipeline is worked on here, as each of its stages follows from the one before; start it without the queue',
      );
    await this.options.queue.requireReady();
  }

  /** A waiting run goes into this process's line, or to the other machines; returns the summary that it has then. */
  private async place(id: string, where = this.options.where): Promise<RunSummary | null> {
    if (where === 'queue') return await this.options.queue.submit(id);
    this.enqueue(id);
    return null;
  }

  private async insert({ manifest, networkTitle, layers, name }: MadeManifest, note: string): Promise<RunSummary> {
    const id = `${manifest.method.charAt(0)}-${randomId()}`;
    const summary = await this.options.store.createRun({
      id,
      name,
      manifest,
      networkTitle,
      layers,
      note,
      atMs: Date.now(),
    });
    return this.changed(summary);
  }

  /** A new run of the same manifest, with the versions of today. Refuses where what the manifest names is not the same any more. */
  async reproduce(id: string): Promise<RunSummary> {
    const { manifest, summary } = await this.show(id);
    const made = await this.options.manifests.make(runRequestSchema.parse(requestOf(manifest)));
    const changed = differences(manifest, made.manifest);
    if (changed.length > 0) {
      throw new LatheError(
        'conflict',
        `run ${id} cannot be reproduced, for this Lathe makes it with another ${changed.join(', ')}; clone it and start it as a run of its own`,
      );
    }
    return await this.add({ ...made, name: summary.name }, `reproduces ${id}`);
  }

  show(id: string): Promise<Output<'run.show'>> {
    return this.options.record.show(id);
  }

  async resume(id: string, where?: Where): Promise<RunSummary> {
    await this.requireQueue((await this.require(id)).method, where);
    const summary = this.changed(await this.options.store.requeueRun(id));
    return (await this.place(id, where)) ?? summary;
  }

  /**
   * Asks a run to stop at its next safe point; it keeps a checkpoint and can be resumed. Paused says that it is to go on
   * later, cancelled that it is not meant to: nothing else differs.
   */
  async stop(id: string, request: StopRequest): Promise<RunSummary> {
    const summary = await this.require(id);
    if (this.isOurs(id)) {
      this.stopOurs(id, request);
      return summary;
    }
    if (summary.status === 'queued') {
      const place = this.queue.indexOf(id);
      if (place >= 0) this.queue.splice(place, 1);
      return this.changed(await this.options.store.finishRun(id, stopped[request], null, Date.now()));
    }
    if (summary.status !== 'running') throw new LatheError('conflict', `run ${id} is ${summary.status}: there is nothing to ${request}`);
    return this.changed(await this.options.store.requestStop(id, request));
  }

  async annotate(change: Parsed<'run.annotate'>): Promise<RunSummary> {
    await this.require(change.id);
    return this.changed(
      await this.options.store.annotateRun(change.id, {
        ...(change.name === undefined ? {} : { name: change.name }),
        ...(change.note === undefined ? {} : { note: change.note }),
        ...(change.star === undefined ? {} : { star: change.star }),
      }),
    );
  }

  async organize({ ids, ...change }: Parsed<'run.organize'>): Promise<RunSummary[]> {
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    return (await this.options.store.organizeRuns(ids, given)).map((summary) => this.changed(summary));
  }

  /** Deletes runs that lie in the trash for good. */
  async purge(ids: readonly string[]): Promise<Output<'run.purge'>> {
    const freed = await this.options.store.purgeRuns(ids);
    let freedBytes = 0;
    for (const sha256 of freed) {
      freedBytes += await blobSize(this.options.dataDir, sha256);
      await deleteBlob(this.options.dataDir, sha256);
    }
    this.removed(ids);
    return { ids: [...ids], freedBytes };
  }

  async reorder(ids: readonly string[]): Promise<RunSummary[]> {
    const summaries = (await this.options.store.orderQueue(ids)).map((summary) => this.changed(summary));
    this.sortQueue(await this.options.store.listRuns());
    return summaries;
  }

  require(id: string): Promise<RunSummary> {
    return this.options.record.require(id);
  }

  /** Is anything running or about to? */
  get busy(): boolean {
    return this.active !== null || this.starting !== null || this.queue.length > 0;
  }

  /** Stops the active run with a checkpoint (it becomes `interrupted`) and forgets the queue, which stays in the store. */
  async close(): Promise<void> {
    this.closing = true;
    this.stopWatching();
    this.queue.length = 0;
    const active = this.active;
    if (active) {
      active.process.cancel();
      await active.process.ended;
    }
    while (this.busy) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  private enqueue(id: string): void {
    if (this.isOurs(id) || this.queue.includes(id)) return;
    this.queue.push(id);
    this.pump();
  }

  private pump(): void {
    if (this.active || this.starting !== null || this.closing) return;
    const id = this.queue.shift();
    if (id === undefined) return;
    this.starting = id;
    this.start(id)
      .catch((error: unknown) => {
        this.options.log(`run ${id} could not start: ${error instanceof Error ? error.message : String(error)}`);
      })
      .finally(() => {
        this.starting = null;
        this.stopEarly.delete(id);
        this.active = null;
        this.pump();
      });
  }

  private async start(id: string): Promise<void> {
    const { method } = await this.require(id);
    if (method === 'pipeline') await this.workOnPipeline(id);
    else await this.work(id);
  }

  /** Works on the stages of a pipeline until it ends. */
  private async workOnPipeline(id: string): Promise<void> {
    const { store } = this.options;
    this.changed(await store.claimRun(id, this.owner, Date.now()));
    let end: PipelineEnd;
    try {
      end = await this.pipelineWork(id, (await this.show(id)).manifest).run();
    } catch (error) {
      const { code, message } = toErrorPayload(error);
      if (code === 'internal') this.options.log(`pipeline ${id}: ${error instanceof Error ? (error.stack ?? message) : message}`);
      end = { status: 'failed', error: message };
    }
    this.changed(await store.finishRun(id, end.status, end.error, Date.now()));
  }

  private pipelineWork(id: string, manifest: Manifest): PipelineWork {
    if (manifest.method !== 'pipeline') throw new Error(`run ${id} is no pipeline`);
    const { store, costOf } = this.options;
    const parts = {
      store,
      costOf,
      show: (run: string) => this.show(run),
      makeStage: (request: Parsed<'run.create'>, name: string) => this.makeStage(request, name),
      work: (run: string, stage: Omit<StageOf, 'pipeline'>) => this.work(run, { pipeline: id, ...stage }),
      changed: (summary: RunSummary) => void this.changed(summary),
      stopped: (): PipelineEnd | null => {
        if (this.closing) return closed;
        const request = this.stopEarly.get(id);
        return request ? { status: stopped[request], error: null } : null;
      },
    };
    return new PipelineWork(parts, id, manifest);
  }

  /** Works on one run until it ends. */
  private async work(id: string, stage?: StageOf): Promise<RunSummary> {
    const { store, launchEngine, record, queue } = this.options;
    await store.claimRun(id, this.owner, Date.now());
    this.working = id;
    let outcome: RunOutcome;
    try {
      const job = queue.sharing(await record.makeJob(id));
      const process: RunProcess = new RunProcess(launchEngine, job, (batch) => this.applyBatch(id, batch, stage), {
        onOffer: (offer) => queue.offer(job, process, offer),
      });
      this.active = { id, process };
      const early = this.stopEarly.get(id) ?? (stage && this.stopEarly.get(stage.pipeline));
      if (early) this.stopActive(early);
      else if (this.closing) process.cancel();
      outcome = await process.ended;
    } catch (error) {
      outcome = { kind: 'failed', error: toErrorPayload(error) };
    }
    const request = this.active?.request ?? 'cancel';
    queue.withdraw(id);
    this.active = null;
    this.working = null;
    this.stopEarly.delete(id);
    return this.changed(await this.finish(id, outcome, request));
  }

  private async applyBatch(id: string, batch: Batch, stage?: StageOf): Promise<void> {
    await this.options.record.applyBatch(id, batch);
    if (stage && (batch.progress || batch.log)) await this.tellPipeline(stage, batch);
  }

  /** A pipeline is where its stage is, and logs what that logs. */
  private async tellPipeline({ pipeline, ...stage }: StageOf, { progress, log = [] }: Batch): Promise<void> {
    const { summary, log: lines } = await this.options.store.applyBatch({
      id: pipeline,
      ...(progress ? { progress: { ...progress, stage } } : {}),
      log: log.map((line) => ({ ...line, text: `${stage.name}: ${line.text}` })),
    });
    this.changed(summary);
    if (lines.length > 0) this.options.bus.emit({ name: 'run.log', payload: { id: pipeline, lines } });
  }

  /** Does this process work on the run, or on a stage of the pipeline that it is? */
  private isOurs(id: string): boolean {
    return this.starting === id || this.working === id;
  }

  private stopOurs(id: string, request: StopRequest): void {
    this.stopEarly.set(id, request); // where there is no engine yet, or a pipeline would start the next one
    this.stopActive(request);
  }

  private stopActive(request: StopRequest): void {
    if (!this.active) return;
    this.active.request = request;
    this.active.process.cancel();
  }

  private async finish(id: string, outcome: RunOutcome, request: StopRequest): Promise<RunSummary> {
    const { store } = this.options;
    const now = Date.now();
    switch (outcome.kind) {
      case 'completed':
        return await store.finishRun(id, 'completed', null, now);
      case 'cancelled':
        return this.closing
          ? await store.finishRun(id, closed.status, closed.error, now)
          : await store.finishRun(id, stopped[request], null, now);
      case 'failed':
        return await store.finishRun(id, 'failed', outcome.error.message, now);
      case 'died':
        return await store.finishRun(
          id,
          'interrupted',
          `the engine process ended unexpectedly (${outcome.description}); resume continues from the last checkpoint${await this.reportCrash(id, outcome.description)}`,
          now,
        );
    }
  }

  /** The end of a sentence that says where the report of an engine's crash is; empty where none could be written. */
  private async reportCrash(id: string, how: string): Promise<string> {
    const lines = (await this.options.store.listLog(id, 0, 10_000)).slice(-20).map(({ level, text }) => `${level}: ${text}`);
    const path = await writeCrashReport(this.options.dataDir, { what: 'engine', how, run: id, log: lines });
    return path === null ? '' : `; a report is at ${path} and stays on this machine unless you send it`;
  }

  /** Another process has written: tell watchers what is new, and do what it asked of runs that are ours. */
  private async followOthers(): Promise<void> {
    for (const request of await this.options.store.takeRequests(this.owner)) {
      if (this.isOurs(request.id)) this.stopOurs(request.id, request.request);
    }
    const summaries = await this.options.store.listRuns();
    const there = new Set(summaries.map(({ id }) => id));
    const gone = this.options.record.seen().filter((id) => !there.has(id));
    if (gone.length > 0) this.removed(gone);
    this.sortQueue(summaries);
    for (const summary of summaries) {
      if (this.active?.id === summary.id || this.options.record.isKnown(summary)) continue;
      this.changed(summary);
      this.options.bus.emit({ name: 'run.rewound', payload: { id: summary.id } });
    }
  }

  /** Puts this process's queue in the order that the store has. */
  private sortQueue(summaries: readonly RunSummary[]): void {
    const byId = new Map(summaries.map((summary) => [summary.id, summary]));
    const place = (id: string): RunSummary | undefined => byId.get(id);
    const [known, unknown] = [this.queue.filter((id) => place(id) !== undefined), this.queue.filter((id) => place(id) === undefined)];
    known.sort((a, b) => {
      const [left, right] = [place(a), place(b)];
      return left && right ? byQueue(left, right) : 0;
    });
    this.queue.splice(0, this.queue.length, ...known, ...unknown);
  }

  private removed(ids: readonly string[]): void {
    this.options.record.forget(ids);
    this.options.bus.emit({ name: 'run.removed', payload: { ids: [...ids] } });
  }

  private changed(summary: RunSummary): RunSummary {
    return this.options.record.changed(summary);
  }
}

const stopped = { cancel: 'cancelled', pause: 'paused' } as const;
type StopRequest = keyof typeof stopped;
const closed = { status: 'interrupted', error: 'Lathe was closed; resume continues from the checkpoint' } as const;

interface ActiveRun {
  readonly id: string;
  readonly process: RunProcess;
  request?: StopRequest;
}

/** What a run is in a pipeline. */
interface StageOf {
  readonly pipeline: string;
  readonly name: string;
  readonly index: number; // from 0 on
  readonly count: number;
}

/** Those that were given a place in it first; then by age. */
function byQueue(a: RunSummary, b: RunSummary): number {
  const [left, right] = [a.queueOrder ?? Number.POSITIVE_INFINITY, b.queueOrder ?? Number.POSITIVE_INFINITY];
  return left === right ? a.createdAtMs - b.createdAtMs : left - right;
}

/** The parts in which two manifests differ, but for the versions of what makes them. */
function differences(before: Manifest, after: Manifest): string[] {
  const [left, right]: Readonly<Record<string, unknown>>[] = [before, after];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  keys.delete('versions');
  return [...keys].filter((key) => sha256OfJson(left?.[key] ?? null) !== sha256OfJson(right?.[key] ?? null));
}

/** Eight letters and digits that are hard to confuse. */
function randomId(): string {
  const alphabet = '23456789abcdefghjkmnpqrstuvwxyz';
  return Array.from({ length: 8 }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
}
