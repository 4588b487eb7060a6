/** Evaluation of trained weights through the service: refusals, weights found or named, and three arithmetics that agree. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Input } from '../../src/shared/contract.ts';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, type TestService } from '../support/service.ts';

describe('evaluate', { timeout: 300_000 }, () => {
  let dataDir: string;
  let test: TestService;
  let run: string;
  const request = (): Input<'evaluate'> => {
    const { network, dataset } = smallSearch(4);
    return { network, dataset, calibrationImages: 64, statisticsImages: 64 };
  };
  const evaluate = (change: Partial<Input<'evaluate'>> = {}) => test.service.call('evaluate', { ...request(), ...change });

  beforeAll(async () => {
    dataDir = await makeDataDir();
    test = await openService(dataDir);
  });
  afterAll(async () => {
    await test.service.close();
    await removeDataDir(dataDir);
  });

  it('is refused where nothing was trained, and says how to', async () => {
    await expect(evaluate()).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('train it first') as string });
    const { id } = await test.service.call('run.create', smallSearch(4));
    await waitForStatus(test.service, id, ['completed']);
    run = id;
  });

  it('is refused for weights that are not there, of another form of the network, and for a policy of other layers', async () => {
    await expect(evaluate({ weights: 'nobody' })).rejects.toMatchObject({ code: 'not-found' });
    const { network } = request();
    await expect(evaluate({ weights: run, network: { ...network, width: 0.5 } })).rejects.toMatchObject({ code: 'bad-input' });
    const policy = { kind: 'quantize' as const, layers: [{ name: 'nothing', weightBits: 4, activationBits: 4 }] };
    await expect(evaluate({ policy })).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('finds the weights by itself, by run and by hash, and evaluates on images that were not trained on', async () => {
    const byItself = await evaluate({ arithmetic: 'float' });
    expect(byItself).toMatchObject({ run, arithmetic: 'float', split: 'validation', layers: null });
    const detail = await test.service.call('run.show', { id: run });
    const float = detail.solutions.find((solution) => solution.role === 'float');
    expect(byItself.accuracy).toBe(float?.validationAccuracy);
    expect(byItself.images).toBe(detail.manifest.validation.images);
    for (const weights of [run, float?.weights ?? ''])
      expect(await evaluate({ arithmetic: 'float', weights })).toMatchObject({ accuracy: byItself.accuracy });
  });

  it('gives the same in integers as with floats that stand for codes, and what the run measured of its winner', async () => {
    const fake = await evaluate({ weightBits: 6, activationBits: 6 });
    const integer = await evaluate({ weightBits: 6, activationBits: 6, arithmetic: 'integer' });
    expect(integer.layers).toEqual(fake.layers);
    expect(integer.accuracy).toBe(fake.accuracy);
    const detail = await test.service.call('run.show', { id: run });
    const best = detail.solutions.find((solution) => solution.role === 'best');
    expect(best?.integerTestAccuracy).toBe(best?.testAccuracy);
    if (!best?.policy || detail.manifest.method !== 'quantize') throw new Error('the search has no winner');
    const { calibrationImages, statisticsImages } = detail.manifest.search;
    const again = await evaluate({ policy: best.policy, arithmetic: 'integer', split: 'test', calibrationImages, statisticsImages });
    expect(again.accuracy).toBe(best.integerTestAccuracy);
  });
});
