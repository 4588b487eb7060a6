/** A filter as a plain function: what the window applies to the rows it holds, and the yardstick of the store's SQL. */
import type { RunSummary } from '../run.ts';
import { containsText, runFields, wordFields, type RunFieldName } from './fields.ts';
import type { Comparison, Filter, FilterValue } from './filter.ts';

export function predicateOf(filter: Filter): (run: RunSummary) => boolean {
  switch (filter.kind) {
    case 'all': {
      const all = filter.of.map(predicateOf);
      return (run) => all.every((holds) => holds(run));
    }
    case 'any': {
      const any = filter.of.map(predicateOf);
      return (run) => any.some((holds) => holds(run));
    }
    case 'not': {
      const inner = predicateOf(filter.of);
      return (run) => !inner(run);
    }
    case 'compare': {
      const { field, operator, value } = filter;
      if (operator === '!=') return (run) => !anyValue(run, field, (found) => found === value);
      return (run) => anyValue(run, field, (found) => compare(found, operator, value));
    }
    case 'contains':
      return (run) => anyValue(run, filter.field, (found) => containsText(String(found), filter.text));
    case 'in':
      return (run) => anyValue(run, filter.field, (found) => filter.values.includes(found));
    case 'flag':
      return (run) => runFields[filter.field].read(run) === true;
    case 'words':
      return (run) =>
        wordFields.some((field) => containsText(String(runFields[field].read(run) ?? ''), filter.text)) ||
        run.tags.some((tag) => containsText(tag, filter.text));
  }
}

/** Whether one of a field's values passes; a field that is not known has none. */
function anyValue(run: RunSummary, name: RunFieldName, passes: (value: FilterValue) => boolean): boolean {
  const value = runFields[name].read(run);
  if (value === null || typeof value === 'boolean') return false;
  return typeof value === 'object' ? value.some(passes) : passes(value);
}

function compare(found: FilterValue, operator: Comparison, value: FilterValue): boolean {
  switch (operator) {
    case '=':
      return found === value;
    case '!=':
      return found !== value;
    case '<':
      return found < value;
    case '<=':
      return found <= value;
    case '>':
      return found > value;
    case '>=':
      return found >= value;
  }
}
