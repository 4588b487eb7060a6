/**
 * One step of the search's last part: a policy near a good one that uses the budget as fully. An evolution strategy's mutation,
 * with the budget kept by trading bits: some decisions gain a bit, others lose one until the budgets hold, and what is left of
 * the budgets is spent.
 */
import { LatheError } from '../../../shared/errors.ts';
import type { Budget } from '../../../shared/policy.ts';
import type { Random } from '../../../shared/random.ts';
import { meetsBudgets } from '../../../shared/budgets.ts';
import type { BitVector, CostFunction } from './bits.ts';

export interface Neighbourhood {
  readonly minimumBits: number;
  readonly maximumBits: number;
  readonly locked: readonly boolean[]; // layers that keep their bits
  readonly limits: readonly Budget[];
  readonly costOf: CostFunction;
}

/** Decisions that gain a bit before the budgets are looked at: 1 to this many. */
const mostRaised = 3;
/** How often a decision loses a bit that the budgets did not ask for, to make room for others. */
const loweringProbability = 0.3;

/** Policies before and after the budgets were enforced. `parent` must meet the budgets. */
export function neighbourOf(
  parent: BitVector,
  { minimumBits, maximumBits, locked, limits, costOf }: Neighbourhood,
  random: Random,
): { readonly asked: BitVector; readonly bits: BitVector } {
  const bits = { weightBits: [...parent.weightBits], activationBits: [...parent.activationBits] };
  const decisions = [bits.weightBits, bits.activationBits].flatMap((side) =>
    locked.flatMap((isLocked, layer) => (isLocked ? [] : [{ side, layer }])),
  );
  if (decisions.length === 0) return { asked: parent, bits: parent };
  const change = ({ side, layer }: { side: number[]; layer: number }, by: number): boolean => {
    const wanted = (side[layer] ?? 0) + by;
    if (wanted < minimumBits || wanted > maximumBits) return false;
    side[layer] = wanted;
    return true;
  };
  const any = (): { side: number[]; layer: number } => {
    const decision = decisions[random.uniformInt(0, decisions.length - 1)];
    if (!decision) throw new RangeError('a draw fell outside the decisions');
    return decision;
  };
  const holds = (): boolean => meetsBudgets(costOf(bits), limits);

  const raised = random.uniformInt(1, mostRaised);
  for (let i = 0; i < raised; i += 1) change(any(), 1);
  if (random.uniform() < loweringProbability) change(any(), -1);
  const asked = { weightBits: [...bits.weightBits], activationBits: [...bits.activationBits] };

  while (!holds()) {
    let lowered = false;
    for (const decision of random.shuffle([...decisions])) {
      if (!change(decision, -1)) continue;
      lowered = true;
      if (holds()) break;
    }
    if (!lowered) throw new LatheError('bad-input', 'no policy meets the budgets even with every layer at its fewest bits');
  }
  for (let spent = true; spent;) {
    spent = false;
    for (const decision of random.shuffle([...decisions])) {
      if (!change(decision, 1)) continue;
      if (holds()) spent = true;
      else change(decision, -1);
    }
  }
  return { asked, bits };
}
