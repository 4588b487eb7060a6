/** Fronts against the definition, pair by pair. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kneeOf, paretoFront, type Direction } from './pareto.ts';

describe('the front', () => {
  it('is empty without points, and leaves out what is not known', () => {
    expect(paretoFront([], ['less', 'more'])).toEqual([]);
    expect(paretoFront([[1, Number.NaN], [2, 0.5], [3]], ['less', 'more'])).toEqual([1]);
  });

  it('has the points that nothing beats, by rising first objective; of equal ones the first', () => {
    const points = [
      [3, 0.9],
      [1, 0.5],
      [2, 0.4],
      [2, 0.7],
      [2, 0.7],
    ];
    expect(paretoFront(points, ['less', 'more'])).toEqual([1, 3, 0]);
    expect(
      paretoFront(
        points.map(([cost = 0, gain = 0]) => [gain, cost]),
        ['more', 'less'],
      ),
    ).toEqual([1, 3, 0]);
  });

  it('is what comparing every pair gives, for one to four objectives in any direction', () => {
    const cases = fc.integer({ min: 1, max: 4 }).chain((objectives) =>
      fc.record({
        directions: fc.array(fc.constantFrom<Direction>('less', 'more'), { minLength: objectives, maxLength: objectives }),
        points: fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: objectives, maxLength: objectives }), { maxLength: 40 }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ directions, points }) => {
        const better = (a: number, b: number, k: number): boolean => (directions[k] === 'less' ? a < b : a > b);
        const beats = (a: readonly number[], b: readonly number[]): boolean =>
          a.every((value, k) => !better(b[k] ?? 0, value, k)) && a.some((value, k) => better(value, b[k] ?? 0, k));
        const equal = (a: readonly number[], b: readonly number[]): boolean => a.every((value, k) => value === b[k]);
        const expected = points.flatMap((point, i) =>
          points.some((other, j) => beats(other, point) || (j < i && equal(other, point))) ? [] : [i],
        );
        expect(paretoFront(points, directions).sort((a, b) => a - b)).toEqual(expected);
      }),
    );
  });
});

describe('the knee', () => {
  it('is on the front, between the ends, and stays there when an objective changes its unit', () => {
    const points = [
      [10, 0.5],
      [12, 0.86],
      [20, 0.9],
      [15, 0.6],
    ];
    const directions: readonly Direction[] = ['less', 'more'];
    const front = paretoFront(points, directions);
    expect(front).toEqual([0, 1, 2]);
    expect(kneeOf(points, directions, front)).toBe(1);
    const inMicroseconds = points.map(([ms = 0, accuracy = 0]) => [ms * 1000, accuracy * 100]);
    expect(kneeOf(inMicroseconds, directions, front)).toBe(1);
  });

  it('is none where there is nothing between the ends', () => {
    expect(
      kneeOf(
        [
          [1, 1],
          [2, 2],
        ],
        ['less', 'more'],
        [0, 1],
      ),
    ).toBeNull();
  });
});
