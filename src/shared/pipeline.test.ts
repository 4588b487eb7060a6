/** The shares of a pipeline's stages, from edge cases to a whole one. */
import { describe, expect, it } from 'vitest';
import { plannedLimits, shareOf, sharersOf, stagesOf, wholeLimit } from './pipeline.ts';
import { pipelineStagesSchema } from './run.ts';

const all = pipelineStagesSchema.parse({ specialize: {}, prune: {}, quantize: {} });

describe('the budget of a pipeline', () => {
  it('needs a stage', () => {
    expect(pipelineStagesSchema.safeParse({}).success).toBe(false);
  });

  it('leaves a stage that is within it already as it is', () => {
    expect(shareOf(2, 3, 3)).toBe(3);
    expect(plannedLimits(2, 3, all).map(({ limit }) => limit)).toEqual([3, 3, 3]);
  });

  it('is shared in equal factors, and the last stage is held to all of it', () => {
    const limits = plannedLimits(8, 1, all);
    expect(limits.map(({ stage }) => stage)).toEqual(['specialize', 'prune', 'quantize']);
    expect(limits.map(({ limit }) => Number(limit.toFixed(12)))).toEqual([4, 2, 1]);
    expect(shareOf(5, 1.25, 2)).toBe(2.5); // a stage before left 5 of 8, not 4
    expect(shareOf(2.5, 1.25, 1)).toBe(1.25);
  });

  it('is shared by the stages alone that have none of their own', () => {
    const own = pipelineStagesSchema.parse({
      quantize: {},
      prune: { budgets: [{ resource: 'macs', kind: 'fraction', value: 0.5 }] },
    });
    expect(stagesOf(own)).toEqual(['prune', 'quantize']);
    expect(sharersOf(own)).toEqual(['quantize']);
    expect(plannedLimits(8, 2, own)).toEqual([{ stage: 'quantize', limit: 2 }]);
  });

  it('is of the reference where it is a fraction', () => {
    expect(wholeLimit({ resource: 'latency', kind: 'fraction', value: 0.25 }, 8)).toBe(2);
    expect(wholeLimit({ resource: 'latency', kind: 'absolute', value: 0.25 }, 8)).toBe(0.25);
  });
});
