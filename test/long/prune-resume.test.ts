/** Single weights pruned in stages: killed among trials and fine-tunings, and stored sparse. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectSameWhenKilled } from '../support/interrupted.ts';
import { smallPruning } from '../support/prunings.ts';
import { makeDataDir, openService, removeDataDir, type TestService } from '../support/service.ts';

describe('a pruning of single weights', () => {
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

  it('ends as the uninterrupted one, however often it was stopped', { timeout: 1_800_000 }, async () => {
    const small = smallPruning(6);
    const request = {
      ...small,
      network: { id: 'resnet-20', width: 0.125 },
      budgets: [{ resource: 'params' as const, kind: 'fraction' as const, value: 0.4 }],
      search: { ...small.search, granularity: 'weights' as const, stages: 2, validationImages: 7000, sensitivitySteps: 0 },
    };
    const { run } = await expectSameWhenKilled(test, request, [1, 3, 5]);
    const [whole, best] = ['whole', 'found'].map((name) => run.solutions.find(({ label }) => label === name));
    const params = (whole?.sizeBytes ?? NaN) / 4;
    expect(best?.prune?.params).toBeLessThanOrEqual(0.4 * params);
    expect(best?.prune?.params).toBeGreaterThan(0.38 * params);
    // What is stored is what is counted, but for the places of biases, batch norms and their statistics.
    expect(best?.sizeBytes).toBeGreaterThan(4 * (best?.prune?.params ?? NaN));
    const kept = await test.service.call('network.export', { network: { id: best?.prune?.network ?? '' }, path: `${dataDir}/sparse.onnx` });
    expect(kept.check.relativeDifference).toBeLessThan(1e-4);
  });
});
