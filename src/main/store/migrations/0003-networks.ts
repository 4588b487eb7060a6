/** Networks that the user has imported; their graphs and weights are blobs. */
import type { Migration } from '../migrate.ts';

export const networks: Migration = {
  version: 3,
  up: (db) => {
    db.exec(`
      CREATE TABLE network (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL        -- JSON
      ) STRICT, WITHOUT ROWID;
    `);
  },
};
