/**
 * Table superseded: records that were written again after a checkpoint, as they stood before. With them going back to a
 * checkpoint restores exactly what was there; without a second writing of the same key, the usual case, it stays empty.
 */
import type Database from 'better-sqlite3';
import type { z } from 'zod';
import { parseJson, recordOf } from '../rows.ts';

/** A record with the run's revision at which it was written. */
export interface Versioned<T> {
  readonly record: T;
  readonly revision: number;
}

export type SupersededKind = 'trial' | 'metric' | 'solution';

export class SupersededRepository {
  readonly #insert: Database.Statement<[number, SupersededKind, string, number, number]>;
  readonly #at: Database.Statement<[{ run: number; kind: SupersededKind; revision: number }], { record: string; revision: number }>;
  readonly #deleteUntil: Database.Statement<[number, number]>;
  readonly #deleteAfter: Database.Statement<[number, number]>;

  constructor(db: Database.Database) {
    this.#insert = db.prepare('INSERT INTO superseded (run, kind, record, revision, until) VALUES (?, ?, ?, ?, ?)');
    this.#at = db.prepare(
      'SELECT record, revision FROM superseded WHERE run = @run AND kind = @kind AND revision <= @revision AND until > @revision',
    );
    this.#deleteUntil = db.prepare('DELETE FROM superseded WHERE run = ? AND until <= ?');
    this.#deleteAfter = db.prepare('DELETE FROM superseded WHERE run = ? AND until > ?');
  }

  /** Keeps a record that was replaced at the revision `until`. */
  add(run: number, kind: SupersededKind, { record, revision }: Versioned<unknown>, until: number): void {
    this.#insert.run(run, kind, JSON.stringify(record), revision, until);
  }

  /** The records that stood at a revision and were replaced later. */
  at<T extends z.ZodType>(run: number, kind: SupersededKind, revision: number, schema: T): Versioned<z.output<T>>[] {
    return this.#at.all({ run, kind, revision }).map((row) => ({
      record: recordOf(schema, { table: 'superseded', row: `${kind} of revision ${row.revision}` }, () => parseJson(row.record)),
      revision: row.revision,
    }));
  }

  /** Forgets what was replaced up to a revision: nobody goes back further than that. */
  deleteUntil(run: number, revision: number): void {
    this.#deleteUntil.run(run, revision);
  }

  /** Forgets what was replaced after a revision: it stands again. */
  deleteAfter(run: number, revision: number): void {
    this.#deleteAfter.run(run, revision);
  }
}
