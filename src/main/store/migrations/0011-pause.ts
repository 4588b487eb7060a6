/** A request to stop a run may mean to pause it. */
import type { Migration } from '../migrate.ts';

export const pause: Migration = {
  version: 11,
  up(db) {
    db.exec('ALTER TABLE run ADD COLUMN pause INTEGER NOT NULL DEFAULT 0 CHECK (pause IN (0, 1)) -- the request means: to be resumed');
  },
};
