/** What the store's two threads say to each other: numbered requests and their answers, typed by `StoreCalls`. */
import { z } from 'zod';
import type { Recovery } from '../../shared/backup.ts';
import type { ErrorPayload } from '../../shared/errors.ts';
import { budgetSchema } from '../../shared/policy.ts';
import {
  logLineSchema,
  manifestSchema,
  metricSchema,
  progressSchema,
  solutionSchema,
  trialSchema,
  type RunSummary,
} from '../../shared/run.ts';
import { layerInfoSchema } from '../../shared/network.ts';
import type { MetricColumns } from './repositories/metrics.ts';
import type { RunColumns } from './repositories/run-columns.ts';
import type { Owner, RunQuery, Store } from './types.ts';

/** The calls that the worker answers: the store's own, but for those that a thread cannot pass on as they are. */
export interface StoreCalls extends Omit<
  Store,
  'path' | 'sqliteVersion' | 'recoveries' | 'wasClean' | 'listRuns' | 'listMetrics' | 'interruptOrphans' | 'onExternalChange'
> {
  listRunColumns(query?: RunQuery): Promise<RunColumns>;
  listMetricColumns(id: string, fromStep: number, series?: string): Promise<MetricColumns>;
  listOwners(): Promise<Owner[]>;
  interruptRunsOf(owners: readonly Owner[], atMs: number): Promise<RunSummary[]>;
}
export type CallName = keyof StoreCalls;
export type CallResult<K extends CallName> = Awaited<ReturnType<StoreCalls[K]>>;
export type Handlers = { readonly [K in CallName]: (...args: Parameters<StoreCalls[K]>) => CallResult<K> | Promise<CallResult<K>> };

export interface Request {
  readonly seq: number;
  readonly name: CallName;
  readonly args: readonly unknown[];
}

export type WorkerMessage =
  | {
      readonly kind: 'opened';
      readonly path: string;
      readonly sqliteVersion: string;
      readonly recoveries: readonly Recovery[];
      readonly wasClean: boolean;
    }
  | { readonly kind: 'refused'; readonly error: ErrorPayload }
  | { readonly kind: 'answer'; readonly seq: number; readonly output: unknown }
  | { readonly kind: 'failure'; readonly seq: number; readonly error: ErrorPayload }
  | { readonly kind: 'external-change' }
  | { readonly kind: 'log'; readonly text: string };

export const workerDataSchema = z.object({ dataDir: z.string().min(1), repair: z.boolean() });
export type WorkerData = z.infer<typeof workerDataSchema>;

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits');
const sizeSchema = z.number().int().nonnegative();

// What is written is checked first: a row that could not be read back (a number that is not finite) must not get in.
export const newRunSchema = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  manifest: manifestSchema,
  networkTitle: z.string(),
  layers: z.array(layerInfoSchema),
  note: z.string(),
  atMs: z.number(),
});

export const batchSchema = z.object({
  progress: progressSchema.optional(),
  budgetLimits: z.array(budgetSchema).optional(),
  trials: z.array(trialSchema).optional(),
  metrics: z.array(metricSchema).optional(),
  log: z.array(logLineSchema).optional(),
  solutions: z.array(solutionSchema).optional(),
  checkpoint: z
    .object({ phase: z.string(), step: z.number().int().nonnegative(), sha256: sha256Schema, sizeBytes: sizeSchema, atMs: z.number() })
    .optional(),
  weights: z
    .object({
      trainingKey: z.string().min(1),
      sha256: sha256Schema,
      sizeBytes: sizeSchema,
      network: z.string(),
      dataset: z.string(),
      testAccuracy: z.number().nullable(),
      trainSeconds: z.number(),
      imagesPerSecond: z.number(),
      atMs: z.number(),
    })
    .optional(),
});

export const ownerSchema = z.object({ pid: z.number().int().positive(), startedAt: z.string().min(1), bootId: z.string().min(1) });
