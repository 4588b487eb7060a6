/** Says of each trial where its policy came from; until now all were the agent's. */
import type { Migration } from '../migrate.ts';

export const trialOrigin: Migration = {
  version: 2,
  up: (db) => {
    db.exec(`
      ALTER TABLE trial ADD COLUMN origin TEXT NOT NULL DEFAULT 'agent' CHECK (origin IN ('uniform', 'agent', 'refinement'));
    `);
  },
};
