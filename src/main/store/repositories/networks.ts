/** Table network. */
import type Database from 'better-sqlite3';
import { networkRecordSchema, type NetworkRecord } from '../../../shared/network.ts';
import { parseJson, recordOf } from '../rows.ts';

interface NetworkRow {
  readonly id: string;
  readonly record: string;
}

export class NetworkRepository {
  readonly #list: Database.Statement<[], NetworkRow>;
  readonly #find: Database.Statement<[string], NetworkRow>;
  readonly #put: Database.Statement<[string, string]>;
  readonly #remove: Database.Statement<[string]>;
  readonly #uses: Database.Statement<[string, string, string], { readonly uses: number }>;

  constructor(db: Database.Database) {
    this.#list = db.prepare('SELECT id, record FROM network ORDER BY id');
    this.#find = db.prepare('SELECT id, record FROM network WHERE id = ?');
    this.#put = db.prepare('INSERT INTO network (id, record) VALUES (?, ?)');
    this.#remove = db.prepare('DELETE FROM network WHERE id = ?');
    // A SHA-256 stands in a JSON text only where it is meant.
    this.#uses = db.prepare(
      `SELECT (SELECT count(*) FROM network WHERE instr(record, ?)) + (SELECT count(*) FROM manifest WHERE instr(manifest, ?))
         + (SELECT count(*) FROM solution WHERE weights = ?) AS uses`,
    );
  }

  list(): NetworkRecord[] {
    return this.#list.all().map(toRecord);
  }

  find(id: string): NetworkRecord | null {
    const row = this.#find.get(id);
    return row ? toRecord(row) : null;
  }

  /** Throws where there is one of this id. */
  put(record: NetworkRecord): void {
    this.#put.run(record.id, JSON.stringify(record));
  }

  /** False when there was none. */
  remove(id: string): boolean {
    return this.#remove.run(id).changes > 0;
  }

  /** Whether a network or a run needs this blob. */
  isUsed(sha256: string): boolean {
    return (this.#uses.get(sha256, sha256, sha256)?.uses ?? 0) > 0;
  }
}

function toRecord(row: NetworkRow): NetworkRecord {
  return recordOf(networkRecordSchema, { table: 'network', row: row.id }, () => parseJson(row.record));
}
