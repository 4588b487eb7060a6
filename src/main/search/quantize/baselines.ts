/**
 * The fixed-bit policies that a mixed-precision policy has to beat: the same bits in every layer, weights and activations
 * alike, and, so that the rival is as strong as uniform bits can be, the unequal pairs that use the budget best.
 */
import type { Budget } from '../../../shared/policy.ts';
import { meetsBudgets } from '../../../shared/budgets.ts';
import { uniformBits, type BitVector, type CostFunction } from './bits.ts';

export interface UniformPolicy {
  readonly label: string; // 'w4a4'
  readonly weightBits: number;
  readonly activationBits: number;
  readonly bits: BitVector;
  readonly withinBudget: boolean;
}

/** w = a from the most bits to the fewest, then every unequal pair within the budgets that no other such pair exceeds on both sides. */
export function uniformPolicies(
  minimumBits: number,
  maximumBits: number,
  locked: readonly boolean[],
  limits: readonly Budget[],
  costOf: CostFunction,
): UniformPolicy[] {
  const all: UniformPolicy[] = [];
  for (let weightBits = maximumBits; weightBits >= minimumBits; weightBits -= 1) {
    for (let activationBits = maximumBits; activationBits >= minimumBits; activationBits -= 1) {
      const bits = uniformBits(weightBits, activationBits, locked);
      const label = `w${String(weightBits)}a${String(activationBits)}`;
      all.push({ label, weightBits, activationBits, bits, withinBudget: meetsBudgets(costOf(bits), limits) });
    }
  }
  const feasible = all.filter((policy) => policy.withinBudget);
  const isExceeded = (policy: UniformPolicy): boolean =>
    feasible.some((other) => other !== policy && other.weightBits >= policy.weightBits && other.activationBits >= policy.activationBits);
  return [
    ...all.filter((policy) => policy.weightBits === policy.activationBits),
    ...feasible.filter((policy) => policy.weightBits !== policy.activationBits && !isExceeded(policy)),
  ];
}
