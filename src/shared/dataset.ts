/** How a data set looks to a face. */
import { z } from 'zod';

export const datasetKindSchema = z.enum(['fashion-mnist', 'idx', 'generated']);
export type DatasetKind = z.infer<typeof datasetKindSchema>;

/** Where a data set's bytes are, and what they must hash to. `files` is empty for the generated set. */
export const datasetRecordSchema = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  kind: datasetKindSchema,
  title: z.string(),
  classes: z.number().int().min(2),
  classNames: z.array(z.string()),
  train: z.number().int().positive(), // images; searches split their validation images off these
  test: z.number().int().positive(),
  shape: z.tuple([z.number().int().positive(), z.number().int().positive(), z.number().int().positive()]), // H, W, C
  sha256: z.string(), // over the content of all parts
  source: z.string(), // where it came from, for a person
  files: z.array(
    z.object({ role: z.enum(['train-images', 'train-labels', 'test-images', 'test-labels']), path: z.string(), sha256: z.string() }),
  ),
});
export type DatasetRecord = z.infer<typeof datasetRecordSchema>;

export const datasetInfoSchema = datasetRecordSchema.extend({
  available: z.boolean(), // false: listed, but its files have to be added first
  hint: z.string().nullable(), // the command that makes it available
});
export type DatasetInfo = z.infer<typeof datasetInfoSchema>;
