/** Table solution. */
import type Database from 'better-sqlite3';
import { solutionSchema, type Solution } from '../../../shared/run.ts';
import { parseJson, recordOf } from '../rows.ts';
import type { Versioned } from './superseded.ts';

interface SolutionRow {
  readonly role: string;
  readonly label: string;
  readonly policy: string | null;
  readonly prune: string | null;
  readonly withinBudget: number;
  readonly architecture: string | null;
}

const columns = Object.keys(solutionSchema.shape);
const selected = columns.join(', ');

export class SolutionRepository {
  readonly #put: Database.Statement<[Record<string, unknown>]>;
  readonly #find: Database.Statement<[number, string, string], SolutionRow & { revision: number }>;
  readonly #list: Database.Statement<[number], SolutionRow>;
  readonly #deleteAfter: Database.Statement<[number, number]>;

  constructor(db: Database.Database) {
    this.#put = db.prepare(
      `REPLACE INTO solution (run, ${selected}, revision) VALUES (@run, ${columns.map((name) => `@${name}`).join(', ')}, @revision)`,
    );
    this.#find = db.prepare(`SELECT ${selected}, revision FROM solution WHERE run = ? AND role = ? AND label = ?`);
    this.#list = db.prepare(
      `SELECT ${selected} FROM solution WHERE run = ? ORDER BY CASE role WHEN 'float' THEN 0 WHEN 'baseline' THEN 1 ELSE 2 END, label`,
    );
    this.#deleteAfter = db.prepare('DELETE FROM solution WHERE run = ? AND revision > ?');
  }

  /** Writes solutions; returns those of the same role and label that they replaced. */
  put(run: number, id: string, solutions: readonly Solution[], revision: number): Versioned<Solution>[] {
    const replaced: Versioned<Solution>[] = [];
    for (const solution of solutions) {
      const old = this.#find.get(run, solution.role, solution.label);
      if (old) replaced.push({ record: toSolution(old, id), revision: old.revision });
      const policy = solution.policy === null ? null : JSON.stringify(solution.policy);
      const prune = solution.prune ? JSON.stringify(solution.prune) : null;
      const architecture = solution.architecture ? JSON.stringify(solution.architecture) : null;
      this.#put.run({ ...solution, run, revision, policy, prune, architecture, withinBudget: Number(solution.withinBudget) });
    }
    return replaced;
  }

  /** The float network, the baselines, the best ones; each group by label. */
  list(run: number, id: string): Solution[] {
    return this.#list.all(run).map((row) => toSolution(row, id));
  }

  /** Deletes what was written after a revision; returns how many. */
  deleteAfter(run: number, revision: number): number {
    return this.#deleteAfter.run(run, revision).changes;
  }
}

function toSolution(row: SolutionRow, id: string): Solution {
  return recordOf(solutionSchema, { table: 'solution', row: `${id} ${row.role} ${row.label}` }, () => ({
    ...row,
    policy: row.policy === null ? null : parseJson(row.policy),
    prune: row.prune === null ? undefined : parseJson(row.prune),
    withinBudget: row.withinBudget === 1,
    architecture: row.architecture === null ? undefined : parseJson(row.architecture),
  }));
}
