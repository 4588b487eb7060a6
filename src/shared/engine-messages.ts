/** What host and engine process say to each other. Checked by schema on both sides: they may be of different builds. */
import { z } from 'zod';
import { datasetProgressSchema, datasetRecordSchema } from './dataset.ts';
import { errorPayloadSchema } from './errors.ts';
import { networkRecordSchema } from './network.ts';
import { budgetSchema } from './policy.ts';
import { offerSchema, readingSchema, tradedSchema, tradeSchema } from './shared-trials.ts';
import { jobManifestSchema, logLineSchema, metricSchema, progressSchema, solutionSchema, trialSchema } from './run.ts';

export const engineProtocolVersion = 2;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A run to work on, from its beginning or from a checkpoint. */
export const jobSchema = z.object({
  runId: z.string(),
  manifest: jobManifestSchema,
  dataset: datasetRecordSchema,
  dataDir: z.string(), // blobs are read and written here
  checkpoint: z.object({ phase: z.string(), step: z.number(), sha256 }).nullable(),
  agent: z.object({ sha256 }).nullable().default(null), // of method transfer: the checkpoint of the run whose agent decides
  simd: z.enum(['baseline', 'avx2', 'avx512']).nullable().default(null), // the level to compute at; null: the machine's best
  maximumThreads: z.number().int().positive().nullable().default(null), // fewer than the manifest's make the same bits, later
  weights: z.object({ sha256, trainSeconds: z.number(), imagesPerSecond: z.number() }).nullable(), // trained before, by the same training key
  /** `share`: others may help to measure candidates that do not depend on each other; `help`: be such a helper, and nothing else. */
  trials: z.enum(['own', 'share', 'help']).default('own'),
});
export type Job = z.infer<typeof jobSchema>;

/** What an engine can be asked. Adding a data set takes long: it has an engine of its own, tells its progress and can be cancelled. */
export const requestNameSchema = z.enum([
  'describe',
  'bundle.write',
  'bundle.read',
  'simulate',
  'lint',
  'timeline',
  'preview',
  'prune.preview',
  'evaluate',
  'dataset.inspect',
  'dataset.add',
  'dataset.samples',
  'dataset.sheet',
  'network.read',
  'network.show',
  'network.structure',
  'network.diff',
  'network.text',
  'network.import',
  'network.export',
  'table.read',
  'table.write',
  'table.predict',
  'table.coverage',
  'table.fit',
  'table.keys',
  'table.simulate',
  'host.describe',
  'host.operators',
  'host.network',
  'training',
  'space',
  'weights',
]);
export type RequestName = z.infer<typeof requestNameSchema>;

export const hostMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run'), job: jobSchema }),
  z.object({ type: z.literal('cancel') }), // stop at the next safe point, with a checkpoint
  z.object({ type: z.literal('ack'), seq: z.number().int() }), // the batch is on disk
  z.object({ type: z.literal('request'), id: z.number().int(), name: requestNameSchema, input: z.unknown() }),
  tradeSchema.extend({ type: z.literal('trade'), id: z.number().int() }), // to a run that shares its trials
  tradedSchema.extend({ type: z.literal('traded') }), // to a helper
]);
export type HostMessage = z.infer<typeof hostMessageSchema>;

export const checkpointMessageSchema = z.object({
  phase: z.string(),
  step: z.number().int(),
  sha256,
  sizeBytes: z.number(),
  atMs: z.number(),
});

export const engineMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), protocol: z.number().int() }),
  z.object({
    type: z.literal('batch'),
    seq: z.number().int(),
    progress: progressSchema.optional(),
    budgetLimits: z.array(budgetSchema).optional(),
    trials: z.array(trialSchema).optional(),
    metrics: z.array(metricSchema).optional(),
    log: z.array(logLineSchema).optional(),
    solutions: z.array(solutionSchema).optional(),
    checkpoint: checkpointMessageSchema.optional(),
    networks: z.array(networkRecordSchema).optional(), // that the run has made: they become the user's
    weights: z
      .object({
        trainingKey: sha256,
        sha256,
        sizeBytes: z.number(),
        network: z.string(),
        dataset: z.string(),
        testAccuracy: z.number().nullable(),
        trainSeconds: z.number(),
        imagesPerSecond: z.number(),
        atMs: z.number(),
      })
      .optional(),
  }),
  offerSchema.extend({ type: z.literal('offer') }), // of a run that shares its trials
  tradedSchema.extend({ type: z.literal('traded'), id: z.number().int() }),
  z.object({ type: z.literal('trade'), readings: z.array(readingSchema) }), // of a helper, which asks one thing at a time
  z.object({ type: z.literal('finished'), outcome: z.enum(['completed', 'cancelled']) }),
  z.object({ type: z.literal('failed'), error: errorPayloadSchema }),
  z.object({ type: z.literal('working'), id: z.number().int(), progress: datasetProgressSchema }), // on a request
  z.object({
    type: z.literal('response'),
    id: z.number().int(),
    ok: z.boolean(),
    output: z.unknown(),
    error: errorPayloadSchema.optional(),
  }),
]);
export type EngineMessage = z.infer<typeof engineMessageSchema>;
