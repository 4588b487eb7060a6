/** The parameters of a specialize search and what it finds. Every default stands here, once. */
import { z } from 'zod';
import { architecturePolicySchema } from './space.ts';

export const specializeParametersSchema = z.object({
  warmupEpochs: z.number().int().min(0).max(10_000).default(4), // of the supernet, on random paths
  searchEpochs: z.number().int().min(1).max(10_000).default(10), // weights and architecture in turn
  batchSize: z.number().int().min(2).max(4096).default(64),
  warmupRate: z.number().positive().max(100).default(0.1), // peak; a cosine to zero
  searchRate: z.number().positive().max(100).default(0.05), // peak; a cosine to zero
  weightDecay: z.number().min(0).max(1).default(4e-5),
  labelSmoothing: z.number().min(0).max(0.99).default(0.1), // in weight steps
  cropPadding: z.number().int().min(0).max(1024).default(0), // pixels
  flip: z.boolean().default(false),
  validationImages: z.number().int().min(2).default(5000), // split off the training images: the architecture learns on them
  algorithm: z.enum(['gradient', 'reinforce']).default('gradient'),
  gates: z.enum(['two', 'full']).default('two'), // candidates of a block that compete in an architecture step
  architectureEvery: z.number().int().min(1).max(10_000).default(5), // weight steps between two architecture steps
  architectureRate: z.number().positive().max(100).default(0.02), // Adam's, of alpha
  samples: z.number().int().min(1).max(1000).default(10), // of REINFORCE: networks an architecture step
  objective: z.enum(['constraint', 'power', 'additive']).default('constraint'),
  costWeight: z.number().min(0).max(1000).default(1), // constraint: quadratic part; power: exponent; additive: factor
  multiplierRate: z.number().min(0).max(1000).default(0.1), // of the constraint form: a step of the multipliers
  selectionNetworks: z.number().int().min(1).max(100_000).default(64), // likely networks that are tried as wholes at the end; 1: the likeliest as it is
  selectionImages: z.number().int().min(2).default(5000), // of the architecture's, on which the best of them are
  snapshotEvery: z.number().int().min(1).max(10_000).default(20), // architecture steps between two points of the probabilities
  randomRivals: z.number().int().min(0).max(100).default(0), // random networks of equal cost, trained as the found one
  evolutionRival: z.boolean().default(false), // the best network within the limits that evolution finds with the shared weights, trained as the found one
  evolutionNetworks: z.number().int().min(10).max(100_000).default(200), // that an evolution tries
  evolutionImages: z.number().int().min(2).default(500), // of the architecture's, on which each is tried
  widthRival: z.boolean().default(true), // the reference network at the width that meets the limits, trained as the found one
});
export type SpecializeParameters = z.infer<typeof specializeParametersSchema>;

export const decisionSchema = z.object({
  block: z.string(),
  candidate: z.string(), // the likeliest
  probability: z.number(),
  entropy: z.number(), // nats
  decided: z.boolean(), // at least twice as likely as the second
});
export type Decision = z.infer<typeof decisionSchema>;

/** Of a network that a specialize run found or compared. */
export const architectureResultSchema = z.object({
  architecture: architecturePolicySchema.nullable(), // null: no network of the space
  graph: z.string(), // SHA-256 of the blob that holds the network's graph
  decisions: z.array(decisionSchema), // empty but for the found network
  params: z.number(),
  costs: z.array(z.object({ target: z.string(), latencyMs: z.number(), energyMj: z.number().nullable() })).default([]), // on each of the run's targets
  network: z.string().nullable().default(null), // id of the user's network that it became
});
export type ArchitectureResult = z.infer<typeof architectureResultSchema>;
