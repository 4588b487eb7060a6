/**
 * The list of runs as columns: ten thousand of them cross to the other thread as thirty arrays, and a text that many rows share
 * (a budget, the progress of a run that is done) is read and checked once.
 */
import { runSummarySchema, type RunSummary } from '../../../shared/run.ts';
import { recordOf } from '../rows.ts';

type Name = keyof RunSummary;
export type RunColumns = { readonly [K in Name]: readonly RunSummary[K][] };

/** In the order in which `rowsToColumns` wants a row's values. */
export const summaryNames = Object.keys(runSummarySchema.shape) as readonly Name[];
const jsonNames: ReadonlySet<Name> = new Set<Name>(['budgets', 'budgetLimits', 'progress', 'tags', 'pipelines']);

/** A row's value as the record has it. Throws SyntaxError where it is to be JSON and is not. */
function decoded(name: Name, value: unknown): unknown {
  if (jsonNames.has(name)) return JSON.parse(String(value));
  return name === 'star' ? value === 1 : value;
}

/** The record of a row. Throws `corrupt` with the row's id and what is wrong in it. */
export function summaryOfRow(row: readonly unknown[]): RunSummary {
  return recordOf(runSummarySchema, { table: 'run', row: String(row[summaryNames.indexOf('id')]) }, () =>
    Object.fromEntries(summaryNames.map((name, at) => [name, decoded(name, row[at])])),
  );
}

/** Checks each value as `summaryOfRow` does, and fails as it does. */
export function rowsToColumns(rows: readonly (readonly unknown[])[]): RunColumns {
  const readers = summaryNames.map(readerOf);
  const columns = summaryNames.map(() => new Array<unknown>(rows.length));
  rows.forEach((row, index) => {
    for (let at = 0; at < readers.length; at++) {
      const [column, read] = [columns[at], readers[at]];
      if (column && read) column[index] = read(row[at], row);
    }
  });
  return Object.fromEntries(summaryNames.map((name, at) => [name, columns[at]])) as unknown as RunColumns;
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isTextOrNull = (value: unknown): boolean => value === null || typeof value === 'string';
const isFigure = (value: unknown): boolean => Number.isFinite(value);
const isFigureOrNull = (value: unknown): boolean => value === null || Number.isFinite(value);
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value);

/** What is right in a column in which hardly two rows are alike, without its schema: that is asked where this says no. */
const surelyRight: Readonly<Partial<Record<Name, (value: unknown) => boolean>>> = {
  ...{ id: isText, name: isText, note: isText, configHash: isText, seedlessHash: isText, error: isTextOrNull },
  ...{ seed: isWhole, trials: isWhole, revision: isWhole, queueOrder: isFigureOrNull },
  ...{ bestReward: isFigureOrNull, bestAccuracy: isFigureOrNull, bestTestAccuracy: isFigureOrNull, bestLatencyMs: isFigureOrNull },
  ...{
    bestEnergyMj: isFigureOrNull,
    bestSizeBytes: isFigureOrNull,
    baselineAccuracy: isFigureOrNull,
    baselineTestAccuracy: isFigureOrNull,
  },
  ...{ createdAtMs: isFigure, startedAtMs: isFigureOrNull, finishedAtMs: isFigureOrNull },
};

type Reader = (raw: unknown, row: readonly unknown[]) => unknown;

/** Reads the values of a column, each distinct one of those that many rows share once. */
function readerOf(name: Name): Reader {
  const isRight = surelyRight[name];
  if (isRight) return (raw, row) => (isRight(raw) ? raw : summaryOfRow(row)[name]);
  const schema = runSummarySchema.shape[name];
  const known = new Map<unknown, unknown>();
  return (raw, row) => {
    let value = known.get(raw);
    if (value === undefined) {
      const checked = schema.safeParse(decodedOrNothing(name, raw));
      value = checked.success ? checked.data : summaryOfRow(row)[name]; // throws: a row's sentence is the whole row's
      known.set(raw, value);
    }
    return value;
  };
}

function decodedOrNothing(name: Name, raw: unknown): unknown {
  try {
    return decoded(name, raw);
  } catch {
    return null; // no column of JSON takes that: `summaryOfRow` tells what is wrong
  }
}

/** The rows again, in their order. Values that rows share are shared: nobody changes a record. */
export function runsOf(columns: RunColumns): RunSummary[] {
  const empty = Object.fromEntries(summaryNames.map((name) => [name, null]));
  const runs = columns.id.map((): Record<string, unknown> => ({ ...empty }));
  for (const name of summaryNames) {
    const column = columns[name];
    runs.forEach((run, at) => (run[name] = column[at]));
  }
  return runs as unknown as RunSummary[];
}
