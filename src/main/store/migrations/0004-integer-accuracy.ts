/** Test accuracy in integer arithmetic, where it was measured. */
import type { Migration } from '../migrate.ts';

export const integerAccuracy: Migration = {
  version: 4,
  up: (db) => {
    db.exec('ALTER TABLE solution ADD COLUMN integerTestAccuracy REAL;');
  },
};
