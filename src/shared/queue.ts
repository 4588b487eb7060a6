/** Runs that are worked on by other machines: which worker does what, and how the queue is. */
import { z } from 'zod';
import { placementSchema, workerIdentitySchema } from './placement.ts';
import { progressSchema, runStatusSchema } from './run.ts';

export const workerStateSchema = z.enum(['idle', 'working', 'refusing', 'lost']);

/** A worker as the queue knows it. */
export const workerInfoSchema = workerIdentitySchema.extend({
  state: workerStateSchema,
  reason: z.string().nullable(), // why it refuses
  startedAtMs: z.number(),
  heardAtMs: z.number(),
  runs: z.array(
    z.object({ run: z.string(), home: z.string(), attempt: z.number().int() /* 0: helps with its trials */, sinceMs: z.number() }),
  ),
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
