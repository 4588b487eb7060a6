/** Predicted against measured. */
import { describe, expect, it } from 'vitest';
import { agreement } from './accuracy.ts';

describe('the agreement of predicted and measured', () => {
  it('is unknown where there is nothing to compare', () => {
    expect(agreement([])).toEqual({ meanError: null, largestError: null, spearman: null });
    expect(agreement([{ measuredMs: 2, predictedMs: null }])).toEqual({ meanError: null, largestError: null, spearman: null });
    expect(agreement([{ measuredMs: 2, predictedMs: 3 }])).toEqual({ meanError: 0.5, largestError: 0.5, spearman: null });
  });

  it('is Spearman’s rank correlation, by hand: two neighbours of five swapped, and ties', () => {
    const of = (predicted: readonly number[]) => agreement(predicted.map((predictedMs, at) => ({ measuredMs: at + 1, predictedMs })));
    expect(of([10, 20, 30, 40, 50]).spearman).toBeCloseTo(1, 12);
    expect(of([50, 40, 30, 20, 10]).spearman).toBeCloseTo(-1, 12);
    expect(of([1, 3, 2, 4, 5]).spearman).toBeCloseTo(1 - (6 * 2) / (5 * 24), 12);
    expect(of([1, 2.5, 2.5, 4]).spearman).toBeCloseTo(4.5 / Math.sqrt(5 * 4.5), 12);
    expect(of([7, 7, 7]).spearman).toBeNull();
    expect(of([1.1, 2, 2.7]).largestError).toBeCloseTo(0.1, 12);
  });
});
