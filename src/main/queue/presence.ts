/** Who is at a queue: workstations and workers tell it of themselves again and again; who falls silent is lost. */
import type { Redis } from 'ioredis';
import { type Build } from '../../shared/placement.ts';
import { workerInfoSchema, type WorkerInfo } from '../../shared/queue.ts';
import {
  aliveKey,
  buildDifference,
  homeAnnouncementSchema,
  homeKey,
  homesKey,
  workerKey,
  workersKey,
  type HomeAnnouncement,
} from './protocol.ts';

/** A worker that is gone is shown for this long. */
const rememberedSeconds = 3600;

export async function announceHome(redis: Redis, prefix: string, home: HomeAnnouncement, validMs: number): Promise<void> {
  await redis.multi().set(homeKey(prefix, home.id), JSON.stringify(home), 'PX', validMs).sadd(homesKey(prefix), home.id).exec();
}

export async function withdrawHome(redis: Redis, prefix: string, id: string): Promise<void> {
  await redis.multi().del(homeKey(prefix, id)).srem(homesKey(prefix), id).exec();
}

/** The workstations that are there now. One of another protocol is not understood, and left out. */
export async function listHomes(redis: Redis, prefix: string): Promise<HomeAnnouncement[]> {
  const ids = await redis.smembers(homesKey(prefix));
  if (ids.length === 0) return [];
  const texts = await redis.mget(ids.map((id) => homeKey(prefix, id)));
  return texts
    .flatMap((text) => (text === null ? [] : [homeAnnouncementSchema.safeParse(JSON.parse(text))]))
    .flatMap(({ data }) => data ?? []);
}

export async function announceWorker(redis: Redis, prefix: string, worker: WorkerInfo, validMs: number): Promise<void> {
  await redis
    .multi()
    .set(workerKey(prefix, worker.id), JSON.stringify(worker), 'EX', rememberedSeconds)
    .set(aliveKey(prefix, worker.id), '1', 'PX', validMs)
    .sadd(workersKey(prefix), worker.id)
    .exec();
}

export async function withdrawWorker(redis: Redis, prefix: string, id: string): Promise<void> {
  await redis.multi().del(workerKey(prefix, id), aliveKey(prefix, id)).srem(workersKey(prefix), id).exec();
}

/** All workers of the last hour, by name; of those that left properly nothing is known any more. */
export async function listWorkers(redis: Redis, prefix: string): Promise<WorkerInfo[]> {
  const ids = await redis.smembers(workersKey(prefix));
  if (ids.length === 0) return [];
  const [texts, alive] = await Promise.all([
    redis.mget(ids.map((id) => workerKey(prefix, id))),
    redis.mget(ids.map((id) => aliveKey(prefix, id))),
  ]);
  const gone = ids.filter((_, index) => texts[index] === null);
  if (gone.length > 0) await redis.srem(workersKey(prefix), ...gone);
  return texts
    .flatMap((text, index): WorkerInfo[] => {
      const parsed = text === null ? null : workerInfoSchema.safeParse(JSON.parse(text));
      if (!parsed?.success) return []; // of another version of Lathe
      const { data } = parsed;
      return [alive[index] === null && data.state !== 'refusing' ? { ...data, state: 'lost' } : data];
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.startedAtMs - b.startedAtMs));
}

/** Why a worker of this build gets no work, one sentence; null: some workstation there suits it, or there is none yet. */
export function refusal(build: Build, homes: readonly HomeAnnouncement[], levels: readonly string[]): string | null {
  const [first] = homes;
  if (!first || homes.some((home) => buildDifference(home.build, build) === null)) return null;
  const difference = buildDifference(first.build, build) ?? '';
  const onlySimd = buildDifference({ ...first.build, simd: build.simd }, build) === null;
  const advice = !onlySimd
    ? 'install the same build of Lathe on both'
    : levels.includes(first.build.simd)
      ? `start the worker with --simd ${first.build.simd}`
      : 'this processor cannot compute the same bits';
  return `this worker refuses the work of ${first.name}: its runs need ${difference}; ${advice}`;
}
