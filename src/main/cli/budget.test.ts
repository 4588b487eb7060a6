import { describe, expect, it } from 'vitest';
import { parseBudget } from './budget.ts';

describe('a budget on the command line', () => {
  it.each([
    ['latency', /expected RESOURCE=FRACTION/],
    ['speed=0.5', /resources are latency, energy, size/],
    ['latency=0', /above 0/],
    ['latency=-1', /expected RESOURCE=FRACTION/],
    ['latency=12', /a value without a unit is a fraction/],
    ['latency=3mJ', /unknown unit "mJ"; expected one of us, ms, s/],
    ['size=1.2MiB', /unknown unit "MiB"/],
    ['latency=0.5 ms', /expected RESOURCE=FRACTION/],
  ])('%s is refused with what was expected', (text, message) => {
    expect(() => parseBudget(text)).toThrow(message);
  });

  it.each([
    ['latency=0.6', 'latency', 'fraction', 0.6],
    ['latency=12.5ms', 'latency', 'absolute', 12.5],
    ['latency=2s', 'latency', 'absolute', 2000],
    ['energy=3mJ', 'energy', 'absolute', 3],
    ['size=1.2MB', 'size', 'absolute', 1_200_000],
    ['macs=150M', 'macs', 'absolute', 150_000_000],
    ['params=2M', 'params', 'absolute', 2_000_000],
  ])('%s is understood', (text, resource, kind, value) => {
    expect(parseBudget(text)).toEqual({ resource, kind, value });
  });
});
