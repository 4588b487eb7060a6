/** Runs on other machines: the same results as here, whatever happens to the workers, to the server and to the workstation. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunSummary } from '../../src/shared/run.ts';
import type { Service } from '../../src/main/service/index.ts';
import { addTinyDataset, exportAll, hasRedis, TestRedis, TestWorker, tinySearch } from '../support/queue.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

const seeds = [1, 2, 3, 4];

describe.skipIf(!hasRedis)('runs that workers do', () => {
  const folders: string[] = [];
  const workers: TestWorker[] = [];
  let redis: TestRedis;
  let expected: unknown[];
  let home: TestService;
  let dataDir: string;

  const folder = async (): Promise<string> => {
    const made = await makeDataDir();
    folders.push(made);
    return made;
  };
  const startWorker = async (name: string): Promise<TestWorker> => {
    const worker = await TestWorker.start(redis.url(), await folder(), name);
    workers.push(worker);
    return worker;
  };
  const submit = async (service: Service): Promise<RunSummary[]> => {
    const runs: RunSummary[] = [];
    for (const seed of seeds) runs.push(await service.call('run.create', tinySearch(seed)));
    return runs;
  };
  const open = async (): Promise<void> => {
    dataDir = await folder();
    home = await openService(dataDir, redis.url());
    await addTinyDataset(home.service, dataDir);
  };

  beforeAll(async () => {
    redis = await TestRedis.start();
    const here = await openService(await folder());
    await addTinyDataset(here.service, here.dataDir);
    const runs = await submit(here.service);
    for (const { id } of runs) await waitForStatus(here.service, id, ['completed']);
    expected = await exportAll(here.service, runs);
    await here.service.close();
  });

  beforeEach(open);

  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await home.service.close();
  });

  afterAll(async () => {
    await redis.stop();
    for (const made of folders) await removeDataDir(made);
  });

  it('end as on the embedded queue, bit for bit, though workers are killed', async () => {
    const first = await startWorker('first');
    const runs = await submit(home.service);
    await waitUntil(
      async () => (await home.service.call('queue.status', {})).runs.some(({ isWorking }) => isWorking),
      'a run is worked on',
    );
    await first.kill();
    const second = await startWorker('second');
    await startWorker('third');
    await waitUntil(
      async () =>
        (await home.service.call('queue.status', {})).runs.some(({ isWorking, worker }) => isWorking && worker?.name === 'second'),
      'the second worker has a run',
    );
    await second.kill();
    for (const { id } of runs) await waitForStatus(home.service, id, ['queued', 'running', 'completed']);
    await waitUntil(
      async () => (await home.service.call('run.list', {})).every(({ status }) => status === 'completed'),
      'all have ended',
      170_000,
    );
    expect(await exportAll(home.service, runs)).toEqual(expected);
  });
});
