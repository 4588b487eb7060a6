/** How a network, a target and a simulation look to a face. */
import { z } from 'zod';

/**
 * A network of the zoo and its variant. Absent fields take the network's own default (224 x 224 x 3, 1000 classes, width 1),
 * or, when a data set is given with it, what fits the data set. `stem` is `small` for images up to 64 pixels: the first
 * convolution keeps the resolution.
 */
export const networkRefSchema = z.object({
  id: z.string().min(1),
  width: z.number().positive().max(4).optional(),
  inputSize: z.number().int().min(1).max(1024).optional(),
  inputChannels: z.number().int().min(1).max(16).optional(),
  classes: z.number().int().min(2).max(100_000).optional(),
  stem: z.enum(['imagenet', 'small']).optional(),
});
export type NetworkRef = z.infer<typeof networkRefSchema>;

/** A reference in which every choice is made; `id` is the family's, the width stands in `width`. */
export const resolvedNetworkRefSchema = networkRefSchema.required();
export type ResolvedNetworkRef = z.infer<typeof resolvedNetworkRefSchema>;

export const shapeSchema = z.array(z.number().int().positive());

/** Which of HAQ's layer types a quantizable layer is; charts tell them apart. */
export const layerKindSchema = z.enum(['conv', 'depthwise', 'pointwise', 'linear']);
export type LayerKind = z.infer<typeof layerKindSchema>;

/** (height, width) of a window. Runs of earlier versions wrote one number for a square one. */
const windowSchema = z.preprocess(
  (value) => (typeof value === 'number' ? [value, value] : value),
  z.tuple([z.number().int().positive(), z.number().int().positive()]).nullable(),
);

/** One operator of a network. Shapes are (H, W, C), or (features) behind the pooling. */
export const layerInfoSchema = z.object({
  name: z.string(),
  op: z.string(),
  kind: layerKindSchema.nullable(), // null: carries no weights that are quantized
  macs: z.number().nonnegative(),
  params: z.number().nonnegative(),
  inputShape: shapeSchema,
  outputShape: shapeSchema,
  kernel: windowSchema,
  stride: windowSchema,
  groups: z.number().int().positive().nullable(),
});
export type LayerInfo = z.infer<typeof layerInfoSchema>;

/** What was published about a network; absent: not stated there. Accuracies on ImageNet's validation images unless the note says else. */
export const publishedSchema = z.object({
  width: z.number().positive().optional(), // absent: 1
  macs: z.number().positive().optional(),
  params: z.number().positive().optional(),
  top1: z.number().min(0).max(1).optional(),
  top5: z.number().min(0).max(1).optional(),
  latencies: z.array(z.object({ device: z.string(), ms: z.number().positive() })).optional(), // of one image unless the device says a batch
  memoryBytes: z.number().positive().optional(),
  source: z.string(),
  note: z.string().optional(),
});
export type Published = z.infer<typeof publishedSchema>;

export const networkSummarySchema = z.object({
  id: z.string(),
  title: z.string(),
  source: z.string(),
  macs: z.number(),
  params: z.number(),
  inputShape: shapeSchema,
  classes: z.number().int(),
});
export type NetworkSummary = z.infer<typeof networkSummarySchema>;

export const networkInfoSchema = networkSummarySchema.extend({
  ref: networkRefSchema,
  sha256: z.string(),
  layers: z.array(layerInfoSchema),
});
export type NetworkInfo = z.infer<typeof networkInfoSchema>;

export const layerSimulationSchema = z.object({
  name: z.string(),
  kind: layerKindSchema,
  weightBits: z.number().int(),
  activationBits: z.number().int(),
  macs: z.number(), // of one image
  cycles: z.number(), // of the whole batch, as all that follows
  computeCycles: z.number(),
  stallCycles: z.number(),
  latencyMs: z.number(),
  dramBits: z.number(),
  energyMj: z.number().nullable(),
  utilization: z.number(), // of the array's peak at these bits, 0..1
});
export type LayerSimulation = z.infer<typeof layerSimulationSchema>;

/** A network's run on a target: totals over all layers, for the whole batch. */
export const simulationSchema = z.object({
  network: z.string(),
  target: z.string(),
  batch: z.number().int().positive(),
  cycles: z.number(),
  latencyMs: z.number(),
  energyMj: z.number().nullable(),
  dramBits: z.number(),
  sizeBytes: z.number(),
  layers: z.array(layerSimulationSchema),
});
export type Simulation = z.infer<typeof simulationSchema>;

/**
 * A hardware target of the BISMO bit-serial law. Source of every figure in `source`; `calibration` says how far to trust it.
 */
export const bismoTargetSchema = z.object({
  formatVersion: z.literal(1),
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  title: z.string(),
  law: z.literal('bismo'),
  source: z.string(),
  calibration: z.enum(['exact', 'documented', 'not calibrated']),
  clockMhz: z.number().positive(),
  defaultBatch: z.number().int().positive(),
  array: z.object({
    rows: z.number().int().positive(), // Dm: pixels
    columns: z.number().int().positive(), // Dn: output channels
    wordBits: z.number().int().positive(), // Dk
  }),
  weightBufferWords: z.number().int().positive(),
  activationBufferWords: z.number().int().positive(),
  depthwiseGroupChannels: z.number().int().positive(),
  energy: z.null(), // this law has no energy model
});
export const targetSchema = z.discriminatedUnion('law', [bismoTargetSchema]);
export type Target = z.infer<typeof targetSchema>;
export type BismoTarget = z.infer<typeof bismoTargetSchema>;

export const targetInfoSchema = z.object({ target: targetSchema, sha256: z.string(), builtIn: z.boolean() });
export type TargetInfo = z.infer<typeof targetInfoSchema>;
