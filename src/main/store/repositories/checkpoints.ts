/** Table checkpoint: the newest two of each run. */
import type Database from 'better-sqlite3';
import type { CheckpointRecord } from '../types.ts';
import type { Versioned } from './superseded.ts';

export type StoredCheckpoint = Versioned<CheckpointRecord>;

const kept = 2;

export class CheckpointRepository {
  readonly #insert: Database.Statement<[CheckpointRecord & { run: number; revision: number }]>;
  readonly #list: Database.Statement<[number], CheckpointRecord & { revision: number }>;
  readonly #prune: Database.Statement<[{ run: number; kept: number }], string>;
  readonly #isUsed: Database.Statement<[{ sha256: string }], number>;
  readonly #deleteAfter: Database.Statement<[number, number]>;

  constructor(db: Database.Database) {
    this.#insert = db.prepare(
      'INSERT INTO checkpoint (run, revision, phase, step, sha256, sizeBytes, atMs) VALUES (@run, @revision, @phase, @step, @sha256, @sizeBytes, @atMs)',
    );
    this.#list = db.prepare('SELECT phase, step, sha256, sizeBytes, atMs, revision FROM checkpoint WHERE run = ? ORDER BY revision DESC');
    this.#prune = db
      .prepare<[{ run: number; kept: number }], string>(
        `DELETE FROM checkpoint WHERE run = @run AND revision <
           (SELECT min(revision) FROM (SELECT revision FROM checkpoint WHERE run = @run ORDER BY revision DESC LIMIT @kept))
         RETURNING sha256`,
      )
      .pluck();
    this.#isUsed = db
      .prepare<[{ sha256: string }], number>(
        'SELECT EXISTS (SELECT 1 FROM checkpoint WHERE sha256 = @sha256) OR EXISTS (SELECT 1 FROM weights WHERE sha256 = @sha256)',
      )
      .pluck();
    this.#deleteAfter = db.prepare('DELETE FROM checkpoint WHERE run = ? AND revision > ?');
  }

  /** Adds the newest checkpoint and forgets all but the newest two; returns the blobs that nothing refers to any more. */
  add(run: number, { phase, step, sha256, sizeBytes, atMs }: CheckpointRecord, revision: number): string[] {
    this.#insert.run({ run, revision, phase, step, sha256, sizeBytes, atMs });
    const forgotten = new Set(this.#prune.all({ run, kept }));
    return [...forgotten].filter((blob) => this.#isUsed.get({ sha256: blob }) === 0);
  }

  /** The newest first. */
  list(run: number): StoredCheckpoint[] {
    return this.#list.all(run).map(({ revision, ...record }) => ({ record, revision }));
  }

  deleteAfter(run: number, revision: number): void {
    this.#deleteAfter.run(run, revision);
  }
}
