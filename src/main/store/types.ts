/**
 * The asynchronous face of the store. SQL lives behind it, in a worker thread; nobody else sees a statement or a row.
 * What a method has resolved is on disk (WAL, synchronous FULL).
 */
import type { Recovery } from '../../shared/backup.ts';
import type { BundledRun } from '../../shared/bundle.ts';
import type { Budget } from '../../shared/policy.ts';
import type { Filter } from '../../shared/filter/filter.ts';
import type { DatasetRecord } from '../../shared/dataset.ts';
import type { LatencyEntry, LatencyTable, LatencyTableInfo, MeasuredNetwork } from '../../shared/latency-table.ts';
import type { LayerInfo, NetworkRecord } from '../../shared/network.ts';
import type {
  AgentInfo,
  AgentMethod,
  LogLine,
  Manifest,
  Metric,
  Progress,
  RunDetail,
  RunPlace,
  RunStage,
  RunStatus,
  RunSummary,
  Solution,
  StoredLogLine,
  Trial,
} from '../../shared/run.ts';

import type { Placement, WorkerIdentity } from '../../shared/placement.ts';
import type { StudyRecord } from '../../shared/study.ts';
import type { RunView, Settings } from '../../shared/view.ts';

/** The process that owns a running run: a dead owner means an interrupted run, with no guessing from heartbeats. */
export interface Owner {
  readonly pid: number;
  readonly startedAt: string; // the process's start time, as the system tells it
  readonly bootId: string;
}

export interface NewRun {
  readonly id: string;
  readonly name: string;
  readonly manifest: Manifest;
  readonly networkTitle: string;
  readonly layers: readonly LayerInfo[]; // the quantizable ones, in policy order
  readonly note: string;
  readonly atMs: number;
}

export interface CheckpointRecord {
  readonly phase: string;
  readonly step: number; // trials done, or training steps done
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly atMs: number;
}

/** Which message of which attempt a batch is; of runs that are worked on elsewhere. */
export interface BatchOrigin {
  readonly attempt: number;
  readonly seq: number; // grows within an attempt; what comes a second time is passed over
}

/** What one message of an engine brings; written in one transaction. */
export interface RunBatch {
  readonly id: string;
  readonly origin?: BatchOrigin; // absent: of an engine of this process
  readonly progress?: Progress;
  readonly budgetLimits?: readonly Budget[];
  readonly trials?: readonly Trial[];
  readonly metrics?: readonly Metric[];
  readonly log?: readonly LogLine[];
  readonly solutions?: readonly Solution[]; // replaces by (role, label)
  readonly checkpoint?: CheckpointRecord;
  readonly weights?: WeightsRecord;
}

/** Trained weights, found again by everything that decided them. */
export interface WeightsRecord {
  readonly trainingKey: string; // SHA-256 of network, data set, training parameters, validation split, seed, threads, SIMD level
  readonly sha256: string; // of the blob
  readonly sizeBytes: number;
  readonly network: string;
  readonly dataset: string;
  readonly testAccuracy: number | null;
  readonly trainSeconds: number;
  readonly imagesPerSecond: number;
  readonly atMs: number;
}

/** A request that another process made of a run that this process owns. */
export interface RunRequestRecord {
  readonly id: string;
  readonly request: 'cancel' | 'pause';
}

/** Which runs: all where nothing is said. */
export interface RunQuery {
  readonly filter?: Filter | null;
  readonly place?: RunPlace;
  readonly limit?: number;
  readonly offset?: number;
}

/** What is done with runs without running them. */
export interface RunChange {
  readonly star?: boolean;
  readonly place?: RunPlace;
  readonly addTags?: readonly string[];
  readonly removeTags?: readonly string[];
}

/** The process that receives what workers send. */
export interface HomeRecord {
  readonly id: string; // of this database, among all that use a queue
  readonly owner: Owner | null;
}

export interface Store {
  readonly path: string;
  readonly sqliteVersion: string;
  readonly recoveries: readonly Recovery[]; // what was done with the database when it was opened, in order
  readonly wasClean: boolean; // false: the last Lathe was killed, so all of the database was checked

  createRun(run: NewRun): Promise<RunSummary>;
  /** A run that ended on another machine, as it is. The same one again changes nothing (`added` false); throws conflict for another run of its id. */
  importRun(run: BundledRun): Promise<{ summary: RunSummary; added: boolean }>;
  /** The newest first. */
  listRuns(query?: RunQuery): Promise<RunSummary[]>;
  getRun(id: string): Promise<RunDetail | null>;
  getSummary(id: string): Promise<RunSummary | null>;
  /** Completed searches by an agent that learns, which another search may take over. The newest first. */
  listAgents(method: AgentMethod): Promise<AgentInfo[]>;
  listTrials(id: string, fromStep: number, limit: number): Promise<Trial[]>;
  listMetrics(id: string, fromStep: number, series?: string): Promise<Metric[]>;
  listLog(id: string, afterSeq: number, limit: number): Promise<StoredLogLine[]>;

  /** Puts a run that stopped (interrupted, cancelled, paused, failed) back in line; throws conflict from any other status. */
  requeueRun(id: string): Promise<RunSummary>;
  /** Moves a run to `running` under this owner, only from a status that allows it (queued, interrupted, cancelled, paused, failed). */
  claimRun(id: string, owner: Owner, atMs: number): Promise<RunSummary>;
  /**
   * Applies an engine's batch; returns the new summary, the log lines with their numbers, and the hashes of checkpoint blobs
   * that nothing refers to any more (the caller deletes those files). Throws conflict for an attempt that is not the present one;
   * `isNew` is false for a batch that is on disk already, of which nothing is written.
   */
  applyBatch(batch: RunBatch): Promise<{ summary: RunSummary; log: StoredLogLine[]; dropped: string[]; isNew: boolean }>;
  /** Drops what lies behind the last checkpoint (trials, metrics, solutions found later), logs it, and says where to go on. */
  rewindToCheckpoint(id: string, atMs: number): Promise<{ checkpoint: CheckpointRecord | null; summary: RunSummary }>;
  finishRun(
    id: string,
    status: Extract<RunStatus, 'completed' | 'failed' | 'cancelled' | 'interrupted' | 'paused'>,
    error: string | null,
    atMs: number,
  ): Promise<RunSummary>;
  /** Makes a run a stage of a pipeline that this store has claimed. */
  addStage(id: string, stage: RunStage): Promise<RunSummary[]>; // pipeline and stage, for both have changed
  annotateRun(id: string, change: { name?: string; note?: string; star?: boolean }): Promise<RunSummary>;
  /** The same change to all of them, or to none; throws not-found, or conflict where a run that is at work or waits would go to the trash. */
  organizeRuns(ids: readonly string[], change: RunChange): Promise<RunSummary[]>;
  /** Deletes runs that lie in the trash; returns the hashes of blobs that nothing refers to any more (the caller deletes those files). */
  purgeRuns(ids: readonly string[]): Promise<string[]>;
  /** Gives waiting runs their places in the queue: in this order, before all others. Returns those that it changed. */
  orderQueue(ids: readonly string[]): Promise<RunSummary[]>;
  /** Asks the owner, wherever it is, to stop. */
  requestStop(id: string, request: RunRequestRecord['request']): Promise<RunSummary>;
  /** Every `running` run whose owner is gone becomes `interrupted`; returns those. */
  interruptOrphans(isAlive: (owner: Owner) => boolean | Promise<boolean>, atMs: number): Promise<RunSummary[]>;
  /** Requests for running runs of this owner. They stand until the run ends or is claimed again: acting on one twice must be harmless. */
  takeRequests(owner: Owner): Promise<RunRequestRecord[]>;

  /** Gives a queued run to the queue; throws conflict for any other status. */
  placeRun(id: string, atMs: number): Promise<Placement>;
  /** Null for a run that was never given to the queue. */
  getPlacement(id: string): Promise<Placement | null>;
  /** Those that the queue is to work on, the earliest first. */
  listPlacements(): Promise<Placement[]>;
  /** Counts an attempt at a run that this store has claimed, from now on the only one that may write; one before that did not end is lost. */
  beginAttempt(id: string, worker: WorkerIdentity, atMs: number): Promise<Placement>;
  /** The attempt has ended without the run: it waits in the queue again. `lost`: without a word. Throws conflict for another attempt. */
  releaseAttempt(id: string, attempt: number, lost: boolean): Promise<RunSummary>;
  /** Lets go of a placed run that this store has claimed: its attempt goes on, and whoever receives next claims it again. */
  leaveRun(id: string, atMs: number): Promise<RunSummary>;
  /** The process that receives what workers send, if any, and the name of this database among others. */
  getHome(): Promise<HomeRecord>;
  /** Becomes that process where it is still the one that was seen; false: another was faster. */
  takeHome(seen: Owner | null, owner: Owner | null): Promise<boolean>;

  findWeights(trainingKey: string): Promise<WeightsRecord | null>;

  listDatasets(): Promise<DatasetRecord[]>;
  getDataset(id: string): Promise<DatasetRecord | null>;
  putDataset(record: DatasetRecord): Promise<void>;
  removeDataset(id: string): Promise<boolean>;

  listNetworks(): Promise<NetworkRecord[]>;
  getNetwork(id: string): Promise<NetworkRecord | null>;
  /** Throws conflict where there is one of this id. */
  addNetwork(record: NetworkRecord): Promise<void>;
  /** Returns the hashes of its blobs that nothing refers to any more (the caller deletes those files). Throws not-found. */
  removeNetwork(id: string): Promise<string[]>;

  listTables(): Promise<LatencyTableInfo[]>;
  getTable(id: string): Promise<LatencyTableInfo | null>;
  /** Sorted by key; empty where there is no such table. */
  listTableEntries(id: string): Promise<LatencyEntry[]>;
  /**
   * Writes a table's facts and entries. `create` throws conflict where there is one of this id, `replace` forgets its entries first,
   * `merge` replaces entries of the same key and keeps the others. Throws bad-input beyond the bound on entries.
   */
  putTable(table: LatencyTable, entries: readonly LatencyEntry[], how: 'create' | 'replace' | 'merge'): Promise<LatencyTableInfo>;
  /** Throws not-found. */
  removeTable(id: string): Promise<void>;
  listMeasuredNetworks(tableId: string): Promise<MeasuredNetwork[]>;
  /** Replaces what was measured of the same graph before. Throws not-found where there is no such table. */
  putMeasuredNetwork(tableId: string, network: MeasuredNetwork): Promise<void>;
  listStudies(): Promise<StudyRecord[]>;
  getStudy(id: string): Promise<StudyRecord | null>;
  addStudy(record: StudyRecord): Promise<void>;

  listViews(): Promise<RunView[]>;
  putView(view: RunView): Promise<void>;
  /** Throws not-found. */
  removeView(id: string): Promise<void>;
  getSettings(): Promise<Settings>;
  putSettings(settings: Settings): Promise<void>;

  /** Calls back when another process has changed the database (`PRAGMA data_version`, polled in the worker). */
  onExternalChange(listener: () => void): () => void;
  close(): Promise<void>;
}
