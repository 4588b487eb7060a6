/**
 * A CSV table of image files: the columns path and label, and split where the parts are given; one header line. Paths are
 * relative to the table's folder and stay inside it. A label is the class's name; the classes are in order of their names, or
 * of their numbers where all are whole numbers.
 */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CsvError, parse } from 'csv-parse';
import { LatheError } from '../../shared/errors.ts';
import { describeFileError } from './file-errors.ts';
import { isInside, slashes } from './image-folder.ts';
import { checkClassNames, maximumFiles, partNames } from './listing.ts';
import type { ListedFile, ListedPart, Listing } from './listing.ts';

const columns = ['path', 'label', 'split'] as const;
const maximumRecordBytes = 65_536;
const filesAtOnce = 64;

interface Row {
  readonly line: number;
  readonly path: string;
  readonly label: string;
  readonly part: ListedPart | null;
}

/** Whether the first line of a text is the header of such a table. */
export function isTableHeader(line: string): boolean {
  const names = headerNames(line);
  return names.includes('path') && names.includes('label');
}

/** Lists a table. Throws LatheError: bad-input with one sentence that begins with the path and, where it is one row's, its line. */
export async function listImageTable(path: string, signal: AbortSignal): Promise<Listing> {
  const table = await realpath(resolve(path)).catch((error: unknown) => {
    throw describeFileError(path, error);
  });
  const root = dirname(table);
  const rows = await readRows(table, signal);
  const classNames = classesOf(rows);
  checkClassNames(table, classNames);
  const labelOf = new Map(classNames.map((name, label) => [name, label]));
  const files: ListedFile[] = [];
  const seen = new Map<string, number>();
  for (let first = 0; first < rows.length; first += filesAtOnce) {
    if (signal.aborted) throw new LatheError('cancelled', `${table}: listing was stopped on request`);
    const some = rows.slice(first, first + filesAtOnce);
    const listed = await Promise.all(some.map((row) => listFile(table, root, row, labelOf.get(row.label) ?? 0)));
    for (const [index, file] of listed.entries()) {
      const line = some[index]?.line ?? 0;
      const before = seen.get(file.name);
      if (before !== undefined)
        throw new LatheError('bad-input', `${table}: line ${line}: ${file.name} is there twice, first on line ${before}`);
      seen.set(file.name, line);
      files.push(file);
    }
  }
  return { kind: 'csv', root, classNames, files, notes: [] };
}

async function readRows(table: string, signal: AbortSignal): Promise<Row[]> {
  const rows: Row[] = [];
  const file = createReadStream(table, { signal });
  const parser = file.pipe(
    parse({
      bom: true,
      columns: (names: string[]) => checkHeader(table, names),
      trim: true,
      skip_empty_lines: true,
      info: true,
      max_record_size: maximumRecordBytes,
    }),
  );
  file.on('error', (error) => parser.destroy(error));
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: Record<string, string>; info: { lines: number } }>) {
      rows.push(toRow(table, info.lines, record));
      if (rows.length > maximumFiles) throw new LatheError('bad-input', `${table}: more than ${maximumFiles.toLocaleString('en-US')} rows`);
    }
  } catch (error) {
    throw describeTableError(table, error);
  } finally {
    file.destroy();
  }
  if (rows.length === 0) throw new LatheError('bad-input', `${table}: it has no rows below its header`);
  return rows;
}

function describeTableError(table: string, error: unknown): Error {
  if (error instanceof CsvError) {
    return new LatheError(
      'bad-input',
      `${table}: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}; expected a CSV table with the columns path,label[,split]`,
    );
  }
  if (error instanceof Error && 'code' in error && error.code === 'ABORT_ERR')
    return new LatheError('cancelled', `${table}: reading was stopped on request`);
  return describeFileError(table, error);
}

function headerNames(line: string): string[] {
  return line.split(',').map((name) => name.trim().replace(/^"|"$/g, '').toLowerCase());
}

function checkHeader(table: string, found: readonly string[]): string[] {
  const names = found.map((name) => name.trim().toLowerCase());
  const fail = (what: string): never => {
    throw new LatheError(
      'bad-input',
      `${table}: ${what}; expected the header path,label or path,label,split, found ${found.join(',').slice(0, 200)}`,
    );
  };
  const unknown = names.find((name) => !(columns as readonly string[]).includes(name));
  for (const needed of ['path', 'label']) if (!names.includes(needed)) fail(`the column ${needed} is missing`);
  if (unknown !== undefined) fail(`the column ${JSON.stringify(unknown.slice(0, 50))} is unknown`);
  if (new Set(names).size !== names.length) fail('a column is there twice');
  return names;
}

function toRow(table: string, line: number, record: Readonly<Record<string, string>>): Row {
  const { path = '', label = '', split = '' } = record;
  const where = `${table}: line ${String(line)}`;
  if (path === '' || label === '') throw new LatheError('bad-input', `${where}: the ${path === '' ? 'path' : 'label'} is empty`);
  const part = record['split'] === undefined ? null : partNames[split.toLowerCase()];
  if (part === undefined)
    throw new LatheError('bad-input', `${where}: split ${JSON.stringify(split.slice(0, 50))}; expected train, val or test`);
  return { line, path, label, part };
}

function classesOf(rows: readonly Row[]): string[] {
  const names = [...new Set(rows.map(({ label }) => label))];
  const numbers = names.every((name) => /^(0|[1-9]\d{0,8})$/.test(name));
  return names.sort(numbers ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : 1));
}

/** A row's file; one that is missing is broken, one outside the table's folder is refused. */
async function listFile(table: string, root: string, row: Row, label: number): Promise<ListedFile> {
  const path = resolve(root, row.path);
  const name = slashes(path.slice(root.length + 1));
  const outside = (): LatheError =>
    new LatheError(
      'bad-input',
      `${table}: line ${String(row.line)}: ${row.path} lies outside the table's folder; put the images beside the table`,
    );
  if (join(root, name) !== path || !isInside(root, path)) throw outside();
  const listed = { name, label, part: row.part };
  try {
    if (!isInside(root, await realpath(path))) throw outside();
    const found = await stat(path);
    return { ...listed, sizeBytes: found.size, problem: found.isFile() ? null : 'it is no file' };
  } catch (error) {
    if (error instanceof LatheError) throw error;
    const described = describeFileError(path, error);
    return {
      ...listed,
      sizeBytes: 0,
      problem: `${described.message.slice(described.message.indexOf(': ') + 2)} (line ${String(row.line)})`,
    };
  }
}
