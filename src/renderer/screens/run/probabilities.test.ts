import { describe, expect, it } from 'vitest';
import { probabilityRows } from './probabilities.ts';

const at = (...values: number[]): { steps: number[]; values: number[] } => ({ steps: values.map((_, i) => i), values });

describe('the rows of probabilities', () => {
  it('are none without such series, and leave out others', () => {
    expect(probabilityRows(new Map([['supernet/loss', at(1)]]), null)).toEqual([]);
  });

  it('take the last points, blocks by their number, and tell a coin toss from a decision', () => {
    const metrics = new Map([
      ['probability/b10/k3e3', at(0.5, 0.9)],
      ['probability/b10/zero', at(0.5, 0.1)],
      ['probability/b2/k3e3', at(0.5, 0.4)],
      ['probability/b2/k5e6', at(0.5, 0.6)],
    ]);
    const rows = probabilityRows(metrics, null);
    expect(rows.map(({ block, likeliest, decided }) => [block, likeliest, decided])).toEqual([
      ['b2', 'k5e6', false],
      ['b10', 'k3e3', true],
    ]);
    expect(rows[0]?.entropy).toBeCloseTo(-0.4 * Math.log(0.4) - 0.6 * Math.log(0.6), 12);
    const found = {
      architecture: { space: 's', choices: [{ block: 'b2', candidate: 'k3e3' }] },
      graph: '',
      decisions: [],
      params: 1,
      costs: [],
      network: null,
    };
    expect(probabilityRows(metrics, found).map(({ chosen }) => chosen)).toEqual(['k3e3', null]);
  });
});
