/** A real service with a real engine on a data folder of its own, for tests of the whole. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LatheEvent } from '../../src/shared/contract.ts';
import type { RunRequest, RunStatus, RunSummary } from '../../src/shared/run.ts';
import { launchNodeEngine, type EngineProcess } from '../../src/main/engine/launcher.ts';
import { createService, type Service } from '../../src/main/service/index.ts';

export interface TestService {
  readonly service: Service;
  readonly dataDir: string;
  readonly engines: readonly EngineProcess[]; // in the order in which they were started
  readonly events: readonly LatheEvent[];
}

export async function makeDataDir(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'lathe-test-'));
}

export async function removeDataDir(dataDir: string): Promise<void> {
  await rm(dataDir, { recursive: true, force: true });
}

export async function openService(dataDir: string, queue?: string, adoptQueued = false): Promise<TestService> {
  const engines: EngineProcess[] = [];
  const events: LatheEvent[] = [];
  const service = await createService({
    dataDir,
    launchEngine: () => {
      const engine = launchNodeEngine();
      engines.push(engine);
      return engine;
    },
    log: () => undefined,
    adoptQueued,
    ...(queue === undefined ? {} : { queue: { url: queue, where: 'queue' as const } }),
  });
  service.subscribe((event) => events.push(event));
  return { service, dataDir, engines, events };
}

/** A search that takes a few seconds: a thin network on the generated set, read by one thread. */
export function smallSearch(trials: number, seed = 7): Extract<RunRequest, { method: 'quantize' }> {
  return {
    method: 'quantize',
    network: { id: 'mobilenet-v1', width: 0.125 },
    dataset: 'generated',
    target: 'bismo-cloud',
    budgets: [{ resource: 'latency', kind: 'fraction', value: 0.6 }],
    training: { epochs: 1, warmupSteps: 20 },
    search: {
      trials,
      validationImages: 1000,
      rewardImages: 300,
      calibrationImages: 128,
      statisticsImages: 64,
      finalists: 3,
      agent: { warmupTrials: 4, batchSize: 32 },
    },
    seed,
    threads: 1,
  };
}

/** Resolves when the run has one of these statuses; rejects when it ends in another one. */
export async function waitForStatus(service: Service, id: string, wanted: readonly RunStatus[], timeoutMs = 120_000): Promise<RunSummary> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const { summary } = await service.call('run.show', { id });
    if (wanted.includes(summary.status)) return summary;
    if (!['queued', 'running'].includes(summary.status) || Date.now() > until) {
      throw new Error(`run ${id} is ${summary.status} (${summary.error ?? 'no error'}), expected ${wanted.join(' or ')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Resolves when a condition holds. */
export async function waitUntil(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = 60_000): Promise<void> {
  const until = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
