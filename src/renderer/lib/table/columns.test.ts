import { describe, expect, it } from 'vitest';
import { filterRows, shownText, type ColumnSpec } from './columns.ts';
import { readLayout, writeLayout, type Layout } from './layout.ts';

interface Row {
  readonly name: string;
  readonly latencyMs: number | null;
}
const columns: readonly ColumnSpec<Row>[] = [
  { id: 'name', label: 'Name', width: 1, value: (row) => row.name },
  {
    id: 'latency',
    label: 'Latency',
    width: 1,
    value: (row) => row.latencyMs,
    text: (row) => (row.latencyMs === null ? '—' : row.latencyMs.toFixed(1)),
  },
];
const rows: readonly Row[] = [
  { name: 'Alpha one', latencyMs: 12.345 },
  { name: 'beta', latencyMs: null },
  { name: 'alpha two', latencyMs: 7 },
];
const names = (filter: string): string[] => filterRows(rows, columns, filter).map((row) => row.name);

describe('the filter of a table', () => {
  it('is no filter when it is empty, and then copies nothing', () => {
    expect(filterRows(rows, columns, '  ')).toBe(rows);
    expect(filterRows(rows, columns, '-')).toBe(rows);
  });

  it('wants every word somewhere, without case, in what is shown or in the full value', () => {
    expect(names('ALPHA')).toEqual(['Alpha one', 'alpha two']);
    expect(names('alpha 12.3')).toEqual(['Alpha one']);
    expect(names('12.345')).toEqual(['Alpha one']);
    expect(names('alpha beta')).toEqual([]);
  });

  it('leaves out what a word with a dash names', () => {
    expect(names('alpha -two')).toEqual(['Alpha one']);
    expect(names('-alpha')).toEqual(['beta']);
  });

  it('shows a dash for what is not known', () => {
    const bare: ColumnSpec<Row> = { id: 'x', label: 'x', width: 1, value: (row) => row.latencyMs };
    expect(rows.map((row) => shownText(bare, row))).toEqual(['12.345', '—', '7']);
  });
});

describe('a table’s layout', () => {
  it('comes back as it was written, and what something else wrote is none', () => {
    const stored = new Map<string, string>();
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    };
    const layout: Layout = { sorting: [{ id: 'name', desc: true }], sizing: { name: 120 }, visibility: { latency: false } };
    expect(readLayout('runs', storage)).toBeNull();
    writeLayout('runs', layout, storage);
    expect(readLayout('runs', storage)).toEqual(layout);
    for (const text of ['{', '[]', '{"sorting":[],"sizing":{"name":-5},"visibility":{}}']) {
      stored.set('lathe.table.runs', text);
      expect(readLayout('runs', storage)).toBeNull();
    }
  });
});
