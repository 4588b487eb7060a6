import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallPruning } from '../../../test/support/prunings.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, type TestService } from '../../../test/support/service.ts';

let dataDir: string;
let lathe: TestService;

beforeAll(async () => {
  dataDir = await makeDataDir();
  lathe = await openService(dataDir);
});
afterAll(async () => {
  await lathe.service.close();
  await removeDataDir(dataDir);
});

describe('a request for a pruning', () => {
  it.each([
    [{ budgets: [] }, /needs a budget, such as macs=0.5/],
    [{ budgets: [{ resource: 'latency', kind: 'fraction', value: 0.5 }] }, /budget latency: it needs a target/],
    [{ budgets: [{ resource: 'macs', kind: 'fraction', value: 0.01 }] }, /budget macs: expected at least .* found/],
    [{ search: { rewardImages: 2000, validationImages: 1000 } }, /reward images 2000: at most the 1000 validation images/],
    [{ search: { groups: [{ group: 'nothing', minimumRatio: 0.5, maximumRatio: 1 }] } }, /no channel group nothing/],
    [{ search: { minimumRatio: 1 } }, /no group of channels can lose any/],
  ] as const)('is refused where it cannot work: %o', async (change, sentence) => {
    const { service } = lathe;
    const { search, ...rest } = { search: {}, ...change };
    const request = { ...smallPruning(3), ...structuredClone(rest) } as ReturnType<typeof smallPruning>;
    await expect(
      service.call('run.create', { ...request, search: { ...request.search, ...structuredClone(search) } as never }),
    ).rejects.toThrow(sentence);
    expect(await service.call('run.list', {})).toEqual([]);
  });

  it('gives the channels of the released clip, of chains alone', async () => {
    const { service } = lathe;
    const options = { budget: 0.5, lowerBound: 0.2, roundTo: 8, action: 1 };
    const { layers, ratio } = await service.call('prune.compatible', { network: { id: 'mobilenet-v1' }, ...options });
    expect(layers.slice(7).map(({ kept }) => kept)).toEqual([512, 368, 104, 104, 104, 104, 208, 208]);
    expect(ratio).toBeCloseTo(0.50106, 5);
    await expect(service.call('prune.compatible', { network: { id: 'resnet-20' }, ...options })).rejects.toThrow(/chains of layers alone/);
  });

  it('tells what could be decided before anything runs', async () => {
    const preview = await lathe.service.call('prune.preview', {
      network: { id: 'mobilenet-v1', width: 0.25 },
      dataset: 'generated',
      target: 'bismo-cloud',
      budgets: [{ resource: 'latency', kind: 'fraction', value: 0.8 }],
    });
    expect(preview.groups).toHaveLength(14);
    expect(preview.groups[13]).toMatchObject({ kind: 'linear', units: 256, minimum: 56, maximum: 256 });
    expect(preview.limits[0]?.value).toBeCloseTo(0.8 * (preview.whole.latencyMs ?? 0), 9);
    expect(preview.uniform?.cost.latencyMs).toBeLessThanOrEqual(preview.limits[0]?.value ?? 0);
  });
});

describe('a pruning', () => {
  it('ends with a smaller network that is kept with its weights, within its budget', { timeout: 180_000 }, async () => {
    const { service } = lathe;
    const run = await service.call('run.create', smallPruning(6));
    await waitForStatus(service, run.id, ['completed']);
    const { solutions, summary } = await service.call('run.show', { id: run.id });
    const [whole, rival, best] = solutions;
    expect([whole?.role, rival?.role, best?.role]).toEqual(['float', 'baseline', 'best']);
    const limit = summary.budgetLimits[0]?.value ?? 0;
    expect(limit).toBeCloseTo(0.6 * (whole?.macs ?? 0), 6);
    expect(best?.macs).toBeLessThanOrEqual(limit);
    expect(best?.macs).toBeGreaterThan(0.97 * limit);
    expect(best?.prune?.groups.every(({ kept, units }) => kept >= 1 && kept <= units)).toBe(true);
    expect(summary.bestTestAccuracy).toBe(best?.testAccuracy);

    const id = best?.prune?.network ?? '';
    const kept = await service.call('network.show', { network: { id } });
    expect(kept.macs).toBe(best?.macs);
    expect(kept.params).toBe(best?.prune?.params);
  });

  it("prunes a user's own ONNX network with residuals, whose export ONNX Runtime computes alike", { timeout: 240_000 }, async () => {
    const { service } = lathe;
    const file = join(dataDir, 'mine.onnx');
    await service.call('network.export', {
      network: { id: 'mobilenet-v2', width: 0.1, inputSize: 32, inputChannels: 3, classes: 10, stem: 'small' },
      path: file,
    });
    const mine = await service.call('network.import', { path: file, name: 'mine' });
    const small = smallPruning(4);
    const search = { ...small.search, validationImages: 7000 }; // few are left to train on: it is quick
    const run = await service.call('run.create', { ...small, search, network: { id: 'mine' } });
    await waitForStatus(service, run.id, ['completed'], 220_000);
    const { solutions } = await service.call('run.show', { id: run.id });
    const best = solutions.find(({ role }) => role === 'best');
    expect((best?.macs ?? 0) / mine.macs).toBeLessThanOrEqual(0.6);
    expect((best?.macs ?? 0) / mine.macs).toBeGreaterThan(0.55);
    const exported = await service.call('network.export', {
      network: { id: best?.prune?.network ?? '' },
      path: join(dataDir, 'pruned.onnx'),
    });
    expect(exported.check.sameClass).toBe(1);
    expect(exported.check.relativeDifference).toBeLessThan(1e-4);
    const again = await service.call('network.import', { path: exported.path, name: 'again' });
    expect([again.macs, again.params]).toEqual([best?.macs, best?.prune?.params]);
  });
});
