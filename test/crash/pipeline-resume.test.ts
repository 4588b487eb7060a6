/** A pipeline goes on after its engine was killed in each of its stages, and after a pause, to the same networks and figures. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pipelineRowsOf } from '../../src/shared/pipeline.ts';
import type { RunDetail, RunRequest } from '../../src/shared/run.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

const request: Extract<RunRequest, { method: 'pipeline' }> = {
  method: 'pipeline',
  network: { id: 'mobilenet-v1', width: 0.25 },
  dataset: 'generated',
  target: 'bismo-cloud',
  budgets: [{ resource: 'latency', kind: 'fraction', value: 0.25 }],
  training: { epochs: 1, warmupSteps: 20 },
  stages: {
    specialize: { space: 'tiny', search: { warmupEpochs: 1, searchEpochs: 1, batchSize: 128, snapshotEvery: 5 } },
    prune: { search: { trials: 4, rewardImages: 100, reconstructionImages: 0, sensitivitySteps: 0, finalists: 1 }, tuning: { epochs: 1 } },
    quantize: { search: { trials: 6, rewardImages: 100, calibrationImages: 128, statisticsImages: 0, finalists: 1, minimumBits: 3 } },
  },
  rivals: [],
  seed: 3,
  threads: 1,
};
const stages = ['specialize', 'prune', 'quantize'];

/** For machines that are slow and busy. */
const patienceMs = 500_000;

/** What decides nothing: the names of networks, which are their runs'. */
function comparable({ solutions }: RunDetail): unknown {
  return solutions.map(({ architecture, prune, ...rest }) => ({
    ...rest,
    architecture: architecture && { ...architecture, network: null },
    prune: prune && { ...prune, network: null },
  }));
}

async function open(): Promise<TestService> {
  return await openService(await makeDataDir());
}

describe('a pipeline', () => {
  let whole: TestService;
  let test: TestService;

  beforeAll(async () => {
    [whole, test] = [await open(), await open()]; // apart, so that no stage is taken over from the other
  });

  afterAll(async () => {
    for (const { service, dataDir } of [whole, test]) {
      await service.close();
      await removeDataDir(dataDir);
    }
  });

  it('is refused where it cannot work, with nothing kept', async () => {
    const { service } = test;
    const refuse = async (change: object, message: RegExp): Promise<void> => {
      await expect(service.call('run.create', { ...request, ...change })).rejects.toMatchObject({
        message: expect.stringMatching(message) as unknown,
      });
    };
    await refuse({ stages: {} }, /expected at least one stage/);
    await refuse({ budgets: [] }, /stage specialize has no budget; give the whole pipeline one/);
    await refuse({ budgets: [{ resource: 'macs', kind: 'fraction', value: 0.5 }] }, /the stages of a pipeline share latency or energy/);
    await refuse({ budgets: [{ resource: 'energy', kind: 'fraction', value: 0.5 }] }, /this target has no energy model/);
    await refuse({ budgets: [{ resource: 'latency', kind: 'absolute', value: 0.001 }] }, /no network of space tiny can meet/);
    await refuse({ target: 'nowhere' }, /nowhere/);
    expect(await service.call('run.list', {})).toEqual([]);
  });

  it('ends as the uninterrupted one, killed in each stage and paused between', async () => {
    const started = await whole.service.call('run.create', request);
    await waitForStatus(whole.service, started.id, ['completed'], patienceMs);
    const reference = await whole.service.call('run.show', { id: started.id });
    const rows = pipelineRowsOf(reference);
    expect(rows.map(({ name, state }) => [name, state])).toEqual(['reference', ...stages].map((name) => [name, 'known']));
    const latencies = rows.map(({ solution }) => solution?.latencyMs ?? Number.NaN);
    const [full = Number.NaN] = latencies;
    expect([...latencies].sort((a, b) => b - a)).toEqual(latencies); // each stage takes some
    expect(latencies.at(-1)).toBeLessThanOrEqual(0.25 * full * (1 + 1e-9));
    expect(rows.at(-1)?.wholeFactor).toBeGreaterThanOrEqual(4 * (1 - 1e-9));
    expect(reference.summary).toMatchObject({ method: 'pipeline', bestLatencyMs: latencies.at(-1), progress: { phase: 'done' } });

    const { service, engines } = test;
    const { id } = await service.call('run.create', request);
    for (const [index, name] of stages.entries()) {
      /** Resolves when the stage has a checkpoint, or on a quick machine is behind it. */
      const reached = async (): Promise<boolean> => {
        const detail = await service.call('run.show', { id });
        if (detail.summary.status === 'completed' || detail.stages.length > index + 1) return true;
        const run = detail.stages[index]?.run;
        return run !== undefined && (await service.call('run.show', { id: run })).checkpoint !== null;
      };
      await waitUntil(reached, `stage ${name} has a checkpoint`, patienceMs);
      const { summary } = await service.call('run.show', { id });
      if (summary.status === 'completed') break;
      if (index === 1) await service.call('run.pause', { id });
      else engines.at(-1)?.kill();
      await waitUntil(
        async () => (await service.call('run.show', { id })).summary.status !== 'running',
        `stage ${name} has stopped`,
        patienceMs,
      );
      const stopped = (await service.call('run.show', { id })).summary;
      if (stopped.status === 'completed') break;
      expect(stopped.status).toBe(index === 1 ? 'paused' : 'interrupted');
      if (index !== 1) expect(stopped.error).toMatch(/^stage \w+ \(run .*\): the engine process ended unexpectedly/);
      await service.call('run.resume', { id });
    }
    await waitForStatus(service, id, ['completed'], patienceMs);
    const again = await service.call('run.show', { id });
    expect(again.stages.map(({ name }) => name)).toEqual(stages);
    expect(comparable(again)).toEqual(comparable(reference));
    const child = await service.call('run.show', { id: again.stages[1]?.run ?? '' });
    expect(child.summary.pipelines).toEqual([id]);

    // The same once more takes every stage over: nothing is computed again.
    const before = engines.length;
    const third = await service.call('run.create', request);
    await waitForStatus(service, third.id, ['completed'], patienceMs);
    expect((await service.call('run.show', { id: third.id })).stages).toEqual(again.stages);
    expect(engines.length - before).toBeLessThanOrEqual(1); // the one that answers questions
  }, 1_200_000);
});
