import { describe, expect, it } from 'vitest';
import { trainingParametersSchema } from '../../../shared/run.ts';
import { learningRateAt, trainingLength } from './schedule.ts';

const options = (change: object): ReturnType<typeof trainingParametersSchema.parse> =>
  trainingParametersSchema.parse({ learningRate: 0.5, warmupSteps: 4, ...change });
const length = { stepsPerEpoch: 10, totalSteps: 104 };

describe('the length of a training', () => {
  it('leaves the last incomplete batch of an epoch out, and takes all images where they are fewer than a batch', () => {
    expect(trainingLength(105, { epochs: 3, batchSize: 10 })).toEqual({ stepsPerEpoch: 10, totalSteps: 30 });
    expect(trainingLength(7, { epochs: 3, batchSize: 10 })).toEqual({ stepsPerEpoch: 1, totalSteps: 3 });
  });
});

describe('the learning rate', () => {
  it.each(['cosine', 'step', 'constant'] as const)('rises linearly over the warm-up (%s)', (schedule) => {
    const rates = [0, 1, 2, 3].map((step) => learningRateAt(step, length, options({ schedule })));
    expect(rates).toEqual([0.125, 0.25, 0.375, 0.5]);
  });

  it('starts at the peak without a warm-up, and only rises when the warm-up is longer than the training', () => {
    expect(learningRateAt(0, length, options({ warmupSteps: 0 }))).toBe(0.5);
    expect(learningRateAt(103, length, options({ warmupSteps: 1000 }))).toBe(0.5);
    expect(learningRateAt(51, length, options({ warmupSteps: 1000 }))).toBe(0.25);
  });

  it('falls along a cosine: the peak, half of it in the middle, zero behind the end', () => {
    const at = (step: number): number => learningRateAt(step, length, options({}));
    expect([at(4), at(54), at(104)].map((rate) => Number(rate.toFixed(12)))).toEqual([0.5, 0.25, 0]);
    expect(at(29)).toBeCloseTo(0.25 * (1 + Math.SQRT1_2), 12);
  });

  it('falls by the factor after every so many epochs, and not at all where it is constant', () => {
    const step = options({ schedule: 'step', stepEpochs: 3, stepFactor: 0.25 });
    expect([29, 30, 59, 60].map((at) => learningRateAt(at, length, step))).toEqual([0.5, 0.125, 0.125, 0.03125]);
    expect(learningRateAt(103, length, options({ schedule: 'constant' }))).toBe(0.5);
  });
});
