/** A run in one file that opens on another machine: what a bundle holds, and what came of opening one. */
import { z } from 'zod';
import { networkRecordSchema } from './network.ts';
import { logLineSchema, metricSchema, runDetailSchema, trialSchema } from './run.ts';
import { targetSchema } from './target.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits');

/** Largest sum of all that lies in a bundle, unpacked. */
export const largestBundleBytes = 256 * 1024 * 1024;

/** The first file, `bundle.json`: what the others are. */
export const bundleHeaderSchema = z.object({
  format: z.literal('lathe-bundle'),
  formatVersion: z.number().int().positive(),
  lathe: z.string(),
  run: z.string().min(1),
  createdAtMs: z.number(),
  files: z.array(z.object({ path: z.string(), sha256, sizeBytes: z.number().int().nonnegative() })).max(5000),
});
export type BundleHeader = z.infer<typeof bundleHeaderSchema>;

/** Weights of the float network, which another search with the same training takes. */
export const bundledWeightsSchema = z.object({
  trainingKey: z.string().min(1),
  sha256,
  sizeBytes: z.number().int().nonnegative(),
  network: z.string(),
  dataset: z.string(),
  testAccuracy: z.number().nullable(),
  trainSeconds: z.number(),
  imagesPerSecond: z.number(),
  atMs: z.number(),
});

/** `run.json`: the run as it is kept, without its checkpoint. */
export const bundledRunSchema = z.object({
  detail: runDetailSchema,
  trials: z.array(trialSchema),
  metrics: z.array(metricSchema),
  log: z.array(logLineSchema),
  weights: bundledWeightsSchema.nullable(),
});
export type BundledRun = z.infer<typeof bundledRunSchema>;

/** All of a bundle but its blobs, which are kept when it is read. */
export const bundleContentSchema = z.object({
  run: bundledRunSchema,
  targets: z.array(targetSchema),
  networks: z.array(networkRecordSchema),
});
export type BundleContent = z.infer<typeof bundleContentSchema>;

/** What reading one gives. */
export const readBundleSchema = bundleContentSchema.extend({ newBlobs: z.number().int().nonnegative() }); // were not in the data folder yet
export type ReadBundle = z.infer<typeof readBundleSchema>;
