/**
 * The store as the service sees it: an asynchronous face before a worker thread that owns the database, so that no query
 * ever delays a window. What a call has resolved is on disk.
 *
 *   DATA-DIR/lathe.sqlite        runs, trials, metrics, log, data sets (with -wal and -shm beside it while it is open)
 *   DATA-DIR/blobs/              checkpoints and weights (blobs.ts)
 *   DATA-DIR/backups/            backups (backup/), and copies made before the database is brought to a newer version
 *   DATA-DIR/lathe.lock          who has the data folder open (data-lock.ts)
 *
 * this file -> protocol.ts -> worker.ts -> calls.ts (operations) -> repositories/ (SQL, one file a table group)
 * and open.ts, database.ts (opening), migrate.ts with migrations/. What takes long has threads of its own: upkeep.ts. Several processes may have the same database open.
 */
import { runsOf } from './repositories/run-columns.ts';
import { Worker } from 'node:worker_threads';
import { LatheError } from '../../shared/errors.ts';
import type { CallName, CallResult, Request, StoreCalls, WorkerData, WorkerMessage } from './protocol.ts';
import { metricsOf } from './repositories/metrics.ts';
import type { Store } from './types.ts';

export interface StoreOptions {
  /** Made, for this user only, when it is not there. */
  readonly dataDir: string;
  /** Takes lines about slow requests and defects. */
  readonly log?: (text: string) => void;
  /** A damaged database is set aside and the newest backup put in its place, instead of a refusal. Default: false. */
  readonly repair?: boolean;
}

/**
 * Opens the database, making or updating it. Throws `newer-version`, `corrupt`, `bad-input` (another program's file),
 * `unavailable` (cannot be written) or `conflict` (locked), each with one sentence; a database that is refused stays as it was.
 */
export async function openStore({ dataDir, log = () => undefined, repair = false }: StoreOptions): Promise<Store> {
  const worker = new Worker(workerFile(), {
    name: 'lathe-store',
    workerData: { dataDir, repair } satisfies WorkerData,
    execArgv: [], // options of this process's own script (--eval, --input-type) are not meant for the thread's
  });
  return await new Promise((resolve, reject) => {
    const refuse = (error: Error): void => reject(new LatheError('internal', `the store could not start: ${error.message}`));
    const exit = (code: number): void => refuse(new Error(`its thread ended with code ${code}`));
    const first = (message: WorkerMessage): void => {
      if (message.kind !== 'opened' && message.kind !== 'refused') return;
      worker.off('message', first).off('error', refuse).off('exit', exit);
      if (message.kind === 'refused') reject(LatheError.fromPayload(message.error));
      else resolve(createFace(new WorkerCalls(worker, log), message));
    };
    worker.on('message', first).on('error', refuse).on('exit', exit);
  });
}

/** Beside this file: the source when it runs from source, else the bundle. */
function workerFile(): URL {
  const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './store-worker.js';
  return new URL(name, import.meta.url);
}

function createFace(calls: WorkerCalls, opened: Extract<WorkerMessage, { kind: 'opened' }>): Store {
  return {
    path: opened.path,
    sqliteVersion: opened.sqliteVersion,
    recoveries: opened.recoveries,
    wasClean: opened.wasClean,
    createRun: (run) => calls.call('createRun', run),
    importRun: (run) => calls.call('importRun', run),
    listRuns: async (query) => runsOf(await calls.call('listRunColumns', query)),
    getRun: (id) => calls.call('getRun', id),
    getSummary: (id) => calls.call('getSummary', id),
    listAgents: (method) => calls.call('listAgents', method),
    listTrials: (id, fromStep, limit) => calls.call('listTrials', id, fromStep, limit),
    listMetrics: async (id, fromStep, series) => metricsOf(await calls.call('listMetricColumns', id, fromStep, series)),
    listLog: (id, afterSeq, limit) => calls.call('listLog', id, afterSeq, limit),
    requeueRun: (id) => calls.call('requeueRun', id),
    claimRun: (id, owner, atMs) => calls.call('claimRun', id, owner, atMs),
    applyBatch: (batch) => calls.call('applyBatch', batch),
    rewindToCheckpoint: (id, atMs) => calls.call('rewindToCheckpoint', id, atMs),
    finishRun: (id, status, error, atMs) => calls.call('finishRun', id, status, error, atMs),
    addStage: (id, stage) => calls.call('addStage', id, stage),
    annotateRun: (id, change) => calls.call('annotateRun', id, change),
    organizeRuns: (ids, change) => calls.call('organizeRuns', ids, change),
    purgeRuns: (ids) => calls.call('purgeRuns', ids),
    orderQueue: (ids) => calls.call('orderQueue', ids),
    requestStop: (id, request) => calls.call('requestStop', id, request),
    async interruptOrphans(isAlive, atMs) {
      const owners = await calls.call('listOwners');
      const alive = await Promise.all(owners.map(async (owner) => await isAlive(owner)));
      const gone = owners.filter((_, i) => alive[i] === false); // one that is gone stays gone: no other process can be it
      return gone.length === 0 ? [] : await calls.call('interruptRunsOf', gone, atMs);
    },
    takeRequests: (owner) => calls.call('takeRequests', owner),
    placeRun: (id, atMs) => calls.call('placeRun', id, atMs),
    getPlacement: (id) => calls.call('getPlacement', id),
    listPlacements: () => calls.call('listPlacements'),
    beginAttempt: (id, worker, atMs) => calls.call('beginAttempt', id, worker, atMs),
    releaseAttempt: (id, attempt, lost) => calls.call('releaseAttempt', id, attempt, lost),
    leaveRun: (id, atMs) => calls.call('leaveRun', id, atMs),
    getHome: () => calls.call('getHome'),
    takeHome: (seen, owner) => calls.call('takeHome', seen, owner),
    findWeights: (trainingKey) => calls.call('findWeights', trainingKey),
    listDatasets: () => calls.call('listDatasets'),
    getDataset: (id) => calls.call('getDataset', id),
    putDataset: (record) => calls.call('putDataset', record),
    removeDataset: (id) => calls.call('removeDataset', id),
    listNetworks: () => calls.call('listNetworks'),
    getNetwork: (id) => calls.call('getNetwork', id),
    addNetwork: (record) => calls.call('addNetwork', record),
    removeNetwork: (id) => calls.call('removeNetwork', id),
    listTables: () => calls.call('listTables'),
    getTable: (id) => calls.call('getTable', id),
    listTableEntries: (id) => calls.call('listTableEntries', id),
    putTable: (table, entries, how) => calls.call('putTable', table, entries, how),
    removeTable: (id) => calls.call('removeTable', id),
    listMeasuredNetworks: (tableId) => calls.call('listMeasuredNetworks', tableId),
    putMeasuredNetwork: (tableId, network) => calls.call('putMeasuredNetwork', tableId, network),
    listStudies: () => calls.call('listStudies'),
    getStudy: (id) => calls.call('getStudy', id),
    addStudy: (record) => calls.call('addStudy', record),
    listViews: () => calls.call('listViews'),
    putView: (view) => calls.call('putView', view),
    removeView: (id) => calls.call('removeView', id),
    getSettings: () => calls.call('getSettings'),
    putSettings: (settings) => calls.call('putSettings', settings),
    onExternalChange: (listener) => calls.onExternalChange(listener),
    close: () => calls.close(),
  };
}

interface Waiter {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: LatheError) => void;
}

/** Requests on their way to the worker. While there are some, or somebody listens, the thread keeps the process alive. */
class WorkerCalls {
  readonly #worker: Worker;
  readonly #log: (text: string) => void;
  readonly #waiting = new Map<number, Waiter>();
  readonly #listeners = new Set<() => void>();
  #seq = 0;
  #ended: string | null = null; // why there is no worker any more
  #closing: Promise<void> | null = null;

  constructor(worker: Worker, log: (text: string) => void) {
    this.#worker = worker;
    this.#log = log;
    worker.on('message', (message: WorkerMessage) => this.#receive(message));
    worker.on('error', (error: Error) => this.#end(`its thread failed: ${error.message}`));
    worker.on('exit', (code) => this.#end(this.#closing ? 'it is closed' : `its thread ended with code ${code}`));
    this.#holdProcess();
  }

  call<K extends CallName>(name: K, ...args: Parameters<StoreCalls[K]>): Promise<CallResult<K>> {
    if (this.#closing) return Promise.reject(new LatheError('internal', `the store cannot do ${name}: it is closed`));
    return this.#send(name, args);
  }

  onExternalChange(listener: () => void): () => void {
    const own = (): void => listener(); // the same function may be registered twice
    this.#listeners.add(own);
    this.#holdProcess();
    return () => {
      this.#listeners.delete(own);
      this.#holdProcess();
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#listeners.clear();
    if (this.#ended !== null) return;
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
    await this.#send('close', []);
    this.#worker.ref();
    await exited;
  }

  #send<K extends CallName>(name: K, args: Parameters<StoreCalls[K]>): Promise<CallResult<K>> {
    if (this.#ended !== null)
      return Promise.reject(new LatheError('internal', `the store cannot do ${name}: ${this.#ended}; start Lathe again`));
    this.#seq += 1;
    const seq = this.#seq;
    return new Promise((resolve, reject) => {
      // The worker answers request `seq` with the result of `name`: the one place where an answer gets its type.
      this.#waiting.set(seq, { resolve: resolve as (output: unknown) => void, reject });
      this.#holdProcess();
      this.#worker.postMessage({ seq, name, args } satisfies Request);
    });
  }

  #receive(message: WorkerMessage): void {
    switch (message.kind) {
      case 'answer':
        this.#take(message.seq)?.resolve(message.output);
        return;
      case 'failure':
        this.#take(message.seq)?.reject(LatheError.fromPayload(message.error));
        return;
      case 'external-change':
        for (const listener of [...this.#listeners]) listener();
        return;
      case 'log':
        this.#log(message.text);
        return;
      case 'opened':
      case 'refused':
        return; // told once, before
    }
  }

  #take(seq: number): Waiter | undefined {
    const waiter = this.#waiting.get(seq);
    this.#waiting.delete(seq);
    this.#holdProcess();
    return waiter;
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values())
      reject(new LatheError('internal', `the store cannot answer: ${reason}; start Lathe again`));
    this.#waiting.clear();
  }

  #holdProcess(): void {
    if (this.#waiting.size > 0 || this.#listeners.size > 0) this.#worker.ref();
    else this.#worker.unref();
  }
}
