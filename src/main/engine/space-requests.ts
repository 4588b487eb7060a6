/** What a search space costs on a target, beside the reference network: asked before a run starts. */
import { z } from 'zod';
import type { Resource } from '../../shared/policy.ts';
import { searchSpaceSchema, spaceFitSchema, type SpacePreview } from '../../shared/space.ts';
import { targetSchema } from '../../shared/target.ts';
import { costOfPath, extremePath, graphPricer, spaceCosts } from '../hardware/space-cost.ts';
import { blocksOf, networksOf } from '../network/space/space.ts';
import { amountOf } from '../../shared/budgets.ts';
import { graphOf, questionNetworkSchema } from './network-requests.ts';

/** Resolved by the service: everything is complete. */
export const spaceQuestionSchema = z.object({
  space: searchSpaceSchema,
  fit: spaceFitSchema,
  target: targetSchema,
  batch: z.number().int().positive(),
  reference: questionNetworkSchema,
});

export function answerSpace(input: unknown): SpacePreview {
  const { space, fit, target, batch, reference } = spaceQuestionSchema.parse(input);
  const { costs, fitted } = spaceCosts(space, fit, target, batch);
  const graph = graphOf(reference);
  const cost = graphPricer(target, batch)(graph);
  return {
    space,
    fit,
    batch,
    networks: String(networksOf(space)),
    blocks: blocksOf(space).map(({ name, inChannels, outChannels, stride, candidates }, block) => ({
      name,
      inChannels,
      outChannels,
      stride,
      candidates: candidates.map((candidate, choice) => ({
        candidate,
        latencyMs: costs.latency?.blocks[block]?.[choice] ?? null,
        macs: costs.macs?.blocks[block]?.[choice] ?? 0,
        params: costs.params?.blocks[block]?.[choice] ?? 0,
        fitted: fitted.has(`${name}_${candidate}`),
      })),
    })),
    resources: (Object.keys(costs) as Resource[]).map((resource) => {
      const table = costs[resource] ?? { fixed: 0, blocks: [] };
      return {
        resource,
        fixed: table.fixed,
        least: costOfPath(table, extremePath(table, 'least')),
        most: costOfPath(table, extremePath(table, 'most')),
        reference: resource === 'params' ? graph.params : amountOf(cost, resource),
      };
    }),
  };
}
