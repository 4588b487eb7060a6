/**
 * Work that crash tests kill, as a whole Lathe does it: each job tells what is acknowledged, can be begun again after a kill,
 * and ends with a result that must not depend on how often it was killed.
 */
import type { Output } from '../../src/shared/contract.ts';
import type { RunRequest } from '../../src/shared/run.ts';
import type { Service } from '../../src/main/service/index.ts';
import { smallPruning } from '../support/prunings.ts';
import { smallSearch, waitForStatus } from '../support/service.ts';

export const jobNames = ['quantize', 'prune', 'specialize', 'train', 'table', 'import', 'backup'] as const;
/** The exit code of a process whose engine was killed at a failpoint, and not itself. */
export const engineKilledCode = 3;

export type JobName = (typeof jobNames)[number];

const requests: Readonly<Record<'quantize' | 'prune' | 'specialize' | 'train', RunRequest>> = {
  quantize: smallSearch(24),
  prune: smallPruning(12),
  train: {
    method: 'train',
    network: { id: 'mobilenet-v1', width: 0.125 },
    dataset: 'generated',
    training: { epochs: 2, warmupSteps: 20 },
    seed: 3,
    threads: 1,
  },
  specialize: {
    method: 'specialize',
    network: { id: 'mobilenet-v2' },
    space: 'tiny',
    dataset: 'generated',
    target: 'bismo-cloud',
    budgets: [{ resource: 'latency', kind: 'absolute', value: 1.2 }],
    training: { epochs: 1, warmupSteps: 20 },
    search: {
      warmupEpochs: 1,
      searchEpochs: 1,
      batchSize: 64,
      validationImages: 1000,
      widthRival: false,
      evolutionNetworks: 40,
      evolutionImages: 100,
      randomRivals: 1,
      snapshotEvery: 5,
    },
    seed: 5,
    threads: 1,
  },
};

const table = { networks: [{ id: 'mobilenet-v2' }, { id: 'mobilenet-v1' }, { id: 'resnet-20' }], target: 'bismo-edge', weightBits: [4, 8] };
const imports = 12;
const backups = 4;

/** Works until the job is done. `acknowledge` gets what must be there from then on. */
export async function work(service: Service, job: JobName, file: string, acknowledge: (what: string) => void): Promise<void> {
  if (job === 'table') {
    await service.call('table.build', table);
    acknowledge('table');
  } else if (job === 'import') {
    const there = new Set((await service.call('network.list', {})).map(({ id }) => id));
    for (let i = 0; i < imports; i++) {
      if (there.has(`own-${i}`)) continue;
      await service.call('network.import', { path: file, name: `own-${i}` });
      acknowledge(`own-${i}`);
    }
  } else if (job === 'backup') {
    for (let i = 0; i < backups; i++) acknowledge((await service.call('backup.make', {})).path);
  } else await workOnRun(service, requests[job], acknowledge);
}

async function workOnRun(service: Service, request: RunRequest, acknowledge: (what: string) => void): Promise<void> {
  let [run] = await service.call('run.list', {});
  run ??= await service.call('run.create', request);
  const { id } = run;
  // What is pushed to watchers is stored already.
  service.subscribe((event) => {
    if (event.name === 'run.trials' && event.payload.id === id) acknowledge(String(event.payload.trials.at(-1)?.step));
  });
  if (run.status === 'interrupted') await service.call('run.resume', { id });
  const { status, error } = await waitForStatus(service, id, ['completed', 'interrupted'], 20 * 60_000);
  if (status === 'interrupted') throw new Error(error ?? 'the run was interrupted');
}

/** What the job made, without what depends on the moment. */
export async function resultOf(service: Service, job: JobName, dataDir: string): Promise<unknown> {
  if (job === 'table') return (await service.call('table.entries', { id: 'bismo-edge', limit: 100_000 })).entries;
  if (job === 'import') {
    const own = (await service.call('network.list', {})).filter(({ id }) => id.startsWith('own-')).map(({ id }) => id);
    return await Promise.all(own.sort().map(async (id) => (await service.call('network.text', { network: { id } })).text));
  }
  if (job === 'backup') return null; // the test opens each
  const [run] = await service.call('run.list', {});
  if (!run) throw new Error(`no run in ${dataDir}`);
  return comparable(await service.call('run.export', { id: run.id }));
}

function comparable({ run, trials, metrics }: Output<'run.export'>): unknown {
  const decided = /^(validation\/|probability|entropy|architecture|retrain.*accuracy)/;
  return {
    // A network that a run made is named by the run.
    solutions: JSON.parse(JSON.stringify(run.solutions).replaceAll(run.summary.id, 'RUN')) as unknown,
    trials: trials.map((trial) => ({ ...trial, atMs: 0 })),
    curves: metrics.filter(({ series }) => decided.test(series)),
  };
}
