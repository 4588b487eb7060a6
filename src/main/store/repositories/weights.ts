/** Table weights. */
import type Database from 'better-sqlite3';
import type { WeightsRecord } from '../types.ts';

const columns = [
  'trainingKey',
  'sha256',
  'sizeBytes',
  'network',
  'dataset',
  'testAccuracy',
  'trainSeconds',
  'imagesPerSecond',
  'atMs',
] as const satisfies readonly (keyof WeightsRecord)[];

export class WeightsRepository {
  readonly #put: Database.Statement<[WeightsRecord]>;
  readonly #find: Database.Statement<[string], WeightsRecord>;

  constructor(db: Database.Database) {
    const selected = columns.join(', ');
    this.#put = db.prepare(`REPLACE INTO weights (${selected}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`);
    this.#find = db.prepare(`SELECT ${selected} FROM weights WHERE trainingKey = ?`);
  }

  /** Writes weights, replacing those of the same key. */
  put(record: WeightsRecord): void {
    this.#put.run(record);
  }

  find(trainingKey: string): WeightsRecord | null {
    return this.#find.get(trainingKey) ?? null;
  }
}
