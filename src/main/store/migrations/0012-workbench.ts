/**
 * What a user does with runs besides running them: tags (JSON), archive and trash, the order of the queue; named views; settings.
 * `seedlessHash` is the SHA-256 of the manifest without its seed and versions.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../../shared/canonical.ts';
import type { Migration } from '../migrate.ts';

export const workbench: Migration = {
  version: 12,
  up(db) {
    db.exec(`
      ALTER TABLE run ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
      ALTER TABLE run ADD COLUMN place TEXT NOT NULL DEFAULT 'list' CHECK (place IN ('list', 'archive', 'trash'));
      ALTER TABLE run ADD COLUMN queueOrder REAL;
      ALTER TABLE run ADD COLUMN seedlessHash TEXT NOT NULL DEFAULT '';
      CREATE INDEX runCreated ON run (createdAtMs DESC, key DESC);

      CREATE TABLE view (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL        -- JSON
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE settings (
        key INTEGER PRIMARY KEY CHECK (key = 1),
        record TEXT NOT NULL        -- JSON
      ) STRICT;
    `);
    const update = db.prepare('UPDATE run SET seedlessHash = ? WHERE key = ?');
    const manifests = db
      .prepare<[], { run: number; manifest: string }>('SELECT run, manifest FROM manifest WHERE json_valid(manifest)')
      .all();
    for (const { run, manifest } of manifests) update.run(seedlessHashOf(JSON.parse(manifest) as Record<string, unknown>), run);
  },
};

/** As it was when this version came: a later one may hash otherwise. */
function seedlessHashOf({ seed: _seed, versions: _versions, ...rest }: Readonly<Record<string, unknown>>): string {
  return createHash('sha256').update(canonicalJson(rest)).digest('hex');
}
