import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatheError } from '../../../shared/errors.ts';
import type { Budget, Cost } from '../../../shared/policy.ts';
import { meetsBudgets } from '../../../shared/budgets.ts';
import {
  absoluteBudgets,
  actionToBits,
  enforceBudgets,
  fromPolicy,
  lockedLayers,
  requireFeasible,
  toPolicy,
  uniformBits,
  type BitVector,
} from './bits.ts';

/** Latency is the sum of w * a a layer, in ms; size the sum of w, in bytes. */
function costOf({ weightBits, activationBits }: BitVector): Cost {
  return {
    latencyMs: weightBits.reduce((sum, w, layer) => sum + w * (activationBits[layer] ?? 0), 0),
    energyMj: null,
    sizeBytes: weightBits.reduce((sum, w) => sum + w, 0),
    macs: 1,
  };
}
const latency = (value: number): Budget => ({ resource: 'latency', kind: 'absolute', value });

describe('a budget', () => {
  it('on something that quantization does not change is refused with what to give instead', () => {
    const reference = costOf(uniformBits(8, 8, [false]));
    expect(() => absoluteBudgets([{ resource: 'macs', kind: 'fraction', value: 0.5 }], reference, 't')).toThrow(
      /budget macs: quantization does not change.*latency/,
    );
  });

  it('on energy is refused for a target without an energy model', () => {
    const reference = costOf(uniformBits(8, 8, [false]));
    expect(() => absoluteBudgets([{ resource: 'energy', kind: 'fraction', value: 0.5 }], reference, 'bismo-cloud')).toThrow(
      /bismo-cloud has no energy model/,
    );
  });

  it('that no policy can meet names the least possible, as a value and as a fraction that is enough', () => {
    const reference = costOf(uniformBits(8, 8, [false, false])); // 128 ms
    const least = costOf(uniformBits(2, 2, [false, false])); // 8 ms
    const attempt = (): void => {
      requireFeasible(least, [latency(7.9)], 2, reference);
    };
    expect(attempt).toThrow(LatheError);
    expect(attempt).toThrow(/no policy can meet 7\.9 ms; the least possible with 2 bits or more is 8 ms \(latency=0\.063\)/);
    expect(() => {
      requireFeasible(least, [latency(8)], 2, reference);
    }).not.toThrow();
  });

  it('given as a fraction is of the 8-bit form', () => {
    const reference = costOf(uniformBits(8, 8, [false, false]));
    expect(absoluteBudgets([{ resource: 'latency', kind: 'fraction', value: 0.5 }], reference, 't')).toEqual([latency(64)]);
  });
});

describe('an action', () => {
  it('falls into bins of equal width, both ends included', () => {
    expect([0, 0.1428, 0.1429, 0.5, 0.857, 0.858, 1].map((action) => actionToBits(action, 2, 8))).toEqual([2, 2, 3, 5, 7, 8, 8]);
    expect([0, 0.124, 0.126, 1].map((action) => actionToBits(action, 1, 8))).toEqual([1, 1, 2, 8]);
  });

  it('never leaves the range', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 7 }),
        (action, low, span) => {
          const high = Math.min(8, low + span);
          const bits = actionToBits(action, low, high);
          expect(Number.isInteger(bits) && bits >= low && bits <= high).toBe(true);
        },
      ),
    );
  });
});

describe('enforcing budgets', () => {
  it('lowers the last layer first, its activations before its weights, one bit at a time', () => {
    const asked: BitVector = { weightBits: [4, 4], activationBits: [4, 4] }; // 32 ms
    expect(enforceBudgets(asked, 2, [false, false], [latency(28)], costOf)).toEqual({ weightBits: [4, 4], activationBits: [4, 3] });
    expect(enforceBudgets(asked, 2, [false, false], [latency(27)], costOf)).toEqual({ weightBits: [4, 3], activationBits: [4, 3] });
    expect(enforceBudgets(asked, 2, [false, false], [latency(24)], costOf)).toEqual({ weightBits: [4, 3], activationBits: [3, 3] });
  });

  it('leaves a policy that holds as it was, and the one it was given untouched', () => {
    const asked: BitVector = { weightBits: [8, 2], activationBits: [3, 5] };
    expect(enforceBudgets(asked, 2, [false, false], [latency(1000)], costOf)).toEqual(asked);
    enforceBudgets(asked, 2, [false, false], [latency(9)], costOf);
    expect(asked).toEqual({ weightBits: [8, 2], activationBits: [3, 5] });
  });

  it('always ends within all budgets, never below the fewest bits, never touching a locked layer', () => {
    const bits = fc.array(fc.tuple(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 2, max: 8 }), fc.boolean()), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(bits, fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (layers, t, u) => {
        const locked = layers.map(([, , isLocked]) => isLocked);
        const asked: BitVector = { weightBits: layers.map(([w]) => w), activationBits: layers.map(([, a]) => a) };
        const floor: BitVector = {
          weightBits: layers.map(([w, , isLocked]) => (isLocked ? w : 2)),
          activationBits: layers.map(([, a, isLocked]) => (isLocked ? a : 2)),
        };
        const least = costOf(floor);
        const limits: Budget[] = [
          latency(least.latencyMs + t * 100),
          { resource: 'size', kind: 'absolute', value: least.sizeBytes + u * 20 },
        ];
        const result = enforceBudgets(asked, 2, locked, limits, costOf);
        expect(meetsBudgets(costOf(result), limits)).toBe(true);
        layers.forEach(([w, a, isLocked], layer) => {
          const found = [result.weightBits[layer], result.activationBits[layer]];
          if (isLocked) expect(found).toEqual([w, a]);
          for (const value of found) expect(value).toBeGreaterThanOrEqual(2);
        });
      }),
    );
  });
});

describe('a policy', () => {
  it('for another network is refused with the first layer that differs', () => {
    const policy = toPolicy(['a', 'b'], { weightBits: [8, 4], activationBits: [8, 3] });
    expect(() => fromPolicy(['a', 'c'], policy)).toThrow(/layer 1: expected c, found b/);
    expect(() => fromPolicy(['a'], policy)).toThrow(/expected 1 layers, found 2/);
  });

  it('survives the way out and back', () => {
    const bits: BitVector = { weightBits: [8, 4], activationBits: [8, 3] };
    expect(fromPolicy(['a', 'b'], toPolicy(['a', 'b'], bits))).toEqual(bits);
  });

  it('of uniform bits keeps protected layers at 8', () => {
    expect(uniformBits(4, 3, lockedLayers(4, true))).toEqual({ weightBits: [8, 4, 4, 8], activationBits: [8, 3, 3, 8] });
    expect(uniformBits(4, 3, lockedLayers(2, false))).toEqual({ weightBits: [4, 4], activationBits: [3, 3] });
  });
});
