/** A training is a run like any other: live, paused, resumed, and then the same weights, bit for bit. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainRequest } from '../../src/shared/run.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

const request: Extract<TrainRequest, { method: 'train' }> = {
  method: 'train',
  network: { id: 'mobilenet-v1', width: 0.125 },
  dataset: 'generated',
  training: { epochs: 2, warmupSteps: 20, nesterov: true, flip: true, cropPadding: 2, cutout: 4, labelSmoothing: 0.1, clipNorm: 5 },
  seed: 3,
  threads: 2,
};

describe('a training run', () => {
  let dataDir: string;
  let test: TestService;

  beforeAll(async () => {
    dataDir = await makeDataDir();
    test = await openService(dataDir);
  });

  afterAll(async () => {
    await test.service.close();
    await removeDataDir(dataDir);
  });

  it('tells its length and memory before it begins, and refuses what cannot be', async () => {
    const { service } = test;
    await expect(service.call('training.preview', { network: request.network, dataset: 'nowhere' })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(
      service.call('training.preview', { network: request.network, dataset: 'generated', training: { batchSize: 0 } }),
    ).rejects.toMatchObject({ code: 'bad-input', message: expect.stringMatching(/batchSize/) as unknown });
    const of = (batchSize: number, optimizer: 'sgd' | 'adam' = 'sgd') =>
      service.call('training.preview', { network: request.network, dataset: 'generated', training: { epochs: 3, batchSize, optimizer } });
    const [small, large, adam] = [await of(32), await of(64), await of(64, 'adam')];
    expect(small.steps).toBe(3 * Math.floor(small.trainingImages / 32));
    expect(large.memoryBytes / small.memoryBytes).toBeGreaterThan(1.5); // activations are most of it
    expect(large.memoryBytes / small.memoryBytes).toBeLessThan(2);
    const fewer = await service.call('training.preview', { network: request.network, dataset: 'generated', validationImages: 40 });
    expect(fewer.validationImages).toBe(40);
    expect(fewer.trainingImages - small.trainingImages).toBe(small.validationImages - 40);
    const { params } = await service.call('network.show', { network: request.network, dataset: 'generated' });
    expect(adam.memoryBytes - large.memoryBytes).toBeGreaterThanOrEqual(4 * params); // one more value a parameter
  }, 300_000);

  it('gives the same weights and curves when it was paused in the middle and resumed', async () => {
    const { service } = test;
    const whole = await service.call('run.create', request);
    await waitForStatus(service, whole.id, ['completed']);

    const stopped = await service.call('run.create', request);
    await expect(service.call('run.weights', { id: stopped.id })).rejects.toMatchObject({ code: 'not-found' });
    const points = async () => (await service.call('run.metrics', { id: stopped.id, series: 'train/loss' })).length;
    await waitUntil(async () => (await points()) >= 3, 'training has begun');
    await service.call('run.pause', { id: stopped.id });
    await waitForStatus(service, stopped.id, ['paused']);
    await expect(service.call('run.pause', { id: stopped.id })).rejects.toMatchObject({ code: 'conflict' });
    await service.call('run.resume', { id: stopped.id });
    await waitForStatus(service, stopped.id, ['completed']);

    const [one, two] = [await service.call('run.export', { id: whole.id }), await service.call('run.export', { id: stopped.id })];
    expect(two.run.solutions).toEqual(one.run.solutions); // the weights' hash among them
    // A pause may fall into the few steps of one point of the training curves, which is then two.
    const curves = ({ metrics }: typeof one) => metrics.filter(({ series }) => series.startsWith('validation/'));
    expect(curves(two)).toEqual(curves(one));
    expect(curves(one)).toHaveLength(2 * 3); // loss, accuracy and top-5 of two epochs
    const lastLoss = ({ metrics }: typeof one) => metrics.filter(({ series }) => series === 'train/loss').at(-1);
    expect(lastLoss(two)).toEqual(lastLoss(one));
    const series = new Set(one.metrics.map((metric) => metric.series));
    for (const name of [
      'train/loss',
      'validation/loss',
      'validation/accuracy',
      'train/learningRate',
      'machine/imagesPerSecond',
      'train/plannedBytes',
    ])
      expect(series).toContain(name);

    const { base64, sha256 } = await service.call('run.weights', { id: stopped.id });
    expect(sha256).toBe(one.run.solutions[0]?.weights);
    const file = Buffer.from(base64, 'base64');
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString('utf8')) as Record<
      string,
      { shape?: number[] }
    >;
    expect(Object.values(header).some(({ shape }) => shape?.join() === '10,128' || shape?.length === 2)).toBe(true);
  }, 300_000);
});
