/** Evaluation of a trained network at chosen bits, without a run of its own. */
import { z } from 'zod';
import { networkRefSchema } from './network.ts';
import { bitsSchema, layerBitsSchema, quantizePolicySchema } from './policy.ts';

/** `float`: nothing is quantized. `fake`: floats that stand for codes. `integer`: the codes, with 32-bit sums. */
export const arithmeticSchema = z.enum(['float', 'fake', 'integer']);
export type Arithmetic = z.infer<typeof arithmeticSchema>;

/** How clipping thresholds are found; docs/algorithms/quantizers.md has the formulas. */
export const thresholdRuleSchema = z.enum(['mse', 'maximum', 'kl', 'percentile']);

export const evaluateRequestSchema = z
  .object({
    network: networkRefSchema,
    dataset: z.string().min(1),
    weights: z.string().min(1).optional(), // a run's id or a weights hash; default: of the newest run with this network and data set
    weightBits: bitsSchema.default(8),
    activationBits: bitsSchema.default(8),
    policy: quantizePolicySchema.optional(), // instead of uniform bits
    arithmetic: arithmeticSchema.default('fake'),
    split: z.enum(['validation', 'test']).default('validation'),
    thresholds: thresholdRuleSchema.default('mse'),
    percentile: z.number().gt(0).max(1).default(0.9999), // of that rule
    perChannel: z.boolean().default(false), // a threshold an output channel of the weights
    calibrationImages: z.number().int().min(2).max(1_000_000).default(512), // of the training images
    statisticsImages: z.number().int().min(0).max(100_000).default(256), // of those, for batch norm's statistics of the quantized network; 0: the float network's
    threads: z.number().int().min(1).max(1024).optional(), // default: the physical cores
  })
  .strict();
export type EvaluateRequest = z.output<typeof evaluateRequestSchema>;

export const evaluationSchema = z.object({
  network: z.string(),
  dataset: z.string(),
  run: z.string(), // that trained the weights, and whose validation images these are
  weights: z.string(),
  arithmetic: arithmeticSchema,
  split: z.enum(['validation', 'test']),
  images: z.number().int(),
  accuracy: z.number(), // 0..1
  top5Accuracy: z.number(), // 0..1: the label is among the five likeliest
  meanLoss: z.number(),
  layers: z.array(layerBitsSchema).nullable(), // null: float
  seconds: z.number(), // of the evaluation alone
});
export type Evaluation = z.infer<typeof evaluationSchema>;
