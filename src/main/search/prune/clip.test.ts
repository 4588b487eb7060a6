import { describe, expect, it } from 'vitest';
import type { Budget } from '../../../shared/policy.ts';
import { Random } from '../../../shared/random.ts';
import { couplingOf } from '../../network/coupling.ts';
import { sliceGraph } from '../../network/slice.ts';
import { resolveNetwork } from '../../network/zoo.ts';
import { ChannelCounts, decisionsOf, keptUnits } from './channels.ts';
import { absoluteLimits, clip, requireReachable, spend, type ClipSetting } from './clip.ts';
import { compatibleClip } from './compatible.ts';
import { unitsOf, type Bounds } from './decisions.ts';

const bounds: Bounds = { minimumRatio: 0.2, maximumRatio: 1, roundTo: 8, groups: [] };

function settingOf(id: string, budgets: readonly Budget[], own: Partial<Bounds> = {}): ClipSetting & { counts: ChannelCounts } {
  const { graph } = resolveNetwork({ id });
  const decisions = decisionsOf(graph, { ...bounds, ...own });
  const counts = new ChannelCounts(graph, decisions);
  const price: ClipSetting['price'] = (resource, units) => (resource === 'params' ? counts.params(units) : counts.macs(units));
  const limits = absoluteLimits(budgets, (resource) => price(resource, counts.all));
  return { decisions, limits, price, counts };
}

function decideAll(setting: ClipSetting, ratioOf: (at: number) => number): number[] {
  const decided: number[] = [];
  setting.decisions.forEach((_, at) => decided.push(clip(setting, decided, at, ratioOf(at)).count));
  return decided;
}

describe('the compatible clip', () => {
  // The closed form of _action_wall on MobileNet-V1 (224), budget 0.5, lower bound 0.2, all actions 1.
  it.each([
    [1, [3, 32, 64, 128, 128, 256, 256, 512, 367, 102, 102, 102, 103, 205, 205], 0.50002],
    [8, [3, 32, 64, 128, 128, 256, 256, 512, 368, 104, 104, 104, 104, 208, 208], 0.50106],
  ])('gives the channels of the released code, rounded to %i', (roundTo, channels, ratio) => {
    const { graph } = resolveNetwork({ id: 'mobilenet-v1' });
    const found = compatibleClip(graph, { budget: 0.5, lowerBound: 0.2, roundTo, actions: channels.map(() => 1) });
    expect(found.layers.map(({ kept }) => kept)).toEqual(channels);
    expect(found.ratio).toBeCloseTo(ratio, 5);
  });

  it('refuses a network with joints', () => {
    const { graph } = resolveNetwork({ id: 'resnet-20' });
    expect(() => compatibleClip(graph, { budget: 0.5, lowerBound: 0.2, roundTo: 8, actions: [] })).toThrow(/chains of layers alone/);
  });
});

describe('the clip', () => {
  it('refuses a budget that the fewest channels break, and says what is possible', () => {
    expect(() => {
      requireReachable(settingOf('mobilenet-v1', [{ resource: 'macs', kind: 'fraction', value: 0.02 }]));
    }).toThrow(/budget macs: expected at least [\d,]+ MACs \(macs=0\.05\d\)/);
  });

  it('refuses bounds of groups that there are not and bounds in the wrong order', () => {
    const { graph } = resolveNetwork({ id: 'mobilenet-v1' });
    const own = (group: string, minimumRatio: number, maximumRatio: number): Bounds => ({
      ...bounds,
      groups: [{ group, minimumRatio, maximumRatio }],
    });
    expect(() => decisionsOf(graph, own('nothing', 0.1, 1))).toThrow(/no channel group nothing; the groups are/);
    const [first] = decisionsOf(graph, bounds);
    expect(() => decisionsOf(graph, own(first?.name ?? '', 0.8, 0.5))).toThrow(/smallest ratio 0.8 is above its largest 0.5/);
    expect(() => decisionsOf(graph, { ...bounds, minimumRatio: 1 })).toThrow(/no group of channels can lose any/);
  });

  it.each([
    ['mobilenet-v1', 8],
    ['mobilenet-v2', 8],
    ['resnet-20', 2],
  ])('uses half of the MACs of %s in steps of %i up to 1 part in 100, whatever is asked', (id, roundTo) => {
    const setting = settingOf(id, [{ resource: 'macs', kind: 'fraction', value: 0.5 }], { roundTo });
    const whole = setting.counts.macs(setting.counts.all);
    const random = Random.fromSeed(3);
    for (const ask of [() => 1, () => 0, () => 0.7, ...Array.from({ length: 20 }, () => () => random.uniform())]) {
      const ratio = setting.counts.macs(spend(setting, decideAll(setting, ask))) / whole;
      expect(ratio).toBeLessThanOrEqual(0.5);
      expect(ratio).toBeGreaterThan(0.49);
    }
  });

  it('keeps two budgets at once, and a locked group whole', () => {
    const [, second] = decisionsOf(resolveNetwork({ id: 'mobilenet-v1' }).graph, bounds);
    const lock = { group: second?.name ?? '', minimumRatio: 1, maximumRatio: 1 };
    const setting = settingOf(
      'mobilenet-v1',
      [
        { resource: 'macs', kind: 'fraction', value: 0.6 },
        { resource: 'params', kind: 'fraction', value: 0.4 },
      ],
      { groups: [lock] },
    );
    const counts = decideAll(setting, () => 0.9);
    expect(counts[1]).toBe(second?.units);
    for (const { resource, value } of setting.limits) expect(setting.price(resource, counts)).toBeLessThanOrEqual(value);
  });

  it('says why a group got what it did', () => {
    const setting = settingOf('mobilenet-v1', [{ resource: 'macs', kind: 'fraction', value: 0.3 }]);
    expect(clip(setting, [], 0, 1)).toEqual({ count: 32, reason: 'asked' });
    expect(clip(setting, [32], 1, 0.01)).toEqual({ count: 16, reason: 'minimum' });
    const whole = setting.counts.all.slice(0, 6);
    expect(clip(setting, whole, 6, 1).reason).toBe('later');
    const few = setting.decisions.slice(0, 13).map(({ minimum }) => minimum);
    expect(clip(setting, few, 13, 0.2).reason).toBe('use');
  });
});

describe('the counts', () => {
  it('never round to nothing', () => {
    expect(unitsOf(0.01, 4, 8)).toBe(4);
    expect(unitsOf(0.01, 40, 8)).toBe(8);
    expect(unitsOf(0.5, 7, 1)).toBe(4);
    expect(unitsOf(1, 20, 8)).toBe(16);
  });

  it.each(['mobilenet-v1', 'mobilenet-v2', 'mobilenet-v3-large', 'resnet-20', 'vgg-16', 'squeezenet-1.1'])(
    'price %s as slicing it does',
    (id) => {
      const { graph } = resolveNetwork({ id, inputSize: 64, classes: 10 });
      const coupling = couplingOf(graph);
      const decisions = decisionsOf(graph, { ...bounds, roundTo: 1 }, coupling);
      const counts = new ChannelCounts(graph, decisions, coupling);
      expect(counts.macs(counts.all)).toBe(graph.macs);
      expect(counts.params(counts.all)).toBe(graph.params);
      const random = Random.fromSeed(9);
      const some = decisions.map(({ units }) => random.uniformInt(1, units));
      const smaller = sliceGraph(
        graph,
        keptUnits(decisions, some, (index) => random.permutation(decisions[index]?.units ?? 0)),
        coupling,
      );
      expect(counts.macs(some)).toBe(smaller.macs);
      expect(counts.params(some)).toBe(smaller.params);
      expect(counts.layers(some).map(({ macs, outChannels }) => [macs, outChannels])).toEqual(
        smaller.nodes.filter(({ kind }) => kind !== null).map(({ macs, outputShape }) => [macs, outputShape.at(-1)]),
      );
    },
  );
});
