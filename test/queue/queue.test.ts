/** Runs on other machines: the same results as here, whatever happens to the workers, to the server and to the workstation. */
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import type { RunSummary } from '../../src/shared/run.ts';
import type { Service } from '../../src/main/service/index.ts';
import { exportAll, hasRedis, TestFolders, TestRedis, tinySearch, type TestWorker } from '../support/queue.ts';
import { openService, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

const folders = new TestFolders();
afterAll(() => folders.close());

describe.skipIf(!hasRedis)('a queue that cannot be used', () => {
  let redis: TestRedis;
  let dataDir: string;
  const refused = async (url: string): Promise<unknown> => {
    const { service } = await openService(dataDir, url);
    try {
      const answer = service.call('run.create', tinySearch(1)).then(
        () => 'taken',
        (error: unknown) => (error as Error).message,
      );
      return { message: await answer, runs: (await service.call('run.list', {})).length };
    } finally {
      await service.close();
    }
  };

  beforeAll(async () => {
    redis = await TestRedis.start('--requirepass', 'right', '--maxmemory-policy', 'noeviction');
    const opened = await folders.open();
    dataDir = opened.dataDir;
    await opened.service.close();
  });
  afterAll(async () => {
    await redis.stop();
  });

  it('is no address at all: says what one looks like, without the password that was in it', async () => {
    const { service } = await openService(await folders.folder());
    await expect(service.call('queue.use', { url: 'http://user:secret@host' })).rejects.toThrow(
      /"http:\/\/host" is not the address of a Redis server; expected redis:/,
    );
    expect(await service.call('queue.status', {})).toMatchObject({ address: null, problem: null, workers: [], runs: [] });
    await service.close();
  });

  it('has the wrong password, and no run is made', async () => {
    expect(await refused(redis.url(':wrong@'))).toEqual({
      message: `queue redis://127.0.0.1:${String(redis.port)}: the server wants another user or password; put the right one into the address; runs on this machine are not touched by that`,
      runs: 0,
    });
  });

  it('is full, and no run is made', async () => {
    const client = new Redis(redis.port, '127.0.0.1', { password: 'right' });
    try {
      await client.set('other', 'x'.repeat(4_000_000)); // of somebody else
      await client.config('SET', 'maxmemory', '2mb');
      expect(await refused(redis.url(':right@'))).toEqual({
        message: expect.stringMatching(
          /^queue redis:\S+: the server is out of memory \(.* of 2.10? MB\); free some or raise maxmemory$/,
        ) as string,
        runs: 0,
      });
    } finally {
      client.disconnect();
    }
  });

  it('is too old, and no run is made', async () => {
    const old = await startOldServer();
    const { port } = old.address() as { port: number };
    expect(await refused(`redis://127.0.0.1:${String(port)}`)).toEqual({
      message: `queue redis://127.0.0.1:${String(port)}: expected Redis 6.2 or newer, found 4.0.14; update the server`,
      runs: 0,
    });
    old.close();
  });

  it('is not there: no run is made, and one here is not touched by it', async () => {
    await redis.kill();
    expect(await refused(redis.url())).toEqual({
      message: `queue redis://127.0.0.1:${String(redis.port)}: no Redis server answers there (ECONNREFUSED); start it, or correct the address; runs on this machine are not touched by that`,
      runs: 0,
    });
    const { service } = await openService(dataDir, redis.url());
    const { id } = await service.call('run.create', { ...tinySearch(1), where: 'here' });
    await waitForStatus(service, id, ['completed'], 300_000);
    await service.close();
  });
});

/** As far as a client asks before it is refused: a server of version 4. */
async function startOldServer(): Promise<Server> {
  const info = '# Server\r\nredis_version:4.0.14\r\n';
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      for (const command of data
        .toString()
        .toLowerCase()
        .match(/\$\d+\r\n(hello|info|client|auth|select)\r\n/g) ?? []) {
        if (command.includes('hello')) socket.write("-ERR unknown command 'HELLO'\r\n");
        else if (command.includes('info')) socket.write(`$${String(info.length)}\r\n${info}\r\n`);
        else socket.write('+OK\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe.skipIf(!hasRedis)('runs that workers do', () => {
  const seeds = [1, 2];
  const workers: TestWorker[] = [];
  let redis: TestRedis;
  let home: TestService;
  const submit = async (service: Service): Promise<RunSummary[]> => {
    const runs: RunSummary[] = [];
    for (const seed of seeds) runs.push(await service.call('run.create', tinySearch(seed)));
    return runs;
  };
  const startWorker = async (name: string): Promise<TestWorker> => {
    const worker = await folders.startWorker(redis, name);
    workers.push(worker);
    return worker;
  };

  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await home.service.close();
    await redis.stop();
  });

  it('end as on the embedded queue, bit for bit, though workers are killed and the server starts again', { timeout: 900_000 }, async () => {
    const here = await folders.open();
    const local = await submit(here.service);
    for (const { id } of local) await waitForStatus(here.service, id, ['completed'], 300_000);
    const expected = await exportAll(here.service, local);
    await here.service.close();

    home = await folders.open(redis.url());
    const first = await startWorker('first');
    const runs = await submit(home.service);
    // Each blow falls whenever its turn comes, whatever the others are at: no order of events makes another result.
    await waitUntil(async () => (await statuses(home.service)).some((status) => status !== 'queued'), 'the first worker has begun');
    await first.kill();
    await redis.kill();
    await redis.run();
    const [second] = await Promise.all([startWorker('second'), startWorker('third')]);
    await second.kill();
    await waitUntil(async () => (await statuses(home.service)).every((status) => status === 'completed'), 'all have ended', 600_000);
    expect(await exportAll(home.service, runs)).toEqual(expected);
    expect((await home.service.call('queue.status', {})).runs).toEqual([]);
    for (const { id } of runs) {
      const { placement } = await home.service.call('run.show', { id });
      expect(placement).toMatchObject({ isOpen: false, worker: { name: expect.stringMatching(/first|second|third/) as string } });
      expect(placement?.worker?.build.simd).not.toBe('');
    }
  });
});

async function statuses(service: Service): Promise<string[]> {
  return (await service.call('run.list', {})).map(({ status }) => status);
}
