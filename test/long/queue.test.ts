/**
 * A study's worth of runs on 1, 2 and 4 workers, and through thirty blows: workers killed, the connections of the server and of the
 * workstation cut, both started again.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import type { LatheEvent } from '../../src/shared/contract.ts';
import type { RunSummary } from '../../src/shared/run.ts';
import type { Service } from '../../src/main/service/index.ts';
import { exportAll, hasRedis, TestFolders, TestRedis, tinySearch, type TestWorker } from '../support/queue.ts';
import { openService, waitUntil } from '../support/service.ts';

const count = 24;
const trials = 12; // some seconds of work a run
const patienceMs = 15 * 60_000;

describe.skipIf(!hasRedis)('a study on many machines', () => {
  const folders = new TestFolders();
  let redis: TestRedis;
  let expected: unknown[];

  const startWorkers = async (names: readonly string[]): Promise<TestWorker[]> =>
    await Promise.all(names.map((name) => folders.startWorker(redis, name)));

  beforeAll(async () => {
    redis = await TestRedis.start();
    const here = await folders.open();
    const runs = await submit(here.service);
    await untilCompleted(here.service);
    expected = await exportAll(here.service, runs);
    await here.service.close();
  }, patienceMs);

  afterAll(async () => {
    await redis.stop();
    await folders.close();
  });

  it.each([1, 2, 4])(
    'ends on %i workers as on the embedded queue, bit for bit',
    async (machines) => {
      const home = await folders.open(redis.url());
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
    'ends the same, each run once, through thirty blows to workers and connections, a restart of the server and one of the workstation',
    async () => {
      const random = Random.fromSeed(30);
      const cut = listenToSockets();
      let home = await folders.open(redis.url());
      const seen = [home.events];
      const workers = ['a', 'b', 'c', 'd'].map((name) => folders.startWorker(redis, name));
      const runs = await submit(home.service);
      const fell = { worker: 0, server: 0, workstation: 0, early: 0 };
      await waitUntil(async () => (await openRuns(home.service)) < count, 'the first run has ended', patienceMs);
      for (let blow = 0; blow < 30; blow++) {
        await new Promise((resolve) => setTimeout(resolve, random.uniformInt(200, 2000))); // a blow falls anywhere
        const at = random.uniformInt(0, workers.length - 1);
        const what = (['worker', 'worker', 'server', 'workstation'] as const)[random.uniformInt(0, 3)] ?? 'worker';
        fell[what] += 1;
        if ((await openRuns(home.service)) > 0) fell.early += 1;
        if (what === 'server') await killClients(redis);
        else if (what === 'workstation') cut.all();
        else {
          await (await workers[at])?.kill();
          workers[at] = folders.startWorker(redis, `again-${String(blow)}`);
        }
        if (blow === 10) {
          await redis.kill();
          await redis.run();
        }
        if (blow === 20) {
          await home.service.close();
          home = await openService(home.dataDir, redis.url(), true);
          seen.push(home.events);
        }
      }
      await untilCompleted(home.service);
      cut.stop();
      const lost = await lostAttempts(home.service, runs);
      process.stderr.write(
        `30 blows, ${String(fell.early)} while runs were open: ${String(fell.worker)} workers killed, the server's connections cut ${String(fell.server)} times, the workstation's ${String(fell.workstation)} (${String(cut.count)} sockets); ${String(lost)} attempts were lost\n`,
      );
      expect(lost).toBeGreaterThan(0);
      expect(await exportAll(home.service, runs)).toEqual(expected);
      expect(ends(seen.flat())).toEqual(new Map(runs.map(({ id }) => [id, 1])));
      expect((await home.service.call('queue.status', {})).runs).toEqual([]);
      await Promise.all(workers.map(async (worker) => (await worker).stop()));
      await home.service.close();
    },
    patienceMs,
  );
});

/** The sockets of this process's HTTP servers, to be cut. */
function listenToSockets(): { all(): void; stop(): void; readonly count: number } {
  const sockets = new Set<Socket>();
  let count = 0;
  const meet = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  subscribe('http.server.request.start', meet);
  return {
    all: () => {
      count += sockets.size;
      for (const socket of sockets) socket.destroy();
    },
    stop: () => void unsubscribe('http.server.request.start', meet),
    get count() {
      return count;
    },
  };
}

async function killClients(redis: TestRedis): Promise<void> {
  const client = new Redis(redis.port, '127.0.0.1');
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  client.disconnect();
}

async function openRuns(service: Service): Promise<number> {
  return (await service.call('run.list', {})).filter(({ status }) => status !== 'completed').length;
}

async function lostAttempts(service: Service, runs: readonly RunSummary[]): Promise<number> {
  const all = await Promise.all(runs.map(({ id }) => service.call('run.show', { id })));
  return all.reduce((sum, { placement }) => sum + (placement?.lost ?? 0), 0);
}

/** How often each run was told to have become completed. */
function ends(events: readonly LatheEvent[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const event of events) {
    if (event.name !== 'run.changed' || event.payload.status !== 'completed') continue;
    found.set(event.payload.id, (found.get(event.payload.id) ?? 0) + 1);
  }
  return found;
}

async function submit(service: Service): Promise<RunSummary[]> {
  const runs: RunSummary[] = [];
  for (let seed = 1; seed <= count; seed++) runs.push(await service.call('run.create', tinySearch(seed, trials)));
  return runs;
}

async function untilCompleted(service: Service): Promise<void> {
  await waitUntil(
    async () => (await service.call('run.list', {})).every(({ status }) => status === 'completed'),
    'all runs are completed',
    patienceMs,
  );
}
