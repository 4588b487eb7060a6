/** Accuracy behind fine-tuning, and which budgets clipped a trial. */
import type { Migration } from '../migrate.ts';

export const fineTuning: Migration = {
  version: 10,
  up: (db) => {
    db.exec(`
      ALTER TABLE solution ADD COLUMN tunedValidationAccuracy REAL;
      ALTER TABLE solution ADD COLUMN tunedTestAccuracy REAL;
      ALTER TABLE trial ADD COLUMN clippedBy TEXT NOT NULL DEFAULT '[]'; -- JSON
    `);
  },
};
