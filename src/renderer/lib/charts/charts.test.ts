/** What charts compute before they draw: thinning, ticks, files. */
import { describe, expect, it } from 'vitest';
import { logTickLabels, tickLabels } from './axis.ts';
import { fileStem, toCsv, toJson, type Tabular } from './export.ts';
import { thin } from './thin.ts';

describe('thinning', () => {
  it('keeps every point a cell away from a drawn one, the extremes included', () => {
    const xs = Array.from({ length: 50_000 }, (_, i) => Math.sin(i * 12.9898) * 1000);
    const ys = Array.from({ length: 50_000 }, (_, i) => Math.cos(i * 78.233));
    const kept = thin(xs, ys, 100, 50);
    expect(kept.length).toBeLessThanOrEqual(5000);
    expect(kept.length).toBeGreaterThan(4000);
    const cell = (i: number): string => {
      const column = Math.min(99, Math.floor((((xs[i] ?? 0) + 1000) / 2000) * 100));
      return `${String(column)} ${String(Math.min(49, Math.floor((((ys[i] ?? 0) + 1) / 2) * 50)))}`;
    };
    const all = new Set(xs.map((_, i) => cell(i)));
    // The test's grid is laid over -1000..1000 and the function's over what occurs, so a cell at the edge may differ.
    expect(new Set(kept.map(cell)).size).toBeGreaterThan(all.size * 0.98);
  });

  it('keeps a single point, points on a line, and leaves out what is no number', () => {
    expect(thin([5], [5], 10, 10)).toEqual([0]);
    expect(thin([1, 1, 1], [0, 5, 10], 10, 10)).toEqual([0, 1, 2]);
    expect(thin([1, Number.NaN], [1, 1], 10, 10)).toEqual([0]);
  });
});

describe('ticks', () => {
  it('have the decimals that their distance needs', () => {
    expect(tickLabels([2.425, 2.45, null], 0.025)).toEqual(['2.425', '2.450', '']);
    expect(tickLabels([0, 0.1], 0.1)).toEqual(['0.0', '0.1']);
    expect(tickLabels([-20, 0, 20], 20)).toEqual(['−20', '0', '20']);
    expect(tickLabels([500_000, 1_000_000], 500_000)).toEqual(['500 k', '1.00 M']);
  });

  it('name ones, twos and fives on a logarithmic axis', () => {
    expect(logTickLabels([0.1, 0.2, 0.3, 0.5, 0.9, 1, 1e-5])).toEqual(['0.1', '0.2', '', '0.5', '', '1', '1e-5']);
  });
});

describe('files', () => {
  const table: Tabular = {
    columns: [
      { id: 'name', label: 'name', unit: '' },
      { id: 'latencyMs', label: 'latency', unit: 'ms' },
    ],
    rows: [
      ['a "quoted", one', 1.25],
      ['=HYPERLINK("x")', null],
      ['two\nlines', -3],
    ],
  };

  it('are CSV as RFC 4180 has it, with full precision and no formula', () => {
    expect(toCsv(table)).toBe('name,latency [ms]\r\n"a ""quoted"", one",1.25\r\n"\'=HYPERLINK(""x"")",\r\n"two\nlines",-3\r\n');
  });

  it('are JSON by column id', () => {
    expect(JSON.parse(toJson(table))).toMatchObject({
      rows: [{ name: 'a "quoted", one', latencyMs: 1.25 }, { latencyMs: null }, { latencyMs: -3 }],
    });
  });

  it('are named from titles with nothing that a file system minds', () => {
    expect(fileStem('quantize mobilenet-v1 x0.25 @32, latency ≤ 50 %', 'Reward a trial')).toBe(
      'quantize-mobilenet-v1-x0.25-32-latency-50-reward-a-trial',
    );
    expect(fileStem('../..')).toBe('lathe');
  });
});
