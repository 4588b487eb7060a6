/**
 * The architecture step of ProxylessNAS (arXiv 1812.00332, section 3.2.1 and 3.3.1): what the gates' gradients of one batch and
 * the expected cost say about alpha. Deviations are numbered in docs/algorithms/proxylessnas.md.
 */
import type { Random } from '../../../shared/random.ts';
import type { AdditiveCost } from '../../hardware/space-cost.ts';
import type { Path } from '../../network/space/space.ts';
import type { Objective } from './objective.ts';
import { alphaGradient, draw, drawPair, expectedCost, softmax, type ArchitectureParameters } from './probabilities.ts';

/** What an architecture step asks of a network: the loss of a batch on a path, and dL/dg of the named candidates of each block. */
export interface GateOracle {
  gates(
    active: Path,
    candidates: readonly (readonly number[])[],
  ): Promise<{ readonly loss: number; readonly gates: readonly (readonly number[])[] }>;
}

/** `two`: a pair of candidates a block competes (the paper's memory-saving form). `full`: all of them do. */
export type GateForm = 'two' | 'full';

export interface ArchitectureStep {
  readonly crossEntropy: number;
  readonly loss: number; // with what the objective adds
  readonly expected: readonly number[]; // of each limit's resource, before the step
}

/** One step of alpha. `costs` are those of the objective's limits, in its order; `progress` is how much of the search is done, 0..1. */
export async function architectureStep(
  parameters: ArchitectureParameters,
  objective: Objective,
  costs: readonly AdditiveCost[],
  oracle: GateOracle,
  form: GateForm,
  rate: number,
  random: Random,
  progress = 1,
): Promise<ArchitectureStep> {
  const probabilities = parameters.probabilities;
  const competing = probabilities.map((p) => (form === 'two' ? drawPair(p, random) : p.map((_, index) => index)));
  // Of those that compete alone: in the two-path form the softmax of the pair's alphas.
  const shares = competing.map((indices, block) => softmax(indices.map((index) => parameters.values[block]?.[index] ?? 0)));
  const active = competing.map((indices, block) => indices[draw(shares[block] ?? [], random.uniform())] ?? 0);
  const measured = await oracle.gates(active, competing);
  const expected = costs.map((cost) => expectedCost(cost, probabilities));
  const weights = objective.weigh(measured.loss, expected, progress);
  const gradients = competing.map((indices, block) => {
    // dL/dg_k, where a gate opens a candidate's output and its cost alike.
    const gates = indices.map((index, i) =>
      costs.reduce(
        (sum, cost, c) => sum + (weights.costs[c] ?? 0) * (cost.blocks[block]?.[index] ?? 0),
        weights.crossEntropy * (measured.gates[block]?.[i] ?? 0),
      ),
    );
    const gradient = Array<number>(probabilities[block]?.length ?? 0).fill(0);
    for (const [i, value] of alphaGradient(gates, shares[block] ?? []).entries()) gradient[indices[i] ?? 0] = value;
    return gradient;
  });
  if (form === 'two') parameters.stepPairs(competing, gradients, rate);
  else parameters.step(gradients, rate);
  return { crossEntropy: measured.loss, loss: weights.loss, expected };
}
