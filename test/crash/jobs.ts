/**
 * Work that crash tests kill, as a whole Lathe does it: each job tells what is acknowledged, can be begun again after a kill,
 * and ends with a result that must not depend on how often it was killed.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Output } from '../../src/shared/contract.ts';
import type { RunRequest } from '../../src/shared/run.ts';
import { smallClassifier } from '../../src/main/network/onnx/test-kit.ts';
import type { Service } from '../../src/main/service/index.ts';
import { writeImageFolder } from '../support/image-folder.ts';
import { smallPruning } from '../support/prunings.ts';
import { smallSearch, waitForStatus } from '../support/service.ts';

export const jobNames = ['quantize', 'prune', 'specialize', 'pipeline', 'train', 'table', 'import', 'backup'] as const;
type RunJob = 'quantize' | 'prune' | 'specialize' | 'pipeline' | 'train';
/** The exit code of a process whose engine was killed at a failpoint, and not itself. */
export const engineKilledCode = 3;

export type JobName = (typeof jobNames)[number];

const requests: Readonly<Record<RunJob, RunRequest>> = {
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
  pipeline: {
    method: 'pipeline',
    network: { id: 'mobilenet-v1', width: 0.125 },
    dataset: 'generated',
    target: 'bismo-cloud',
    budgets: [{ resource: 'latency', kind: 'fraction', value: 0.75 }],
    training: { epochs: 1, warmupSteps: 20 },
    stages: {
      prune: {
        search: { trials: 4, rewardImages: 100, reconstructionImages: 0, sensitivitySteps: 0, finalists: 1 },
        tuning: { epochs: 1 },
      },
      quantize: { search: { trials: 12, rewardImages: 100, calibrationImages: 128, statisticsImages: 0, finalists: 1, minimumBits: 3 } },
    },
    rivals: [],
    seed: 3,
    threads: 1,
  },
};

const table = {
  networks: [{ id: 'mobilenet-v2' }, { id: 'mobilenet-v1' }, { id: 'resnet-20' }],
  target: 'bismo-edge',
  weightBits: [1, 2, 3, 4, 5, 6, 7, 8],
};
const imports = 4;
const backups = 10;

/** What the imports read: a network and a folder of images. */
export async function writeImported(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'net.onnx'), smallClassifier());
  await writeImageFolder(join(folder, 'images'), { perClass: 12, side: 16, classes: 3 });
}

/**
 * Works until the job is done. `acknowledge` gets what must be there from then on, in words: a kind, and what names it.
 * `imported`: the folder of `writeImported`.
 */
export async function work(service: Service, job: JobName, imported: string, acknowledge: (what: string) => void): Promise<void> {
  if (job === 'table') await buildTable(service, acknowledge);
  else if (job === 'import') await importAll(service, imported, acknowledge);
  else if (job === 'backup') await backUp(service, imported, acknowledge);
  else await workOnRun(service, requests[job], acknowledge);
}

/** Whoever reads how many entries a table has may rely on so many. */
async function buildTable(service: Service, acknowledge: (what: string) => void): Promise<void> {
  const asked: Promise<void>[] = [];
  service.subscribe((event) => {
    if (event.name !== 'table.progress') return;
    asked.push(service.call('table.show', { id: table.target }).then(({ table: { entries } }) => acknowledge(`entries ${entries}`)));
  });
  await service.call('table.build', table);
  await Promise.all(asked);
}

async function importAll(service: Service, imported: string, acknowledge: (what: string) => void): Promise<void> {
  const there = new Set([...(await service.call('network.list', {})), ...(await service.call('dataset.list', {}))].map(({ id }) => id));
  for (let i = 0; i < imports; i++) {
    const [network, dataset] = [`own-${i}`, `own-images-${i}`];
    if (!there.has(network)) {
      await service.call('network.import', { path: join(imported, 'net.onnx'), name: network });
      acknowledge(`network ${network}`);
    }
    if (!there.has(dataset)) {
      await service.call('dataset.add', { kind: 'path', path: join(imported, 'images'), id: dataset });
      acknowledge(`dataset ${dataset}`);
    }
  }
}

/** A backup of one more network each time. */
async function backUp(service: Service, imported: string, acknowledge: (what: string) => void): Promise<void> {
  const there = (await service.call('network.list', {})).filter(({ id }) => id.startsWith('own-')).length;
  for (let i = there; i < backups; i++) {
    await service.call('network.import', { path: join(imported, 'net.onnx'), name: `own-${i}` });
    acknowledge(`network own-${i}`);
    acknowledge(`backup ${(await service.call('backup.make', {})).path}`);
  }
}

async function workOnRun(service: Service, request: RunRequest, acknowledge: (what: string) => void): Promise<void> {
  let run = (await service.call('run.list', {})).find(({ method }) => method === request.method);
  run ??= await service.call('run.create', request);
  const { id } = run;
  // What is pushed to watchers is stored already. A pipeline's stages are runs of their own.
  service.subscribe(({ name, payload }) => {
    if (name === 'run.trials') acknowledge(`trial ${payload.id} ${payload.trials.at(-1)?.step}`);
    const metric = name === 'run.metrics' ? payload.metrics.at(-1) : undefined;
    if (name === 'run.metrics' && metric) acknowledge(`metric ${payload.id} ${metric.step} ${metric.series}`);
  });
  if (run.status === 'interrupted') await service.call('run.resume', { id });
  const { status, error } = await waitForStatus(service, id, ['completed', 'interrupted'], 20 * 60_000);
  if (status === 'interrupted') throw new Error(error ?? 'the run was interrupted');
}

/** What the job made, without what depends on the moment. */
export async function resultOf(service: Service, job: JobName, dataDir: string): Promise<unknown> {
  if (job === 'table') return (await service.call('table.entries', { id: 'bismo-edge', limit: 100_000 })).entries;
  if (job === 'import' || job === 'backup') {
    const own = (ids: readonly { readonly id: string }[]): string[] => ids.map(({ id }) => id).filter((id) => id.startsWith('own-'));
    const networks = own(await service.call('network.list', {})).sort();
    return {
      networks: await Promise.all(networks.map(async (id) => (await service.call('network.text', { network: { id } })).text)),
      datasets: (await service.call('dataset.list', {})).filter(({ id }) => id.startsWith('own-')).map(({ packed }) => packed),
    };
  }
  const run = (await service.call('run.list', {})).find(({ method }) => method === job);
  if (!run) throw new Error(`no run in ${dataDir}`);
  return comparable(await service.call('run.export', { id: run.id }));
}

/** What says how fast the machine was, and nothing of the result. */
const timed = /(seconds|imagesPerSecond)$/i;

function comparable({ run, trials, metrics }: Output<'run.export'>): unknown {
  const ids = [run.summary.id, ...run.stages.map((stage) => stage.run)];
  // A network that a run made is named by the run.
  const solutions = ids.reduce((text, id, index) => text.replaceAll(id, `RUN-${index}`), JSON.stringify(run.solutions));
  return {
    solutions: JSON.parse(solutions) as unknown,
    trials: trials.map((trial) => ({ ...trial, atMs: 0 })),
    curves: metrics.filter(({ series }) => !series.startsWith('machine/') && !timed.test(series)),
  };
}
