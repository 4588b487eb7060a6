/** Which blobs a database refers to. */
import { createReadStream } from 'node:fs';
import type Database from 'better-sqlite3';
import { blobPath } from '../blobs.ts';
import { isErrno } from '../file-error.ts';

const sha256Pattern = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g;

/** Blobs that rows name as their own: each must be there. */
export function requiredBlobs(db: Database.Database): Set<string> {
  const names = db
    .prepare<[], string>(
      `SELECT sha256 FROM checkpoint UNION SELECT sha256 FROM weights UNION SELECT weights FROM solution WHERE weights IS NOT NULL
         UNION SELECT record ->> 'graph' FROM network UNION SELECT record ->> 'weights' FROM network`,
    )
    .pluck()
    .all();
  return new Set(names);
}

/**
 * Everything that looks like a SHA-256 anywhere in the database, and in the checkpoints that it has (a checkpoint names the
 * weights that it searches with). More than there are blobs: hashes of manifests and files are among them. So what is not
 * here can go, whatever tables there will be.
 */
export async function mentionedBlobs(db: Database.Database, dataDir: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const { table, column } of textColumns(db)) {
    const texts = db.prepare<[], string>(`SELECT "${column}" FROM "${table}" WHERE length("${column}") >= 64`).pluck().iterate();
    for (const text of texts) for (const [name] of text.matchAll(sha256Pattern)) found.add(name);
  }
  const checkpoints = db.prepare<[], string>('SELECT DISTINCT sha256 FROM checkpoint').pluck().all();
  for (const sha256 of checkpoints) for (const name of await mentionedIn(blobPath(dataDir, sha256))) found.add(name);
  return found;
}

function textColumns(db: Database.Database): { table: string; column: string }[] {
  return db
    .prepare<[], { table: string; column: string }>(
      `SELECT t.name AS "table", c.name AS "column" FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND c.type = 'TEXT'`,
    )
    .all();
}

/** Serialized checkpoints hold ASCII texts as they are. A file that is not there mentions nothing. */
async function mentionedIn(path: string): Promise<Set<string>> {
  const found = new Set<string>();
  let rest = '';
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      const text = rest + (chunk as Buffer).toString('latin1');
      // A text's length stands before it and may look like a digit: every window of a longer run of digits counts.
      for (const [run] of text.matchAll(/[0-9a-f]{64,}/g))
        for (let at = 0; at + 64 <= Math.min(run.length, 1000); at++) found.add(run.slice(at, at + 64));
      rest = text.slice(-64);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  return found;
}
