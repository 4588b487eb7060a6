/** What a chart or a table shows, as rows: the same on a screen, in CSV, in JSON and in a report. */

export type Cell = string | number | boolean | null;

/** A chart's content as rows, for "show as table", CSV and JSON. */
export interface Tabular {
  readonly columns: readonly { readonly id: string; readonly label: string; readonly unit: string }[];
  readonly rows: readonly (readonly Cell[])[];
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  const text = String(cell);
  // A text that a spreadsheet would take for a formula gets an apostrophe in front.
  const safe = typeof cell === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** RFC 4180: one header line, CRLF, full precision; a unit stands in its header as `latency [ms]`. */
export function toCsv(table: Tabular): string {
  const header = table.columns.map((column) => csvCell(column.unit === '' ? column.label : `${column.label} [${column.unit}]`));
  return [header, ...table.rows.map((row) => row.map(csvCell))].map((cells) => `${cells.join(',')}\r\n`).join('');
}

/** One object a row, by column id. */
export function toJson(table: Tabular): string {
  const rows = table.rows.map((row) => Object.fromEntries(table.columns.map((column, i) => [column.id, row[i] ?? null])));
  return `${JSON.stringify({ columns: table.columns, rows }, null, 2)}\n`;
}

/** A file name from a title: lower case, dashes. */
export function fileStem(...parts: readonly string[]): string {
  const stem = parts
    .join(' ')
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
  return stem === '' ? 'lathe' : stem.slice(0, 120);
}
