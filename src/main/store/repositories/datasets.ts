/** Table dataset. */
import type Database from 'better-sqlite3';
import { datasetRecordSchema, type DatasetRecord } from '../../../shared/dataset.ts';
import { parseJson, recordOf } from '../rows.ts';

interface DatasetRow {
  readonly id: string;
  readonly record: string;
}

export class DatasetRepository {
  readonly #list: Database.Statement<[], DatasetRow>;
  readonly #find: Database.Statement<[string], DatasetRow>;
  readonly #put: Database.Statement<[string, string]>;
  readonly #remove: Database.Statement<[string]>;

  constructor(db: Database.Database) {
    this.#list = db.prepare('SELECT id, record FROM dataset ORDER BY id');
    this.#find = db.prepare('SELECT id, record FROM dataset WHERE id = ?');
    this.#put = db.prepare('REPLACE INTO dataset (id, record) VALUES (?, ?)');
    this.#remove = db.prepare('DELETE FROM dataset WHERE id = ?');
  }

  list(): DatasetRecord[] {
    return this.#list.all().map(toRecord);
  }

  find(id: string): DatasetRecord | null {
    const row = this.#find.get(id);
    return row ? toRecord(row) : null;
  }

  /** Writes a record, replacing the one of the same id. */
  put(record: DatasetRecord): void {
    this.#put.run(record.id, JSON.stringify(record));
  }

  /** False when there was none. */
  remove(id: string): boolean {
    return this.#remove.run(id).changes > 0;
  }
}

function toRecord(row: DatasetRow): DatasetRecord {
  return recordOf(datasetRecordSchema, { table: 'dataset', row: row.id }, () => parseJson(row.record));
}
