/** Table run (what a list shows, who works on it) and table manifest (what never changes). */
import type Database from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../../shared/canonical.ts';
import { layerInfoSchema, type LayerInfo } from '../../../shared/network.ts';
import type { Budget } from '../../../shared/policy.ts';
import { containsText } from '../../../shared/filter/fields.ts';
import {
  manifestSchema,
  type AgentInfo,
  type AgentMethod,
  type Manifest,
  type Progress,
  type RunMethod,
  type RunPlace,
  type RunStatus,
  type RunSummary,
} from '../../../shared/run.ts';
import { filterSql } from '../filter-sql.ts';
import { corruptRow, parseJson, recordOf } from '../rows.ts';
import type { RunResult } from '../result.ts';
import { rowsToColumns, summaryNames, summaryOfRow, type RunColumns } from './run-columns.ts';
import type { NewRun, Owner, RunChange, RunQuery, RunRequestRecord } from '../types.ts';

/** What operations need to know of a run before they change it. */
export interface RunState {
  readonly key: number;
  readonly id: string;
  readonly method: RunMethod;
  readonly status: RunStatus;
  readonly owner: Owner | null;
  readonly trials: number;
  readonly place: RunPlace;
}

export interface StatusChange {
  readonly status: RunStatus;
  readonly owner: Owner | null;
  readonly startedAtMs: number | null; // taken when the run has not started before
  readonly finishedAtMs: number | null;
  readonly error: string | null;
}

interface StateRow {
  readonly key: number;
  readonly id: string;
  readonly method: RunMethod;
  readonly status: RunStatus;
  readonly trials: number;
  readonly place: RunPlace;
  readonly ownerPid: number | null;
  readonly ownerStartedAt: string | null;
  readonly ownerBootId: string | null;
}

/** Everything of a row in the order of `summaryNames`; `pipelines` says where the ids of its pipelines come from. */
const summaryColumns = (pipelines: string): string => summaryNames.map((name) => (name === 'pipelines' ? pipelines : name)).join(', ');
const pipelinesOfOne = `(SELECT json_group_array(id ORDER BY id) FROM run AS pipeline
  WHERE key IN (SELECT pipeline FROM stage WHERE stage.run = run.key))`;
const pipelinesOfAll = `(SELECT stage.run AS stageRun, json_group_array(DISTINCT pipeline.id ORDER BY pipeline.id) AS pipelines
  FROM stage JOIN run AS pipeline ON pipeline.key = stage.pipeline GROUP BY stage.run)`;
const ownerColumns = 'ownerPid AS pid, ownerStartedAt AS startedAt, ownerBootId AS bootId';
const isOwner = 'ownerPid = @pid AND ownerStartedAt = @startedAt AND ownerBootId = @bootId';

export class RunRepository {
  readonly #db: Database.Database;
  readonly #summary: Database.Statement<[string], unknown[]>;
  readonly #state: Database.Statement<[string], StateRow>;
  readonly #touch: Database.Statement<[number], number>;
  readonly #setProgress: Database.Statement<[string, number]>;
  readonly #setBudgetLimits: Database.Statement<[string, number]>;
  readonly #setResult: Database.Statement<[RunResult & { key: number; trials: number }]>;
  readonly #setStatus: Database.Statement<[Omit<StatusChange, 'owner'> & Owners & { key: number }]>;

  constructor(db: Database.Database) {
    this.#db = db;
    db.function('containsText', { deterministic: true }, (text: unknown, part: unknown) =>
      Number(containsText(String(text), String(part))),
    );
    this.#summary = db.prepare<[string], unknown[]>(`SELECT ${summaryColumns(pipelinesOfOne)} FROM run WHERE id = ?`).raw();
    this.#state = db.prepare('SELECT key, id, method, status, trials, place, ownerPid, ownerStartedAt, ownerBootId FROM run WHERE id = ?');
    this.#touch = db.prepare<[number], number>('UPDATE run SET revision = revision + 1 WHERE key = ? RETURNING revision').pluck();
    this.#setProgress = db.prepare('UPDATE run SET progress = ? WHERE key = ?');
    this.#setBudgetLimits = db.prepare('UPDATE run SET budgetLimits = ? WHERE key = ?');
    this.#setResult = db.prepare(`
      UPDATE run SET trials = @trials, bestReward = @bestReward, bestAccuracy = @bestAccuracy, bestTestAccuracy = @bestTestAccuracy,
        bestLatencyMs = @bestLatencyMs, bestEnergyMj = @bestEnergyMj, bestSizeBytes = @bestSizeBytes,
        baselineAccuracy = @baselineAccuracy, baselineTestAccuracy = @baselineTestAccuracy
      WHERE key = @key`);
    this.#setStatus = db.prepare(`
      UPDATE run SET status = @status, ownerPid = @ownerPid, ownerStartedAt = @ownerStartedAt, ownerBootId = @ownerBootId, request = NULL, pause = 0,
        startedAtMs = coalesce(startedAtMs, @startedAtMs), finishedAtMs = @finishedAtMs, error = @error
      WHERE key = @key`);
  }

  insert(run: NewRun, progress: Progress): void {
    const { manifest } = run;
    const text = canonicalJson(manifest);
    const key = this.#db
      .prepare<unknown[], number>(
        `INSERT INTO run (id, name, method, status, network, dataset, target, budgets, budgetLimits, seed, note, star, progress, trials,
           createdAtMs, configHash, seedlessHash, revision)
         VALUES (@id, @name, @method, 'queued', @network, @dataset, @target, @budgets, '[]', @seed, @note, 0, @progress, 0,
           @createdAtMs, @configHash, @seedlessHash, 1)
         RETURNING key`,
      )
      .pluck()
      .get({
        id: run.id,
        name: run.name,
        method: manifest.method,
        network: run.networkTitle,
        dataset: manifest.dataset,
        target: manifest.method === 'train' ? null : manifest.target,
        budgets: JSON.stringify(manifest.method === 'train' ? [] : manifest.budgets),
        seed: manifest.seed,
        note: run.note,
        progress: JSON.stringify(progress),
        createdAtMs: run.atMs,
        configHash: sha256Of(text),
        seedlessHash: seedlessHashOf(manifest),
      });
    this.#db.prepare('INSERT INTO manifest (run, manifest, layers) VALUES (?, ?, ?)').run(key, text, JSON.stringify(run.layers));
  }

  /** Null when there is no such run. */
  summary(id: string): RunSummary | null {
    const row = this.#summary.get(id);
    return row ? summaryOfRow(row) : null;
  }

  /** Completed searches of this method by an agent that learns. The newest first. */
  agents(method: AgentMethod): AgentInfo[] {
    return this.#db
      .prepare<[AgentMethod], AgentInfo>(
        `SELECT id, name, json_extract(manifest, '$.search.agent.hiddenUnits') AS hiddenUnits FROM run JOIN manifest ON manifest.run = run.key
         WHERE method = ? AND status = 'completed' AND place <> 'trash' AND coalesce(json_extract(manifest, '$.search.method'), 'ddpg') = 'ddpg'
         ORDER BY createdAtMs DESC, key DESC`,
      )
      .all(method);
  }

  /** The newest first, as columns: `runsOf` makes rows of them. */
  columns({ filter = null, place, limit, offset = 0 }: RunQuery = {}): RunColumns {
    const { sql, values } = filter === null ? { sql: '1', values: [] } : filterSql(filter);
    return rowsToColumns(
      this.#db
        .prepare<unknown[], unknown[]>(
          `SELECT ${summaryColumns("coalesce(pipelines, '[]')")} FROM run LEFT JOIN ${pipelinesOfAll} ON stageRun = run.key
           WHERE ${sql} AND place = coalesce(?, place) ORDER BY createdAtMs DESC, key DESC LIMIT ? OFFSET ?`,
        )
        .raw()
        .all(...values, place ?? null, limit ?? -1, offset),
    );
  }

  /** Null when there is no such run. */
  state(id: string): RunState | null {
    const row = this.#state.get(id);
    if (!row) return null;
    const { key, method, status, trials, place, ownerPid, ownerStartedAt, ownerBootId } = row;
    const owned = ownerPid !== null && ownerStartedAt !== null && ownerBootId !== null;
    return {
      key,
      id,
      method,
      status,
      trials,
      place,
      owner: owned ? { pid: ownerPid, startedAt: ownerStartedAt, bootId: ownerBootId } : null,
    };
  }

  manifest({ key, id }: Pick<RunState, 'key' | 'id'>): { manifest: Manifest; layers: LayerInfo[] } {
    const place = { table: 'manifest', row: id };
    const row = this.#db
      .prepare<[number], { manifest: string; layers: string; configHash: string }>(
        'SELECT manifest.manifest, layers, configHash FROM manifest JOIN run ON run.key = manifest.run WHERE run.key = ?',
      )
      .get(key);
    if (!row) throw corruptRow(place, 'it is missing');
    if (sha256Of(row.manifest) !== row.configHash) throw corruptRow(place, 'its SHA-256 is not the one that the run was made with');
    return {
      manifest: recordOf(manifestSchema, place, () => parseJson(row.manifest)),
      layers: recordOf(z.array(layerInfoSchema), place, () => parseJson(row.layers)),
    };
  }

  /** Counts a change; returns the new revision. Every operation that changes a run does this first. */
  touch(key: number): number {
    const revision = this.#touch.get(key);
    if (revision === undefined) throw new Error(`there is no run with key ${key}`);
    return revision;
  }

  setProgress(key: number, progress: Progress): void {
    this.#setProgress.run(JSON.stringify(progress), key);
  }

  setBudgetLimits(key: number, limits: readonly Budget[]): void {
    this.#setBudgetLimits.run(JSON.stringify(limits), key);
  }

  setResult(key: number, trials: number, result: RunResult): void {
    this.#setResult.run({ key, trials, ...result });
  }

  /** Takes the owner away or sets it, and forgets what was asked of the last one. */
  setStatus(key: number, { owner, ...change }: StatusChange): void {
    this.#setStatus.run({
      key,
      ...change,
      ownerPid: owner?.pid ?? null,
      ownerStartedAt: owner?.startedAt ?? null,
      ownerBootId: owner?.bootId ?? null,
    });
  }

  annotate(key: number, change: { readonly name?: string; readonly note?: string; readonly star?: boolean }): void {
    this.#db
      .prepare('UPDATE run SET name = coalesce(@name, name), note = coalesce(@note, note), star = coalesce(@star, star) WHERE key = @key')
      .run({ key, name: change.name ?? null, note: change.note ?? null, star: change.star === undefined ? null : Number(change.star) });
  }

  tags(key: number): readonly string[] {
    return z
      .array(z.string())
      .parse(JSON.parse(this.#db.prepare<[number], string>('SELECT tags FROM run WHERE key = ?').pluck().get(key) ?? '[]'));
  }

  organize(key: number, { star, place, addTags = [], removeTags = [] }: RunChange): void {
    const tags = [...new Set([...this.tags(key), ...addTags])].filter((tag) => !removeTags.includes(tag)).sort();
    this.#db
      .prepare('UPDATE run SET star = coalesce(@star, star), place = coalesce(@place, place), tags = @tags WHERE key = @key')
      .run({ key, star: star === undefined ? null : Number(star), place: place ?? null, tags: JSON.stringify(tags) });
  }

  setQueueOrder(key: number, order: number | null): void {
    this.#db.prepare('UPDATE run SET queueOrder = ? WHERE key = ?').run(order, key);
  }

  /** With all that belongs to it. */
  delete(key: number): void {
    this.#db.prepare('DELETE FROM run WHERE key = ?').run(key);
  }

  setRequest(key: number, request: RunRequestRecord['request']): void {
    this.#db.prepare("UPDATE run SET request = 'cancel', pause = ? WHERE key = ?").run(request === 'pause' ? 1 : 0, key);
  }

  requestsOf(owner: Owner): RunRequestRecord[] {
    return this.#db
      .prepare<[Owner], RunRequestRecord>(
        `SELECT id, CASE pause WHEN 1 THEN 'pause' ELSE request END AS request FROM run WHERE ${isOwner} AND request IS NOT NULL ORDER BY key`,
      )
      .all(owner);
  }

  /** Each process that works on runs, once. */
  owners(): Owner[] {
    return this.#db.prepare<[], Owner>(`SELECT DISTINCT ${ownerColumns} FROM run WHERE ownerPid IS NOT NULL`).all();
  }

  idsOwnedBy(owner: Owner): string[] {
    return this.#db.prepare<[Owner], string>(`SELECT id FROM run WHERE ${isOwner} ORDER BY key`).pluck().all(owner);
  }
}

interface Owners {
  readonly ownerPid: number | null;
  readonly ownerStartedAt: string | null;
  readonly ownerBootId: string | null;
}

function seedlessHashOf({ seed: _seed, versions: _versions, ...rest }: Manifest): string {
  return sha256Of(canonicalJson(rest));
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
