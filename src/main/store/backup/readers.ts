/** Reads what was salvaged as the application will: a row that it could not read must not get in. */
import type Database from 'better-sqlite3';
import { DatasetRepository } from '../repositories/datasets.ts';
import { LatencyTableRepository } from '../repositories/latency-tables.ts';
import { LogRepository } from '../repositories/log.ts';
import { MetricRepository } from '../repositories/metrics.ts';
import { NetworkRepository } from '../repositories/networks.ts';
import { RunRepository } from '../repositories/runs.ts';
import { SolutionRepository } from '../repositories/solutions.ts';
import { StudyRepository } from '../repositories/studies.ts';
import { TrialRepository } from '../repositories/trials.ts';

export interface Readers {
  /** Throws `corrupt` when the row of this id, or one that belongs to it, is not as it must be. */
  check(table: string, id: unknown): void;
  /** Says in a run's log that it was taken over. */
  noteSalvaged(id: string, atMs: number): void;
}

export function createReaders(db: Database.Database): Readers {
  const runs = new RunRepository(db);
  const trials = new TrialRepository(db);
  const metrics = new MetricRepository(db);
  const solutions = new SolutionRepository(db);
  const log = new LogRepository(db);
  const datasets = new DatasetRepository(db);
  const networks = new NetworkRepository(db);
  const tables = new LatencyTableRepository(db);
  const studies = new StudyRepository(db);

  function checkRun(id: string): void {
    runs.summary(id);
    const run = runs.state(id);
    if (!run) return;
    runs.manifest(run);
    trials.list(run.key, id, 0, Number.MAX_SAFE_INTEGER);
    metrics.columns(run.key, 0);
    solutions.list(run.key, id);
    log.list(run.key, id, 0, Number.MAX_SAFE_INTEGER);
  }

  return {
    check(table, id) {
      if (typeof id !== 'string') return;
      if (table === 'run') checkRun(id);
      else if (table === 'dataset') datasets.find(id);
      else if (table === 'network') networks.find(id);
      else if (table === 'study') studies.find(id);
      else if (table === 'latency_table') {
        tables.find(id);
        tables.entries(id);
        tables.networks(id);
      }
    },
    noteSalvaged(id, atMs) {
      const run = runs.state(id);
      const text = 'taken over from a database that was damaged: its figures could be checked for their form only';
      if (run) log.append(run.key, [{ atMs, level: 'warn', text }]);
    },
  };
}
