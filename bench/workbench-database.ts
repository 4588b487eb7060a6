/** A database as a busy year leaves it: ten thousand runs and a million metric points, the same for the same seed. */
import { openDatabase } from '../src/main/store/database.ts';
import { MetricRepository } from '../src/main/store/repositories/metrics.ts';
import { RunRepository } from '../src/main/store/repositories/runs.ts';
import { Random } from '../src/shared/random.ts';
import type { Manifest, Metric, RunStatus } from '../src/shared/run.ts';
import { newRun, quantizeManifest } from '../test/support/store-samples.ts';

export interface DatabaseSize {
  readonly runs: number;
  readonly pointsPerRun: number;
}

const networks = ['mobilenet-v1 x0.25 @32', 'mobilenet-v2 @224', 'resnet-50 @224', 'mobilenet-v2 x0.5 @96'];
const targets = ['bismo-cloud', 'bismo-edge', 'bitfusion', 'systolic-8x8'];
const statuses: readonly RunStatus[] = ['completed', 'completed', 'completed', 'completed', 'failed', 'cancelled', 'interrupted'];
const tags = ['paper', 'best', 'again', 'ablation'];
const idle = { phase: 'done', done: 200, total: 200, ratePerSecond: null, etaSeconds: null } as const;

/** Fills a new data folder. A setting of a search has five seeds, one run each; runs are a quarter of an hour apart. */
export async function makeDatabase(dataDir: string, seed: number, { runs: count, pointsPerRun }: DatabaseSize): Promise<void> {
  const db = await openDatabase(dataDir);
  const random = Random.fromSeed(seed);
  const runs = new RunRepository(db);
  const metrics = new MetricRepository(db);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random.uniform() * items.length)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  };
  db.transaction(() => {
    let setting = { network: '', manifest: quantizeManifest };
    for (let i = 0; i < count; i++) {
      if (i % 5 === 0) setting = { network: pick(networks), manifest: withTarget(pick(targets), 0.3 + 0.6 * random.uniform()) };
      const id = `q-${i.toString(36).padStart(6, '0')}`;
      const atMs = Date.UTC(2026, 0, 1) + i * 900_000;
      const manifest = { ...setting.manifest, seed: i % 5 };
      runs.insert(newRun(id, { name: `quantize ${setting.network}`, networkTitle: setting.network, manifest, atMs }), idle);
      const { key } = runs.state(id) ?? { key: 0 };
      const [accuracy, latencyMs] = [0.6 + 0.35 * random.uniform(), 1 + 100 * random.uniform()];
      runs.setResult(key, 200, {
        bestReward: random.normal(),
        bestAccuracy: accuracy,
        bestTestAccuracy: accuracy - 0.01 * random.uniform(),
        bestLatencyMs: latencyMs,
        bestEnergyMj: 3 * latencyMs,
        bestSizeBytes: Math.round(1e6 * random.uniform()),
        baselineAccuracy: accuracy - 0.02,
        baselineTestAccuracy: accuracy - 0.025,
      });
      const status = pick(statuses);
      runs.setStatus(key, {
        status,
        owner: null,
        startedAtMs: atMs,
        finishedAtMs: atMs + 600_000 * random.uniform(),
        error: status === 'failed' ? 'out of memory' : null,
      });
      runs.organize(key, { star: random.uniform() < 0.1, ...(random.uniform() < 0.2 ? { addTags: [pick(tags)] } : {}) });
      metrics.put(key, curve(pointsPerRun, random), 1);
    }
  })();
  db.close();
}

function withTarget(target: string, budget: number): Manifest {
  if (quantizeManifest.method !== 'quantize') throw new Error('the sample is no search of bits');
  return { ...quantizeManifest, target, budgets: [{ resource: 'latency', kind: 'fraction', value: budget }] };
}

function curve(points: number, random: Random): Metric[] {
  return Array.from({ length: points }, (_, step) => ({ series: 'train/loss', step, value: 2 / (1 + step / 20) + 0.05 * random.normal() }));
}
