/** What a table needs to know of a column. */
import type { Snippet } from 'svelte';

export type Value = string | number | boolean | null;

export interface ColumnSpec<T> {
  readonly id: string;
  readonly label: string;
  readonly unit?: string;
  readonly title?: string; // what the figure is, for a person
  readonly number?: boolean; // aligned right
  readonly width: number; // CSS pixels at first
  readonly grow?: boolean; // takes what room is left
  /** Sorted, filtered and exported by. Null sorts last, up or down. */
  readonly value: (row: T) => Value;
  /** What is shown; default: the value as text. */
  readonly text?: (row: T) => string;
  /** Drawn instead of the text. */
  readonly cell?: Snippet<[T]>;
  readonly firstDescending?: boolean; // what the first click on the header does
  readonly sortable?: boolean;
  readonly hidden?: boolean; // at first
}

export function shownText<T>(column: ColumnSpec<T>, row: T): string {
  if (column.text) return column.text(row);
  const value = column.value(row);
  return value === null ? '—' : String(value);
}

/**
 * The rows in which every word of the filter occurs in some column's text or value; a word may be `-word` to leave rows
 * out. Case does not matter. The same list is returned when the filter is empty.
 */
export function filterRows<T>(rows: readonly T[], columns: readonly ColumnSpec<T>[], filter: string): readonly T[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '-');
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = columns
      .map((column) => `${shownText(column, row)}\n${String(column.value(row) ?? '')}`)
      .join('\n')
      .toLowerCase();
    return words.every((word) => (word.startsWith('-') ? !text.includes(word.slice(1)) : text.includes(word)));
  });
}
