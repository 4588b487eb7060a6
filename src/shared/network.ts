/** How a network, a target and a simulation look to a face. */
import { z } from 'zod';

/**
 * A network of the zoo and its variant. Absent fields take the network's own default (224 x 224 x 3, 1000 classes, width 1),
 * or, when a data set is given with it, what fits the data set. `stem` is `small` for images up to 64 pixels: the first
 * convolution keeps the resolution.
 */
export const networkRefSchema = z.object({
  id: z.string().trim().min(1, 'expected the name of a network or an .onnx file, found nothing; "network list" shows the names'),
  width: z.number().positive().max(4).optional(),
  inputSize: z.number().int().min(1).max(1024).optional(),
  inputChannels: z.number().int().min(1).max(16).optional(),
  classes: z.number().int().min(2).max(100_000).optional(),
  stem: z.enum(['imagenet', 'small']).optional(),
  /** Of a network that the user imported: the SHA-256 of its graph, a blob. Filled in when the reference is resolved. */
  graph: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type NetworkRef = z.infer<typeof networkRefSchema>;

/** A reference in which every choice is made; `id` is the family's, the width stands in `width`. */
export const resolvedNetworkRefSchema = networkRefSchema.required().extend({ graph: networkRefSchema.shape.graph });
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
  scalable: z.boolean(), // whether a width may be asked for: not of a fixed network, of a file's, or where the id says one
});
export type NetworkSummary = z.infer<typeof networkSummarySchema>;

/** What an import has to say: what was decided while the file was read, and the bits that its quantizers name. */
export const importReportSchema = z.object({
  producer: z.string(), // 'pytorch 2.3'; may be empty
  opset: z.number().int(),
  notes: z.array(z.string()),
  bits: z.array(z.object({ name: z.string(), weightBits: z.number().int().nullable(), activationBits: z.number().int().nullable() })),
});
export type ImportReport = z.infer<typeof importReportSchema>;

export const networkInfoSchema = networkSummarySchema.extend({
  ref: networkRefSchema,
  sha256: z.string(),
  layers: z.array(layerInfoSchema),
  imported: importReportSchema.optional(), // of a network that came from a file
});
export type NetworkInfo = z.infer<typeof networkInfoSchema>;

/** An id that a user may give to a network. */
export const networkIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'expected lower-case letters, digits, dots, dashes and underscores, at most 100');

/** A network of the user's as it is kept: its graph and its weights are blobs. */
export const networkRecordSchema = z.object({
  id: networkIdSchema,
  source: z.string(), // the file's name
  fileSha256: z.string(),
  graph: z.string(), // SHA-256 of the graph, and of the blob that holds it
  weights: z.string(), // SHA-256 of the blob
  inputShape: z.tuple([z.number().int().positive(), z.number().int().positive(), z.number().int().positive()]), // H, W, C
  classes: z.number().int().positive(),
  classNames: z.array(z.string()).nullable(),
  macs: z.number(),
  params: z.number(),
  report: importReportSchema,
  atMs: z.number(), // Unix time
});
export type NetworkRecord = z.infer<typeof networkRecordSchema>;

/** A file that was written, and how far ONNX Runtime's results with it are from Lathe's own. */
export const networkExportSchema = z.object({
  path: z.string(),
  sizeBytes: z.number().int(),
  opset: z.number().int(),
  notes: z.array(z.string()),
  check: z.object({
    images: z.number().int(),
    largestDifference: z.number(), // of a logit
    relativeDifference: z.number(), // of the largest logit
    sameClass: z.number().min(0).max(1), // share of the images
  }),
});
export type NetworkExport = z.infer<typeof networkExportSchema>;
/** How multiply-accumulates are counted; `countMacs` says what each means. */
export const macConventionSchema = z.enum(['layers', 'amc', 'measure-model', 'operations']);
export type MacConvention = z.infer<typeof macConventionSchema>;

/** Channels that must be kept or removed together, a decision for each unit. */
export const pruneGroupSchema = z.object({
  name: z.string(),
  units: z.number().int().positive(),
  channelsPerUnit: z.number().int().positive(),
  producers: z.array(z.string()), // layers that write the channels
  followers: z.array(z.string()), // operators that carry them on and lose values with them
  consumers: z.array(z.string()), // layers that read them and lose weights
  joints: z.array(z.string()), // what ties several producers
  locked: z.enum(['image', 'classes', 'softmax']).nullable(), // why nothing of it can go
});

/** The operators of a network as a graph, with what each moves, and what follows from how they are joined. */
export const networkStructureSchema = z.object({
  id: z.string(),
  title: z.string(),
  nodes: z.array(
    z.object({
      name: z.string(),
      op: z.string(),
      inputs: z.array(z.string()), // names of nodes, or 'input'
      outputShape: shapeSchema,
      macs: z.number(),
      params: z.number(),
      weightBytes: z.number(), // in 32-bit floats, as the next
      activationBytes: z.number(), // of one image: read and written once
      macsPerByte: z.number().nullable(),
    }),
  ),
  groups: z.array(pruneGroupSchema),
  published: z.array(publishedSchema),
  counts: z.record(macConventionSchema, z.number()),
});
export type NetworkStructure = z.infer<typeof networkStructureSchema>;

/** A graph written down: YAML with an operator a line, and the JSON value that identifies it. */
export const networkTextSchema = z.object({ text: z.string(), json: z.unknown() });
export type NetworkText = z.infer<typeof networkTextSchema>;

const beforeAndAfter = z.tuple([z.number().nullable(), z.number().nullable()]);
export const networkDiffSchema = z.object({
  first: z.string(), // titles
  second: z.string(),
  added: z.number().int(),
  removed: z.number().int(),
  changed: z.number().int(),
  same: z.number().int(),
  macs: z.tuple([z.number(), z.number()]),
  params: z.tuple([z.number(), z.number()]),
  rows: z.array(
    z.object({
      name: z.string(),
      op: z.string(),
      change: z.enum(['added', 'removed', 'changed', 'same']),
      details: z.array(z.string()), // 'outChannels 24 -> 32'
      macs: beforeAndAfter, // null: not there
      params: beforeAndAfter,
    }),
  ),
});
export type NetworkDiff = z.infer<typeof networkDiffSchema>;
export type NetworkDiffRow = NetworkDiff['rows'][number];
