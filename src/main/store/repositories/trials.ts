/** Table trial. */
import type Database from 'better-sqlite3';
import { trialSchema, type Trial } from '../../../shared/run.ts';
import { parseJson, recordOf } from '../rows.ts';
import type { Versioned } from './superseded.ts';

interface TrialRow {
  readonly step: number;
  readonly weightBits: string;
  readonly activationBits: string;
  readonly askedWeightBits: string;
  readonly askedActivationBits: string;
  readonly clippedBy: string;
  readonly prune: string | null;
  readonly isBest: number;
}

const columns = Object.keys(trialSchema.shape);
const selected = columns.join(', ');

export class TrialRepository {
  readonly #insert: Database.Statement<[Record<string, unknown>]>;
  readonly #replace: Database.Statement<[Record<string, unknown>]>;
  readonly #find: Database.Statement<[number, number], TrialRow & { revision: number }>;
  readonly #list: Database.Statement<[number, number, number], TrialRow>;
  readonly #best: Database.Statement<[number], TrialRow>;
  readonly #count: Database.Statement<[number], number>;
  readonly #deleteAfter: Database.Statement<[number, number]>;

  constructor(db: Database.Database) {
    const into = `INTO trial (run, ${selected}, revision) VALUES (@run, ${columns.map((name) => `@${name}`).join(', ')}, @revision)`;
    this.#insert = db.prepare(`INSERT ${into} ON CONFLICT DO NOTHING`);
    this.#replace = db.prepare(`REPLACE ${into}`);
    this.#find = db.prepare(`SELECT ${selected}, revision FROM trial WHERE run = ? AND step = ?`);
    this.#list = db.prepare(`SELECT ${selected} FROM trial WHERE run = ? AND step >= ? ORDER BY step LIMIT ?`);
    this.#best = db.prepare(`SELECT ${selected} FROM trial WHERE run = ? AND isBest = 1 ORDER BY step DESC LIMIT 1`);
    this.#count = db.prepare<[number], number>('SELECT count(*) FROM trial WHERE run = ?').pluck();
    this.#deleteAfter = db.prepare('DELETE FROM trial WHERE run = ? AND revision > ?');
  }

  /** Writes trials; returns those of the same step that they replaced. */
  put(run: number, id: string, trials: readonly Trial[], revision: number): Versioned<Trial>[] {
    const replaced: Versioned<Trial>[] = [];
    for (const trial of trials) {
      const row = {
        ...trial,
        run,
        revision,
        weightBits: JSON.stringify(trial.weightBits),
        activationBits: JSON.stringify(trial.activationBits),
        askedWeightBits: JSON.stringify(trial.askedWeightBits),
        askedActivationBits: JSON.stringify(trial.askedActivationBits),
        clippedBy: JSON.stringify(trial.clippedBy),
        prune: trial.prune ? JSON.stringify(trial.prune) : null,
        isBest: Number(trial.isBest),
      };
      if (this.#insert.run(row).changes > 0) continue;
      const old = this.#find.get(run, trial.step);
      if (old) replaced.push({ record: toTrial(old, id), revision: old.revision });
      this.#replace.run(row);
    }
    return replaced;
  }

  list(run: number, id: string, fromStep: number, limit: number): Trial[] {
    return this.#list.all(run, fromStep, limit).map((row) => toTrial(row, id));
  }

  /** The best so far: the last one that was the best when it was made. */
  best(run: number, id: string): Trial | null {
    const row = this.#best.get(run);
    return row ? toTrial(row, id) : null;
  }

  count(run: number): number {
    return this.#count.get(run) ?? 0;
  }

  /** Deletes what was written after a revision; returns how many. */
  deleteAfter(run: number, revision: number): number {
    return this.#deleteAfter.run(run, revision).changes;
  }
}

function toTrial(row: TrialRow, id: string): Trial {
  return recordOf(trialSchema, { table: 'trial', row: `${id} step ${row.step}` }, () => ({
    ...row,
    weightBits: parseJson(row.weightBits),
    activationBits: parseJson(row.activationBits),
    askedWeightBits: parseJson(row.askedWeightBits),
    askedActivationBits: parseJson(row.askedActivationBits),
    clippedBy: parseJson(row.clippedBy),
    prune: row.prune === null ? undefined : parseJson(row.prune),
    isBest: row.isBest === 1,
  }));
}
