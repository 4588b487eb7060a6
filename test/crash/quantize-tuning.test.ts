/** The long quantized training at the end of a search of bits: stopped and killed in it, a run ends as the uninterrupted one, and what it found leaves as files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetworkRef } from '../../src/shared/network.ts';
import { Random } from '../../src/shared/random.ts';
import type { Solution } from '../../src/shared/run.ts';
import { idxBytes } from '../../src/main/data/testing.ts';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

/** For machines that are slow and busy. */
const patienceMs = 300_000;
const side = 28;

let test: TestService;
let folder = '';
let whole: readonly Solution[] = [];
let wholeId = '';
let exact: NetworkRef = { id: 'mobilenet-v1' };

const search = smallSearch(5, 21);
/** Few widths, so that few uniform policies are measured, on few images. */
const request = {
  ...search,
  dataset: 'shades',
  budgets: [{ resource: 'latency' as const, kind: 'fraction' as const, value: 0.8 }],
  search: { ...search.search, minimumBits: 5, maximumBits: 6, validationImages: 400, rewardImages: 200, finetuneEpochs: 2 },
};

/** Two classes of noise, one brighter than the other; 1600 images to train on, 25 steps an epoch. */
async function addShades(): Promise<void> {
  const random = Random.fromSeed(3);
  const part = async (name: string, count: number): Promise<{ readonly images: string; readonly labels: string }> => {
    const labels = Uint8Array.from({ length: count }, (_, image) => image % 2);
    const pixels = Uint8Array.from({ length: count * side * side }, (_, at) => {
      return random.uniformInt(0, 155) + 100 * (labels[Math.floor(at / side ** 2)] ?? 0);
    });
    const [images, labelFile] = [join(folder, `${name}-images`), join(folder, `${name}-labels`)];
    await writeFile(images, idxBytes([count, side, side], pixels));
    await writeFile(labelFile, idxBytes([count], labels));
    return { images, labels: labelFile };
  };
  const [train, held] = [await part('train', 2000), await part('test', 300)];
  await test.service.call('dataset.add', {
    ...{ kind: 'idx', id: 'shades', trainImages: train.images, trainLabels: train.labels },
    ...{ testImages: held.images, testLabels: held.labels },
  });
}

const bestOf = (solutions: readonly Solution[]): Solution | undefined => solutions.find(({ role }) => role === 'best');

beforeAll(async () => {
  test = await openService(await makeDataDir());
  folder = await mkdtemp(join(tmpdir(), 'lathe-found-'));
  await addShades();
  wholeId = (await test.service.call('run.create', request)).id;
  await waitForStatus(test.service, wholeId, ['completed'], patienceMs);
  const { solutions, manifest } = await test.service.call('run.show', { id: wholeId });
  [whole, exact] = [solutions, manifest.network];
}, 2 * patienceMs);
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
  await rm(folder, { recursive: true, force: true });
});

describe('fine-tuning of the winner', () => {
  it('ends as the uninterrupted one, stopped in it and killed in it', { timeout: 3 * patienceMs }, async () => {
    const { service } = test;
    const { id } = await service.call('run.create', request);
    const isOver = async (): Promise<boolean> => (await service.call('run.show', { id })).summary.status === 'completed';
    const stepsDone = async (): Promise<number> => {
      const { progress } = (await service.call('run.show', { id })).summary;
      return progress.phase === 'tuning' ? progress.done : 0;
    };
    await waitUntil(async () => (await stepsDone()) > 0 || (await isOver()), 'the fine-tuning has begun', patienceMs);
    if (!(await isOver())) {
      await service.call('run.cancel', { id });
      await waitForStatus(service, id, ['cancelled', 'completed'], patienceMs);
    }
    if (!(await isOver())) {
      await service.call('run.resume', { id });
      const goesOn = async (): Promise<boolean> =>
        (await service.call('run.log', { id })).some(({ text }) => /fine-tuning of .* continues at step [1-9]/.test(text));
      await waitUntil(async () => (await goesOn()) || (await isOver()), 'it goes on in between', patienceMs);
      test.engines.at(-1)?.kill();
      await waitForStatus(service, id, ['interrupted', 'completed'], patienceMs);
    }
    if (!(await isOver())) {
      await service.call('run.resume', { id });
      await waitForStatus(service, id, ['completed'], patienceMs);
    }
    const { solutions } = await service.call('run.show', { id });
    expect(solutions).toEqual(whole);
    expect(bestOf(solutions)?.tunedTestAccuracy).not.toBeNull();
    expect(bestOf(solutions)?.quantized).toMatch(/^[0-9a-f]{64}$/); // the hash of weights and ranges, bit for bit
  });
});

describe('the found network', () => {
  it('is refused as a file where there is none, and beside a policy of one’s own', async () => {
    const { service } = test;
    const path = join(folder, 'refused.onnx');
    const policy = bestOf(whole)?.policy ?? undefined;
    await expect(service.call('network.export', { network: exact, path, weights: wholeId, found: true, policy })).rejects.toThrow(
      /not both/,
    );
    await expect(service.call('network.export', { network: exact, path, found: true })).rejects.toThrow(
      /expected --weights with the id of a run/,
    );
  });

  it(
    'leaves as ONNX that computes what was measured, and as whole numbers with their scales',
    async () => {
      const { service } = test;
      const path = join(folder, 'found.onnx');
      const written = await service.call('network.export', {
        network: { id: 'mobilenet-v1', width: 0.125 },
        path,
        weights: wholeId,
        found: true,
      });
      expect(written.check.relativeDifference).toBeLessThan(0.05); // values on the edge between two codes
      const file = await service.call('run.weights', { id: wholeId, form: 'quantized' });
      const bytes = Buffer.from(file.base64, 'base64');
      const length = Number(bytes.readBigUInt64LE(0));
      const header = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8')) as Record<
        string,
        { dtype: string; data_offsets: [number, number] }
      >;
      const policy = bestOf(whole)?.policy;
      expect(JSON.parse((header['__metadata__'] as unknown as { policy: string }).policy)).toEqual(policy);
      for (const { name, weightBits } of policy?.layers ?? []) {
        const entry = header[`${name}.weight.codes`];
        expect(entry?.dtype).toBe('I8');
        const [begin = 0, end = 0] = entry?.data_offsets ?? [];
        const codes = new Int8Array(bytes.subarray(8 + length + begin, 8 + length + end));
        expect(Math.max(...codes.map(Math.abs))).toBeLessThanOrEqual(2 ** (weightBits - 1) - 1);
        expect(new Set(codes).size).toBeGreaterThan(2);
      }
      const onnx = await service.call('run.weights', { id: wholeId, form: 'onnx' });
      expect(Buffer.from(onnx.base64, 'base64').length).toBe(written.sizeBytes);
    },
    patienceMs,
  );
});
