/** Search spaces as data: a network of stages whose blocks are chosen from a list of candidates each. */
import { z } from 'zod';
import { networkIdSchema } from './network.ts';
import { resourceSchema } from './policy.ts';

/** 'k5e3': an inverted residual block with a 5 x 5 depthwise convolution, expanded three times. 'zero': the block is left out. */
export const candidateSchema = z
  .string()
  .regex(/^(k[3579]e([1-9]|1[0-2])|zero)$/, "expected 'zero', or kernel and expansion such as 'k3e6'");

const channels = z.number().int().min(1).max(4096);
const strides = z.union([z.literal(1), z.literal(2)]);

/**
 * Stem (3 x 3), a first inverted residual block of 3 x 3 without expansion, the searched blocks of the stages, a last 1 x 1
 * convolution, pooling and the classifier. `zero` is a candidate only where a block keeps its input's shape.
 */
export const searchSpaceSchema = z
  .object({
    id: networkIdSchema,
    title: z.string().min(1).max(100),
    source: z.string().max(300),
    inputSize: z.number().int().min(8).max(1024), // the side that it is made for
    stem: z.object({ channels, stride: strides }).strict(),
    first: z.object({ channels }).strict(),
    stages: z
      .array(z.object({ channels, blocks: z.number().int().min(1).max(32), stride: strides }).strict())
      .min(1)
      .max(16),
    last: z.object({ channels }).strict(),
    candidates: z
      .array(candidateSchema)
      .min(2)
      .max(16)
      .refine((list) => new Set(list).size === list.length, 'a candidate is listed twice')
      .refine((list) => list.some((candidate) => candidate !== 'zero'), "expected a candidate besides 'zero'"),
  })
  .strict();
export type SearchSpace = z.infer<typeof searchSpaceSchema>;

/** One choice a block, by name, in network order. */
export const architecturePolicySchema = z.object({
  space: z.string(), // its id
  choices: z.array(z.object({ block: z.string(), candidate: candidateSchema })).min(1),
});
export type ArchitecturePolicy = z.infer<typeof architecturePolicySchema>;

/** What a space is fitted to. */
export const spaceFitSchema = z.object({
  shape: z.tuple([z.number().int().positive(), z.number().int().positive(), z.number().int().positive()]), // (H, W, C) of the input
  classes: z.number().int().min(2),
});

/**
 * A search space, one of Lathe's by its id, a .json file or in whole, and its input. Absent fields take the side that the space is made
 * for, 3 channels and 1000 classes, or, when a data set is given with it, what fits the data set.
 */
export const spaceRefSchema = z
  .object({
    space: z.union([z.string().min(1), searchSpaceSchema]),
    inputSize: z.number().int().min(8).max(1024).optional(),
    inputChannels: z.number().int().min(1).max(16).optional(),
    classes: z.number().int().min(2).max(100_000).optional(),
  })
  .strict();
export type SpaceRef = z.infer<typeof spaceRefSchema>;

/** A space on a target, before anything runs. Costs are at 8 bits (of a latency table: in float), of the whole batch but for `macs` and `params`. */
export const spacePreviewSchema = z.object({
  space: searchSpaceSchema,
  fit: spaceFitSchema,
  batch: z.number().int(),
  networks: z.string(), // how many; a whole number of many digits
  blocks: z.array(
    z.object({
      name: z.string(),
      inChannels: z.number(),
      outChannels: z.number(),
      stride: z.number(),
      candidates: z.array(
        z.object({
          candidate: candidateSchema,
          latencyMs: z.number().nullable(),
          macs: z.number(),
          params: z.number(),
          fitted: z.boolean(), // the table has no key for it: its latency is fitted to other rows
        }),
      ),
    }),
  ),
  resources: z.array(
    z.object({
      resource: resourceSchema,
      fixed: z.number(), // of what all networks have
      least: z.number(),
      most: z.number(),
      reference: z.number().nullable(), // of the network that fractions are of
    }),
  ),
});
export type SpacePreview = z.infer<typeof spacePreviewSchema>;
