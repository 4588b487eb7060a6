import { describe, expect, it } from 'vitest';
import type { Cost } from '../../../shared/policy.ts';
import { uniformPolicies } from './baselines.ts';
import type { BitVector } from './bits.ts';

const costOf = ({ weightBits, activationBits }: BitVector): Cost => ({
  latencyMs: weightBits.reduce((sum, w, layer) => sum + w * (activationBits[layer] ?? 0), 0),
  energyMj: null,
  sizeBytes: 0,
  macs: 0,
});

describe('the uniform rivals', () => {
  const policies = uniformPolicies(2, 8, [false, false], [{ resource: 'latency', kind: 'absolute', value: 48 }], costOf); // w * a <= 24

  it('hold every equal pair, within the budget or not, from the most bits to the fewest', () => {
    const equal = policies.filter((policy) => policy.weightBits === policy.activationBits);
    expect(equal.map((policy) => [policy.label, policy.withinBudget])).toEqual([
      ['w8a8', false],
      ['w7a7', false],
      ['w6a6', false],
      ['w5a5', false],
      ['w4a4', true],
      ['w3a3', true],
      ['w2a2', true],
    ]);
  });

  it('hold the unequal pairs that use the budget best, and no pair that another exceeds on both sides', () => {
    const unequal = policies.filter((policy) => policy.weightBits !== policy.activationBits);
    expect(unequal.map((policy) => policy.label).sort()).toEqual(['w3a8', 'w4a6', 'w6a4', 'w8a3']);
    expect(unequal.every((policy) => policy.withinBudget)).toBe(true);
  });
});
