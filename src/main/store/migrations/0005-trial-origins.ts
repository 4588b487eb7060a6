/** Trials of searches without an agent: where a policy comes from is checked by its schema, so that no table is rebuilt for each new search. */
import type { Migration } from '../migrate.ts';

export const trialOrigins: Migration = {
  version: 5,
  up: (db) => {
    db.exec(`
      CREATE TABLE trialNew (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        step INTEGER NOT NULL,
        origin TEXT NOT NULL,
        reward REAL NOT NULL,
        accuracy REAL NOT NULL,
        latencyMs REAL NOT NULL,
        energyMj REAL,
        sizeBytes REAL NOT NULL,
        macs REAL NOT NULL,
        weightBits TEXT NOT NULL,           -- JSON, as the next three
        activationBits TEXT NOT NULL,
        askedWeightBits TEXT NOT NULL,
        askedActivationBits TEXT NOT NULL,
        noise REAL,
        criticLoss REAL,
        isBest INTEGER NOT NULL CHECK (isBest IN (0, 1)),
        atMs REAL NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (run, step)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO trialNew SELECT run, step, origin, reward, accuracy, latencyMs, energyMj, sizeBytes, macs, weightBits, activationBits,
        askedWeightBits, askedActivationBits, noise, criticLoss, isBest, atMs, revision FROM trial;
      DROP TABLE trial;
      ALTER TABLE trialNew RENAME TO trial;
      CREATE INDEX trialBest ON trial (run, step) WHERE isBest = 1;
    `);
  },
};
