/** What a pruning could decide and what its budgets mean, before anything runs. */
import { z } from 'zod';
import type { Output } from '../../shared/contract.ts';
import { budgetSchema } from '../../shared/policy.ts';
import { pruneParametersSchema } from '../../shared/prune.ts';
import { targetSchema } from '../../shared/target.ts';
import { couplingOf } from '../network/coupling.ts';
import { networkTitle } from '../network/describe.ts';
import { absoluteLimits, requireReachable } from '../search/prune/clip.ts';
import { requirePriceable } from '../search/prune/pricing.ts';
import { taskOf } from '../search/prune/task.ts';
import { uniformWidth } from '../search/prune/uniform.ts';
import { graphOf, questionNetworkSchema } from './network-requests.ts';

/** Resolved by the service: the network's variant is complete, the target is there as a whole. */
export const prunePreviewQuestionSchema = z.object({
  network: questionNetworkSchema,
  target: targetSchema.nullable(),
  batch: z.number().int().positive().nullable(),
  budgets: z.array(budgetSchema),
  search: pruneParametersSchema,
});

/** Throws LatheError bad-input for what cannot work, as the run itself would. */
export function answerPrunePreview(input: unknown): Output<'prune.preview'> {
  const { network, target, batch, budgets, search } = prunePreviewQuestionSchema.parse(input);
  const graph = graphOf(network);
  const coupling = couplingOf(graph);
  const { counts, channels, pricing } = taskOf(graph, coupling, { ...search, target, batch: batch ?? target?.defaultBatch ?? 1 });
  const { price, costOf } = pricing;
  const whole = costOf(counts.all);
  requirePriceable(budgets, search.granularity, target ? { id: target.id, energyKnown: whole.energyMj !== null } : null);
  const limits = absoluteLimits(budgets, (resource) => price(resource, counts.all));
  const clip = { decisions: counts.decisions, limits, price };
  requireReachable(clip);
  const uniform = uniformWidth(clip);
  return {
    network: networkTitle(network, graph.inputShape),
    limits,
    whole,
    fewest: costOf(counts.fewest),
    uniform: uniform ? { ratio: uniform.ratio, cost: costOf(uniform.counts) } : null,
    groups: counts.decisions.map(({ name, units, minimum, maximum, layer }, t) => ({
      group: name,
      kind: layer.kind,
      units,
      minimum,
      maximum,
      joined: [...(coupling.groups[channels?.decisions[t]?.group ?? -1]?.joints ?? [])],
    })),
  };
}
