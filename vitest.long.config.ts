/** The tests that take minutes (`npm run test:long`): whole searches, many kills, long streams. One at a time, for they measure. */
import { defineConfig } from 'vitest/config';
import './test/support/steady-wasm.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 20 * 60_000,
    hookTimeout: 5 * 60_000,
    environment: 'node',
    include: ['test/long/**/*.test.ts'],
  },
});
