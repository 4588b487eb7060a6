import { describe, expect, it } from 'vitest';
import { resolveNetwork } from '../../network/zoo.ts';
import { ChannelCounts, decisionsOf } from './channels.ts';
import type { ClipSetting } from './clip.ts';
import { magnitudeCounts } from './magnitude.ts';
import { stageLimits, stageTrials } from './stages.ts';
import { WeightCounts, weightDecisionsOf } from './weights.ts';

const { graph } = resolveNetwork({ id: 'mobilenet-v1', width: 0.25, inputSize: 32, classes: 10 });
const bounds = { minimumRatio: 0.2, maximumRatio: 1, roundTo: 8, groups: [] };

describe('stages', () => {
  it('go equal factors of the way, and none where the whole network keeps a limit', () => {
    const limits = [
      { resource: 'macs', kind: 'absolute', value: 1 },
      { resource: 'params', kind: 'absolute', value: 50 },
    ] as const;
    const whole = (resource: string): number => (resource === 'macs' ? 16 : 40);
    const values = [0, 1, 2, 3].map((index) => stageLimits(limits, whole, 4, index).map(({ value }) => value));
    expect(values).toEqual([
      [8, 50],
      [4, 50],
      [2, 50],
      [1, 50],
    ]);
  });

  it('share the trials, the last with what is left over', () => {
    expect([0, 1, 2].map((index) => stageTrials(11, 3, index))).toEqual([
      { trials: 3, before: 0 },
      { trials: 3, before: 3 },
      { trials: 5, before: 6 },
    ]);
  });

  it('never give back what an earlier one took, and keep bounds of the whole network', () => {
    const names = new Map(decisionsOf(graph, bounds).map(({ name, units }) => [name, 2 * units]));
    for (const { units, minimum } of decisionsOf(graph, bounds, undefined, names)) {
      expect(minimum).toBe(Math.min(units, Math.max(8, Math.ceil(Math.round(0.4 * units) / 8) * 8))); // a fifth of twice as many
    }
    const [first] = weightDecisionsOf(graph, bounds, new Map([['conv1', 20]]));
    expect(first).toMatchObject({ name: 'conv1', maximum: 20 });
  });
});

describe('single weights', () => {
  it('are counted with all else that a network has, and their places', () => {
    const counts = new WeightCounts(graph, weightDecisionsOf(graph, bounds));
    expect([counts.macs(counts.all), counts.params(counts.all), counts.bytes(counts.all)]).toEqual([
      graph.macs,
      graph.params,
      4 * graph.params,
    ]);
    const fifth = counts.decisions.map(({ units }) => Math.floor(units / 5));
    const weights = counts.decisions.reduce((sum, { units }) => sum + units, 0);
    expect(counts.params(fifth)).toBeCloseTo(graph.params - 0.8 * weights, -2);
    expect(counts.bytes(fifth) - 4 * counts.params(fifth)).toBeCloseTo(weights / 8, -2); // a bit a weight
  });
});

describe('global magnitude', () => {
  const decisions = decisionsOf(graph, bounds);
  const counts = new ChannelCounts(graph, decisions);
  const setting = (share: number): ClipSetting => ({
    decisions,
    limits: [{ resource: 'macs', kind: 'absolute', value: share * graph.macs }],
    price: (_resource, units) => counts.macs(units),
  });

  it('takes what matters least in the whole network, and uses the budget', () => {
    // Units of the first half of the groups matter, those of the second do not.
    const scores = decisions.map(({ units }, t) => Float64Array.from({ length: units }, (_, rank) => (t < 7 ? 10 : 1) - rank / units));
    const found = magnitudeCounts(setting(0.6), scores) ?? [];
    const ratio = (from: number, to: number): number =>
      found.slice(from, to).reduce((sum, kept) => sum + kept, 0) / counts.all.slice(from, to).reduce((sum, units) => sum + units, 0);
    expect(ratio(0, 7)).toBe(1);
    expect(ratio(7, 14)).toBeLessThan(0.8);
    expect(counts.macs(found) / graph.macs).toBeLessThanOrEqual(0.6);
    expect(counts.macs(found) / graph.macs).toBeGreaterThan(0.57);
  });

  it('finds nothing where the fewest channels break the budget', () => {
    expect(
      magnitudeCounts(
        setting(0.001),
        decisions.map(({ units }) => new Float64Array(units).fill(1)),
      ),
    ).toBeNull();
  });
});
