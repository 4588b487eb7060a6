/**
 * Reads a latency table from CSV, JSON or YAML. JSON and YAML hold key -> {count, mean, std or var, min, median}; CSV a row a
 * key under a header with those names. What is not as it should be is refused by name: nothing is skipped and nothing filled in.
 */
import { CsvError, parse } from 'csv-parse/sync';
import { isMap, isScalar, parseDocument } from 'yaml';
import { LatheError } from '../../../shared/errors.ts';
import {
  latencyEntrySchema,
  latencyUnits,
  maximumTableBytes,
  maximumTableEntries,
  type LatencyEntry,
  type LatencyUnit,
  type TableFormat,
  type TableScheme,
} from '../../../shared/latency-table.ts';
import { parseKey, schemeOfKey } from './keys.ts';

export interface ReadTable {
  readonly scheme: TableScheme;
  readonly entries: readonly LatencyEntry[]; // sorted by key
}

const fields = ['count', 'mean', 'std', 'var', 'min', 'median', 'energy', 'noisy'] as const;
type Field = (typeof fields)[number];
type Row = Partial<Record<Field, unknown>>;

/** `name`: of the file, for sentences. Throws LatheError bad-input: with the file, the key and the field. */
export function readTable(name: string, text: string, format: TableFormat, unit: LatencyUnit): ReadTable {
  if (Buffer.byteLength(text) > maximumTableBytes) fail(name, `larger than ${maximumTableBytes / 2 ** 20} MiB`);
  const rows = format === 'csv' ? csvRows(name, text) : documentRows(name, text, format);
  if (rows.length === 0) fail(name, 'it has no entries');
  if (rows.length > maximumTableEntries) fail(name, `more than ${maximumTableEntries.toLocaleString('en-US')} entries`);
  const entries = rows.map(({ key, row }) => toEntry(name, key, row, latencyUnits[unit]));
  return { scheme: schemeOf(name, entries), entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

/** By the ending of a file's name. Throws LatheError bad-input for any other. */
export function formatOf(path: string): TableFormat {
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  if (ending === 'csv' || ending === 'json') return ending;
  if (ending === 'yaml' || ending === 'yml') return 'yaml';
  throw new LatheError('bad-input', `${path}: expected a file that ends in .csv, .json, .yaml or .yml`);
}

function fail(name: string, what: string): never {
  throw new LatheError('bad-input', `${name}: ${what}`);
}

interface KeyedRow {
  readonly key: string;
  readonly row: Row;
}

/** YAML; and JSON, which is YAML with a stricter grammar: this parser, unlike JSON.parse, tells of a key that is there twice. */
function documentRows(name: string, text: string, format: 'json' | 'yaml'): KeyedRow[] {
  if (format === 'json') checkJson(name, text);
  const document = parseDocument(text, { uniqueKeys: true, schema: format === 'json' ? 'json' : 'core', maxAliasCount: 0 } as object);
  const [error] = document.errors;
  if (error) fail(name, error.message.split('\n')[0] ?? 'it cannot be read');
  if (!isMap(document.contents)) return fail(name, `expected a map from key to {count, mean, ...}`);
  return document.contents.items.map((pair) => {
    const key = isScalar(pair.key) && typeof pair.key.value === 'string' ? pair.key.value : String(pair.key);
    const { value } = pair;
    if (!isMap(value)) return fail(name, `${key}: expected {count, mean, ...}`);
    const row = value.toJSON() as Record<string, unknown>;
    checkFields(name, key, Object.keys(row));
    return { key, row };
  });
}

function checkJson(name: string, text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    fail(name, `not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function csvRows(name: string, text: string): KeyedRow[] {
  let records: Record<string, string>[];
  try {
    records = parse(text, { bom: true, columns: (header: string[]) => checkHeader(name, header), trim: true, skip_empty_lines: true });
  } catch (error) {
    if (error instanceof CsvError) return fail(name, error.message);
    throw error;
  }
  const seen = new Set<string>();
  return records.map((record) => {
    const { key = '', ...cells } = record;
    if (seen.has(key)) fail(name, `key ${key} is there twice`);
    seen.add(key);
    const row = Object.fromEntries(
      Object.entries(cells).flatMap(([field, cell]): [string, unknown][] =>
        cell === '' ? [] : [[field, cellValue(name, key, field, cell)]],
      ),
    );
    return { key, row };
  });
}

function cellValue(name: string, key: string, field: string, cell: string): unknown {
  if (cell === 'true' || cell === 'false') return cell === 'true';
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell))
    fail(name, `${key}: ${field}: expected a number, found ${JSON.stringify(cell.slice(0, 50))}`);
  return Number(cell);
}

function checkHeader(name: string, header: readonly string[]): string[] {
  const names = header.map((cell) => cell.trim().toLowerCase());
  if (!names.includes('key')) fail(name, `expected a header with key,mean, found ${header.join(',').slice(0, 200)}`);
  checkFields(
    name,
    'header',
    names.filter((cell) => cell !== 'key'),
  );
  if (!names.includes('mean')) fail(name, 'header: the column mean is missing');
  return names;
}

function checkFields(name: string, where: string, names: readonly string[]): void {
  const unknown = names.find((field) => !(fields as readonly string[]).includes(field));
  if (unknown !== undefined) fail(name, `${where}: unknown field ${JSON.stringify(unknown.slice(0, 50))}; expected ${fields.join(', ')}`);
  if (new Set(names).size !== names.length) fail(name, `${where}: a field is there twice`);
}

function toEntry(name: string, key: string, row: Row, toMs: number): LatencyEntry {
  try {
    parseKey(key);
  } catch (error) {
    if (error instanceof LatheError) return fail(name, error.message);
    throw error;
  }
  if (row.mean === undefined) fail(name, `${key}: the field mean is missing`);
  const ms = (value: unknown): unknown => (typeof value === 'number' ? value * toMs : value);
  const parsed = latencyEntrySchema.safeParse({
    key,
    count: row.count ?? null,
    meanMs: ms(row.mean),
    stdMs: ms(row.std ?? null),
    variance: row.var ?? null,
    minMs: ms(row.min ?? null),
    medianMs: ms(row.median ?? null),
    energyMj: row.energy ?? null,
    noisy: row.noisy ?? false,
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field =
    issue?.path
      .map(String)
      .join('.')
      .replace(/Ms$|Mj$/, '') ?? '';
  return fail(name, `${key}: ${field === 'variance' ? 'var' : field}: ${issue?.message ?? 'not as it should be'}`);
}

/** One for all keys. A table of first and last layers alone counts as the older scheme. */
function schemeOf(name: string, entries: readonly LatencyEntry[]): TableScheme {
  let scheme: TableScheme | null = null;
  let witness = '';
  for (const { key } of entries) {
    const own = schemeOfKey(parseKey(key));
    if (own === null || own === scheme) continue;
    if (scheme !== null) fail(name, `keys of two schemes: ${witness} is of ${scheme}, ${key} of ${own}; make a table of each`);
    [scheme, witness] = [own, key];
  }
  const found = scheme ?? 'proxylessnas';
  const stray = found === 'operators' || found === 'layers' ? entries.find(({ key }) => parseKey(key).scheme === 'block') : undefined;
  if (stray) fail(name, `keys of two schemes: ${witness} is of ${found}, ${stray.key} of a table of blocks; make a table of each`);
  return found;
}
