/**
 * A folder of 60,000 small JPEGs in ten classes is added within a minute on two cores, in less than 1 GB of resident memory, and training
 * from it is as fast as from IDX files of the same pixels. Times are the machine's when nothing else runs.
 */
import { copyFile, mkdir, open, readFile, rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addPathSchema, type DatasetRecord } from '../../src/shared/dataset.ts';
import { Random } from '../../src/shared/random.ts';
import type { NativeDataset } from '../../src/main/compute/addon.ts';
import { createDataset, createModel } from '../../src/main/compute/index.ts';
import { ImageCache } from '../../src/main/data/image-cache.ts';
import { addPath } from '../../src/main/data/add-path.ts';
import { addIdx, openTrainSplit } from '../../src/main/data/datasets.ts';
import { idxBytes } from '../../src/main/data/testing.ts';
import { initialParameters, toNativeProgram } from '../../src/main/network/program.ts';
import { resolveNetwork } from '../../src/main/network/zoo.ts';
import { writeImageFolder } from '../support/image-folder.ts';

let folder = '';
let added: DatasetRecord | null = null;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lathe-long-'));
  await writeImageFolder(join(folder, 'images'), { perClass: 6000, side: 48 });
}, 15 * 60_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Resident memory at its highest since the process began, in bytes; Linux alone tells it. */
async function peakResidentBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

it.skipIf(process.platform !== 'linux')('adds 60,000 JPEGs within 60 s and 1 GB', async () => {
  const startMs = performance.now();
  const record = await addPath(addPathSchema.parse({ kind: 'path', path: join(folder, 'images') }), 'long', {
    cache: new ImageCache(join(folder, 'data')),
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  added = record;
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`60,000 JPEGs of 48 x 48: ${seconds.toFixed(1)} s, peak resident ${((await peakResidentBytes()) / 1e6).toFixed(0)} MB`);
  expect([record.train, record.test]).toEqual([54_000, 6000]);
  expect(await peakResidentBytes()).toBeLessThan(1e9);
  expect(seconds).toBeLessThan(60);
});

const batchSize = 64;

/** The decoded images of a packed set as four IDX files. */
async function asIdx(record: DatasetRecord, to: string): Promise<DatasetRecord> {
  const cache = new ImageCache(join(folder, 'data'));
  const place = async (role: 'train-images' | 'train-labels' | 'test-images' | 'test-labels'): Promise<string> => {
    const path = await cache.find(record.packed?.[role] ?? '');
    if (path === null) throw new Error(`${role} are not in the cache`);
    return path;
  };
  await mkdir(to);
  const write = async (part: 'train' | 'test', count: number): Promise<void> => {
    await appended(join(to, `${part}-images`), idxBytes([count, ...record.shape], new Uint8Array()), await place(`${part}-images`));
    await appended(join(to, `${part}-labels`), idxBytes([count], new Uint8Array()), await place(`${part}-labels`));
  };
  await write('train', record.train);
  await write('test', record.test);
  const [trainImages, trainLabels] = [join(to, 'train-images'), join(to, 'train-labels')];
  const [testImages, testLabels] = [join(to, 'test-images'), join(to, 'test-labels')];
  return await addIdx({ id: 'long-idx', trainImages, trainLabels, testImages, testLabels });
}

async function appended(path: string, header: Uint8Array, from: string): Promise<void> {
  await copyFile(from, `${path}.values`);
  const file = await open(path, 'w');
  await file.write(header);
  await file.write(await readFile(`${path}.values`));
  await file.close();
  await rm(`${path}.values`);
}

it('trains from it as fast as from IDX files of the same pixels, behind the first epoch', { timeout: 20 * 60_000 }, async () => {
  if (!added) throw new Error('the folder was not added');
  const { graph } = resolveNetwork({ id: 'mobilenet-v1', width: 0.125 }, added);
  const open = async (record: DatasetRecord): Promise<NativeDataset> => {
    const [height, width] = graph.inputShape;
    const split = await openTrainSplit(record, { dataDir: join(folder, 'data'), height, width });
    return createDataset({ ...split, ...(await split.normalisationOf(Uint32Array.of(0, 1, 2))) });
  };
  const sets = { folder: await open(added), idx: await open(await asIdx(added, join(folder, 'idx'))) };
  const model = createModel(toNativeProgram(graph));
  model.setState(initialParameters(model.parameters, Random.fromSeed(1)));
  const train = async (dataset: NativeDataset, order: Uint32Array): Promise<number> => {
    const startMs = performance.now();
    const steps = order.length / batchSize;
    await model.train({ dataset, order, batchSize, learningRates: new Float32Array(steps).fill(0.01), momentum: 0.9, weightDecay: 0 });
    return (performance.now() - startMs) / 1000;
  };
  // Both were just written and read, as they are behind a first epoch. By turns, a few steps each: what else the machine does meets
  // both alike.
  const turns = 12;
  const imagesATurn = 20 * batchSize;
  const order = Random.fromSeed(2).permutation(added.train);
  await train(sets.folder, order.slice(0, imagesATurn));
  const seconds = { folder: 0, idx: 0 };
  for (let turn = 0; turn < turns; turn += 1) {
    const some = order.slice(turn * imagesATurn, (turn + 1) * imagesATurn);
    for (const kind of turn % 2 === 0 ? (['folder', 'idx'] as const) : (['idx', 'folder'] as const)) {
      seconds[kind] += await train(sets[kind], some);
    }
  }
  const rate = (time: number): string => `${((turns * imagesATurn) / time).toFixed(0)} images/s`;
  console.log(`training: from the folder ${rate(seconds.folder)}, from IDX ${rate(seconds.idx)}`);
  expect(seconds.folder).toBeLessThan(1.1 * seconds.idx);
});
