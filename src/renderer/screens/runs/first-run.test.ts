import { describe, expect, it } from 'vitest';
import type { DatasetInfo } from '../../../shared/dataset.ts';
import type { NetworkSummary } from '../../../shared/network.ts';
import type { TargetInfo } from '../../../shared/target.ts';
import { runRequestSchema } from '../../../shared/run.ts';
import { firstRun } from './first-run.ts';

const networks = [{ id: 'other' }, { id: 'mobilenet-v1' }] as NetworkSummary[];
const targets = [{ target: { id: 'bismo-cloud' } }] as TargetInfo[];
const fashion = { id: 'fashion-mnist', kind: 'fashion-mnist', available: true, train: 60_000 } as DatasetInfo;
const generated = { id: 'generated', kind: 'generated', available: true, train: 10_000 } as DatasetInfo;

describe('the first search that is offered', () => {
  it('is none where something is missing', () => {
    expect(firstRun([], targets, [generated])).toBeNull();
    expect(firstRun(networks, [], [generated])).toBeNull();
    expect(firstRun(networks, targets, [{ ...generated, available: false }])).toBeNull();
  });

  it('takes Fashion-MNIST when it is there, else the generated set', () => {
    expect(firstRun(networks, targets, [generated, fashion])?.dataset.id).toBe('fashion-mnist');
    expect(firstRun(networks, targets, [generated, { ...fashion, available: false }])?.dataset.id).toBe('generated');
  });

  it('is a request that the contract takes, with images left to train on and a warm-up shorter than the training', () => {
    for (const set of [fashion, generated, { ...generated, train: 60 }]) {
      const request = runRequestSchema.parse(firstRun(networks, targets, [set])?.request);
      if (request.method !== 'quantize') throw new Error('not a search');
      const validation = request.search?.validationImages ?? 0;
      expect(validation).toBeLessThanOrEqual(set.train / 5);
      expect(request.search?.rewardImages ?? 0).toBeLessThanOrEqual(validation);
      const steps = (request.training?.epochs ?? 0) * Math.floor((set.train - validation) / 64);
      expect(request.training?.warmupSteps ?? -1).toBeLessThanOrEqual(steps);
    }
  });
});
