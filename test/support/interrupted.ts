/** A pruning that is stopped again and again, held against one that is not. */
import { expect } from 'vitest';
import type { Output } from '../../src/shared/contract.ts';
import type { RunRequest } from '../../src/shared/run.ts';
import { waitForStatus, waitUntil, type TestService } from './service.ts';

/** For machines that are slow and busy. */
const patienceMs = 500_000;

/** What decides nothing: how fast things went, when, and what the run is called. */
function comparable({ run, trials, metrics }: Output<'run.export'>): unknown {
  const solutions = run.solutions.map(({ prune, ...rest }) => ({ ...rest, prune: prune ? { ...prune, network: null } : null }));
  return {
    solutions,
    trials: trials.map((trial) => ({ ...trial, atMs: 0 })),
    metrics: metrics.filter(({ series }) => series.startsWith('tuning/')),
  };
}

/**
 * Runs the request to its end; then again, its engine killed whenever one of `killedAt` trials is told of, and expects the same
 * trials, fine-tunings and networks. Returns the uninterrupted run.
 */
export async function expectSameWhenKilled(
  { service, engines }: TestService,
  request: Extract<RunRequest, { method: 'prune' }>,
  killedAt: readonly number[],
): Promise<Output<'run.export'>> {
  const whole = await service.call('run.create', request);
  await waitForStatus(service, whole.id, ['completed'], patienceMs);
  const reference = await service.call('run.export', { id: whole.id });

  const stopped = await service.call('run.create', request);
  const isDone = async (): Promise<boolean> => (await service.call('run.show', { id: stopped.id })).summary.status === 'completed';
  /** Resolves once so many trials are told of, or the run is over. */
  const reached = async (trials: number): Promise<void> => {
    await waitUntil(
      async () => {
        const { summary } = await service.call('run.show', { id: stopped.id });
        return summary.status === 'completed' || summary.trials >= trials;
      },
      `${String(trials)} trials`,
      patienceMs,
    );
  };
  for (const trials of killedAt) {
    await reached(trials);
    if (await isDone()) break;
    engines.at(-1)?.kill();
    await waitForStatus(service, stopped.id, ['interrupted', 'completed'], patienceMs);
    if (await isDone()) break;
    await service.call('run.resume', { id: stopped.id });
  }
  await waitForStatus(service, stopped.id, ['completed'], patienceMs);
  expect(comparable(await service.call('run.export', { id: stopped.id }))).toEqual(comparable(reference));
  return reference;
}
