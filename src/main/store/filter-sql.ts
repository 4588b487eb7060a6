/**
 * A filter as the condition of a WHERE over table run, equal to shared/filter/predicate.ts on every row: two-valued, so that what
 * is not known compares as false and its negation as true. Values are bound, never written into the statement.
 */
import { runFields, wordFields, type RunFieldName } from '../../shared/filter/fields.ts';
import type { Filter, FilterValue } from '../../shared/filter/filter.ts';

export interface FilterSql {
  readonly sql: string;
  readonly values: readonly FilterValue[];
}

/** The expression of each field in the columns of table run. */
const expressions: Readonly<Record<RunFieldName, string>> = {
  name: 'name',
  id: 'id',
  method: 'method',
  network: 'network',
  dataset: 'dataset',
  target: 'target',
  status: 'status',
  tag: 'tags',
  note: 'note',
  star: 'star',
  archived: "place = 'archive'",
  trashed: "place = 'trash'",
  seed: 'seed',
  trials: 'trials',
  accuracy: 'coalesce(bestTestAccuracy, bestAccuracy)',
  testAccuracy: 'bestTestAccuracy',
  validationAccuracy: 'bestAccuracy',
  gain: `CASE WHEN bestTestAccuracy IS NOT NULL AND baselineTestAccuracy IS NOT NULL THEN bestTestAccuracy - baselineTestAccuracy
    ELSE bestAccuracy - baselineAccuracy END`,
  reward: 'bestReward',
  latencyMs: 'bestLatencyMs',
  energyMj: 'bestEnergyMj',
  sizeBytes: 'bestSizeBytes',
  durationSeconds: 'max(0, (finishedAtMs - startedAtMs) / 1000.0)',
  created: 'createdAtMs',
  started: 'startedAtMs',
  finished: 'finishedAtMs',
};

export function filterSql(filter: Filter): FilterSql {
  switch (filter.kind) {
    case 'all':
    case 'any': {
      const parts = filter.of.map(filterSql);
      const sql = parts.map((part) => part.sql).join(filter.kind === 'all' ? ' AND ' : ' OR ');
      return { sql: `(${sql})`, values: parts.flatMap((part) => part.values) };
    }
    case 'not': {
      const { sql, values } = filterSql(filter.of);
      return { sql: `(NOT ${sql})`, values };
    }
    case 'compare': {
      if (filter.operator === '!=') return filterSql({ kind: 'not', of: { ...filter, operator: '=' } });
      return anyValue(filter.field, (value) => `${value} ${filter.operator} ?`, [filter.value]);
    }
    case 'contains':
      return anyValue(filter.field, (value) => `containsText(${value}, ?)`, [filter.text]);
    case 'in':
      return anyValue(filter.field, (value) => `${value} IN (${filter.values.map(() => '?').join(', ')})`, filter.values);
    case 'flag':
      return { sql: `(${expressions[filter.field]})`, values: [] };
    case 'words': {
      const parts = [...wordFields, 'tag' as const].map((field) => filterSql({ kind: 'contains', field, text: filter.text }));
      return { sql: `(${parts.map((part) => part.sql).join(' OR ')})`, values: parts.flatMap((part) => part.values) };
    }
  }
}

/** False where the field is not known, as no value of it passes then. */
function anyValue(field: RunFieldName, test: (expression: string) => string, values: readonly FilterValue[]): FilterSql {
  const expression = expressions[field];
  if (runFields[field].kind === 'list')
    return { sql: `EXISTS (SELECT 1 FROM json_each(${expression}) WHERE ${test('json_each.value')})`, values };
  return { sql: `((${expression}) IS NOT NULL AND ${test(`(${expression})`)})`, values };
}
