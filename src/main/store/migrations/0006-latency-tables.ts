/** Latency tables, their entries, and whole networks timed on their devices. Milliseconds. */
import type { Migration } from '../migrate.ts';

export const latencyTables: Migration = {
  version: 6,
  up: (db) => {
    db.exec(`
      CREATE TABLE latency_table (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL,       -- JSON: scheme, origin, source, device, ...
        sha256 TEXT NOT NULL        -- of all entries, in canonical form
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE latency_entry (
        latencyTable TEXT NOT NULL REFERENCES latency_table (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        count INTEGER,
        meanMs REAL NOT NULL,
        stdMs REAL,
        variance REAL,              -- the source's own figure, of unknown unit
        minMs REAL,
        medianMs REAL,
        energyMj REAL,
        noisy INTEGER NOT NULL,
        PRIMARY KEY (latencyTable, key)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE latency_network (
        latencyTable TEXT NOT NULL REFERENCES latency_table (id) ON DELETE CASCADE,
        graph TEXT NOT NULL,        -- SHA-256
        record TEXT NOT NULL,       -- JSON
        PRIMARY KEY (latencyTable, graph)
      ) STRICT, WITHOUT ROWID;
    `);
  },
};
