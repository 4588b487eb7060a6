import { describe, expect, it } from 'vitest';
import { isPackedValues, packValues, sparseBytes, unpackValues } from './sparse.ts';

describe('values with many zeros', () => {
  it('are not taken for such where marks, values and length disagree', () => {
    const packed = packValues(Float32Array.from({ length: 40 }, (_, at) => (at === 7 ? 1 : 0)));
    expect(isPackedValues(packed)).toBe(true);
    for (const change of [
      { length: 2 ** 40 },
      { length: 41 },
      { length: NaN },
      { values: new Float32Array(2) },
      { values: [1] },
      { marks: null },
    ])
      expect(isPackedValues({ ...packed, ...change })).toBe(false);
    expect(isPackedValues(null)).toBe(false);
  });

  it('come back bit for bit, minus zero and not a number among them', () => {
    const values = Float32Array.from({ length: 203 }, (_, at) => (at % 7 === 0 ? Math.sin(at) : 0));
    values[5] = -0;
    values[6] = Number.NaN;
    const packed = packValues(values);
    expect(packed.values).toHaveLength(30); // 203 / 7 = 29, of which sin 0 is a zero; and the two above
    expect(unpackValues(packed)).toEqual(values);
  });

  it('are left as they are where places would cost more than they save', () => {
    const dense = Float32Array.from({ length: 64 }, (_, at) => at);
    expect(packValues(dense)).toEqual({ length: 64, marks: null, values: dense });
    expect(unpackValues(packValues(dense))).toEqual(dense);
  });

  it('take the bytes that are counted', () => {
    const values = Float32Array.from({ length: 1000 }, (_, at) => (at < 200 ? 1 : 0));
    const { marks, values: kept } = packValues(values);
    expect(sparseBytes(1000, 200)).toBe((marks?.byteLength ?? 0) + kept.byteLength);
    expect(sparseBytes(1000, 200)).toBe(925); // 5 times fewer values are 4.3 times fewer bytes
    expect(sparseBytes(1000, 1000)).toBe(4000);
  });
});
