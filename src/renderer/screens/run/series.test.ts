import { describe, expect, it } from 'vitest';
import type { LayerInfo } from '../../../shared/network.ts';
import type { Solution, Trial } from '../../../shared/run.ts';
import { bestBaseline, bestTrial, onOneAxis, policyOfSolution, trialSeries } from './series.ts';

const trial = (step: number, reward: number, accuracy: number): Trial =>
  ({ step, reward, accuracy, latencyMs: step + 1, noise: null, criticLoss: null }) as Trial;
const solution = (change: Partial<Solution>): Solution =>
  ({
    role: 'baseline',
    label: 'w4a4',
    withinBudget: true,
    validationAccuracy: 0.5,
    testAccuracy: null,
    integerTestAccuracy: null,
    policy: null,
    ...change,
  }) as Solution;

describe('the series of a run', () => {
  it('follow the best reward, and the accuracy of that trial and not the best accuracy', () => {
    const series = trialSeries([trial(0, -1, 0.8), trial(1, -2, 0.9), trial(2, 0, 0.7)]);
    expect(series.bestReward).toEqual([-1, -1, 0]);
    expect(series.bestAccuracy).toEqual([80, 80, 70]);
    expect(series.steps).toEqual([0, 1, 2]);
  });

  it('have no best trial before the first, and the last that was best so far', () => {
    expect(bestTrial([])).toBeNull();
    const marks = [true, true, false, true, false]; // a second stage begins at trial 3 with lower rewards
    const trials = [1, 2, 1, 0.5, 0.4].map((reward, step) => ({ ...trial(step, reward, 0.5), isBest: marks[step] ?? false }));
    expect(bestTrial(trials)?.step).toBe(3);
    expect(bestTrial(trials.slice(0, 3))?.step).toBe(1);
  });
});

describe('series on one axis', () => {
  it('meet where they have the same step, and leave gaps where one has none', () => {
    const { x, ys } = onOneAxis({ steps: [0, 25, 40], values: [3, 2, 1] }, { steps: [40, 80], values: [9, 8] });
    expect(x).toEqual([0, 25, 40, 80]);
    expect(ys).toEqual([
      [3, 2, 1, null],
      [null, null, 9, 8],
    ]);
    expect(onOneAxis({ steps: [], values: [] }, { steps: [], values: [] })).toEqual({ x: [], ys: [[], []] });
  });
});

describe('the uniform policy to beat', () => {
  it('is within the budget, by test accuracy only when all of them have one', () => {
    const over = solution({ label: 'w8a8', withinBudget: false, validationAccuracy: 0.99 });
    const a = solution({ label: 'w4a4', validationAccuracy: 0.9, testAccuracy: 0.6 });
    const b = solution({ label: 'w3a3', validationAccuracy: 0.8, testAccuracy: 0.7 });
    expect(bestBaseline([over, a, b])?.label).toBe('w3a3');
    expect(bestBaseline([over, a, { ...b, testAccuracy: null }])?.label).toBe('w4a4');
    expect(bestBaseline([over])).toBeNull();
  });
});

describe('a solution’s bits', () => {
  it('stand in the order of the run’s layers, whatever the order of the policy', () => {
    const layers = [{ name: 'a' }, { name: 'b' }] as LayerInfo[];
    const policy = {
      kind: 'quantize' as const,
      layers: [
        { name: 'b', weightBits: 3, activationBits: 4 },
        { name: 'a', weightBits: 8, activationBits: 7 },
      ],
    };
    expect(policyOfSolution(solution({ policy }), layers, 't')).toMatchObject({
      weightBits: [8, 3],
      activationBits: [7, 4],
      askedWeightBits: null,
    });
    expect(policyOfSolution(solution({ policy: null }), layers, 't')).toBeNull();
  });
});
