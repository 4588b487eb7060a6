/**
 * Takes rows over from a damaged database into a whole one. SQLite has no checksums: what is read is checked for its form and
 * not for its figures, and every run that is taken over says so in its log.
 *
 * Tables and their keys are read from the whole database, so that a new table needs nothing here. A row is known by its
 * unique columns, but for numbers that SQLite gave it; references to such numbers (run.key) are translated.
 */
import type Database from 'better-sqlite3';
import type { Recovery } from '../../../shared/backup.ts';
import { createReaders, type Readers } from './readers.ts';

type SalvagedTable = Recovery['tables'][number];
type Value = string | number | bigint | Buffer | null;
type Row = Record<string, Value>;

interface Shape {
  readonly name: string;
  readonly columns: readonly string[]; // that both databases have
  readonly given: string | null; // the column with a number that SQLite gives
  readonly key: readonly string[]; // what a row is known by; empty: nothing
  readonly references: readonly { readonly column: string; readonly table: string }[];
}

interface Reading {
  readonly rows: readonly Row[];
  readonly error: string | null; // why not all of them could be read
}

/** Takes over what can be read from `damaged`; `target` has all its migrations. All or nothing of it is there afterwards. */
export function salvage(target: Database.Database, damaged: Database.Database, atMs: number): SalvagedTable[] {
  const shapes = shapesOf(target, damaged);
  const readings = new Map(shapes.map((shape) => [shape.name, readRows(damaged, shape)]));
  const reports = new Map(shapes.map(({ name }) => [name, { table: name, rows: 0, refused: [] as string[] }]));
  for (const { name } of shapes) {
    const error = readings.get(name)?.error;
    if (error) reports.get(name)?.refused.push(`the rest of the table cannot be read (${error})`);
  }
  const readers = createReaders(target);
  target
    .transaction(() => {
      for (const parent of shapes.filter(({ references }) => references.length === 0)) {
        const children = shapes.filter(({ references }) => references.some(({ table }) => table === parent.name));
        takeFamily({ target, parent, children, readings, reports, readers, atMs });
      }
    })
    .immediate();
  return [...reports.values()].filter(({ rows, refused }) => rows > 0 || refused.length > 0);
}

interface Family {
  readonly target: Database.Database;
  readonly parent: Shape;
  readonly children: readonly Shape[];
  readonly readings: ReadonlyMap<string, Reading>;
  readonly reports: ReadonlyMap<string, SalvagedTable>;
  readonly readers: Readers;
  readonly atMs: number;
}

/** A parent's rows, each with those that refer to it: taken over together, or left as the whole database has them. */
function takeFamily({ target, parent, children, readings, reports, readers, atMs }: Family): void {
  const byParent = new Map(children.map((child) => [child.name, grouped(child, parent, readings.get(child.name)?.rows ?? [])]));
  const identity = parent.given ?? parent.key[0] ?? '';
  for (const row of readings.get(parent.name)?.rows ?? []) {
    const taken: Record<string, number> = {};
    try {
      target.transaction(() => {
        const { key, isNewer } = put(target, parent, row);
        if (!isNewer) return;
        taken[parent.name] = 1;
        for (const child of children) {
          const column = columnTo(child, parent);
          const own = byParent.get(child.name)?.get(row[identity] ?? null) ?? [];
          // What could be read to its end is what there was: what the whole database has from before is replaced.
          if (readings.get(child.name)?.error === null) target.prepare(`DELETE FROM "${child.name}" WHERE "${column}" = ?`).run(key);
          for (const one of own) insert(target, child, { ...one, [column]: key });
          taken[child.name] = own.length;
        }
        readers.check(parent.name, row['id'] ?? null);
        if (parent.name === 'run') readers.noteSalvaged(String(row['id']), atMs);
      })();
    } catch (error) {
      reports.get(parent.name)?.refused.push(`${nameOf(parent, row)}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    for (const [table, rows] of Object.entries(taken)) {
      const report = reports.get(table);
      if (report) report.rows += rows;
    }
  }
}

function columnTo(child: Shape, parent: Shape): string {
  return child.references.find(({ table }) => table === parent.name)?.column ?? '';
}

function nameOf({ name, key }: Shape, row: Row): string {
  return `${name} ${key.map((column) => String(row[column]).slice(0, 80)).join(', ')}`;
}

function grouped(child: Shape, parent: Shape, rows: readonly Row[]): Map<Value, Row[]> {
  const groups = new Map<Value, Row[]>();
  const column = columnTo(child, parent);
  for (const row of rows) {
    const owner = row[column] ?? null;
    const group = groups.get(owner);
    if (group) group.push(row);
    else groups.set(owner, [row]);
  }
  return groups;
}

/** Inserts a row or updates the one of the same key, unless that is as new; returns the value that others refer to it by. */
function put(target: Database.Database, shape: Shape, row: Row): { key: Value; isNewer: boolean } {
  const columns = shape.columns.filter((column) => column !== shape.given);
  const reference = shape.given ?? shape.key[0] ?? '';
  const found = target
    .prepare<Row[], Row>(`SELECT * FROM "${shape.name}" WHERE ${shape.key.map((column) => `"${column}" = @${column}`).join(' AND ')}`)
    .get(row);
  if (!found) {
    const list = columns.map((column) => `"${column}"`).join(', ');
    const key = target
      .prepare<Row[], Value>(
        `INSERT INTO "${shape.name}" (${list}) VALUES (${columns.map((column) => `@${column}`).join(', ')}) RETURNING "${reference}"`,
      )
      .pluck()
      .get(row);
    return { key: key ?? null, isNewer: true };
  }
  const key = found[reference] ?? null;
  if (columns.every((column) => found[column] === row[column]) || Number(found['revision'] ?? 0) > Number(row['revision'] ?? 0))
    return { key, isNewer: false };
  const changes = columns.filter((column) => !shape.key.includes(column)).map((column) => `"${column}" = @${column}`);
  const where = shape.key.map((column) => `"${column}" = @${column}`).join(' AND ');
  if (changes.length > 0) target.prepare(`UPDATE "${shape.name}" SET ${changes.join(', ')} WHERE ${where}`).run(row);
  return { key, isNewer: true };
}

function insert(target: Database.Database, shape: Shape, row: Row): void {
  const columns = shape.columns.filter((column) => column !== shape.given);
  const list = columns.map((column) => `"${column}"`).join(', ');
  target.prepare(`INSERT OR REPLACE INTO "${shape.name}" (${list}) VALUES (${columns.map((column) => `@${column}`).join(', ')})`).run(row);
}

/** From the first row on, and when that ends at a damaged page, from the last one back. */
function readRows(damaged: Database.Database, shape: Shape): Reading {
  const rows = new Map<string, Row>();
  const order = [...(shape.given === null ? shape.key : [shape.given])];
  const select = `SELECT ${shape.columns.map((column) => `"${column}"`).join(', ')} FROM "${shape.name}"`;
  const read = (direction: 'ASC' | 'DESC'): string | null => {
    const by = order.length === 0 ? '' : ` ORDER BY ${order.map((column) => `"${column}" ${direction}`).join(', ')}`;
    try {
      for (const row of damaged.prepare<[], Row>(select + by).iterate())
        rows.set(JSON.stringify(order.map((column) => String(row[column]))), row);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  if (shape.columns.length === 0) return { rows: [], error: 'it is not there' };
  const error = read('ASC');
  if (error !== null && order.length > 0) read('DESC');
  return { rows: [...rows.values()], error };
}

/** The whole database's tables with the columns that the damaged one has too. */
function shapesOf(target: Database.Database, damaged: Database.Database): Shape[] {
  const names = target
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .pluck()
    .all();
  return names.map((name) => {
    const columns = columnsOf(target, name);
    const there = new Set(columnsOfDamaged(damaged, name));
    const primary = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
    const references = (target.pragma(`foreign_key_list("${name}")`) as { from: string; table: string }[]).map(({ from, table }) => ({
      column: from,
      table,
    }));
    const [first] = primary;
    const isGiven = first?.type === 'INTEGER' && primary.length === 1 && isRowid(target, name);
    const unique = uniqueColumns(target, name);
    // A table of one row, such as the settings, has nothing but its number to know the row by.
    const isAlone = references.length === 0 && unique.length === 0;
    const given = isGiven && !isAlone && !references.some(({ column }) => column === first.name) ? first.name : null;
    return {
      name,
      columns: columns.map((column) => column.name).filter((column) => there.has(column)),
      given,
      key: given === null ? primary.map((column) => column.name) : unique,
      references,
    };
  });
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly pk: number; // place in the primary key, from 1; 0: not in it
}

function columnsOf(db: Database.Database, table: string): Column[] {
  return db.pragma(`table_info("${table}")`) as Column[];
}

function columnsOfDamaged(db: Database.Database, table: string): string[] {
  try {
    return columnsOf(db, table).map(({ name }) => name);
  } catch {
    return []; // its schema cannot be read: there is nothing to take over, which the report says
  }
}

function isRowid(db: Database.Database, table: string): boolean {
  const list = db.pragma('table_list') as { name: string; wr: number }[];
  return list.find(({ name }) => name === table)?.wr === 0;
}

/** The columns of the first unique index that is no primary key; none where there is no such index. */
function uniqueColumns(db: Database.Database, table: string): string[] {
  const indexes = db.pragma(`index_list("${table}")`) as { name: string; unique: number; origin: string; partial: number }[];
  const index = indexes.find(({ unique, origin, partial }) => unique === 1 && origin === 'u' && partial === 0);
  return index ? (db.pragma(`index_info("${index.name}")`) as { name: string }[]).map(({ name }) => name) : [];
}
