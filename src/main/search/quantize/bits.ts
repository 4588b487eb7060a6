/** From an agent's action to bits, and from bits to a policy that meets its budgets. Pure functions. */
import { LatheError } from '../../../shared/errors.ts';
import type { Budget, Cost, QuantizePolicy } from '../../../shared/policy.ts';
import { resourceUnits } from '../../../shared/policy.ts';
import { amountOf, meetsBudgets } from '../../../shared/budgets.ts';

/** Bits of all quantizable layers, in network order. */
export interface BitVector {
  readonly weightBits: readonly number[];
  readonly activationBits: readonly number[];
}

/** Prices a bit vector; cheap, as it is asked for after every single decrement. */
export type CostFunction = (bits: BitVector) => Cost;

/**
 * Equal-width bins over [0, 1] (HAQ, `_action_wall`): round((max - min + 1) a + min - 0.5), kept within min..max.
 * The released code leaves a = 0 and a = 1 to numpy's round-half-to-even and can fall outside; ours cannot.
 */
export function actionToBits(action: number, minimumBits: number, maximumBits: number): number {
  const bits = Math.floor((maximumBits - minimumBits + 1) * action) + minimumBits;
  return Math.min(maximumBits, Math.max(minimumBits, bits));
}

/** The middle of the bin that `actionToBits` maps to these bits; of more or fewer bits than the range has: its end. */
export function bitsToAction(bits: number, minimumBits: number, maximumBits: number): number {
  const inside = Math.min(maximumBits, Math.max(minimumBits, bits));
  return (inside - minimumBits + 0.5) / (maximumBits - minimumBits + 1);
}

/** Budgets as absolute limits: a fraction is of `reference`, the network's 8-bit form. */
export function absoluteBudgets(budgets: readonly Budget[], reference: Cost, targetId: string): Budget[] {
  return budgets.map((budget) => {
    if (budget.resource === 'macs' || budget.resource === 'params') {
      throw new LatheError(
        'bad-input',
        `budget ${budget.resource}: quantization does not change the number of ${resourceUnits[budget.resource]}; give latency, energy or size instead`,
      );
    }
    const full = amountOf(reference, budget.resource);
    if (full === null) {
      throw new LatheError(
        'bad-input',
        `budget ${budget.resource}: target ${targetId} has no ${budget.resource} model; give latency or size, or choose another target`,
      );
    }
    return budget.kind === 'absolute' ? budget : { resource: budget.resource, kind: 'absolute', value: budget.value * full };
  });
}

/** Throws the sentence for a budget that no policy can meet, with the least that is possible. */
export function requireFeasible(least: Cost, limits: readonly Budget[], minimumBits: number, reference: Cost): void {
  for (const limit of limits) {
    const amount = amountOf(least, limit.resource);
    if (amount !== null && amount > limit.value) {
      const unit = resourceUnits[limit.resource];
      const full = amountOf(reference, limit.resource) ?? 0;
      const fraction = full > 0 ? ` (${limit.resource}=${roundUp(amount / full)})` : '';
      throw new LatheError(
        'bad-input',
        `budget ${limit.resource}: no policy can meet ${digits(limit.value)} ${unit}; the least possible with ${String(minimumBits)} bits or more is ${digits(amount)} ${unit}${fraction}; give at least that, or allow fewer bits`,
        { resource: limit.resource, limit: limit.value, least: amount },
      );
    }
  }
}

/**
 * Lowers bits until all budgets hold (HAQ, `_final_action_wall`): sweeps from the last layer to the first; in each layer
 * first the activations lose one bit, then the weights, and the budgets are checked after each. Layers in `locked` keep theirs.
 * The caller has checked that the least policy is feasible.
 */
export function enforceBudgets(
  asked: BitVector,
  minimumBits: number,
  locked: readonly boolean[],
  limits: readonly Budget[],
  costOf: CostFunction,
): BitVector {
  const weightBits = [...asked.weightBits];
  const activationBits = [...asked.activationBits];
  const bits: BitVector = { weightBits, activationBits };
  const holds = (): boolean => meetsBudgets(costOf(bits), limits);
  if (holds()) return bits;
  for (let lowered = true; lowered;) {
    lowered = false;
    for (let layer = weightBits.length - 1; layer >= 0; layer -= 1) {
      if (locked[layer] === true) continue;
      for (const side of [activationBits, weightBits]) {
        const current = side[layer] ?? minimumBits;
        if (current <= minimumBits) continue;
        side[layer] = current - 1;
        lowered = true;
        if (holds()) return bits;
      }
    }
  }
  throw new LatheError('bad-input', 'no policy meets the budgets even with every layer at its fewest bits');
}

export function toPolicy(names: readonly string[], bits: BitVector): QuantizePolicy {
  return {
    kind: 'quantize',
    layers: names.map((name, layer) => {
      const weightBits = bits.weightBits[layer];
      const activationBits = bits.activationBits[layer];
      if (weightBits === undefined || activationBits === undefined) throw new RangeError(`no bits for layer ${String(layer)} (${name})`);
      return { name, weightBits, activationBits };
    }),
  };
}

/** The bit vector of a policy, checked against the network's layers by name and order. */
export function fromPolicy(names: readonly string[], policy: QuantizePolicy): BitVector {
  if (policy.layers.length !== names.length) {
    throw new LatheError(
      'bad-input',
      `policy: expected ${String(names.length)} layers, found ${String(policy.layers.length)}; export it for this network`,
    );
  }
  policy.layers.forEach((layer, index) => {
    if (layer.name !== names[index]) {
      throw new LatheError(
        'bad-input',
        `policy, layer ${String(index)}: expected ${names[index] ?? ''}, found ${layer.name}; export it for this network`,
      );
    }
  });
  return { weightBits: policy.layers.map((layer) => layer.weightBits), activationBits: policy.layers.map((layer) => layer.activationBits) };
}

/** Bits of a protected layer: the most that linear quantization has here. */
export const protectedBits = 8;

/** The same bits everywhere but in protected layers. */
export function uniformBits(weightBits: number, activationBits: number, locked: readonly boolean[]): BitVector {
  return {
    weightBits: locked.map((isLocked) => (isLocked ? protectedBits : weightBits)),
    activationBits: locked.map((isLocked) => (isLocked ? protectedBits : activationBits)),
  };
}

/** The first and the last layer, where they are protected. */
export function lockedLayers(count: number, protectFirstAndLast: boolean): boolean[] {
  return Array.from({ length: count }, (_, layer) => protectFirstAndLast && (layer === 0 || layer === count - 1));
}

function digits(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
}

/** A fraction that is enough: rounded up to three digits. */
function roundUp(fraction: number): string {
  return (Math.ceil(fraction * 1000) / 1000).toFixed(3);
}
