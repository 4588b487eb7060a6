/** Table log. */
import type Database from 'better-sqlite3';
import { storedLogLineSchema, type LogLine, type StoredLogLine } from '../../../shared/run.ts';
import { recordOf } from '../rows.ts';

export class LogRepository {
  readonly #insert: Database.Statement<[number, number, number, string, string]>;
  readonly #lastSeq: Database.Statement<[number], number>;
  readonly #list: Database.Statement<[number, number, number], { seq: number }>;

  constructor(db: Database.Database) {
    this.#insert = db.prepare('INSERT INTO log (run, seq, atMs, level, text) VALUES (?, ?, ?, ?, ?)');
    this.#lastSeq = db.prepare<[number], number>('SELECT coalesce(max(seq), 0) FROM log WHERE run = ?').pluck();
    this.#list = db.prepare('SELECT seq, atMs, level, text FROM log WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?');
  }

  /** Adds lines; returns them with their numbers, which count from 1 without a gap. */
  append(run: number, lines: readonly LogLine[]): StoredLogLine[] {
    let seq = this.#lastSeq.get(run) ?? 0;
    return lines.map(({ atMs, level, text }) => {
      seq += 1;
      this.#insert.run(run, seq, atMs, level, text);
      return { seq, atMs, level, text };
    });
  }

  list(run: number, id: string, afterSeq: number, limit: number): StoredLogLine[] {
    return this.#list
      .all(run, afterSeq, limit)
      .map((row) => recordOf(storedLogLineSchema, { table: 'log', row: `${id} line ${row.seq}` }, () => row));
  }
}
