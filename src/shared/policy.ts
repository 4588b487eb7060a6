/** Budgets and policies: what a search is allowed to spend, and what it decides. */
import { z } from 'zod';

export const resourceSchema = z.enum(['latency', 'energy', 'size', 'macs', 'params']);
export type Resource = z.infer<typeof resourceSchema>;

/** The unit in which an absolute limit of each resource is given. */
export const resourceUnits = {
  latency: 'ms',
  energy: 'mJ',
  size: 'B',
  macs: 'MACs',
  params: 'parameters',
} as const satisfies Record<Resource, string>;

/**
 * A limit on one resource. `fraction` is of the network that the search starts from (quantize: of its 8-bit form);
 * `absolute` is in the unit of `resourceUnits`.
 */
export const budgetSchema = z.object({
  resource: resourceSchema,
  kind: z.enum(['fraction', 'absolute']),
  value: z.number().positive(),
});
export type Budget = z.infer<typeof budgetSchema>;

export const minimumBits = 1;
export const maximumBits = 8;
export const bitsSchema = z.number().int().min(minimumBits).max(maximumBits);

/** Bits of one quantizable layer: of its weights, and of the activations that enter it. */
export const layerBitsSchema = z.object({
  name: z.string().min(1),
  weightBits: bitsSchema,
  activationBits: bitsSchema,
});
export type LayerBits = z.infer<typeof layerBitsSchema>;

/** A mixed-precision policy: one decision a quantizable layer (convolution or linear), in network order. */
export const quantizePolicySchema = z.object({
  kind: z.literal('quantize'),
  layers: z.array(layerBitsSchema).min(1),
});
export type QuantizePolicy = z.infer<typeof quantizePolicySchema>;

/** What a policy costs on a target. Simulated unless the target says otherwise; null where the target has no model for it. */
export const costSchema = z.object({
  latencyMs: z.number().nonnegative(),
  energyMj: z.number().nonnegative().nullable(),
  sizeBytes: z.number().nonnegative(),
  macs: z.number().nonnegative(),
});
export type Cost = z.infer<typeof costSchema>;
