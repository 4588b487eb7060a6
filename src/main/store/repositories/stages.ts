/** Table stage: which runs a pipeline consists of. */
import type Database from 'better-sqlite3';
import type { RunStage } from '../../../shared/run.ts';

export class StageRepository {
  readonly #of: Database.Statement<[number], RunStage>;
  readonly #put: Database.Statement<[{ pipeline: number; name: string; run: number }]>;

  constructor(db: Database.Database) {
    this.#of = db.prepare(
      'SELECT stage.name AS name, run.id AS run FROM stage JOIN run ON run.key = stage.run WHERE pipeline = ? ORDER BY position',
    );
    this.#put = db.prepare(
      `INSERT INTO stage (pipeline, name, run, position)
       VALUES (@pipeline, @name, @run, (SELECT count(*) FROM stage WHERE pipeline = @pipeline))`,
    );
  }

  /** In the order in which they were made. */
  of(pipeline: number): RunStage[] {
    return this.#of.all(pipeline);
  }

  /** Throws where the pipeline has a stage of this name. */
  put(pipeline: number, name: string, run: number): void {
    this.#put.run({ pipeline, name, run });
  }
}
