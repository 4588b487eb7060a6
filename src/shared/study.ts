/** Studies: grids of runs that make one table, kept together and shown beside what was published. */
import { z } from 'zod';
import { pruneMethodSchema } from './prune.ts';
import { pruneRequestSchema, quantizeMethodSchema, quantizeRequestSchema, runStatusSchema } from './run.ts';

export const studyPresetSchema = z.enum(['quick', 'full']);
export type StudyPreset = z.infer<typeof studyPresetSchema>;

/** What can be started by its name. */
export const studyDefinitionSchema = z.object({
  id: z.string(), // 'table-6'
  title: z.string(),
  description: z.string(),
  presets: z.array(z.object({ id: studyPresetSchema, description: z.string() })),
});
export type StudyDefinitionInfo = z.infer<typeof studyDefinitionSchema>;

/** One run of a study, and what it is in the grid: `{target: 'bismo-edge', bits: '4', seed: '1'}`. */
export const studyCellSchema = z.object({ labels: z.record(z.string(), z.string()), run: z.string() });
export type StudyCell = z.infer<typeof studyCellSchema>;

export const studyRecordSchema = z.object({
  id: z.string(),
  kind: z.string(), // a definition's id, or 'comparison'
  title: z.string(),
  preset: studyPresetSchema.nullable(), // null: of a comparison
  createdAtMs: z.number(),
  cells: z.array(studyCellSchema),
});
export type StudyRecord = z.infer<typeof studyRecordSchema>;

export const studySummarySchema = studyRecordSchema.extend({
  cells: z.array(studyCellSchema.extend({ status: runStatusSchema, name: z.string(), error: z.string().nullable() })),
  done: z.number().int(), // runs that are completed
});
export type StudySummary = z.infer<typeof studySummarySchema>;

/** How a column's numbers are shown. Accuracies are fractions, 0..1, and gains differences of them. */
export const columnKindSchema = z.enum(['text', 'accuracy', 'gain', 'ms', 'mj', 'bytes', 'ratio', 'count']);
export const studyTableSchema = z.object({
  title: z.string(),
  columns: z.array(z.object({ label: z.string(), kind: columnKindSchema })),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.null()]))), // null: not known (yet)
  notes: z.array(z.string()),
});
export type StudyTable = z.infer<typeof studyTableSchema>;
export const studyReportSchema = z.object({ study: studySummarySchema, tables: z.array(studyTableSchema) });
export type StudyReport = z.infer<typeof studyReportSchema>;

/** The methods that can be compared, by what is searched; `transfer` needs a run of its own kind beside it. */
export const comparedMethods = {
  quantize: quantizeMethodSchema.exclude(['transfer']),
  prune: pruneMethodSchema.exclude(['transfer']),
} as const;

/** One search by several methods, each with several seeds: what is compared is the method alone. */
export const comparisonRequestSchema = z
  .object({
    request: z.discriminatedUnion('method', [quantizeRequestSchema, pruneRequestSchema]),
    methods: z.array(z.string()).min(1), // some of comparedMethods
    seeds: z.array(z.number().int().min(0).max(0xffff_ffff)).min(1).max(100),
  })
  .strict();
