/** A search of an architecture goes on after a cancel and after its engine was killed, in every phase, to the same network and weights. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Output } from '../../src/shared/contract.ts';
import type { Progress, RunRequest } from '../../src/shared/run.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

const request: Extract<RunRequest, { method: 'specialize' }> = {
  method: 'specialize',
  network: { id: 'mobilenet-v2' },
  space: 'tiny',
  dataset: 'generated',
  target: 'bismo-cloud',
  budgets: [{ resource: 'latency', kind: 'absolute', value: 1.2 }],
  also: [{ target: 'bismo-edge', budgets: [{ resource: 'macs', kind: 'absolute', value: 500_000 }] }],
  training: { epochs: 1, warmupSteps: 20 },
  search: {
    warmupEpochs: 1,
    searchEpochs: 1,
    batchSize: 64,
    validationImages: 1000,
    widthRival: false,
    evolutionNetworks: 40,
    evolutionImages: 100,
    randomRivals: 1,
    snapshotEvery: 5,
  },
  seed: 5,
  threads: 1,
};

/** For machines that are slow and busy. */
const patienceMs = 500_000;

/** What decides nothing: how fast things went. */
function comparable({ run, metrics }: Output<'run.export'>): unknown {
  const solutions = run.solutions.map((solution) => ({ ...solution, architecture: { ...solution.architecture, network: null } })); // named by the run
  const searched = metrics.filter(({ series }) => /^(probability|entropy|architecture|retrain.*accuracy)/.test(series));
  return { solutions, searched };
}

describe('a search of an architecture', () => {
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

  it('tells what a space costs, and refuses what cannot be', async () => {
    const { service } = test;
    expect((await service.call('space.list', {})).map(({ space }) => space.id)).toEqual(['proxyless', 'small', 'tiny']);
    const preview = await service.call('space.preview', { space: 'tiny', dataset: 'generated', target: 'bismo-cloud' });
    expect(preview.networks).toBe(String(3 * 4 * 3 * 4)); // Zero is none where a block changes its input's shape
    const latency = preview.resources.find(({ resource }) => resource === 'latency');
    const sum = (pick: (values: number[]) => number): number =>
      preview.blocks.reduce(
        (total, { candidates }) => total + pick(candidates.map(({ latencyMs }) => latencyMs ?? Number.NaN)),
        latency?.fixed ?? 0,
      );
    expect(latency?.least).toBeCloseTo(
      sum((values) => Math.min(...values)),
      12,
    );
    expect(latency?.most).toBeCloseTo(
      sum((values) => Math.max(...values)),
      12,
    );
    const refuse = async (change: object, message: RegExp): Promise<void> => {
      await expect(service.call('run.create', { ...request, ...change })).rejects.toMatchObject({
        message: expect.stringMatching(message) as unknown,
      });
    };
    await refuse({ space: 'huge' }, /there is no search space huge; known: proxyless, small, tiny/);
    await refuse(
      { budgets: [{ resource: 'latency', kind: 'absolute', value: 0.1 }] },
      /no network of space tiny can meet 0.1 ms; the least possible is /,
    );
    await refuse({ budgets: [{ resource: 'energy', kind: 'absolute', value: 1 }] }, /bismo-cloud has no energy model/);
    await refuse({ training: { epochs: 0 } }, /epochs 0/);
    expect(await service.call('run.list', {})).toEqual([]);
  });

  it('ends as the uninterrupted one, however often it was stopped', async () => {
    const { service } = test;
    const whole = await service.call('run.create', request);
    await waitForStatus(service, whole.id, ['completed'], patienceMs);
    const reference = await service.call('run.export', { id: whole.id });
    const best = reference.run.solutions.find(({ role }) => role === 'best');
    expect(best?.withinBudget).toBe(true);
    expect(best?.latencyMs).toBeGreaterThan(1.2 * 0.98);
    expect(best?.testAccuracy).not.toBeNull();
    const other = reference.run.solutions.find(({ label }) => label === 'for bismo-edge');
    expect(other?.macs).toBeLessThanOrEqual(500_000);
    expect(other?.withinBudget).toBe(true); // of its own target
    expect(other?.architecture?.costs.map(({ target }) => target)).toEqual(['bismo-cloud', 'bismo-edge']);
    expect((await service.call('network.show', { network: { id: best?.architecture?.network ?? '' } })).macs).toBe(best?.macs);

    for (const { architecture } of [best, other].flatMap((solution) => solution ?? [])) {
      const path = join(test.dataDir, 'found.onnx');
      const { check } = await service.call('network.export', { network: { id: architecture?.network ?? '' }, path });
      expect(check.sameClass).toBeGreaterThan(0.95); // in ONNX Runtime, of all images that it was asked
    }

    const stopped = await service.call('run.create', request);
    const order = ['warmup', 'searching', 'retraining', 'testing', 'done'];
    /** Resolves in the phase or, on a quick machine, behind it. */
    const reached = (phase: Progress['phase']): Promise<void> =>
      waitUntil(
        async () => {
          const { summary } = await service.call('run.show', { id: stopped.id });
          const [at, wanted] = [order.indexOf(summary.progress.phase), order.indexOf(phase)];
          return summary.status === 'completed' || at > wanted || (at === wanted && summary.progress.done > 0);
        },
        `${phase} has begun`,
        patienceMs,
      );
    await reached('warmup');
    await service.call('run.pause', { id: stopped.id });
    await waitForStatus(service, stopped.id, ['paused', 'completed'], patienceMs);
    for (const phase of ['searching', 'retraining'] as const) {
      if ((await service.call('run.show', { id: stopped.id })).summary.status === 'completed') break;
      await service.call('run.resume', { id: stopped.id });
      await reached(phase);
      test.engines.at(-1)?.kill();
      await waitForStatus(service, stopped.id, ['interrupted', 'completed'], patienceMs);
    }
    if ((await service.call('run.show', { id: stopped.id })).summary.status !== 'completed') {
      await service.call('run.resume', { id: stopped.id });
    }
    await waitForStatus(service, stopped.id, ['completed'], patienceMs);
    expect(comparable(await service.call('run.export', { id: stopped.id }))).toEqual(comparable(reference));
  }, 1_200_000);
});
