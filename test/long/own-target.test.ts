/** A whole search on a target of the user's own, under an energy budget. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findTarget } from '../../src/main/hardware/targets.ts';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, type TestService } from '../support/service.ts';

let test: TestService;
beforeAll(async () => {
  test = await openService(await makeDataDir());
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
});

const mine = { ...findTarget('bitfusion').target, id: 'mine', title: 'Mine' };

describe('a search on a target of one’s own', () => {
  it('meets an energy budget; where energy is unknown, such a budget is refused', async () => {
    await test.service.call('target.add', { target: mine, replace: true });
    const budgets = [{ resource: 'energy' as const, kind: 'fraction' as const, value: 0.6 }];
    await expect(test.service.call('run.create', { ...smallSearch(5), target: 'tpu-like', budgets })).rejects.toThrow(
      /tpu-like has no energy model/,
    );
    const run = await test.service.call('run.create', { ...smallSearch(5), target: 'mine', budgets });
    const { budgetLimits } = await waitForStatus(test.service, run.id, ['completed']);
    const [limit] = budgetLimits;
    expect(limit).toMatchObject({ resource: 'energy', kind: 'absolute' });
    const trials = await test.service.call('run.trials', { id: run.id });
    expect(trials.length).toBeGreaterThan(0);
    for (const trial of trials) expect(trial.energyMj).toBeLessThanOrEqual((limit?.value ?? 0) * (1 + 1e-9));
  }, 120_000);
});
