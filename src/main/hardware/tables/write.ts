/** Writes a latency table as CSV, JSON or YAML, in milliseconds; `read.ts` reads it back to the same entries. */
import { stringify } from 'yaml';
import type { LatencyEntry, TableFormat } from '../../../shared/latency-table.ts';

const columns = ['key', 'count', 'mean', 'std', 'var', 'min', 'median', 'energy', 'noisy'] as const;

export function writeTable(entries: readonly LatencyEntry[], format: TableFormat): string {
  const rows = entries.map(toRow);
  switch (format) {
    case 'csv': // keys and numbers need no quotes
      return `${[columns.join(','), ...rows.map((row) => columns.map((name) => String(row[name] ?? '')).join(','))].join('\n')}\n`;
    case 'json':
      return `${JSON.stringify(byKey(rows), null, 2)}\n`;
    case 'yaml':
      return stringify(byKey(rows), { lineWidth: 0 });
  }
}

type Row = { readonly key: string } & Readonly<Partial<Record<(typeof columns)[number], string | number | boolean>>>;

/** What is not known has no field. */
function toRow(entry: LatencyEntry): Row {
  const { key, count, meanMs, stdMs, variance, minMs, medianMs, energyMj, noisy } = entry;
  const known = (name: string, value: number | null): Record<string, number> => (value === null ? {} : { [name]: value });
  return {
    key,
    ...known('count', count),
    mean: meanMs,
    ...known('std', stdMs),
    ...known('var', variance),
    ...known('min', minMs),
    ...known('median', medianMs),
    ...known('energy', energyMj),
    ...(noisy ? { noisy } : {}),
  };
}

function byKey(rows: readonly Row[]): Record<string, Omit<Row, 'key'>> {
  return Object.fromEntries(rows.map(({ key, ...row }) => [key, row]));
}
