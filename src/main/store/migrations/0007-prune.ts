/**
 * Runs that prune: their trials decide channels instead of bits and may have no target, and so no latency. What a method may be is
 * checked by the schemas of src/shared when a row is read, so that a new one needs no migration.
 */
import type { Migration } from '../migrate.ts';

export const prune: Migration = {
  version: 7,
  up: (db) => {
    rebuild(db, 'run', ["method IN ('train', 'quantize')"], []);
    rebuild(db, 'trial', [], ['latencyMs']);
    db.exec(`
      ALTER TABLE trial ADD COLUMN prune TEXT;    -- JSON
      ALTER TABLE solution ADD COLUMN prune TEXT; -- JSON
    `);
  },
};

/**
 * Makes a table again without some of its checks and NOT NULLs, as SQLite's documentation of ALTER TABLE describes it
 * ("Making Other Kinds Of Table Schema Changes"); its indices come along. Foreign keys are off while migrations run.
 */
function rebuild(db: Parameters<Migration['up']>[0], table: string, checks: readonly string[], nullable: readonly string[]): void {
  const statements = db
    .prepare<[string], { type: string; sql: string }>('SELECT type, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL')
    .all(table);
  let definition = statements.find(({ type }) => type === 'table')?.sql ?? '';
  const change = (from: string, to: string): void => {
    if (!definition.includes(from)) throw new Error(`table ${table} does not have ${from}`);
    definition = definition.replace(from, to);
  };
  for (const check of checks) change(` CHECK (${check})`, '');
  for (const column of nullable) change(`${column} REAL NOT NULL`, `${column} REAL`);
  change(table, `${table}Rebuilt`);
  db.exec(definition);
  db.exec(`INSERT INTO ${table}Rebuilt SELECT * FROM ${table}; DROP TABLE ${table}; ALTER TABLE ${table}Rebuilt RENAME TO ${table};`);
  for (const { type, sql } of statements) if (type === 'index') db.exec(sql);
}
