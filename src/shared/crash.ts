/** Crash reports as they are listed: what ended and when. They lie in the data folder and leave it only by the user. */
import { z } from 'zod';

/** Which process it was: one in which a run worked, the window's page, or a helper of the window. */
export const crashedSchema = z.enum(['engine', 'window', 'helper']);
export type Crashed = z.infer<typeof crashedSchema>;

/** The name of its file without the ending: a time, a process, and nothing that could lead elsewhere. */
export const crashIdSchema = z
  .string()
  .regex(new RegExp(`^[0-9TZ-]{10,40}-(?:${crashedSchema.options.join('|')})$`), 'expected the id of a crash report, as crash.list has it');

export const crashInfoSchema = z.object({
  id: crashIdSchema,
  path: z.string(),
  atMs: z.number(),
  what: crashedSchema,
  how: z.string(), // signal, exit code or reason
  run: z.string().nullable(), // that it worked on
  lathe: z.string(), // its version
});
export type CrashInfo = z.infer<typeof crashInfoSchema>;
