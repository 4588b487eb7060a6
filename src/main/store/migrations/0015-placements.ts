/** Runs that are worked on by other machines. */
import type { Migration } from '../migrate.ts';

export const placements: Migration = {
  version: 15,
  up(db) {
    db.exec(`
      CREATE TABLE placement (
        run INTEGER PRIMARY KEY REFERENCES run (key) ON DELETE CASCADE,
        isOpen INTEGER NOT NULL CHECK (isOpen IN (0, 1)),       -- the queue is to work on it
        submission INTEGER NOT NULL,
        attempt INTEGER NOT NULL,                               -- grows for ever: what an earlier one writes is refused
        isWorking INTEGER NOT NULL CHECK (isWorking IN (0, 1)),
        seq INTEGER NOT NULL,                                   -- of the last batch of this attempt
        lost INTEGER NOT NULL,
        lostInARow INTEGER NOT NULL,
        worker TEXT,                                            -- JSON
        submittedAtMs REAL NOT NULL,
        startedAtMs REAL
      ) STRICT;
      CREATE INDEX placementOpen ON placement (submittedAtMs) WHERE isOpen = 1;
      CREATE TABLE home (
        key INTEGER PRIMARY KEY CHECK (key = 1),
        id TEXT NOT NULL,                                       -- of this database, among all that use a queue
        ownerPid INTEGER,                                       -- the process that receives what workers send
        ownerStartedAt TEXT,
        ownerBootId TEXT
      ) STRICT;
      INSERT INTO home (key, id) VALUES (1, lower(hex(randomblob(8))));
    `);
  },
};
