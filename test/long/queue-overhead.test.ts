/** What it costs to have runs of realistic length worked on by a worker instead of by this process: processor time and wall time. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { exportAll, hasRedis, TestFolders, TestRedis, tinySearch } from '../support/queue.ts';
import { waitForStatus } from '../support/service.ts';

const runs = 3;
const trials = Number(process.env['LATHE_OVERHEAD_TRIALS'] ?? 500);
const patienceMs = 15 * 60_000;
/** Clock ticks of Linux in a second, as /proc counts. */
const ticksPerSecond = 100;

/** Processor seconds of a process and of those of its children that have ended. */
function processorSeconds(pid: number): number {
  const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) / ticksPerSecond;
}

interface Cost {
  readonly processor: number; // seconds
  readonly wall: number; // seconds
  readonly results: readonly unknown[];
}

describe.skipIf(!hasRedis || process.platform !== 'linux')('scheduling by the queue', () => {
  const folders = new TestFolders();
  afterAll(() => folders.close());

  const study = async (queue: string | undefined, pids: readonly number[]): Promise<Cost> => {
    const { service } = await folders.open(queue);
    await service.call('queue.status', {}); // connected, where there is a queue: that is done once
    const processor = (): number => [process.pid, ...pids].reduce((sum, pid) => sum + processorSeconds(pid), 0);
    const before = { processor: processor(), wall: performance.now() };
    const made = [];
    for (let seed = 1; seed <= runs; seed += 1) made.push(await service.call('run.create', tinySearch(seed, trials)));
    for (const { id } of made) await waitForStatus(service, id, ['completed'], patienceMs);
    const wall = (performance.now() - before.wall) / 1000;
    const cost = { processor: processor() - before.processor, wall, results: await exportAll(service, made) };
    await service.close();
    return cost;
  };

  it(
    'costs less than 3 % of the processor time of the runs',
    async () => {
      const redis = await TestRedis.start();
      const here = await study(undefined, []);
      const worker = await folders.startWorker(redis, 'one');
      const away = await study(redis.url(), [worker.pid, redis.pid]);
      await worker.stop();
      await redis.stop();
      const percent = (of: 'processor' | 'wall'): string => `${((away[of] / here[of] - 1) * 100).toFixed(1)} %`;
      process.stderr.write(
        `${String(runs)} runs, here ${here.processor.toFixed(1)} s of processor time and ${here.wall.toFixed(1)} s of wall time, by a worker ${away.processor.toFixed(1)} s (${percent('processor')}) and ${away.wall.toFixed(1)} s (${percent('wall')})\n`,
      );
      expect(away.results).toEqual(here.results);
      expect(away.processor).toBeLessThan(1.03 * here.processor);
    },
    2 * patienceMs,
  );
});
