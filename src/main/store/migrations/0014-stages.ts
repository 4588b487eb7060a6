/** The runs that a pipeline made or took, each with what it is in it. */
import type { Migration } from '../migrate.ts';

export const stages: Migration = {
  version: 14,
  up(db) {
    db.exec(`
      CREATE TABLE stage (
        pipeline INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        name TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        position INTEGER NOT NULL,  -- in the order in which they were made
        PRIMARY KEY (pipeline, name)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX stageRun ON stage (run);
    `);
  },
};
