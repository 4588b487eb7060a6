/** The tests of `npm test`: beside the code in src/, and the ones that cross folders in test/. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import './test/support/steady-wasm.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    // For a hang alone: the tests also run on machines that are slow and busy.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 30_000 } },
    coverage: { provider: 'v8', include: ['src/**/*.{ts,svelte}'], reporter: ['text', 'json-summary'], reportsDirectory: 'coverage' },
    projects: [
      {
        extends: true,
        test: {
          name: 'main',
          environment: 'node',
          include: ['src/{main,shared,preload}/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['test/long/**', '**/node_modules/**'],
        },
      },
      {
        extends: true,
        plugins: [svelte({ configFile: 'src/renderer/svelte.config.js' })],
        resolve: { conditions: ['browser'] }, // runes as in the window, not as on a server
        test: { name: 'renderer', environment: 'node', include: ['src/renderer/**/*.test.ts'] },
      },
    ],
  },
});
