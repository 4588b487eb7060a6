/** Files of latency tables: refused by name, and written and read alike. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LatencyEntry } from '../../../shared/latency-table.ts';
import { readTable } from './read.ts';
import { writeTable } from './write.ts';

const key = 'Conv-input:224x224x3-output:112x112x32';
const other = 'expanded_conv-input:56x56x24-output:28x28x40-expand:3-kernel:3-stride:2-idskip:0';
const operator = 'linear-input:8-output:5-bits:float';

describe('a table file is refused', () => {
  it.each([
    ['yaml', '', /t: expected a map from key/],
    ['yaml', '[]', /t: expected a map from key/],
    ['yaml', '{}', /t: it has no entries/],
    ['yaml', `${key}: 4`, /Conv-input.*: expected \{count, mean, \.\.\.\}/],
    ['yaml', `${key}: {count: 3}`, /the field mean is missing/],
    ['yaml', `${key}: {mean: four}`, /: mean: .*expected number/i],
    ['yaml', `${key}: {mean: -1}`, /: mean: /],
    ['yaml', `${key}: {mean: .nan}`, /: mean: /],
    ['yaml', `${key}: {mean: 1e9}`, /: mean: .*3600000/],
    ['yaml', `${key}: {mean: 1, count: 2.5}`, /: count: /],
    ['yaml', `${key}: {mean: 1, var: -1}`, /: var: /],
    ['yaml', `${key}: {mean: 1, mode: 2}`, /unknown field "mode"/],
    ['yaml', `${key}: {mean: 1}\n${key}: {mean: 2}`, /unique/],
    ['yaml', `a: &x {mean: 1}\n${key}: *x`, /expected \{count, mean, \.\.\.\}/],
    ['json', `{"${key}": {"mean": 1}, "${key}": {"mean": 2}}`, /unique/],
    ['json', `{"${key}": {"mean": 1},}`, /not JSON/],
    ['yaml', `${key}: {mean: 1}\n${other.replace('stride:2', 'stride:1')}: {mean: 1}`, /an input of 56 at stride 1 gives 56, found 28/],
    ['yaml', `${other}: {mean: 1}\n${operator}: {mean: 1}`, /keys of two schemes/],
    ['yaml', `${key}: {mean: 1}\n${operator}: {mean: 1}`, /keys of two schemes/],
    ['csv', `key,count\n${key},1`, /the column mean is missing/],
    ['csv', `name,mean\n${key},1`, /expected a header with key,mean/],
    ['csv', `key,mean\n${key},1\n${key},2`, /is there twice/],
    ['csv', `key,mean\n${key},0x10`, /mean: expected a number, found "0x10"/],
    ['csv', `key,mean\n${key}`, /columns|length/i],
    ['csv', `key,mean\n${key},`, /the field mean is missing/],
  ] as const)('%s %j', (format, text, message) => {
    expect(() => readTable('t', text, format, 'ms')).toThrow(message);
  });

  it('beyond its bounds', () => {
    expect(() => readTable('t', `# ${'x'.repeat(17 * 2 ** 20)}`, 'yaml', 'ms')).toThrow('t: larger than 16 MiB');
  });
});

describe('a table file', () => {
  it('keeps the source’s var apart from std, and knows the unit', () => {
    const { entries, scheme } = readTable(
      't',
      `${key}: {count: 982, mean: 4083.75, var: 0.25}\n${other}: {mean: 10, std: 2}`,
      'yaml',
      'us',
    );
    expect(scheme).toBe('proxylessnas');
    expect(entries[0]).toEqual({
      ...{ key, count: 982, meanMs: 4.08375, stdMs: null, variance: 0.25, minMs: null, medianMs: null, energyMj: null, noisy: false },
    });
    expect(entries[1]?.stdMs).toBeCloseTo(0.002, 12);
  });

  it.each(['csv', 'json', 'yaml'] as const)('as %s is read back as it was written', (format) => {
    const ms = fc.double({ min: 0, max: 3e6, noNaN: true });
    const maybe = fc.option(ms, { nil: null });
    const entry = fc.record({
      count: fc.option(fc.integer({ min: 1, max: 1e6 }), { nil: null }),
      meanMs: ms,
      stdMs: maybe,
      variance: maybe,
      minMs: maybe,
      medianMs: maybe,
      energyMj: maybe,
      noisy: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (rows) => {
        const entries: LatencyEntry[] = rows.map((row, index) => ({ ...row, key: `linear-input:${index + 1}-output:5-bits:float` }));
        expect(readTable('t', writeTable(entries, format), format, 'ms').entries).toEqual(entries);
      }),
      { numRuns: 30 },
    );
  });
});
