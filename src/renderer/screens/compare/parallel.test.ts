import { describe, expect, it } from 'vitest';
import { axesOf, brushed, inOrder, type Line } from './parallel.ts';

const lines: readonly Line[] = [
  { run: 'a', step: 0, values: { bits: 4, method: 'ddpg', same: 1, loss: 0 } },
  { run: 'a', step: 1, values: { bits: 6, method: 'random', same: 1, loss: 2 } },
  { run: 'b', step: 0, values: { bits: null, method: 'ddpg', same: 1, loss: 3 } },
];

describe('parallel axes', () => {
  const axes = axesOf(lines);

  it('are those on which lines differ, with words in order, and logarithmic only above zero', () => {
    expect(axes.map(({ id, words, canBeLog }) => [id, words, canBeLog])).toEqual([
      ['bits', null, true],
      ['method', ['ddpg', 'random'], false],
      ['loss', null, false],
    ]);
  });

  it('stand in the order that was asked for, new ones behind', () => {
    expect(inOrder(axes, ['loss', 'gone', 'bits']).map(({ id }) => id)).toEqual(['loss', 'bits', 'method']);
  });

  it('leave what crosses every brushed axis within a range; what is not known crosses none', () => {
    expect(brushed(lines, axes, new Map())).toBe(lines);
    expect(brushed(lines, axes, new Map([['bits', [[3, 5]]]]))).toEqual([lines[0]]);
    expect(brushed(lines, axes, new Map([['method', [[0, 0.4]]]]))).toEqual([lines[0], lines[2]]);
    expect(
      brushed(
        lines,
        axes,
        new Map([
          ['method', [[0, 0.4]]],
          [
            'loss',
            [
              [2, 9],
              [-1, -0.5],
            ],
          ],
        ]),
      ),
    ).toEqual([lines[2]]);
    expect(brushed(lines, axes, new Map([['bits', []]]))).toBe(lines);
  });
});
