/** Tables latency_table, latency_entry and latency_network. */
import { createHash } from 'node:crypto';
import type Database from 'better-sqlite3';
import { canonicalJson } from '../../../shared/canonical.ts';
import {
  latencyEntrySchema,
  latencyTableSchema,
  measuredNetworkSchema,
  type LatencyEntry,
  type LatencyTable,
  type LatencyTableInfo,
  type MeasuredNetwork,
} from '../../../shared/latency-table.ts';
import { parseJson, recordOf } from '../rows.ts';

interface TableRow {
  readonly id: string;
  readonly record: string;
  readonly sha256: string;
  readonly entries: number;
  readonly noisy: number;
}

type EntryRow = Omit<LatencyEntry, 'noisy'> & { readonly noisy: number };

export class LatencyTableRepository {
  readonly #list: Database.Statement<[], TableRow>;
  readonly #find: Database.Statement<[string], TableRow>;
  readonly #put: Database.Statement<[string, string]>;
  readonly #remove: Database.Statement<[string]>;
  readonly #entries: Database.Statement<[string], EntryRow>;
  readonly #putEntry: Database.Statement<[EntryRow & { readonly table: string }]>;
  readonly #clear: Database.Statement<[string]>;
  readonly #setHash: Database.Statement<[string, string]>;
  readonly #networks: Database.Statement<[string], { readonly graph: string; readonly record: string }>;
  readonly #putNetwork: Database.Statement<[string, string, string]>;

  constructor(db: Database.Database) {
    const columns = `id, record, sha256, (SELECT count(*) FROM latency_entry WHERE latencyTable = id) AS entries,
      (SELECT count(*) FROM latency_entry WHERE latencyTable = id AND noisy = 1) AS noisy`;
    this.#list = db.prepare(`SELECT ${columns} FROM latency_table ORDER BY id`);
    this.#find = db.prepare(`SELECT ${columns} FROM latency_table WHERE id = ?`);
    this.#put = db.prepare(
      "INSERT INTO latency_table (id, record, sha256) VALUES (?, ?, '') ON CONFLICT (id) DO UPDATE SET record = excluded.record",
    );
    this.#remove = db.prepare('DELETE FROM latency_table WHERE id = ?');
    this.#entries = db.prepare(
      'SELECT key, count, meanMs, stdMs, variance, minMs, medianMs, energyMj, noisy FROM latency_entry WHERE latencyTable = ? ORDER BY key',
    );
    this.#putEntry = db.prepare(
      `REPLACE INTO latency_entry (latencyTable, key, count, meanMs, stdMs, variance, minMs, medianMs, energyMj, noisy)
         VALUES (@table, @key, @count, @meanMs, @stdMs, @variance, @minMs, @medianMs, @energyMj, @noisy)`,
    );
    this.#clear = db.prepare('DELETE FROM latency_entry WHERE latencyTable = ?');
    this.#setHash = db.prepare('UPDATE latency_table SET sha256 = ? WHERE id = ?');
    this.#networks = db.prepare('SELECT graph, record FROM latency_network WHERE latencyTable = ? ORDER BY graph');
    this.#putNetwork = db.prepare('REPLACE INTO latency_network (latencyTable, graph, record) VALUES (?, ?, ?)');
  }

  list(): LatencyTableInfo[] {
    return this.#list.all().map(toInfo);
  }

  find(id: string): LatencyTableInfo | null {
    const row = this.#find.get(id);
    return row ? toInfo(row) : null;
  }

  /** Sorted by key. */
  entries(id: string): LatencyEntry[] {
    return this.#entries
      .all(id)
      .map((row) =>
        recordOf(latencyEntrySchema, { table: 'latency_entry', row: `${id} ${row.key}` }, () => ({ ...row, noisy: row.noisy === 1 })),
      );
  }

  /** Writes a table's facts, and entries into it: those of the same key are replaced, others stay unless `clear`. */
  put(table: LatencyTable, entries: readonly LatencyEntry[], clear: boolean): LatencyTableInfo {
    this.#put.run(table.id, JSON.stringify(table));
    if (clear) this.#clear.run(table.id);
    for (const entry of entries) this.#putEntry.run({ ...entry, noisy: Number(entry.noisy), table: table.id });
    this.#setHash.run(
      createHash('sha256')
        .update(canonicalJson(this.entries(table.id)))
        .digest('hex'),
      table.id,
    );
    const info = this.find(table.id);
    if (!info) throw new Error(`table ${table.id} is not there after it was written`);
    return info;
  }

  /** False when there was none. */
  remove(id: string): boolean {
    return this.#remove.run(id).changes > 0;
  }

  networks(id: string): MeasuredNetwork[] {
    return this.#networks
      .all(id)
      .map(({ graph, record }) =>
        recordOf(measuredNetworkSchema, { table: 'latency_network', row: `${id} ${graph}` }, () => parseJson(record)),
      );
  }

  putNetwork(id: string, network: MeasuredNetwork): void {
    this.#putNetwork.run(id, network.graph, JSON.stringify(network));
  }
}

function toInfo({ id, record, sha256, entries, noisy }: TableRow): LatencyTableInfo {
  const table = recordOf(latencyTableSchema, { table: 'latency_table', row: id }, () => parseJson(record));
  return { ...table, entries, noisy, sha256 };
}
