/** From rows to the records of src/shared: JSON is parsed and every record is checked by its schema. */
import type { z } from 'zod';
import { describeZodError, LatheError } from '../../shared/errors.ts';

/** Where a row is, for the sentence about a damaged one. */
export interface RowPlace {
  readonly table: string;
  readonly row: string;
}

/** The record that `make` assembles from a row. Throws `corrupt` with table and row when its JSON or its values are not right. */
export function recordOf<T extends z.ZodType>(schema: T, place: RowPlace, make: () => unknown): z.output<T> {
  let value: unknown;
  try {
    value = make();
  } catch (error) {
    if (error instanceof SyntaxError) throw corruptRow(place, error.message);
    throw error;
  }
  const result = schema.safeParse(value);
  if (!result.success) throw corruptRow(place, describeZodError(result.error));
  return result.data;
}

export function corruptRow({ table, row }: RowPlace, finding: string): LatheError {
  return new LatheError(
    'corrupt',
    `lathe.sqlite: table ${table}, row ${row} is damaged (${finding}): put back a copy of the data folder, or start with another --data-dir`,
    { table, row },
  );
}

/** JSON of a column; to be called inside `recordOf`. */
export function parseJson(text: string): unknown {
  return JSON.parse(text);
}
