/** A run that is worked on at home, and whose trials workers help to measure: the same result as without them, whoever measures what. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunRequest } from '../../src/shared/run.ts';
import { exportAll, hasRedis, TestFolders, TestRedis, tinySearch, type TestWorker } from '../support/queue.ts';
import { waitForStatus, waitUntil, type TestService } from '../support/service.ts';

/** Random policies, each trained a little before it is measured: a second of work for each few of them. */
function randomSearch(seed: number): RunRequest {
  const search = tinySearch(seed, 40);
  return { ...search, where: 'here', search: { ...search.search, method: 'random', finetuneSteps: 12 } };
}

describe.skipIf(!hasRedis)('the trials of a run here', () => {
  const folders = new TestFolders();
  const workers: TestWorker[] = [];
  let redis: TestRedis;
  let alone: TestService;
  let home: TestService;
  const startWorker = async (name: string): Promise<TestWorker> => {
    const worker = await folders.startWorker(redis, name);
    workers.push(worker);
    return worker;
  };

  beforeAll(async () => {
    redis = await TestRedis.start();
    alone = await folders.open();
    home = await folders.open(redis.url());
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await Promise.all([alone.service.close(), home.service.close()]);
    await redis.stop();
    await folders.close();
  });

  it('are measured by workers too, to the same bits, though one of them is killed at it', { timeout: 900_000 }, async () => {
    let [first] = await Promise.all([startWorker('first'), startWorker('second')]);
    let whoMeasured = '';
    // Whether help comes before the run is through is the machine's affair: another run where it came too late.
    for (let seed = 1; seed <= 3 && !/\d+ by (first|second)/.test(whoMeasured); seed += 1) {
      const expected = await alone.service.call('run.create', randomSearch(seed));
      await waitForStatus(alone.service, expected.id, ['completed'], 300_000);
      const run = await home.service.call('run.create', randomSearch(seed));
      const isOver = async (): Promise<boolean> => (await home.service.call('run.show', { id: run.id })).summary.status === 'completed';
      await waitUntil(async () => first.log.includes('helps with its trials') || (await isOver()), 'a worker helps', 300_000);
      if (first.log.includes('helps with its trials')) {
        await first.kill();
        first = await startWorker('first');
      }
      await waitForStatus(home.service, run.id, ['completed'], 300_000);
      expect(await exportAll(home.service, [run])).toEqual(await exportAll(alone.service, [expected]));
      const lines = await home.service.call('run.log', { id: run.id });
      whoMeasured = lines.find(({ text }) => text.includes('were measured'))?.text ?? '';
    }
    expect(whoMeasured).toMatch(/\d+ by (first|second)/);
  });
});
