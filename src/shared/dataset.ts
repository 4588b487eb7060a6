/** How a data set looks to a face. */
import { z } from 'zod';
import { count } from './format.ts';

export const datasetKindSchema = z.enum(['fashion-mnist', 'idx', 'generated', 'cifar-10', 'cifar-100', 'folder', 'csv']);
export type DatasetKind = z.infer<typeof datasetKindSchema>;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const side = z.number().int().min(1).max(1024); // pixels

export const datasetIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and dashes');
export const partRoleSchema = z.enum(['train-images', 'train-labels', 'test-images', 'test-labels']);

/**
 * How an image of any size becomes one of this size. `centre`: scaled so that it covers the size, and the middle cut out;
 * `none`: all of it, scaled to fit and centred on black; `stretch`: scaled in both directions alone.
 */
export const cropSchema = z.enum(['centre', 'none', 'stretch']);
export const imageSettingsSchema = z.object({
  height: side,
  width: side,
  channels: z.union([z.literal(1), z.literal(3)]),
  crop: cropSchema,
});
export type ImageSettings = z.infer<typeof imageSettingsSchema>;

/** What turns a byte into a network's input: (byte / 255 - mean) / std, a channel each. */
export const normalisationSchema = z.object({ mean: z.array(z.number()), std: z.array(z.number().positive()) });

/** A file that is no image, and why; paths as seen from the folder that was added. */
export const brokenImageSchema = z.object({ path: z.string(), reason: z.string() });
export type BrokenImage = z.infer<typeof brokenImageSchema>;

/** What was added and how its images were made, so that they can be made again where their cached bytes are gone. */
export const datasetOriginSchema = z.object({
  path: z.string(), // the folder or file that was added
  listingSha256: sha256, // of what lay there: every file's name, size, class and part
  images: imageSettingsSchema.nullable(), // null: the format has one size
  testSplit: z.object({ fraction: z.number().gt(0).lt(1), seed: z.number().int() }).nullable(), // null: given
  skipBroken: z.boolean(),
  broken: z.array(brokenImageSchema), // what was skipped
  notes: z.array(z.string()), // what a person should know, a sentence each
});
export type DatasetOrigin = z.infer<typeof datasetOriginSchema>;

/** Where a data set's bytes are, and what they must hash to. `files` is empty for the generated set and for packed ones. */
export const datasetRecordSchema = z.object({
  id: datasetIdSchema,
  kind: datasetKindSchema,
  title: z.string(),
  classes: z.number().int().min(2),
  classNames: z.array(z.string()),
  train: z.number().int().positive(), // images, validation included
  test: z.number().int().positive(),
  shape: z.tuple([z.number().int().positive(), z.number().int().positive(), z.number().int().positive()]), // H, W, C
  sha256: z.string(), // over the decoded content of all parts, and what else decides a result
  source: z.string(), // where it came from, for a person
  files: z.array(z.object({ role: partRoleSchema, path: z.string(), sha256: z.string() })),
  classCounts: z.object({ train: z.array(z.number().int()), test: z.array(z.number().int()) }).optional(), // images of each class
  /** Of the training images, those to validate on. Given: they are the last ones. Else split off by this seed. Absent: each run says. */
  validation: z.object({ images: z.number().int().positive(), given: z.boolean(), seed: z.number().int() }).optional(),
  normalisation: normalisationSchema.optional(), // absent: measured on each run's training images
  packed: z.record(partRoleSchema, sha256).optional(), // parts that lie as cached bytes, by the SHA-256 of those
  origin: datasetOriginSchema.optional(), // with `packed`
});
export type DatasetRecord = z.infer<typeof datasetRecordSchema>;

export const datasetInfoSchema = datasetRecordSchema.extend({
  available: z.boolean(), // false: listed, but its files have to be added first
  hint: z.string().nullable(), // the command that makes it available
});
export type DatasetInfo = z.infer<typeof datasetInfoSchema>;

const fraction = z.number().min(0).max(0.9);

/** A folder or file to add as it lies on the machine where Lathe runs. */
export const addPathSchema = z
  .object({
    kind: z.literal('path'),
    path: z.string().min(1),
    format: z.enum(['auto', 'idx', 'cifar-10', 'cifar-100', 'folder', 'csv']).default('auto'),
    id: datasetIdSchema.optional(), // default: from the path's last name
    imageSize: side.optional(), // default: that of the images where they all have one
    crop: cropSchema.default('centre'),
    channels: z.union([z.literal(1), z.literal(3)]).default(3),
    validation: fraction.default(0.1), // of the training images, where none are given
    test: fraction.default(0.1), // of all images, where none are given
    seed: z.number().int().min(0).max(0xffff_ffff).default(0), // of these splits
    skipBroken: z.boolean().default(false),
    normalisation: z.union([z.enum(['measured', 'imagenet', 'none']), normalisationSchema]).default('measured'),
  })
  .strict();
export type AddPath = z.output<typeof addPathSchema>;

/** What lies at a path, before it is added. */
export const datasetInspectionSchema = z.object({
  path: z.string(),
  kind: datasetKindSchema,
  suggestedId: z.string(),
  classNames: z.array(z.string()),
  images: z.object({ train: z.number().int(), validation: z.number().int().nullable(), test: z.number().int().nullable() }), // null: to be split off
  imageSize: z.tuple([z.number().int(), z.number().int()]).nullable(), // of all that were looked at; null: they differ
  notes: z.array(z.string()),
});
export type DatasetInspection = z.infer<typeof datasetInspectionSchema>;

/** '540 training, 60 test images; validation images are split off': the parts that are there, and those that are to be made. */
export function partsText({ train, validation, test }: DatasetInspection['images']): string {
  if (validation === null && test === null) return `${count(train)} images, to be split into parts`;
  const given = [`${count(train)} training`, ...(validation === null ? [] : [`${count(validation)} validation`])];
  const missing = validation === null ? '; validation images are split off' : test === null ? '; test images are split off' : '';
  return `${[...given, ...(test === null ? [] : [`${count(test)} test`])].join(', ')} images${missing}`;
}

/** How far adding a data set is. */
export const datasetProgressSchema = z.object({
  id: z.string(),
  phase: z.enum(['looking', 'decoding', 'finishing']),
  done: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(), // images; 0: not known yet
  broken: z.number().int().nonnegative(),
  ratePerSecond: z.number().nonnegative().nullable(),
  etaSeconds: z.number().nonnegative().nullable(),
});
export type DatasetProgress = z.infer<typeof datasetProgressSchema>;

/** The cache of decoded images. */
export const imageCacheSchema = z.object({
  path: z.string(),
  limitBytes: z.number().int().positive(),
  usedBytes: z.number().int().nonnegative(),
  entries: z.number().int().nonnegative(),
});
export type ImageCacheInfo = z.infer<typeof imageCacheSchema>;
