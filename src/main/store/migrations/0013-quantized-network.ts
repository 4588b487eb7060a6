/** The quantized network of a search's winner, as it was measured. */
import type { Migration } from '../migrate.ts';

export const quantizedNetwork: Migration = {
  version: 13,
  up: (db) => {
    db.exec('ALTER TABLE solution ADD COLUMN quantized TEXT; -- SHA-256 of a blob');
  },
};
