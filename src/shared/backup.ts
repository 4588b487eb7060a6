/** Backups of the data folder, what was done with a damaged or replaced database, and what a check or a sweep found. */
import { z } from 'zod';

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits');
const sizeSchema = z.number().int().nonnegative();

/** A file of a backup by its path in it, with forward slashes; never absolute, never upwards. */
const filePathSchema = z.string().regex(/^targets\/[a-z0-9][a-z0-9._-]{0,100}\.json$/, 'expected targets/NAME.json');

export const backupKindSchema = z.enum(['asked', 'automatic', 'migration']);
export type BackupKind = z.infer<typeof backupKindSchema>;

/** `backup.json`: what lies in a backup's folder, so that a flipped bit anywhere in it is found. */
export const backupManifestSchema = z
  .object({
    format: z.literal('lathe-backup'),
    formatVersion: z.literal(1),
    lathe: z.string(), // the version that made it
    databaseVersion: z.number().int().positive(),
    createdAtMs: z.number(),
    kind: backupKindSchema.exclude(['migration']),
    database: z.object({ sha256: sha256Schema, sizeBytes: sizeSchema }),
    blobs: z.array(z.object({ sha256: sha256Schema, sizeBytes: sizeSchema })),
    missing: z.array(z.object({ sha256: sha256Schema, finding: z.string() })), // blobs that were not whole when it was made
    files: z.array(z.object({ path: filePathSchema, sha256: sha256Schema, sizeBytes: sizeSchema })),
  })
  .strict();
export type BackupManifest = z.infer<typeof backupManifestSchema>;

/** A backup as a list shows it. `migration`: a copy of the database alone, made before an update. */
export const backupInfoSchema = z.object({
  path: z.string(),
  kind: backupKindSchema,
  createdAtMs: z.number(),
  databaseVersion: z.number().int(),
  databaseBytes: sizeSchema,
  blobs: sizeSchema,
  blobBytes: sizeSchema, // of automatic ones, shared with the data folder where the file system can
  missing: sizeSchema, // blobs that were missing or damaged when it was made
});
export type BackupInfo = z.infer<typeof backupInfoSchema>;

export const salvagedTableSchema = z.object({
  table: z.string(),
  rows: sizeSchema, // that were in the damaged copy and are in the database now
  refused: z.array(z.string()), // a sentence for each thing that could not be taken over
});

/** What became of a database that was damaged, or replaced by a backup. The old one is kept beside it, at `setAside`. */
export const recoverySchema = z.object({
  kind: z.enum(['repair', 'restore']),
  atMs: z.number(),
  finding: z.string().nullable(), // what was wrong with the old one
  setAside: z.string(), // path of the old database
  backup: z.string().nullable(), // path of the backup that was put in its place; null: a new database
  backupAtMs: z.number().nullable(),
  passedOver: z.array(z.string()), // newer backups that were not whole, and why
  tables: z.array(salvagedTableSchema), // what was taken over from the old one
  blobsRestored: sizeSchema,
});
export type Recovery = z.infer<typeof recoverySchema>;

/** What a full check found: an empty list of findings for a data folder that is whole. */
export const checkReportSchema = z.object({
  findings: z.array(z.string()),
  blobs: sizeSchema, // that were read and are what their names say
  blobBytes: sizeSchema,
  orphans: sizeSchema, // blobs that nothing refers to
  orphanBytes: sizeSchema,
});
export type CheckReport = z.infer<typeof checkReportSchema>;

export const sweepReportSchema = z.object({ blobs: sizeSchema, bytes: sizeSchema, kept: sizeSchema, dryRun: z.boolean() });
export type SweepReport = z.infer<typeof sweepReportSchema>;
