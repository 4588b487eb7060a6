/** From runs to the rows of their table: sorted, and gathered into groups with mean and spread. Pure. */
import type { RunSummary } from '../../../shared/run.ts';
import type { Value } from '../../lib/table/columns.ts';
import type { RunColumn } from './columns.ts';

/** Several runs that are alike in what the table is grouped by. */
export interface RunGroup {
  readonly id: string;
  readonly label: string;
  readonly runs: readonly RunSummary[];
  readonly open: boolean; // its runs are shown under it
}
export type Row = RunSummary | RunGroup;

export function isGroup(row: Row): row is RunGroup {
  return 'runs' in row;
}

export interface Sort {
  readonly id: string;
  readonly desc: boolean;
}

/** What a table can be grouped by. */
export const groupings = [
  { id: 'seedless', label: 'All but the seed' },
  { id: 'method', label: 'Method' },
  { id: 'network', label: 'Network' },
  { id: 'dataset', label: 'Data set' },
  { id: 'target', label: 'Target' },
  { id: 'budget', label: 'Budget' },
  { id: 'status', label: 'Status' },
  { id: 'seed', label: 'Seed' },
  { id: 'tags', label: 'Tags' },
] as const;

/** Sorted by a column; what has no value comes last, up or down, and equals keep their order. */
export function sortRuns(runs: readonly RunSummary[], column: RunColumn | undefined, desc: boolean): readonly RunSummary[] {
  if (column === undefined) return runs;
  return sortedBy(runs, column.value, desc);
}

/** `groupBy` names columns, or `seedless`. */
export function groupRuns(
  runs: readonly RunSummary[],
  columns: ReadonlyMap<string, RunColumn>,
  { groupBy, sort, open }: { groupBy: readonly string[]; sort: Sort; open: ReadonlySet<string> },
): readonly Row[] {
  const gathered = new Map<string, RunSummary[]>();
  for (const run of runs) {
    const key = JSON.stringify(groupBy.map((id) => (id === 'seedless' ? run.seedlessHash : (columns.get(id)?.value(run) ?? null))));
    const group = gathered.get(key);
    if (group) group.push(run);
    else gathered.set(key, [run]);
  }
  const column = columns.get(sort.id);
  const groups = [...gathered].map(([key, members]): RunGroup => ({
    id: `group ${key}`,
    label: labelOf(members, groupBy, columns),
    runs: members,
    open: open.has(`group ${key}`),
  }));
  const sorted = column === undefined ? groups : sortedBy(groups, (group) => groupValue(group, column), sort.desc);
  return sorted.flatMap((group): readonly Row[] => (group.open ? [group, ...sortRuns(group.runs, column, sort.desc)] : [group]));
}

function labelOf(runs: readonly RunSummary[], groupBy: readonly string[], columns: ReadonlyMap<string, RunColumn>): string {
  const [first] = runs;
  if (first === undefined) return '';
  return groupBy
    .map((id) =>
      id === 'seedless' ? first.name : String(columns.get(id)?.value(first) ?? `no ${columns.get(id)?.label.toLowerCase() ?? id}`),
    )
    .join(' · ');
}

/** What a group is sorted by: the mean of its figures, the newest of its times, or what all its runs have in common. */
export function groupValue(group: RunGroup, column: RunColumn): Value {
  const values = group.runs.map((run) => column.value(run));
  const numbers = values.filter((value) => typeof value === 'number');
  if (column.format) return meanOf(numbers);
  if (column.id === 'created') return numbers.length === 0 ? null : Math.max(...numbers);
  const [first = null] = values;
  return values.every((value) => value === first) ? first : null;
}

/** What a group shows of a column: mean ± standard deviation (of a sample), a common value, or how many there are. */
export function groupText(group: RunGroup, column: RunColumn): string {
  const values = group.runs.map((run) => column.value(run));
  if (column.format) {
    const numbers = values.filter((value) => typeof value === 'number');
    const mean = meanOf(numbers);
    if (mean === null) return '—';
    const spread = deviationOf(numbers, mean);
    return spread === null ? column.format(mean) : `${column.format(mean)} ± ${(column.formatSpread ?? column.format)(spread)}`;
  }
  const [first] = group.runs;
  const distinct = new Set(values).size;
  if (first === undefined || (distinct > 1 && column.id !== 'created')) return `${String(distinct)} different`;
  const shown = column.id === 'created' ? (group.runs.find((run) => run.createdAtMs === groupValue(group, column)) ?? first) : first;
  return column.text ? column.text(shown) : String(column.value(shown) ?? '—');
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Null for a single value: there is nothing to say about its spread. */
function deviationOf(values: readonly number[], mean: number): number | null {
  if (values.length < 2) return null;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

function sortedBy<T>(items: readonly T[], valueOf: (item: T) => Value, desc: boolean): readonly T[] {
  const decorated = items.map((item) => ({ item, value: valueOf(item) }));
  const sign = desc ? -1 : 1;
  decorated.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    return sign * compare(a.value, b.value);
  });
  return decorated.map(({ item }) => item);
}

function compare(a: string | number | boolean, b: string | number | boolean): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [left, right] = [String(a), String(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
