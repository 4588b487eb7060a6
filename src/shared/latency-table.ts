/** Latency tables: what operators or blocks take on a device, key by key, with how that was found out. */
import { z } from 'zod';
import { networkRefSchema } from './network.ts';

/**
 * What the keys of a table name. `operators`: every operator with what is fused into it, in float; `layers`: convolutions and linear
 * layers at their bits, all that a simulated target charges; the other two: blocks, in the key schemes of these projects.
 */
export const tableSchemeSchema = z.enum(['operators', 'layers', 'proxylessnas', 'once-for-all']);
export type TableScheme = z.infer<typeof tableSchemeSchema>;

export const tableOriginSchema = z.enum(['imported', 'simulated', 'measured']);
export type TableOrigin = z.infer<typeof tableOriginSchema>;

export const tableFormatSchema = z.enum(['csv', 'json', 'yaml']);
export type TableFormat = z.infer<typeof tableFormatSchema>;

export const latencyUnits = { ms: 1, us: 1e-3, s: 1e3 } as const; // in milliseconds
export const latencyUnitSchema = z.enum(['ms', 'us', 's']);
export type LatencyUnit = z.infer<typeof latencyUnitSchema>;

export const maximumTableEntries = 100_000;
export const maximumTableBytes = 16 * 2 ** 20; // of a file
export const maximumKeyLength = 400;

/** A latency: beyond an hour is a mistake in the unit. */
const latencyMs = z.number().nonnegative().max(3_600_000);

export const latencyEntrySchema = z.object({
  key: z.string().min(1).max(maximumKeyLength),
  count: z.number().int().positive().nullable(), // of the values that the mean is of; null: not told
  meanMs: latencyMs,
  stdMs: latencyMs.nullable(), // standard deviation
  /** What the source calls `var`, as it stands there: tables in circulation do not say of what unit it is. */
  variance: z.number().nonnegative().nullable(),
  minMs: latencyMs.nullable(),
  medianMs: latencyMs.nullable(),
  energyMj: z.number().nonnegative().nullable(), // null: unknown
  noisy: z.boolean(), // the measurement did not settle
});
export type LatencyEntry = z.infer<typeof latencyEntrySchema>;

/** The latency that an entry stands for: the median where there is one, or else the mean. */
export function latencyOf(entry: Pick<LatencyEntry, 'meanMs' | 'medianMs'>): number {
  return entry.medianMs ?? entry.meanMs;
}

export const tableIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and dashes')
  .max(64);

export const latencyTableSchema = z.object({
  id: tableIdSchema,
  title: z.string().min(1).max(200),
  scheme: tableSchemeSchema,
  origin: tableOriginSchema,
  source: z.string().min(1).max(1000), // the file, or how it was built
  unit: latencyUnitSchema, // of the source; Lathe keeps milliseconds
  batch: z.number().int().min(1).max(4096), // images at once, which each latency is of
  threads: z.number().int().min(1).max(1024).nullable(), // null: not told
  device: z.record(z.string(), z.string().max(500)), // facts by name
  atMs: z.number(), // Unix time of the last change
});
export type LatencyTable = z.infer<typeof latencyTableSchema>;

/** A table as it is listed. `sha256`: of all entries in canonical form, sorted by key. */
export const latencyTableInfoSchema = latencyTableSchema.extend({ entries: z.number().int(), noisy: z.number().int(), sha256: z.string() });
export type LatencyTableInfo = z.infer<typeof latencyTableInfoSchema>;

/** A whole network that was timed on the device of a table. */
export const measuredNetworkSchema = z.object({
  network: networkRefSchema.optional(), // which network it is; absent: not told
  label: z.string().min(1).max(300),
  graph: z.string(), // SHA-256
  count: z.number().int().positive(),
  meanMs: latencyMs,
  stdMs: latencyMs,
  minMs: latencyMs,
  medianMs: latencyMs,
  energyMj: z.number().nonnegative().nullable(), // null: the machine has no counter that may be read
  noisy: z.boolean(),
  atMs: z.number(),
});
export type MeasuredNetwork = z.infer<typeof measuredNetworkSchema>;

/** Where the latency of a part of a network is from. */
export const partOriginSchema = z.enum(['table', 'interpolated', 'fitted', 'missing']);
export type PartOrigin = z.infer<typeof partOriginSchema>;

export const predictedPartSchema = z.object({
  name: z.string(), // of the layer, or the first of a block
  key: z.string(),
  latencyMs: z.number().nullable(), // null: missing
  stdMs: z.number().nullable(),
  origin: partOriginSchema,
  between: z.array(z.string()), // the keys that it was interpolated between
});
export type PredictedPart = z.infer<typeof predictedPartSchema>;

/** A network's latency as the sum over a table. Null totals: keys are missing. */
export const predictionSchema = z.object({
  network: z.string(),
  table: z.string(),
  batch: z.number().int(),
  threads: z.number().int().nullable(),
  latencyMs: z.number().nullable(),
  overheadMs: z.number(), // of a run, apart from its operators
  parts: z.array(predictedPartSchema),
  missing: z.array(z.string()), // keys, each once
  measured: measuredNetworkSchema.nullable(), // the whole network on this device, where it was timed
});
export type Prediction = z.infer<typeof predictionSchema>;

/** Which keys a set of networks and search spaces needs, and which of them a table has. A space has a row as a network has. */
export const coverageSchema = z.object({
  table: z.string(),
  networks: z.array(
    z.object({ network: z.string(), keys: z.number().int(), missing: z.array(z.object({ key: z.string(), uses: z.number().int() })) }),
  ),
  needed: z.number().int(), // different keys of all rows
  covered: z.number().int(),
  missing: z.array(z.string()),
  unused: z.array(z.string()), // keys of the table that no row needs
});
export type Coverage = z.infer<typeof coverageSchema>;

/** Latency as an affine law of work in each class of operators, with its error on the rows that it was fitted to. */
export const operatorModelSchema = z.object({
  table: z.string(),
  classes: z.array(
    z.object({
      class: z.string(),
      rows: z.number().int(),
      coefficients: z.record(z.string(), z.number()), // ms for one; `constant` for each operator
      error: z.object({ mean: z.number(), largest: z.number(), leaveOneOut: z.number().nullable() }), // relative, 0..1
    }),
  ),
  points: z.array(z.object({ key: z.string(), class: z.string(), latencyMs: z.number(), predictedMs: z.number() })),
});
export type FittedModel = z.infer<typeof operatorModelSchema>;

/** How far a table's building is. */
export const tableProgressSchema = z.object({
  id: z.string(),
  phase: z.enum(['simulating', 'operators', 'networks']),
  done: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(),
  ratePerSecond: z.number().nonnegative().nullable(),
  etaSeconds: z.number().nonnegative().nullable(),
});
export type TableProgress = z.infer<typeof tableProgressSchema>;

/** The sums over a table beside what whole networks took on its device. */
export const tableAccuracySchema = z.object({
  table: z.string(),
  points: z.array(
    z.object({
      network: z.string(),
      measuredMs: z.number(), // median
      measuredMinMs: z.number(),
      noisy: z.boolean(),
      predictedMs: z.number().nullable(), // null: keys are missing, or the network is not known any more
    }),
  ),
  meanError: z.number().nullable(), // mean of the absolute relative errors, 0..1; null: nothing to compare
  largestError: z.number().nullable(),
  spearman: z.number().nullable(), // rank correlation, -1..1; null: fewer than three networks
});
export type TableAccuracy = z.infer<typeof tableAccuracySchema>;
