import { describe, expect, it } from 'vitest';
import {
  ago,
  budget,
  bytes,
  count,
  dateTime,
  duration,
  fixed,
  ms,
  msUnit,
  percent,
  percentUnit,
  points,
  rate,
  resource,
  shape,
  si,
  significant,
  significantTrimmed,
  timeOfDay,
  unknown,
} from './format.ts';

describe('a value that is not known', () => {
  it('is a dash in every format', () => {
    for (const format of [count, ms, msUnit, percent, percentUnit, points, bytes, duration, rate, dateTime, timeOfDay, si, significant]) {
      expect(format(null)).toBe(unknown);
      expect(format(undefined)).toBe(unknown);
      expect(format(Number.NaN)).toBe(unknown);
      expect(format(Number.POSITIVE_INFINITY)).toBe(unknown);
    }
    expect(ago(null, 0)).toBe(unknown);
    expect(resource('latency', null)).toBe(unknown);
  });
});

describe('significant digits', () => {
  it('keep trailing zeros and give every figure the same precision', () => {
    expect(['74.4577', '99.4274', '127.0696', '189.8208'].map((text) => significant(Number(text), 4))).toEqual([
      '74.46',
      '99.43',
      '127.1',
      '189.8',
    ]);
    expect(significant(5, 4)).toBe('5.000');
    expect(significant(0.001234567, 3)).toBe('0.00123');
  });
  it('do not gain a digit where rounding carries over', () => {
    expect(significant(99.996, 4)).toBe('100.0');
    expect(significant(0.99999, 3)).toBe('1.00');
    expect(significant(999_999.9, 4)).toBe('1,000,000');
  });
  it('use an exponent only for the very small and the very large', () => {
    expect(significant(0.0001, 3)).toBe('0.000100');
    expect(significant(0.00001234, 3)).toBe('1.23e-5');
    expect(significant(1.5e12, 3)).toBe('1.50e+12');
  });
  it('write a true minus, and none in front of zero', () => {
    expect(significant(-2.5, 2)).toBe('−2.5');
    expect(fixed(-0.001, 2)).toBe('0.00');
    expect(significant(0, 4)).toBe('0');
    expect(significant(-0, 4)).toBe('0');
  });
  it('can be trimmed for figures that a person typed', () => {
    expect(significantTrimmed(50)).toBe('50');
    expect(significantTrimmed(62.5)).toBe('62.5');
    expect(significantTrimmed(1000)).toBe('1,000');
    expect(significantTrimmed(33.333333)).toBe('33.33');
  });
});

describe('counts and prefixes', () => {
  it('separate thousands', () => {
    expect(count(568_740_352)).toBe('568,740,352');
    expect(count(999)).toBe('999');
    expect(count(-4_231_976)).toBe('−4,231,976');
    expect(fixed(1234.5678, 2)).toBe('1,234.57');
  });
  it('choose the prefix after rounding', () => {
    expect(si(568_740_352, '', 4)).toBe('568.7 M');
    expect(si(4_231_976)).toBe('4.23 M');
    expect(si(999)).toBe('999');
    expect(si(999_600)).toBe('1.00 M');
    expect(si(42, 'B')).toBe('42 B');
  });
  it('count bytes by thousands, as budgets do', () => {
    expect(bytes(1_200_000)).toBe('1.20 MB');
    expect(bytes(999)).toBe('999 B');
    expect(bytes(1000)).toBe('1.00 kB');
    expect(bytes(0)).toBe('0 B');
  });
});

describe('accuracy', () => {
  it('is per cent, and a gain is percentage points with a sign', () => {
    expect(percent(0.91234)).toBe('91.23');
    expect(percentUnit(1, 1)).toBe('100.0 %');
    expect(points(0.0042)).toBe('+0.42');
    expect(points(-0.013)).toBe('−1.30');
    expect(points(0.00001)).toBe('0.00');
    expect(points(-0.00001)).toBe('0.00');
  });
});

describe('time', () => {
  it('has a length with two units at most', () => {
    expect(duration(0.42)).toBe('0.4 s');
    expect(duration(9.96)).toBe('10 s');
    expect(duration(59.4)).toBe('59 s');
    expect(duration(59.6)).toBe('1 min 00 s');
    expect(duration(185)).toBe('3 min 05 s');
    expect(duration(3599.6)).toBe('1 h 00 min');
    expect(duration(7440)).toBe('2 h 04 min');
    expect(duration(86_399)).toBe('1 d 00 h');
    expect(duration(3 * 86_400 + 4 * 3600)).toBe('3 d 04 h');
    expect(duration(-5)).toBe('−5.0 s');
  });
  it('has a rate by the second, or by the minute where it is slow', () => {
    expect(rate(1234.5, 'images')).toBe('1,235 images/s');
    expect(rate(1)).toBe('1.00 /s');
    expect(rate(0.2, 'trials')).toBe('12.0 trials/min');
    expect(rate(0)).toBe('0 /s');
  });
  it('shows a moment in local time', () => {
    const moment = new Date(2026, 2, 1, 14, 5, 9).getTime();
    expect(dateTime(moment)).toBe('2026-03-01 14:05');
    expect(dateTime(moment, true)).toBe('2026-03-01 14:05:09');
    expect(timeOfDay(moment)).toBe('14:05:09');
  });
  it('tells how long ago a moment was', () => {
    const now = new Date(2026, 2, 10, 12, 0, 0).getTime();
    expect(ago(now - 3000, now)).toBe('just now');
    expect(ago(now + 3000, now)).toBe('just now');
    expect(ago(now - 46_000, now)).toBe('1 min ago');
    expect(ago(now - 3_569_000, now)).toBe('59 min ago');
    expect(ago(now - 3_571_000, now)).toBe('1 h ago');
    expect(ago(now - 23.6 * 3_600_000, now)).toBe('1 d ago');
    expect(ago(now - 8 * 86_400_000, now)).toBe('2026-03-02');
  });
});

describe('resources and budgets', () => {
  it('carry the unit of the resource', () => {
    expect(resource('latency', 12.5)).toBe('12.50 ms');
    expect(resource('energy', 3)).toBe('3.000 mJ');
    expect(resource('size', 1_200_000)).toBe('1.20 MB');
    expect(resource('macs', 150e6)).toBe('150 M MACs');
    expect(resource('params', 2e6)).toBe('2.00 M parameters');
  });
  it('say what is limited and how far', () => {
    expect(budget({ resource: 'latency', kind: 'fraction', value: 0.5 })).toBe('latency ≤ 50 %');
    expect(budget({ resource: 'latency', kind: 'fraction', value: 0.333333 })).toBe('latency ≤ 33.33 %');
    expect(budget({ resource: 'size', kind: 'absolute', value: 1_200_000 })).toBe('size ≤ 1.20 MB');
  });
  it('write shapes with a true multiplication sign', () => {
    expect(shape([32, 32, 3])).toBe('32 × 32 × 3');
  });
});
