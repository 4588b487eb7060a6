/** Networks that an architecture search found: what was chosen in each block. */
import type { Migration } from '../migrate.ts';

export const architectures: Migration = {
  version: 9,
  up: (db) => {
    db.exec('ALTER TABLE solution ADD COLUMN architecture TEXT; -- JSON');
  },
};
