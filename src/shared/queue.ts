/** Runs that are worked on by other machines: which worker does what, and how the queue is. */
import { z } from 'zod';
import { progressSchema, runStatusSchema } from './run.ts';

/** What decides that two machines compute the same bits. */
export const buildSchema = z.object({
  lathe: z.string(),
  addon: z.string(),
  compiler: z.string(), // of the addon
  code: z.string(), // hash of the engine's program
  simd: z.string(), // the level that runs are made with
});
export type Build = z.infer<typeof buildSchema>;

/** A worker as it introduces itself; kept with the runs that it worked on. */
export const workerIdentitySchema = z.object({
  id: z.string(), // of the process
  name: z.string(), // of the machine, unless it was given another
  build: buildSchema,
  cpu: z.string(),
  os: z.string(),
  cores: z.number().int().positive(), // physical
  slots: z.number().int().positive(), // runs at once
  threads: z.number().int().positive(), // that a run may ask for at most
  targets: z.array(z.string()), // that this machine can measure
});
export type WorkerIdentity = z.infer<typeof workerIdentitySchema>;

/** How a run that was given to the queue stands. */
export const placementSchema = z.object({
  run: z.string(),
  isOpen: z.boolean(), // the queue is to work on it
  submission: z.number().int(), // how often it was given to the queue
  attempt: z.number().int(), // the last one; 0: none yet
  isWorking: z.boolean(), // that attempt is believed in
  seq: z.number().int(), // of the last batch of this attempt that is on disk
  lost: z.number().int(), // attempts that ended without a word
  lostInARow: z.number().int(), // of those, since the last checkpoint
  worker: workerIdentitySchema.nullable(), // of the last attempt
  submittedAtMs: z.number(),
  startedAtMs: z.number().nullable(), // the last attempt
});
export type Placement = z.infer<typeof placementSchema>;

export const workerStateSchema = z.enum(['idle', 'working', 'refusing', 'lost']);

/** A worker as the queue knows it. */
export const workerInfoSchema = workerIdentitySchema.extend({
  state: workerStateSchema,
  reason: z.string().nullable(), // why it refuses
  startedAtMs: z.number(),
  heardAtMs: z.number(),
  runs: z.array(z.object({ run: z.string(), home: z.string(), attempt: z.number().int(), sinceMs: z.number() })),
  completed: z.number().int(), // since it started
  failed: z.number().int(),
  busySeconds: z.number().nonnegative(), // of all its slots together
});
export type WorkerInfo = z.infer<typeof workerInfoSchema>;

export const queueStatusSchema = z.object({
  address: z.string().nullable(), // without its password; null: no queue is configured
  prefix: z.string(),
  problem: z.string().nullable(), // why it cannot be used now, one sentence
  isReceiving: z.boolean(), // some process of this data folder receives what workers send
  isHere: z.boolean(), // and it is the one that answers
  waiting: z.number().int().nonnegative(), // runs of all workstations that use this build
  active: z.number().int().nonnegative(),
  memory: z.object({ usedBytes: z.number(), limitBytes: z.number().nullable() }).nullable(), // of the server
  workers: z.array(workerInfoSchema),
  runs: z.array(
    placementSchema.extend({ name: z.string(), status: runStatusSchema, progress: progressSchema }), // of this workstation
  ),
});
export type QueueStatus = z.infer<typeof queueStatusSchema>;
