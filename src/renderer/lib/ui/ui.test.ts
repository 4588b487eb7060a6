/** The words and keys of the interface. */
import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../shared/run.ts';
import { KeySequence, type Command } from './commands.ts';
import { shortTitle } from './names.ts';
import { parseNumber } from './numbers.ts';
import { budgetUse, elapsedSeconds, gainOf } from '../../../shared/run-figures.ts';
import { canCancel, canResume, fraction, paceText, progressText } from './status.ts';

const run = (change: Partial<RunSummary>): RunSummary =>
  ({
    status: 'running',
    startedAtMs: 1000,
    finishedAtMs: null,
    bestAccuracy: null,
    bestTestAccuracy: null,
    baselineAccuracy: null,
    baselineTestAccuracy: null,
    bestLatencyMs: null,
    bestEnergyMj: null,
    bestSizeBytes: null,
    budgetLimits: [],
    ...change,
  }) as RunSummary;

describe('what is said of a run', () => {
  it('offers to cancel what works and to resume what stopped, never both', () => {
    const statuses = ['queued', 'running', 'paused', 'interrupted', 'failed', 'cancelled', 'completed'] as const;
    expect(statuses.filter(canCancel)).toEqual(['queued', 'running']);
    expect(statuses.filter(canResume)).toEqual(['paused', 'interrupted', 'failed', 'cancelled']);
  });

  it('tells phase, rate and time left, and nothing that is not known', () => {
    const searching = { phase: 'searching', done: 34, total: 200, ratePerSecond: 0.5, etaSeconds: 332 } as const;
    expect(progressText(searching)).toBe('searching, 34 of 200 trials');
    expect(paceText(searching)).toBe('30.0 trials/min · 5 min 32 s left');
    expect(fraction(searching)).toBe(0.17);
    expect(progressText({ ...searching, unit: 'steps' })).toBe('searching, 34 of 200 steps');
    const stage = { name: 'prune', index: 1, count: 4 };
    expect(progressText({ ...searching, stage })).toBe('stage 2 of 4 (prune), searching, 34 of 200 trials');
    expect(fraction({ ...searching, stage })).toBeCloseTo(1.17 / 4, 12);
    const loading = { phase: 'loading', done: 0, total: 0, ratePerSecond: null, etaSeconds: null } as const;
    expect(progressText(loading)).toBe('loading the data set');
    expect(paceText(loading)).toBe('');
    expect(fraction(loading)).toBeNull();
  });

  it('counts the time of a running run up to now, and of an ended one up to its end', () => {
    expect(elapsedSeconds(run({}), 61_000)).toBe(60);
    expect(elapsedSeconds(run({ status: 'completed', finishedAtMs: 31_000 }), 61_000)).toBe(30);
    expect(elapsedSeconds(run({ startedAtMs: null }), 61_000)).toBeNull();
  });

  it('takes the gain from the test split when both sides were measured there, and never mixes the two', () => {
    const both = { bestAccuracy: 0.9, baselineAccuracy: 0.88, bestTestAccuracy: 0.89, baselineTestAccuracy: 0.885 };
    expect(gainOf(run(both))).toEqual({ value: 0.89 - 0.885, measure: 'test' });
    expect(gainOf(run({ ...both, baselineTestAccuracy: null }))).toEqual({ value: 0.9 - 0.88, measure: 'validation' });
    expect(gainOf(run({ bestAccuracy: 0.9, baselineTestAccuracy: 0.88 }))).toBeNull();
  });

  it('takes the tightest of several budgets', () => {
    const limits = [
      { resource: 'latency', kind: 'absolute', value: 10 },
      { resource: 'size', kind: 'absolute', value: 1000 },
    ] as const;
    expect(budgetUse(run({ bestLatencyMs: 9, bestSizeBytes: 990, budgetLimits: [...limits] }))).toBe(0.99);
    expect(budgetUse(run({ bestLatencyMs: null, budgetLimits: [...limits] }))).toBeNull();
  });
});

describe('names and numbers', () => {
  it('shorten a title to what tells networks apart', () => {
    expect(shortTitle('MobileNet-V1 x0.25, 32 x 32 x 3, 10 classes')).toBe('MobileNet-V1 x0.25');
    expect(shortTitle('LeNet')).toBe('LeNet');
  });

  it('read numbers as people write them, and nothing else', () => {
    expect(['1e-4', ' 0.5 ', '2 000', '1,000,000', '-3'].map(parseNumber)).toEqual([1e-4, 0.5, 2000, 1_000_000, -3]);
    for (const text of ['', '  ', 'abc', '1,5', '1 2', '5 ms']) expect(parseNumber(text)).toBeNaN();
  });
});

describe('keys', () => {
  const command = (id: string, keys: string): Command => ({ id, group: 'Do', label: id, keys, run: () => undefined });
  const commands = [command('runs', 'g r'), command('new', 'n'), command('networks', 'g n'), command('palette-only', '')];

  it('find single keys and pairs, and a pair hides the single key in it', () => {
    const keys = new KeySequence();
    expect(keys.press('n', 0, commands)?.id).toBe('new');
    expect(keys.press('g', 10, commands)).toBeNull();
    expect(keys.press('n', 20, commands)?.id).toBe('networks');
    expect(keys.press('n', 30, commands)?.id).toBe('new');
  });

  it('forget the first key of a pair after a second or another key', () => {
    const keys = new KeySequence();
    keys.press('g', 0, commands);
    expect(keys.press('r', 1500, commands)).toBeNull();
    keys.press('g', 2000, commands);
    expect(keys.press('x', 2100, commands)).toBeNull();
    expect(keys.press('r', 2200, commands)).toBeNull();
  });
});
