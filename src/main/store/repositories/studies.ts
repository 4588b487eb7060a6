/** Table study. */
import type Database from 'better-sqlite3';
import { studyRecordSchema, type StudyRecord } from '../../../shared/study.ts';
import { parseJson, recordOf } from '../rows.ts';

interface StudyRow {
  readonly id: string;
  readonly record: string;
}

export class StudyRepository {
  readonly #list: Database.Statement<[], StudyRow>;
  readonly #find: Database.Statement<[string], StudyRow>;
  readonly #put: Database.Statement<[string, string]>;

  constructor(db: Database.Database) {
    this.#list = db.prepare('SELECT id, record FROM study');
    this.#find = db.prepare('SELECT id, record FROM study WHERE id = ?');
    this.#put = db.prepare('INSERT INTO study (id, record) VALUES (?, ?)');
  }

  /** The newest first. */
  list(): StudyRecord[] {
    return this.#list
      .all()
      .map(toRecord)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  find(id: string): StudyRecord | null {
    const row = this.#find.get(id);
    return row ? toRecord(row) : null;
  }

  /** Throws where there is one of this id. */
  put(record: StudyRecord): void {
    this.#put.run(record.id, JSON.stringify(record));
  }
}

function toRecord(row: StudyRow): StudyRecord {
  return recordOf(studyRecordSchema, { table: 'study', row: row.id }, () => parseJson(row.record));
}
