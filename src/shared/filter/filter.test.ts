import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyFilter } from '../../../test/support/filters.ts';
import { filterSchema } from './filter.ts';
import { FilterError, parseFilter } from './parse.ts';
import { printFilter } from './print.ts';

/** The part of the text that an error points at, and its sentence. */
function refused(text: string): { at: string; offset: number; message: string } {
  try {
    parseFilter(text);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return { at: text.slice(error.offset, error.offset + error.length), offset: error.offset, message: error.message };
  }
  throw new Error(`${text} was understood`);
}

describe('the filter language', () => {
  it.each([
    ['method = quantize and colour = red', 'colour', 'there is no field colour'],
    ['latencyms < 78 and acuracy > 1', 'acuracy', 'did you mean accuracy?'],
    ['latencyMs ~ 7', '~', 'latencyMs is no text'],
    ['latencyMs < fast', 'fast', 'expected a number'],
    ['network < resnet', '<', 'network cannot be compared by <'],
    ['created = 2026-01-31', '=', 'created cannot be compared by ='],
    ['created > 2026-02-31x', '2026-02-31x', 'expected a day'],
    ['star = 1', 'star', 'star stands alone'],
    ['seed', 'seed', 'seed needs a comparison'],
    ['(star or seed = 1', '', 'close it with )'],
    ['star)', ')', 'cannot stand here'],
    ['star and', '', 'is missing'],
    ['or star', 'or', 'cannot stand here'],
    ['seed in ()', ')', 'cannot stand here'],
    ['name = "open', '"open', 'no end'],
    [`${'('.repeat(60)}star`, '(', 'more than 50 parentheses'],
    ['star !', '!', 'means nothing here'],
    [String.raw`name = "\q"`, String.raw`"\q"`, 'means nothing'],
  ])('refuses %s and points at the place', (text, at, message) => {
    const found = refused(text);
    expect(found.at).toBe(at);
    expect(found.message).toContain(message);
    if (at === '') expect(found.offset).toBe(text.length);
  });

  it('binds not before and before or, joins words without an and, and reads percentages', () => {
    expect(parseFilter('  ')).toBeNull();
    expect(parseFilter('not star and METHOD = prune or accuracy >= 90%')).toEqual({
      kind: 'any',
      of: [
        {
          kind: 'all',
          of: [
            { kind: 'not', of: { kind: 'flag', field: 'star' } },
            { kind: 'compare', field: 'method', operator: '=', value: 'prune' },
          ],
        },
        { kind: 'compare', field: 'accuracy', operator: '>=', value: 0.9 },
      ],
    });
    expect(parseFilter('bismo-cloud (seed in (1,2) or tag ~ "a b")')).toEqual({
      kind: 'all',
      of: [
        { kind: 'words', text: 'bismo-cloud' },
        {
          kind: 'any',
          of: [
            { kind: 'in', field: 'seed', values: [1, 2] },
            { kind: 'contains', field: 'tag', text: 'a b' },
          ],
        },
      ],
    });
  });

  it('prints every filter so that it is read back as the very same', () => {
    fc.assert(
      fc.property(anyFilter, (filter) => {
        expect(filterSchema.parse(filter)).toEqual(filter);
        expect(parseFilter(printFilter(filter))).toEqual(filter);
      }),
      { numRuns: 500 },
    );
  });
});
