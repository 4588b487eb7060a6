/** While a search runs, the process that holds service and window is never busy for long: heavy work is elsewhere. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, waitUntil } from '../support/service.ts';

const longestTaskMs = 50;

it('the main process has no task over 50 ms while a search runs', async () => {
  const dataDir = await makeDataDir();
  const { service } = await openService(dataDir);
  try {
    const run = await service.call('run.create', smallSearch(200));
    await waitUntil(async () => (await service.call('run.trials', { id: run.id })).length > 0, 'the search has begun');
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await waitUntil(async () => (await service.call('run.trials', { id: run.id, fromStep: 40 })).length > 0, '40 trials are there');
    delay.disable();
    const worstMs = delay.max / 1e6;
    console.log(
      `longest task of the main process during 40 trials: ${worstMs.toFixed(1)} ms (99th percentile ${(delay.percentile(99) / 1e6).toFixed(1)} ms)`,
    );
    expect(worstMs).toBeLessThan(longestTaskMs);
    await service.call('run.cancel', { id: run.id });
    await waitForStatus(service, run.id, ['cancelled']);
  } finally {
    await service.close();
    await removeDataDir(dataDir);
  }
}, 120_000);
