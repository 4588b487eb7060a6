/** Random filters of runs, for tests of everything that reads, writes or applies one. */
import fc from 'fast-check';
import { findField, runFieldNameSchema, runFields, type RunFieldName } from '../../src/shared/filter/fields.ts';
import type { Filter, FilterValue } from '../../src/shared/filter/filter.ts';

const names = (...kinds: readonly string[]): RunFieldName[] =>
  runFieldNameSchema.options.filter((name) => kinds.includes(runFields[name].kind));
const text = fc.oneof(
  fc.string({ maxLength: 8, unit: 'grapheme' }),
  fc.constantFrom('and', 'IN', 'bismo-cloud', 'a "b" \\', '90%', 'star', 'x\n\ty'),
);
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })).map((value) => (value === 0 ? 0 : value)); // no -0: it prints as 0
const time = fc.integer({ min: 0, max: 4e12 });
const valueFor = (field: RunFieldName): fc.Arbitrary<FilterValue> => {
  const { kind } = runFields[field];
  return kind === 'number' ? number : kind === 'date' ? time : text;
};
const comparison = fc.constantFrom(...names('text', 'list', 'number', 'date')).chain((field) => {
  const signs = {
    text: ['=', '!='],
    list: ['=', '!='],
    number: ['=', '!=', '<', '<=', '>', '>='],
    date: ['<', '<=', '>', '>='],
    flag: [],
  } as const;
  return fc.record({
    kind: fc.constant('compare' as const),
    field: fc.constant(field),
    operator: fc.constantFrom(...signs[runFields[field].kind]),
    value: valueFor(field),
  });
});
/** Any filter that can be written down. */
export const anyFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    comparison,
    fc.record({ kind: fc.constant('contains' as const), field: fc.constantFrom(...names('text', 'list')), text }),
    fc.constantFrom(...names('text', 'list', 'number', 'date')).chain((field) =>
      fc.record({
        kind: fc.constant('in' as const),
        field: fc.constant(field),
        values: fc.array(valueFor(field), { minLength: 1, maxLength: 3 }),
      }),
    ),
    fc.record({ kind: fc.constant('flag' as const), field: fc.constantFrom(...names('flag')) }),
    fc.record({ kind: fc.constant('words' as const), text: text.filter((word) => findField(word) === null || word === 'star') }),
    fc.record({ kind: fc.constantFrom('all' as const, 'any' as const), of: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }) }),
    fc.record({ kind: fc.constant('not' as const), of: tie('filter') }),
  ),
})).filter;
