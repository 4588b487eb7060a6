/**
 * The first tables. Columns are named as the fields of src/shared that they hold, with their units; a column that holds JSON
 * says so. `revision` in a row is the run's revision at which the row was written: a checkpoint remembers its own, and going
 * back to it deletes the rows with a later one and restores those that such a row had replaced.
 */
import type { Migration } from '../migrate.ts';

export const firstTables: Migration = {
  version: 1,
  up(db) {
    db.exec(`
      -- One row a run, with all that a list shows: last and best figures are kept here in the transaction that writes the points.
      CREATE TABLE run (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        method TEXT NOT NULL CHECK (method IN ('train', 'quantize')),
        status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'paused', 'interrupted', 'failed', 'cancelled', 'completed')),
        network TEXT NOT NULL,
        dataset TEXT NOT NULL,
        target TEXT,
        budgets TEXT NOT NULL,      -- JSON
        budgetLimits TEXT NOT NULL, -- JSON
        seed INTEGER NOT NULL,
        note TEXT NOT NULL,
        star INTEGER NOT NULL CHECK (star IN (0, 1)),
        progress TEXT NOT NULL,     -- JSON
        trials INTEGER NOT NULL,
        bestReward REAL,
        bestAccuracy REAL,
        bestTestAccuracy REAL,
        bestLatencyMs REAL,
        bestEnergyMj REAL,
        bestSizeBytes REAL,
        baselineAccuracy REAL,
        baselineTestAccuracy REAL,
        createdAtMs REAL NOT NULL,
        startedAtMs REAL,
        finishedAtMs REAL,
        error TEXT,
        configHash TEXT NOT NULL,
        revision INTEGER NOT NULL,
        ownerPid INTEGER,           -- the process that works on it; only while it runs
        ownerStartedAt TEXT,
        ownerBootId TEXT,
        request TEXT CHECK (request IN ('cancel')), -- what another process asks of the owner
        CHECK ((status = 'running') = (ownerPid IS NOT NULL)),
        CHECK ((ownerPid IS NULL) = (ownerStartedAt IS NULL) AND (ownerPid IS NULL) = (ownerBootId IS NULL)),
        CHECK (request IS NULL OR ownerPid IS NOT NULL)
      ) STRICT;
      CREATE INDEX runRunning ON run (ownerPid) WHERE ownerPid IS NOT NULL;

      -- What never changes of a run, and is long: apart, so that a list does not read past it.
      CREATE TABLE manifest (
        run INTEGER PRIMARY KEY REFERENCES run (key) ON DELETE CASCADE,
        manifest TEXT NOT NULL,     -- canonical JSON, whose SHA-256 is run.configHash
        layers TEXT NOT NULL        -- JSON
      ) STRICT;

      CREATE TABLE trial (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        step INTEGER NOT NULL,
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
      CREATE INDEX trialBest ON trial (run, step) WHERE isBest = 1;

      CREATE TABLE metric (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        series TEXT NOT NULL,
        step INTEGER NOT NULL,
        value REAL NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (run, series, step)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE solution (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('float', 'baseline', 'best')),
        label TEXT NOT NULL,
        policy TEXT,                -- JSON
        validationAccuracy REAL,
        testAccuracy REAL,
        withinBudget INTEGER NOT NULL CHECK (withinBudget IN (0, 1)),
        weights TEXT,               -- SHA-256 of a blob
        latencyMs REAL,
        energyMj REAL,
        sizeBytes REAL NOT NULL,
        macs REAL NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (run, role, label)
      ) STRICT, WITHOUT ROWID;

      -- Records that were written again after a checkpoint, as they stood from one revision until another.
      CREATE TABLE superseded (
        key INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('trial', 'metric', 'solution')),
        record TEXT NOT NULL,       -- JSON
        revision INTEGER NOT NULL,
        until INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX supersededRun ON superseded (run);

      -- The newest two of each run.
      CREATE TABLE checkpoint (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        revision INTEGER NOT NULL,
        phase TEXT NOT NULL,
        step INTEGER NOT NULL,
        sha256 TEXT NOT NULL,       -- of a blob
        sizeBytes INTEGER NOT NULL,
        atMs REAL NOT NULL,
        PRIMARY KEY (run, revision)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX checkpointBlob ON checkpoint (sha256);

      -- Never deleted by going back: it tells what happened.
      CREATE TABLE log (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        atMs REAL NOT NULL,
        level TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
        text TEXT NOT NULL,
        PRIMARY KEY (run, seq)
      ) STRICT, WITHOUT ROWID;

      -- Trained weights, found again by everything that decided them; they belong to no run.
      CREATE TABLE weights (
        trainingKey TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL,       -- of a blob
        sizeBytes INTEGER NOT NULL,
        network TEXT NOT NULL,
        dataset TEXT NOT NULL,
        testAccuracy REAL,
        trainSeconds REAL NOT NULL,
        imagesPerSecond REAL NOT NULL,
        atMs REAL NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX weightsBlob ON weights (sha256);

      CREATE TABLE dataset (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL        -- JSON
      ) STRICT, WITHOUT ROWID;
    `);
  },
};
