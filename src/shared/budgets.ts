/** What a cost is of each resource, and whether it meets its limits. Pure functions on both sides. */
import type { Budget, Cost, Resource } from './policy.ts';

/** The amount of one resource in a cost, in the unit of `resourceUnits`; null where the target has no model for it. */
export function amountOf(cost: Cost, resource: Resource): number | null {
  switch (resource) {
    case 'latency':
      return cost.latencyMs;
    case 'energy':
      return cost.energyMj;
    case 'size':
      return cost.sizeBytes;
    case 'macs':
      return cost.macs;
    case 'params':
      return null;
  }
}

/** Is a cost within all limits (absolute ones)? A resource without a model never is. */
export function meetsBudgets(cost: Cost, limits: readonly Budget[]): boolean {
  return limits.every((limit) => {
    const amount = amountOf(cost, limit.resource);
    return amount !== null && amount <= limit.value;
  });
}

/** The resources whose limits a cost is over. */
export function exceededBudgets(cost: Cost, limits: readonly Budget[]): Resource[] {
  return limits.filter((limit) => !meetsBudgets(cost, [limit])).map(({ resource }) => resource);
}
