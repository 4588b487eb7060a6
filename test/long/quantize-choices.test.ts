/** All choices of a quantize run at once, through the contract and a real engine: about half a minute on two cores. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, type TestService } from '../support/service.ts';

let test: TestService;
beforeAll(async () => {
  test = await openService(await makeDataDir());
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
});

const completionMs = 600_000;

describe('a quantize run', () => {
  it(
    'under two budgets with codebooks, fine-tuning and sensitivity keeps what was asked for',
    async () => {
      const request = smallSearch(12);
      const { id } = await test.service.call('run.create', {
        ...request,
        budgets: [
          { resource: 'size', kind: 'fraction', value: 0.7 },
          { resource: 'latency', kind: 'fraction', value: 0.8 },
        ],
        search: {
          ...request.search,
          minimumBits: 4,
          maximumBits: 5,
          rewardImages: 100,
          codebooks: true,
          finetuneSteps: 2,
          finetuneEpochs: 1,
          sensitivity: true,
        },
      });
      await waitForStatus(test.service, id, ['completed'], completionMs);
      const { solutions, summary, layers } = await test.service.call('run.show', { id });
      const best = solutions.find(({ role }) => role === 'best');
      const [size, latency] = summary.budgetLimits;
      expect(best?.sizeBytes).toBeLessThanOrEqual(size?.value ?? 0);
      expect(best?.latencyMs).toBeLessThanOrEqual(latency?.value ?? 0);
      expect(best?.integerTestAccuracy).toBeNull(); // codebooks have no integer form
      expect(best?.tunedTestAccuracy).toEqual(expect.any(Number));
      const tuned = solutions.filter((solution) => solution.tunedTestAccuracy !== null);
      expect(tuned.some(({ role }) => role === 'baseline')).toBe(true);

      // One side of one layer at 4 bits instead of 5; the first and the last layer are protected.
      const series = new Set((await test.service.call('run.metrics', { id })).map((metric) => metric.series));
      const measured = [...series].filter((name) => name.startsWith('sensitivity/accuracy/'));
      expect(measured).toHaveLength(2 * (layers.length - 2));

      const trials = await test.service.call('run.trials', { id });
      const clipped = trials.filter(({ origin, clippedBy }) => origin === 'agent' && clippedBy.length > 0);
      for (const trial of clipped) {
        expect(trial.clippedBy.every((resource) => resource === 'size' || resource === 'latency')).toBe(true);
        expect([trial.weightBits, trial.activationBits]).not.toEqual([trial.askedWeightBits, trial.askedActivationBits]);
      }
    },
    completionMs,
  );
});
