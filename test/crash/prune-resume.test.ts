/** A pruning in two stages whose engine is killed behind the first goes on to the same networks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectSameWhenKilled } from '../support/interrupted.ts';
import { smallPruning } from '../support/prunings.ts';
import { makeDataDir, openService, removeDataDir, type TestService } from '../support/service.ts';

describe('a pruning in stages', () => {
  let dataDir: string;
  let test: TestService;
  beforeAll(async () => {
    dataDir = await makeDataDir();
    test = await openService(dataDir);
  });
  afterAll(async () => {
    await test.service.close();
    await removeDataDir(dataDir);
  });

  it('ends as the uninterrupted one', { timeout: 1_200_000 }, async () => {
    const small = smallPruning(4);
    const search = { ...small.search, stages: 2, validationImages: 7000, sensitivitySteps: 0, trialImages: 128 };
    const { run, trials } = await expectSameWhenKilled(test, { ...small, search }, [3]);
    expect(trials.map(({ step }) => step)).toEqual([0, 1, 2, 3]);
    const [all, first, best] = ['whole', 'stage 1 of 2', 'found'].map(
      (name) => run.solutions.find(({ label }) => label === name)?.macs ?? NaN,
    );
    const limit = run.summary.budgetLimits[0]?.value ?? NaN;
    expect(first).toBeLessThanOrEqual(Math.sqrt((all ?? NaN) * limit)); // half of the way in factors
    expect(first).toBeGreaterThan(limit);
    expect(best).toBeLessThanOrEqual(limit);
  });
});
