/** Table solution. */
import type Database from 'better-sqlite3';
import { solutionSchema, type Solution } from '../../../shared/run.ts';
import { parseJson, recordOf } from '../rows.ts';

interface SolutionRow {
  readonly role: string;
  readonly label: string;
  readonly policy: string | null;
  readonly withinBudget: number;
}

const columns = Object.keys(solutionSchema.shape);
const selected = columns.join(', ');

export class SolutionRepository {
  readonly #put: Database.Statement<[Record<string, unknown>]>;
  readonly #list: Database.Statement<[number], SolutionRow>;
  readonly #deleteAfter: Database.Statement<[number, number]>;

  constructor(db: Database.Database) {
    this.#put = db.prepare(
      `REPLACE INTO solution (run, ${selected}, revision) VALUES (@run, ${columns.map((name) => `@${name}`).join(', ')}, @revision)`,
    );
    this.#list = db.prepare(
      `SELECT ${selected} FROM solution WHERE run = ? ORDER BY CASE role WHEN 'float' THEN 0 WHEN 'baseline' THEN 1 ELSE 2 END, label`,
    );
    this.#deleteAfter = db.prepare('DELETE FROM solution WHERE run = ? AND revision > ?');
  }

  /** Writes solutions, replacing those of the same role and label. */
  put(run: number, solutions: readonly Solution[], revision: number): void {
    for (const solution of solutions) {
      const policy = solution.policy === null ? null : JSON.stringify(solution.policy);
      this.#put.run({ ...solution, run, revision, policy, withinBudget: Number(solution.withinBudget) });
    }
  }

  /** The float network, the baselines, the best ones; each group by label. */
  list(run: number, id: string): Solution[] {
    return this.#list.all(run).map((row) =>
      recordOf(solutionSchema, { table: 'solution', row: `${id} ${row.role} ${row.label}` }, () => ({
        ...row,
        policy: row.policy === null ? null : parseJson(row.policy),
        withinBudget: row.withinBudget === 1,
      })),
    );
  }

  /** Deletes what was written after a revision; returns how many. */
  deleteAfter(run: number, revision: number): number {
    return this.#deleteAfter.run(run, revision).changes;
  }
}
