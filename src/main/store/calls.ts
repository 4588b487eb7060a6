/**
 * What the store can do, operation by operation: each a short transaction over the repositories. Runs in the worker.
 *
 * The life of a run: queued -> running -> paused | interrupted | failed | cancelled | completed, and from all of these but
 * completed back to running. While it runs it belongs to the process that claimed it, and only the store that claimed it
 * may change its points or end it; so a run that another process has claimed meanwhile is never written by two.
 */
import type Database from 'better-sqlite3';
import type { z } from 'zod';
import { bundledRunSchema } from '../../shared/bundle.ts';
import { canonicalJson } from '../../shared/canonical.ts';
import { datasetRecordSchema } from '../../shared/dataset.ts';
import { latencyEntrySchema, latencyTableSchema, maximumTableEntries, measuredNetworkSchema } from '../../shared/latency-table.ts';
import { networkRecordSchema } from '../../shared/network.ts';
import { describeZodError, LatheError } from '../../shared/errors.ts';
import {
  metricSchema,
  solutionSchema,
  trialSchema,
  type LogLine,
  type Metric,
  type RunStatus,
  type RunSummary,
  type Solution,
  type Trial,
} from '../../shared/run.ts';
import { workerIdentitySchema, type Placement } from '../../shared/placement.ts';
import { studyRecordSchema } from '../../shared/study.ts';
import { runViewSchema, settingsSchema } from '../../shared/view.ts';
import { hasBlob, readBlob } from './blobs.ts';
import { read, write } from './database.ts';
import { batchSchema, newRunSchema, ownerSchema, type Handlers } from './protocol.ts';
import { CheckpointRepository, type StoredCheckpoint } from './repositories/checkpoints.ts';
import { DatasetRepository } from './repositories/datasets.ts';
import { LatencyTableRepository } from './repositories/latency-tables.ts';
import { LogRepository } from './repositories/log.ts';
import { MetricRepository } from './repositories/metrics.ts';
import { NetworkRepository } from './repositories/networks.ts';
import { PlacementRepository } from './repositories/placements.ts';
import { purgeRuns } from './purge.ts';
import { RunRepository, type RunState } from './repositories/runs.ts';
import { SolutionRepository } from './repositories/solutions.ts';
import { StageRepository } from './repositories/stages.ts';
import { StudyRepository } from './repositories/studies.ts';
import { SupersededRepository } from './repositories/superseded.ts';
import { TrialRepository } from './repositories/trials.ts';
import { ViewRepository } from './repositories/views.ts';
import { WeightsRepository } from './repositories/weights.ts';
import { resultOf, validationSeries } from './result.ts';
import type { CheckpointRecord, Owner } from './types.ts';

/** How many rows going back has deleted. */
interface Deleted {
  readonly trials: number;
  readonly metrics: number;
  readonly solutions: number;
}

interface Points {
  readonly trials: readonly Trial[];
  readonly metrics: readonly Metric[];
  readonly solutions: readonly Solution[];
}

const claimable: readonly RunStatus[] = ['queued', 'paused', 'interrupted', 'failed', 'cancelled'];

export function createHandlers(db: Database.Database, dataDir: string): Handlers {
  const runs = new RunRepository(db);
  const trials = new TrialRepository(db);
  const metrics = new MetricRepository(db);
  const solutions = new SolutionRepository(db);
  const checkpoints = new CheckpointRepository(db);
  const superseded = new SupersededRepository(db);
  const stages = new StageRepository(db);
  const placements = new PlacementRepository(db);
  const log = new LogRepository(db);
  const weights = new WeightsRepository(db);
  const datasets = new DatasetRepository(db);
  const networks = new NetworkRepository(db);
  const tables = new LatencyTableRepository(db);
  const studies = new StudyRepository(db);
  const views = new ViewRepository(db);
  const claimed = new Map<string, Owner>(); // runs that this store claimed

  function requireRun(id: string): RunState {
    const run = runs.state(id);
    if (!run) throw new LatheError('not-found', `run ${id}: there is no such run; run list shows those there are`);
    return run;
  }

  /** The run, which this store must have claimed and still own. */
  function requireClaimed(id: string): RunState {
    const run = requireRun(id);
    if (run.status !== 'running') throw new LatheError('conflict', `run ${id} is ${run.status}: only a running run can be written`);
    const owner = claimed.get(id);
    if (!run.owner || !owner || !isSameOwner(run.owner, owner)) {
      throw new LatheError(
        'conflict',
        `run ${id} is worked on by another Lathe (process ${run.owner?.pid ?? 0}): only that one may change it`,
      );
    }
    return run;
  }

  /** The placement of a run whose present attempt this is: what another one writes is refused. */
  function requireAttempt(run: RunState, attempt: number): Placement {
    const placement = placementOf(run);
    if (placement.isWorking && placement.attempt === attempt) return placement;
    throw new LatheError('conflict', `run ${run.id}: attempt ${attempt} was given up, attempt ${placement.attempt} is the present one`);
  }

  function placementOf(run: RunState): Placement {
    const placement = placements.find(run.key);
    if (!placement) throw new LatheError('conflict', `run ${run.id} was never given to the queue`);
    return placement;
  }

  function summaryOf(id: string): RunSummary {
    const summary = runs.summary(id);
    if (!summary) throw new Error(`run ${id} has gone within a transaction`);
    return summary;
  }

  function updateResult(run: RunState, trialCount: number): void {
    const result = resultOf(run.method, {
      bestTrial: trials.best(run.key, run.id),
      solutions: solutions.list(run.key, run.id),
      lastValidationAccuracy: metrics.last(run.key, validationSeries),
    });
    runs.setResult(run.key, trialCount, result);
  }

  /** Writes points; what a checkpoint still knows otherwise is kept beside, as it stood then. */
  function putPoints(run: RunState, points: Points, revision: number): { newTrials: number } {
    const replaced = {
      trial: trials.put(run.key, run.id, points.trials, revision),
      metric: metrics.put(run.key, points.metrics, revision),
      solution: solutions.put(run.key, run.id, points.solutions, revision),
    };
    const last = checkpoints.list(run.key)[0]?.revision ?? 0;
    for (const kind of ['trial', 'metric', 'solution'] as const) {
      for (const old of replaced[kind]) if (old.revision <= last) superseded.add(run.key, kind, old, revision);
    }
    return { newTrials: points.trials.length - replaced.trial.length };
  }

  /** Makes trials, metrics and solutions again what they were at a revision that a checkpoint has; returns what was deleted for that. */
  function goBack(run: RunState, revision: number): Deleted {
    const deleted = {
      trials: trials.deleteAfter(run.key, revision),
      metrics: metrics.deleteAfter(run.key, revision),
      solutions: solutions.deleteAfter(run.key, revision),
    };
    for (const old of superseded.at(run.key, 'trial', revision, trialSchema)) trials.put(run.key, run.id, [old.record], old.revision);
    for (const old of superseded.at(run.key, 'metric', revision, metricSchema)) metrics.put(run.key, [old.record], old.revision);
    for (const old of superseded.at(run.key, 'solution', revision, solutionSchema))
      solutions.put(run.key, run.id, [old.record], old.revision);
    superseded.deleteAfter(run.key, revision);
    return deleted;
  }

  /** Adds a checkpoint; returns the blobs that nothing refers to any more. */
  function addCheckpoint(run: RunState, checkpoint: CheckpointRecord, revision: number): string[] {
    const dropped = checkpoints.add(run.key, checkpoint, revision);
    superseded.deleteUntil(run.key, checkpoints.list(run.key).at(-1)?.revision ?? 0);
    return dropped;
  }

  /** Ends work on a run: nobody owns it any more, and it has no time left to wait for. */
  function end(run: RunState, status: RunStatus, error: string | null, atMs: number): void {
    const { progress } = summaryOf(run.id);
    runs.touch(run.key);
    runs.setStatus(run.key, { status, owner: null, startedAtMs: null, finishedAtMs: atMs, error });
    const phase = status === 'completed' ? 'done' : progress.phase;
    runs.setProgress(run.key, { ...progress, phase, ratePerSecond: null, etaSeconds: null });
  }

  /** The newest checkpoint whose blob is whole, and what is wrong with the newer ones. Throws when there are some and none is whole. */
  async function lastWholeCheckpoint(run: RunState): Promise<{ checkpoint: StoredCheckpoint | null; findings: string[] }> {
    const findings: string[] = [];
    for (const checkpoint of checkpoints.list(run.key)) {
      const finding = await findingOf(dataDir, checkpoint.record.sha256);
      if (finding === null) return { checkpoint, findings };
      findings.push(finding);
    }
    if (findings.length > 0) throw new LatheError('corrupt', `run ${run.id} cannot go on, no checkpoint is whole: ${findings.join('; ')}`);
    return { checkpoint: null, findings };
  }

  return {
    createRun(input) {
      const run = checked(newRunSchema, input, `run ${input.id}`);
      return write(db, () => {
        if (runs.state(run.id)) throw new LatheError('conflict', `run ${run.id} exists already: choose another id`);
        runs.insert(run, { phase: 'waiting', done: 0, total: 0, ratePerSecond: null, etaSeconds: null });
        return summaryOf(run.id);
      });
    },

    importRun(input) {
      const {
        detail,
        trials: points,
        metrics: series,
        log: lines,
        weights: trained,
      } = checked(bundledRunSchema, input, `run ${input.detail.summary.id}`);
      const { summary, manifest, layers } = detail;
      const { id } = summary;
      if (summary.status === 'running' || summary.status === 'queued')
        throw new LatheError('bad-input', `run ${id} is ${summary.status} where it comes from: only a run that has ended can be taken`);
      return write(db, () => {
        const known = runs.state(id);
        if (known) {
          // Not by their hashes: a manifest of an earlier version is read with what it could not choose filled in.
          if (canonicalJson(runs.manifest(known).manifest) === canonicalJson(manifest)) return { summary: summaryOf(id), added: false };
          throw new LatheError('conflict', `there is another run ${id} here, with other settings; it was left as it is`);
        }
        const { name, note, network: networkTitle, createdAtMs: atMs } = summary;
        runs.insert({ id, name, manifest, networkTitle, layers, note, atMs }, summary.progress);
        const run = requireRun(id);
        const { status, startedAtMs, finishedAtMs, error } = summary;
        runs.setStatus(run.key, { status, owner: null, startedAtMs, finishedAtMs, error });
        runs.setBudgetLimits(run.key, summary.budgetLimits);
        runs.annotate(run.key, { star: summary.star });
        putPoints(run, { trials: points, metrics: series, solutions: detail.solutions }, runs.touch(run.key));
        updateResult(run, points.length);
        log.append(run.key, lines);
        if (trained) weights.put(trained);
        return { summary: summaryOf(id), added: true };
      });
    },

    listRunColumns: (query) => runs.columns(query),
    getSummary: (id) => runs.summary(id),
    listAgents: (method) => runs.agents(method),

    getRun(id) {
      return read(db, () => {
        const run = runs.state(id);
        if (!run) return null;
        const checkpoint = checkpoints.list(run.key)[0]?.record ?? null;
        const placement = placements.find(run.key);
        return {
          ...(placement ? { placement } : {}),
          summary: summaryOf(id),
          ...runs.manifest(run),
          solutions: solutions.list(run.key, id),
          checkpoint,
          stages: stages.of(run.key),
        };
      });
    },

    listTrials: (id, fromStep, limit) => read(db, () => trials.list(requireRun(id).key, id, fromStep, limit)),
    listMetricColumns: (id, fromStep, series) => read(db, () => metrics.columns(requireRun(id).key, fromStep, series)),
    listLog: (id, afterSeq, limit) => read(db, () => log.list(requireRun(id).key, id, afterSeq, limit)),

    requeueRun(id) {
      return write(db, () => {
        const run = requireRun(id);
        if (run.status === 'queued' || !claimable.includes(run.status)) {
          throw new LatheError(
            'conflict',
            `run ${id} is ${run.status}: only an interrupted, cancelled, paused or failed run can be resumed`,
          );
        }
        runs.touch(run.key);
        runs.setStatus(run.key, { status: 'queued', owner: null, startedAtMs: null, finishedAtMs: null, error: null });
        placements.close(run.key);
        return summaryOf(id);
      });
    },

    claimRun(id, input, atMs) {
      const owner = checked(ownerSchema, input, `run ${id}: owner`);
      const summary = write(db, () => {
        const run = requireRun(id);
        if (run.status === 'running') {
          throw new LatheError('conflict', `run ${id} is running already, in process ${run.owner?.pid ?? 0}: cancel it there first`);
        }
        if (!claimable.includes(run.status))
          throw new LatheError('conflict', `run ${id} is ${run.status}: there is nothing left to do, start a new run`);
        runs.touch(run.key);
        runs.setQueueOrder(run.key, null);
        runs.setStatus(run.key, { status: 'running', owner, startedAtMs: atMs, finishedAtMs: null, error: null });
        return summaryOf(id);
      });
      claimed.set(id, owner);
      return summary;
    },

    applyBatch({ id, origin, ...input }) {
      const batch = checked(batchSchema, input, `run ${id}`);
      return write(db, () => {
        const run = requireClaimed(id);
        if (origin) {
          const { seq } = requireAttempt(run, origin.attempt);
          if (origin.seq <= seq) return { summary: summaryOf(id), log: [], dropped: [], isNew: false };
          placements.heard(run.key, origin.seq, batch.checkpoint !== undefined);
        }
        const revision = runs.touch(run.key);
        if (batch.progress) runs.setProgress(run.key, batch.progress);
        if (batch.budgetLimits) runs.setBudgetLimits(run.key, batch.budgetLimits);
        const put = putPoints(
          run,
          { trials: batch.trials ?? [], metrics: batch.metrics ?? [], solutions: batch.solutions ?? [] },
          revision,
        );
        if (batch.trials || batch.metrics || batch.solutions) updateResult(run, run.trials + put.newTrials);
        if (batch.weights) weights.put(batch.weights);
        const dropped = batch.checkpoint ? addCheckpoint(run, batch.checkpoint, revision) : [];
        const lines = log.append(run.key, batch.log ?? []);
        return { summary: summaryOf(id), log: lines, dropped, isNew: true };
      });
    },

    async rewindToCheckpoint(id, atMs) {
      const { checkpoint, findings } = await lastWholeCheckpoint(requireClaimed(id));
      return write(db, () => {
        const run = requireClaimed(id);
        const last = checkpoint?.revision ?? 0;
        const deleted = goBack(run, last);
        checkpoints.deleteAfter(run.key, last);
        runs.touch(run.key);
        if (!checkpoint) runs.setBudgetLimits(run.key, []);
        updateResult(run, trials.count(run.key));
        log.append(run.key, rewindLines(checkpoint, findings, deleted, atMs));
        return { checkpoint: checkpoint?.record ?? null, summary: summaryOf(id) };
      });
    },

    finishRun(id, status, error, atMs) {
      const summary = write(db, () => {
        const run = requireRun(id);
        // A waiting run has no owner; anybody may call it off.
        const calledOff = run.status === 'queued' && (status === 'cancelled' || status === 'paused' || status === 'failed');
        end(calledOff ? run : requireClaimed(id), status, error, atMs);
        placements.close(run.key);
        return summaryOf(id);
      });
      claimed.delete(id);
      return summary;
    },

    addStage(id, { name, run: stage }) {
      return write(db, () => {
        const run = requireClaimed(id);
        runs.touch(run.key);
        const { key } = requireRun(stage);
        stages.put(run.key, name, key);
        runs.touch(key); // its record says which pipelines it is a stage of
        return [summaryOf(id), summaryOf(stage)];
      });
    },

    annotateRun(id, change) {
      return write(db, () => {
        const run = requireRun(id);
        runs.touch(run.key);
        runs.annotate(run.key, change);
        return summaryOf(id);
      });
    },

    organizeRuns(ids, change) {
      return write(db, () =>
        ids.map((id) => {
          const run = requireRun(id);
          if (change.place === 'trash' && (run.status === 'running' || run.status === 'queued'))
            throw new LatheError('conflict', `run ${id} is ${run.status}: cancel it before it goes to the trash`);
          runs.touch(run.key);
          runs.organize(run.key, change);
          return summaryOf(id);
        }),
      );
    },

    purgeRuns(ids) {
      return write(db, () => {
        const doomed = ids.map((id) => requireRun(id));
        for (const { id, place } of doomed) {
          if (place !== 'trash')
            throw new LatheError('conflict', `run ${id} is not in the trash: only what lies there is deleted for good`);
        }
        return purgeRuns(db, doomed);
      });
    },

    orderQueue(ids) {
      return write(db, () =>
        ids.map((id, index) => {
          const run = requireRun(id);
          if (run.status !== 'queued')
            throw new LatheError('conflict', `run ${id} is ${run.status}: only waiting runs have a place in the queue`);
          runs.touch(run.key);
          runs.setQueueOrder(run.key, index + 1);
          return summaryOf(id);
        }),
      );
    },

    requestStop(id, request) {
      return write(db, () => {
        const run = requireRun(id);
        if (run.status !== 'running')
          throw new LatheError('conflict', `run ${id} is ${run.status}: only a running run can be asked to stop`);
        runs.touch(run.key);
        runs.setRequest(run.key, request);
        return summaryOf(id);
      });
    },

    listOwners: () => runs.owners(),

    interruptRunsOf(owners, atMs) {
      return write(db, () =>
        owners.flatMap((owner) =>
          runs.idsOwnedBy(owner).map((id) => {
            const run = requireRun(id);
            const text = `the Lathe that worked on it (process ${owner.pid}) has ended; resume continues from the last checkpoint`;
            end(run, 'interrupted', text, atMs);
            log.append(run.key, [{ atMs, level: 'warn', text }]);
            return summaryOf(id);
          }),
        ),
      );
    },

    takeRequests: (owner) => runs.requestsOf(owner),

    placeRun(id, atMs) {
      return write(db, () => {
        const run = requireRun(id);
        if (run.status !== 'queued')
          throw new LatheError('conflict', `run ${id} is ${run.status}: only a run that waits can be given to the queue`);
        runs.touch(run.key);
        placements.place(run.key, atMs);
        return placementOf(run);
      });
    },
    getPlacement: (id) => read(db, () => placements.find(requireRun(id).key)),
    listPlacements: () => read(db, () => placements.open()),
    beginAttempt(id, input, atMs) {
      const worker = checked(workerIdentitySchema, input, `run ${id}: worker`);
      return write(db, () => {
        const run = requireClaimed(id);
        placements.begin(run.key, worker, atMs);
        return placementOf(run);
      });
    },
    releaseAttempt(id, attempt, lost) {
      return write(db, () => {
        const run = requireClaimed(id);
        requireAttempt(run, attempt);
        placements.release(run.key, lost);
        runs.touch(run.key);
        runs.setStatus(run.key, { status: 'queued', owner: null, startedAtMs: null, finishedAtMs: null, error: null });
        const { progress } = summaryOf(id);
        runs.setProgress(run.key, { ...progress, ratePerSecond: null, etaSeconds: null });
        return summaryOf(id);
      });
    },
    leaveRun(id, atMs) {
      const summary = write(db, () => {
        const run = requireClaimed(id);
        placementOf(run);
        end(run, 'interrupted', 'the Lathe that received its results has closed; its worker goes on when one receives again', atMs);
        return summaryOf(id);
      });
      claimed.delete(id);
      return summary;
    },
    getHome: () => placements.home(),
    takeHome(seen, input) {
      const owner = input === null ? null : checked(ownerSchema, input, 'home: owner');
      return write(db, () => {
        const present = placements.home().owner;
        const isSame = present === null || seen === null ? present === seen : isSameOwner(present, seen);
        if (isSame) placements.setHome(owner);
        return isSame;
      });
    },

    async findWeights(trainingKey) {
      const record = weights.find(trainingKey);
      // Moving a damaged blob away is how a user has weights trained again.
      return record && (await hasBlob(dataDir, record.sha256)) ? record : null;
    },

    listDatasets: () => datasets.list(),
    getDataset: (id) => datasets.find(id),
    putDataset(input) {
      const record = checked(datasetRecordSchema, input, `data set ${input.id}`);
      write(db, () => datasets.put(record));
    },
    removeDataset: (id) => write(db, () => datasets.remove(id)),

    listNetworks: () => networks.list(),
    getNetwork: (id) => networks.find(id),
    addNetwork(input) {
      const record = checked(networkRecordSchema, input, `network ${input.id}`);
      write(db, () => {
        if (networks.find(record.id))
          throw new LatheError('conflict', `there is a network ${record.id} already; choose another name, or remove it first`);
        networks.put(record);
      });
    },
    removeNetwork: (id) =>
      write(db, () => {
        const record = networks.find(id);
        if (!record) throw new LatheError('not-found', `there is no network ${id} of your own`);
        networks.remove(id);
        return [record.graph, record.weights].filter((sha256) => !networks.isUsed(sha256));
      }),

    listTables: () => read(db, () => tables.list()),
    getTable: (id) => tables.find(id),
    listTableEntries: (id) => tables.entries(id),
    putTable(inputTable, inputEntries, how) {
      const table = checked(latencyTableSchema, inputTable, `table ${inputTable.id}`);
      const entries = checked(latencyEntrySchema.array(), inputEntries, `table ${inputTable.id}`);
      return write(db, () => {
        if (how === 'create' && tables.find(table.id))
          throw new LatheError('conflict', `there is a table ${table.id} already; choose another id, or replace it`);
        const info = tables.put(table, entries, how !== 'merge');
        if (info.entries > maximumTableEntries)
          throw new LatheError('bad-input', `table ${table.id}: at most ${maximumTableEntries} entries, found ${info.entries}`);
        return info;
      });
    },
    removeTable: (id) =>
      write(db, () => {
        if (!tables.remove(id)) throw new LatheError('not-found', `there is no table ${id}; table list shows those there are`);
      }),
    listMeasuredNetworks: (tableId) => tables.networks(tableId),
    putMeasuredNetwork(tableId, input) {
      const network = checked(measuredNetworkSchema, input, `table ${tableId}`);
      write(db, () => {
        if (!tables.find(tableId)) throw new LatheError('not-found', `there is no table ${tableId}; table list shows those there are`);
        tables.putNetwork(tableId, network);
      });
    },

    listStudies: () => studies.list(),
    getStudy: (id) => studies.find(id),
    addStudy(input) {
      const record = checked(studyRecordSchema, input, `study ${input.id}`);
      write(db, () => {
        studies.put(record);
      });
    },

    listViews: () => views.list(),
    putView(input) {
      const view = checked(runViewSchema, input, `view ${input.id}`);
      write(db, () => views.put(view));
    },
    removeView: (id) =>
      write(db, () => {
        if (!views.remove(id)) throw new LatheError('not-found', `there is no view ${id}`);
      }),
    getSettings: () => views.settings(),
    putSettings(input) {
      const settings = checked(settingsSchema, input, 'settings');
      write(db, () => views.putSettings(settings));
    },

    close: () => {
      db.close();
    },
  };
}

/** The value as its schema has it; throws `bad-input` with the place of what is wrong. */
function checked<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (!result.success) throw new LatheError('bad-input', `${what}: ${describeZodError(result.error)}`);
  return result.data;
}

function isSameOwner(a: Owner, b: Owner): boolean {
  return a.pid === b.pid && a.startedAt === b.startedAt && a.bootId === b.bootId;
}

/** What is wrong with a blob, or null. */
async function findingOf(dataDir: string, sha256: string): Promise<string | null> {
  try {
    await readBlob(dataDir, sha256);
    return null;
  } catch (error) {
    if (error instanceof LatheError && (error.code === 'corrupt' || error.code === 'not-found')) return error.message;
    throw error;
  }
}

function rewindLines(checkpoint: StoredCheckpoint | null, findings: readonly string[], deleted: Deleted, atMs: number): LogLine[] {
  const lines: LogLine[] = findings.map((text) => ({ atMs, level: 'warn', text: `a checkpoint was passed over: ${text}` }));
  const nothing = deleted.trials === 0 && deleted.metrics === 0 && deleted.solutions === 0;
  if (!checkpoint && nothing) return lines; // its first start
  const where = checkpoint
    ? `the checkpoint of step ${checkpoint.record.step} (${checkpoint.record.phase})`
    : 'the beginning, for there is no checkpoint';
  const what = `${deleted.trials} trials, ${deleted.metrics} points and ${deleted.solutions} solutions behind it were dropped`;
  lines.push({ atMs, level: 'info', text: nothing ? `goes on from ${where}` : `goes back to ${where}: ${what}` });
  return lines;
}
