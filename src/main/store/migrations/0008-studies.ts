/** Studies: which runs belong together, and what each is in the grid. */
import type { Migration } from '../migrate.ts';

export const studies: Migration = {
  version: 8,
  up: (db) => {
    db.exec(`
      CREATE TABLE study (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL        -- JSON
      ) STRICT, WITHOUT ROWID;
    `);
  },
};
