/**
 * While a search runs, the process that holds service and window is never busy for long: heavy work is elsewhere. Measured
 * in processor time of its main thread between two turns of the event loop, which other load on the machine does not change;
 * the delay by the clock is printed beside it.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, waitUntil } from '../support/service.ts';

const longestTaskMs = 50;

/** Most processor time, in ms, that this thread spends between two turns of the event loop until `stop` is called. */
function watchTasks(): { stop: () => number } {
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let last = cpuMs();
  let longest = 0;
  const timer = setInterval(() => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return {
    stop: () => {
      clearInterval(timer);
      return longest;
    },
  };
}

it('sees a task that is too long', async () => {
  const tasks = watchTasks();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { user } = process.threadCpuUsage();
  while (process.threadCpuUsage().user - user < 80_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(tasks.stop()).toBeGreaterThan(longestTaskMs);
});

it('the main process has no task over 50 ms while a search runs', async () => {
  const dataDir = await makeDataDir();
  const { service } = await openService(dataDir);
  try {
    const run = await service.call('run.create', smallSearch(200));
    await waitUntil(async () => (await service.call('run.trials', { id: run.id })).length > 0, 'the search has begun');
    const tasks = watchTasks();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await waitUntil(async () => (await service.call('run.trials', { id: run.id, fromStep: 40 })).length > 0, '40 trials are there');
    delay.disable();
    const longestMs = tasks.stop();
    console.log(
      `longest task of the main process during 40 trials: ${longestMs.toFixed(1)} ms of processor time; longest delay by the clock ` +
        `${(delay.max / 1e6).toFixed(1)} ms (99th percentile ${(delay.percentile(99) / 1e6).toFixed(1)} ms)`,
    );
    expect(longestMs).toBeLessThan(longestTaskMs);
    await service.call('run.cancel', { id: run.id });
    await waitForStatus(service, run.id, ['cancelled']);
  } finally {
    await service.close();
    await removeDataDir(dataDir);
  }
}, 300_000);
