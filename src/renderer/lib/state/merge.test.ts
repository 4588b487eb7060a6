import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeByKey } from './merge.ts';

interface Item {
  readonly step: number;
  readonly from: string;
}
const stepOf = (item: Item): number => item.step;
const items = (steps: readonly number[], from: string): Item[] => steps.map((step) => ({ step, from }));

describe('merging what was read with what was pushed', () => {
  it('appends what is newer, and keeps the same list when nothing came', () => {
    const existing = items([0, 1], 'read');
    expect(mergeByKey(existing, items([2, 5], 'pushed'), stepOf).map(stepOf)).toEqual([0, 1, 2, 5]);
    expect(mergeByKey(existing, [], stepOf)).toBe(existing);
  });

  it('takes the incoming one where both have a step, and fills holes', () => {
    expect(mergeByKey(items([0, 2, 3], 'old'), items([1, 2, 4], 'new'), stepOf)).toEqual([
      { step: 0, from: 'old' },
      { step: 1, from: 'new' },
      { step: 2, from: 'new' },
      { step: 3, from: 'old' },
      { step: 4, from: 'new' },
    ]);
  });

  it('is a map by step in order of step, whatever the lists are', () => {
    const sorted = fc.uniqueArray(fc.nat(40)).map((steps) => steps.sort((a, b) => a - b));
    fc.assert(
      fc.property(sorted, sorted, (old, fresh) => {
        const expected = new Map([...items(old, 'old'), ...items(fresh, 'new')].map((item) => [item.step, item]));
        const merged = mergeByKey(items(old, 'old'), items(fresh, 'new'), stepOf);
        expect(merged).toEqual([...expected.values()].sort((a, b) => a.step - b.step));
      }),
    );
  });
});
