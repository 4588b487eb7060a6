/** A study's worth of runs on 1, 2 and 4 workers, and through thirty kills of workers, with the server and the workstation started again. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import type { RunSummary } from '../../src/shared/run.ts';
import type { Service } from '../../src/main/service/index.ts';
import { addTinyDataset, exportAll, hasRedis, TestRedis, TestWorker, tinySearch } from '../support/queue.ts';
import { makeDataDir, openService, removeDataDir, waitUntil, type TestService } from '../support/service.ts';

const count = 24;
const patienceMs = 15 * 60_000;

describe.skipIf(!hasRedis)('a study on many machines', () => {
  const folders: string[] = [];
  let redis: TestRedis;
  let expected: unknown[];

  const folder = async (): Promise<string> => {
    const made = await makeDataDir();
    folders.push(made);
    return made;
  };
  const open = async (queue?: string): Promise<TestService> => {
    const opened = await openService(await folder(), queue);
    await addTinyDataset(opened.service, opened.dataDir);
    return opened;
  };
  const startWorkers = async (names: readonly string[]): Promise<TestWorker[]> =>
    await Promise.all(names.map(async (name) => TestWorker.start(redis.url(), await folder(), name)));

  beforeAll(async () => {
    redis = await TestRedis.start();
    const here = await open();
    const runs = await submit(here.service);
    await untilCompleted(here.service);
    expected = await exportAll(here.service, runs);
    await here.service.close();
  }, patienceMs);

  afterAll(async () => {
    await redis.stop();
    for (const made of folders) await removeDataDir(made);
  });

  it.each([1, 2, 4])(
    'ends on %i workers as on the embedded queue, bit for bit',
    async (machines) => {
      const home = await open(redis.url());
      const workers = await startWorkers(Array.from({ length: machines }, (_, index) => `worker-${String(index)}`));
      const runs = await submit(home.service);
      await untilCompleted(home.service);
      expect(await exportAll(home.service, runs)).toEqual(expected);
      for (const { id } of runs) expect((await home.service.call('run.show', { id })).placement).toMatchObject({ isOpen: false });
      await Promise.all(workers.map((worker) => worker.stop()));
      await home.service.close();
    },
    patienceMs,
  );

  it(
    'ends the same, each run once, through thirty kills, a restart of the server and one of the workstation',
    async () => {
      const random = Random.fromSeed(30);
      let home = await open(redis.url());
      const workers = await startWorkers(['a', 'b', 'c', 'd']);
      const runs = await submit(home.service);
      for (let kill = 0; kill < 30; kill++) {
        await new Promise((resolve) => setTimeout(resolve, random.uniformInt(500, 4000))); // the blow falls anywhere
        const at = random.uniformInt(0, workers.length - 1);
        await workers[at]?.kill();
        if (kill === 10) {
          await redis.kill();
          await redis.run();
        }
        if (kill === 20) {
          await home.service.close();
          home = await openService(home.dataDir, redis.url(), true);
        }
        workers.splice(at, 1, ...(await startWorkers([`again-${String(kill)}`])));
      }
      await untilCompleted(home.service);
      expect(await exportAll(home.service, runs)).toEqual(expected);
      expect((await home.service.call('queue.status', {})).runs).toEqual([]);
      await Promise.all(workers.map((worker) => worker.stop()));
      await home.service.close();
    },
    patienceMs,
  );
});

async function submit(service: Service): Promise<RunSummary[]> {
  const runs: RunSummary[] = [];
  for (let seed = 1; seed <= count; seed++) runs.push(await service.call('run.create', tinySearch(seed)));
  return runs;
}

async function untilCompleted(service: Service): Promise<void> {
  await waitUntil(
    async () => (await service.call('run.list', {})).every(({ status }) => status === 'completed'),
    'all runs are completed',
    patienceMs,
  );
}
