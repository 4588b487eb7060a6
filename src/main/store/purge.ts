/** Deletes runs for good, with everything that was kept for them alone. */
import type Database from 'better-sqlite3';

const usesOfBlob = `SELECT EXISTS (SELECT 1 FROM checkpoint WHERE sha256 = @blob) OR EXISTS (SELECT 1 FROM weights WHERE sha256 = @blob)
  OR EXISTS (SELECT 1 FROM solution WHERE weights = @blob) OR EXISTS (SELECT 1 FROM superseded WHERE instr(record, @blob))
  OR EXISTS (SELECT 1 FROM network WHERE instr(record, @blob)) OR EXISTS (SELECT 1 FROM manifest WHERE instr(manifest, @blob))`;

/**
 * Returns the hashes of blobs that nothing refers to any more. Trained weights are kept for whichever run trains alike, as long as
 * a run of them is left; one that is at work may be about to name some, so none is forgotten meanwhile.
 */
export function purgeRuns(db: Database.Database, runs: readonly { readonly key: number }[]): string[] {
  const blobsOf = db
    .prepare<{ run: number }, string>(
      `SELECT sha256 FROM checkpoint WHERE run = @run UNION SELECT weights FROM solution WHERE run = @run AND weights IS NOT NULL
       UNION SELECT json_extract(record, '$.weights') FROM superseded WHERE run = @run AND json_extract(record, '$.weights') IS NOT NULL`,
    )
    .pluck();
  const blobs = new Set(runs.flatMap(({ key }) => blobsOf.all({ run: key })));
  const remove = db.prepare('DELETE FROM run WHERE key = ?');
  for (const { key } of runs) remove.run(key);
  const isAnyAtWork = db.prepare<[], number>("SELECT EXISTS (SELECT 1 FROM run WHERE status = 'running')").pluck().get() === 1;
  const forget = db.prepare<{ blob: string }>(
    'DELETE FROM weights WHERE sha256 = @blob AND NOT EXISTS (SELECT 1 FROM solution WHERE weights = @blob)',
  );
  if (!isAnyAtWork) for (const blob of blobs) forget.run({ blob });
  const isUsed = db.prepare<{ blob: string }, number>(usesOfBlob).pluck();
  return [...blobs].filter((blob) => isUsed.get({ blob }) === 0);
}
