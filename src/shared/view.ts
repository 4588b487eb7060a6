/** Named views of the runs table: what is shown of which runs, and how. Kept in the store. */
import { z } from 'zod';
import { runPlaceSchema } from './run.ts';

export const runViewSchema = z
  .object({
    id: z.string().min(1).max(60),
    name: z.string().min(1).max(60),
    place: runPlaceSchema.default('list'),
    filter: z.string().max(2000).default(''), // as typed
    groupBy: z.array(z.string().max(60)).max(8).default([]), // fields; 'seed': runs that differ in the seed alone
    sort: z.object({ id: z.string().max(60), desc: z.boolean() }).default({ id: 'created', desc: true }),
    columns: z.array(z.string().max(60)).max(100).default([]), // the shown ones in their order; empty: as Lathe has them
    widths: z.record(z.string().max(60), z.number().min(16).max(4000)).default({}), // CSS pixels, where the user chose
  })
  .strict();
export type RunView = z.infer<typeof runViewSchema>;

/** What a user decides once for all runs to come. */
export const settingsSchema = z
  .object({
    threads: z.number().int().min(1).max(1024).nullable().default(null), // of new runs; null: the physical cores
  })
  .strict();
export type Settings = z.infer<typeof settingsSchema>;
