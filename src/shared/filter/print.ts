/** Writes a filter so that `parseFilter` reads the very same tree. */
import { findField, runFields, type RunFieldName } from './fields.ts';
import type { Filter, FilterValue } from './filter.ts';

export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'all':
      return filter.of.map(printInner).join(' and ');
    case 'any':
      return filter.of.map(printInner).join(' or ');
    case 'not':
      return `not ${printInner(filter.of)}`;
    case 'compare':
      return `${filter.field} ${filter.operator} ${printValue(filter.field, filter.value)}`;
    case 'contains':
      return `${filter.field} ~ ${printText(filter.text)}`;
    case 'in':
      return `${filter.field} in (${filter.values.map((value) => printValue(filter.field, value)).join(', ')})`;
    case 'flag':
      return filter.field;
    case 'words':
      return findField(filter.text) === null ? printText(filter.text) : JSON.stringify(filter.text);
  }
}

/** Both joins in parentheses: no precedence to remember. */
function printInner(filter: Filter): string {
  return filter.kind === 'all' || filter.kind === 'any' ? `(${printFilter(filter)})` : printFilter(filter);
}

function printValue(field: RunFieldName, value: FilterValue): string {
  if (typeof value === 'string') return printText(value);
  return runFields[field].kind === 'date' ? new Date(value).toISOString() : String(value);
}

function printText(text: string): string {
  const isKeyword = /^(?:and|or|not|in)$/i.test(text);
  return /^[\w.@:/+%-]+$/.test(text) && !isKeyword ? text : JSON.stringify(text);
}
