/** Crash reports as they are listed: what ended and when. They lie in the data folder and leave it only by the user. */
import { z } from 'zod';

/** The name of its file without the ending: a time, a process, and nothing that could lead elsewhere. */
export const crashIdSchema = z
  .string()
  .regex(/^[0-9TZ-]{10,40}-(?:engine|window|helper)$/, 'expected the id of a crash report, as crash.list has it');

export const crashInfoSchema = z.object({
  id: crashIdSchema,
  path: z.string(),
  atMs: z.number(),
  what: z.enum(['engine', 'window', 'helper']), // which process
  how: z.string(), // signal, exit code or reason
  run: z.string().nullable(), // that it worked on
  lathe: z.string(), // its version
});
export type CrashInfo = z.infer<typeof crashInfoSchema>;
