/** A run whose engine is killed goes on from its checkpoint to the same result, bit for bit. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Output } from '../../src/shared/contract.ts';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

type Export = Output<'run.export'>;

/** What decides nothing: when a thing happened, and how fast. */
function comparable({ run, trials, metrics }: Export): unknown {
  return {
    solutions: run.solutions,
    trials: trials.map((trial) => ({ ...trial, atMs: 0 })),
    metrics: metrics.filter(({ series }) => !series.startsWith('machine/') && !['train/seconds', 'train/imagesPerSecond'].includes(series)),
  };
}

describe('a run whose engine is killed', () => {
  const trials = 24;
  let dataDir: string;
  let reference: Export;
  let test: TestService;

  beforeAll(async () => {
    dataDir = await makeDataDir();
    const first = await openService(dataDir);
    const run = await first.service.call('run.create', smallSearch(trials));
    await waitForStatus(first.service, run.id, ['completed']);
    reference = await first.service.call('run.export', { id: run.id });
    await first.service.close();
    await removeDataDir(dataDir); // so that the weights are trained again
    dataDir = await makeDataDir();
    test = await openService(dataDir);
  }, 180_000);

  afterAll(async () => {
    await test.service.close();
    await removeDataDir(dataDir);
  });

  it('is interrupted, keeps what was acknowledged up to its checkpoint, and ends as the uninterrupted one', async () => {
    const { service, engines } = test;
    const run = await service.call('run.create', smallSearch(trials));
    const kill = async (): Promise<void> => {
      engines.at(-1)?.kill();
      const summary = await waitForStatus(service, run.id, ['interrupted']);
      expect(summary.error).toMatch(/the engine process ended unexpectedly .*resume continues/);
      await service.call('run.resume', { id: run.id });
      await waitForStatus(service, run.id, ['running']);
    };
    // In training, early in the search, and later in the search.
    await waitUntil(
      async () => (await service.call('run.metrics', { id: run.id, series: 'train/loss' })).length >= 2,
      'training has begun',
    );
    await kill();
    for (const step of [3, 12]) {
      await waitUntil(
        async () => (await service.call('run.trials', { id: run.id, fromStep: step })).length > 0,
        `trial ${String(step)} is there`,
      );
      await kill();
    }
    await waitForStatus(service, run.id, ['completed']);
    const result = await service.call('run.export', { id: run.id });
    expect(result.trials).toHaveLength(trials);
    expect(comparable(result)).toEqual(comparable(reference));
  }, 240_000);

  it('that is cancelled keeps every trial that was shown, and resumes behind them', async () => {
    const { service, events } = test;
    const run = await service.call('run.create', smallSearch(trials));
    await waitUntil(async () => (await service.call('run.trials', { id: run.id, fromStep: 8 })).length > 0, 'trial 8 is there');
    await service.call('run.cancel', { id: run.id });
    await waitForStatus(service, run.id, ['cancelled']);
    const shown = await service.call('run.trials', { id: run.id });
    const seen = events.length;
    await service.call('run.resume', { id: run.id });
    await waitForStatus(service, run.id, ['completed']);
    const again = events
      .slice(seen)
      .flatMap((event) => (event.name === 'run.trials' && event.payload.id === run.id ? event.payload.trials : []));
    expect(again[0]?.step).toBe(shown.length);
    const result = await service.call('run.export', { id: run.id });
    // Its weights were there already, from the run before: no training, no metrics of one.
    expect(comparable({ ...result, metrics: reference.metrics })).toEqual(comparable(reference));
  }, 240_000);
});
