import { describe, expect, it } from 'vitest';
import { sensitivityOf } from './sensitivity.ts';

describe('the sensitivity of a run', () => {
  it('is none where none was measured', () => {
    expect(sensitivityOf(new Map([['train/loss', { steps: [0], values: [1] }]]), ['a'])).toBeNull();
  });

  it('has the layers in network order, a column a side and width, and points of accuracy', () => {
    const metrics = new Map([
      ['sensitivity/accuracy/activations/b/dw', { steps: [2, 4], values: [0.1, 0.01] }],
      ['sensitivity/accuracy/weights/a', { steps: [2], values: [0.5] }],
      ['sensitivity/loss/weights/a', { steps: [2], values: [9] }],
    ]);
    const map = sensitivityOf(metrics, ['first', 'a', 'b/dw']);
    expect(map?.layers).toEqual(['a', 'b/dw']);
    expect(map?.columns).toEqual(['w2', 'w4', 'a2', 'a4']);
    expect(map?.cells).toEqual([
      { layer: 'b/dw', side: 'activations', bits: 2, points: 10 },
      { layer: 'b/dw', side: 'activations', bits: 4, points: 1 },
      { layer: 'a', side: 'weights', bits: 2, points: 50 },
    ]);
  });
});
