/**
 * What workers and workstations say to each other.
 *
 * Over Redis, by BullMQ: which run of which workstation is to be worked on, or helped with. The queue's name holds the build, so that a worker
 * is never offered a run whose bits it would compute differently. Beside it lie who is there: workstations and workers.
 *
 *   PREFIX:runs-BUILD:...      BullMQ's own keys
 *   PREFIX:home:ID             a workstation: where it listens, with its token, what it is built of
 *   PREFIX:worker:ID           a worker, kept for an hour after it was last heard
 *   PREFIX:alive:ID            the same worker, for as long as it is believed to live
 *
 * Over HTTP, with that token: the run itself, its blobs, what an engine reports. So Redis holds little, and what was acknowledged
 * is in the workstation's own database.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { engineMessageSchema, jobSchema } from '../../shared/engine-messages.ts';
import { errorPayloadSchema } from '../../shared/errors.ts';
import { buildSchema, workerIdentitySchema, type Build } from '../../shared/placement.ts';
import { readingSchema, tradedSchema } from '../../shared/shared-trials.ts';
import { targetSchema } from '../../shared/target.ts';

export const queueProtocolVersion = 2;

/** What lies in a BullMQ job: a run to work on, or one of the workstation's own whose trials others help to measure. */
export const ticketSchema = z.object({
  kind: z.enum(['run', 'help']),
  home: z.string(),
  run: z.string(),
  submission: z.number().int(), // of help: the seat
});
export type Ticket = z.infer<typeof ticketSchema>;

/** A workstation as workers find it. */
export const homeAnnouncementSchema = z.object({
  id: z.string(),
  name: z.string(), // of the machine
  url: z.string(),
  token: z.string(),
  protocol: z.number().int(),
  build: buildSchema,
});
export type HomeAnnouncement = z.infer<typeof homeAnnouncementSchema>;

/** A file that a run needs: its bytes hash to this. */
export const fileSchema = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  kind: z.enum(['blob', 'images']), // where an engine looks for it
});
export type NeededFile = z.infer<typeof fileSchema>;

const workSchema = z.object({
  job: jobSchema,
  files: z.array(fileSchema),
  targets: z.array(targetSchema), // that do not come with Lathe
});
export type Work = z.infer<typeof workSchema>;

const attempt = { run: z.string(), attempt: z.number().int().positive() };
const batchSchema = engineMessageSchema.options[1];

/** Every call of a worker, by its path. */
export const calls = {
  claim: {
    input: z.object({ run: z.string(), submission: z.number().int(), worker: workerIdentitySchema, lostAfterMs: z.number().positive() }),
    output: z.discriminatedUnion('kind', [
      workSchema.extend({ kind: z.literal('work'), attempt: z.number().int() }),
      z.object({ kind: z.literal('later'), reason: z.string() }), // not now
      z.object({ kind: z.literal('over'), reason: z.string() }), // nothing is to be done any more
    ]),
  },
  /** `isCurrent` false: another attempt has the run by now. `stop`: what was asked of the run meanwhile. */
  batch: {
    input: z.object({ ...attempt, seq: z.number().int().positive(), batch: batchSchema }),
    output: z.object({ isCurrent: z.boolean(), stop: z.boolean(), dropped: z.array(z.string()) }),
  },
  alive: { input: z.object(attempt), output: z.object({ isCurrent: z.boolean(), stop: z.boolean() }) },
  /** A helper's beginning: what it opens the run from. */
  help: {
    input: z.object({ run: z.string() }),
    output: z.discriminatedUnion('kind', [
      workSchema.extend({ kind: z.literal('work'), epoch: z.number().int() }),
      z.object({ kind: z.literal('over') }), // nothing is offered any more
    ]),
  },
  /** What it has read, for the next candidates. */
  trade: {
    input: z.object({ run: z.string(), epoch: z.number().int(), by: z.string(), readings: z.array(readingSchema) }),
    output: tradedSchema,
  },
  end: {
    input: z.object({
      ...attempt,
      outcome: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('completed') }),
        z.object({ kind: z.literal('cancelled') }),
        z.object({ kind: z.literal('failed'), error: errorPayloadSchema }),
        z.object({ kind: z.literal('died'), description: z.string() }),
        z.object({ kind: z.literal('released') }), // the worker stops; another one goes on
      ]),
    }),
    output: z.object({ isOver: z.boolean() }), // false: the run goes back into the queue
  },
} as const;
export type CallName = keyof typeof calls;
export type CallInput<C extends CallName> = z.output<(typeof calls)[C]['input']>;
export type CallOutput<C extends CallName> = z.output<(typeof calls)[C]['output']>;
export type AttemptOutcome = CallInput<'end'>['outcome'];

/** The name of the queue for runs of a build. */
export function queueName(build: Build): string {
  return `runs-${hashOf([build.lathe, build.addon, build.compiler, build.code, build.simd, queueProtocolVersion])}`;
}

/** What differs between what a run needs and what a worker is, for a person; null: nothing. */
export function buildDifference(needed: Build, found: Build): string | null {
  const names = { lathe: 'Lathe', addon: 'addon', compiler: 'compiler', code: 'build', simd: 'SIMD level' } as const;
  const different = (Object.keys(names) as (keyof typeof names)[]).filter((key) => needed[key] !== found[key]);
  if (different.length === 0) return null;
  return different.map((key) => `${names[key]} ${needed[key]} (here ${found[key]})`).join(', ');
}

export const homeKey = (prefix: string, id: string): string => `${prefix}:home:${id}`;
export const homesKey = (prefix: string): string => `${prefix}:homes`; // the set of their ids
export const workerKey = (prefix: string, id: string): string => `${prefix}:worker:${id}`;
export const aliveKey = (prefix: string, id: string): string => `${prefix}:alive:${id}`;
export const workersKey = (prefix: string): string => `${prefix}:workers`;

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);
}
