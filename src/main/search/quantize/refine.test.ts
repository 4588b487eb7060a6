import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Budget, Cost } from '../../../shared/policy.ts';
import { Random } from '../../../shared/random.ts';
import { meetsBudgets } from '../../../shared/budgets.ts';
import { uniformBits, type BitVector } from './bits.ts';
import { neighbourOf } from './refine.ts';

const latency = (value: number): Budget => ({ resource: 'latency', kind: 'absolute', value });

/** Latency is the sum of weight * w * a a layer. */
const costBy =
  (weights: readonly number[]) =>
  ({ weightBits, activationBits }: BitVector): Cost => ({
    latencyMs: weightBits.reduce((sum, w, layer) => sum + (weights[layer] ?? 0) * w * (activationBits[layer] ?? 0), 0),
    energyMj: null,
    sizeBytes: 1,
    macs: 1,
  });

describe('a neighbour of a policy', () => {
  it('refuses to go on where not even the fewest bits meet the budgets', () => {
    const costOf = costBy([1, 1]);
    const parent = uniformBits(2, 2, [false, false]);
    const around = { minimumBits: 2, maximumBits: 8, locked: [false, false], limits: [latency(7)], costOf };
    expect(() => neighbourOf(parent, around, Random.fromSeed(1))).toThrow(/no policy meets the budgets/);
  });

  it('is the policy itself where every layer is locked', () => {
    const parent = uniformBits(4, 4, [true, true]);
    const around = { minimumBits: 2, maximumBits: 8, locked: [true, true], limits: [latency(1000)], costOf: costBy([1, 1]) };
    expect(neighbourOf(parent, around, Random.fromSeed(1)).bits).toEqual(parent);
  });

  it('meets the budgets, keeps locked layers and the range, and leaves no decision that could have one bit more', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 3, maxLength: 12 }),
        fc.integer({ min: 2, max: 8 }),
        fc.nat(),
        (weights, bits, seed) => {
          const locked = weights.map((_, layer) => layer === 0);
          const costOf = costBy(weights);
          const parent = uniformBits(bits, bits, locked);
          const limits = [latency(costOf(parent).latencyMs)];
          const child = neighbourOf(parent, { minimumBits: 2, maximumBits: 8, locked, limits, costOf }, Random.fromSeed(seed)).bits;
          expect(meetsBudgets(costOf(child), limits)).toBe(true);
          expect([child.weightBits[0], child.activationBits[0]]).toEqual([8, 8]);
          for (const side of ['weightBits', 'activationBits'] as const) {
            for (let layer = 1; layer < weights.length; layer += 1) {
              const found = child[side][layer] ?? 0;
              expect(found).toBeGreaterThanOrEqual(2);
              expect(found).toBeLessThanOrEqual(8);
              const more = { ...child, [side]: child[side].map((b, at) => (at === layer ? b + 1 : b)) };
              if (found < 8) expect(meetsBudgets(costOf(more), limits)).toBe(false);
            }
          }
        },
      ),
    );
  });

  it('is the same for the same state of the generator', () => {
    const weights = [3, 1, 4, 1, 5];
    const locked = weights.map(() => false);
    const around = { minimumBits: 2, maximumBits: 8, locked, limits: [latency(300)], costOf: costBy(weights) };
    const walk = (): BitVector[] => {
      const random = Random.fromSeed(7);
      let bits = uniformBits(4, 4, locked);
      return Array.from({ length: 20 }, () => (bits = neighbourOf(bits, around, random).bits));
    };
    expect(walk()).toEqual(walk());
  });
});
