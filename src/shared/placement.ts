/** On which machine a run was worked on: the worker, and how the run stands in the queue. */
import { z } from 'zod';

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
