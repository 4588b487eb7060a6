import { describe, expect, it } from 'vitest';
import type { NativeParameter } from '../compute/addon.ts';
import { toSafetensors } from './safetensors.ts';

const layout: readonly NativeParameter[] = [
  { op: 'conv', role: 'weight', offset: 2, length: 4, shape: [2, 2] },
  { op: 'conv', role: 'bias', offset: 0, length: 2, shape: [2] },
];

describe('a safetensors file', () => {
  it('holds each tensor where its header says, the header padded so that values are aligned', () => {
    const file = toSafetensors(layout, Float32Array.of(5, 6, 1, -2, 3, 4), { network: 'a “network”' });
    const size = Number(file.readBigUInt64LE(0));
    expect(size % 8).toBe(0);
    const header = JSON.parse(file.subarray(8, 8 + size).toString('utf8')) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    expect(header['__metadata__']).toEqual({ format: 'lathe', network: 'a “network”' });
    const read = (name: string): number[] => {
      const [begin = 0, end = 0] = header[name]?.data_offsets ?? [];
      return Array.from({ length: (end - begin) / 4 }, (_, i) => file.readFloatLE(8 + size + begin + i * 4));
    };
    expect(header['conv.weight']).toMatchObject({ dtype: 'F32', shape: [2, 2] });
    expect(read('conv.weight')).toEqual([1, -2, 3, 4]);
    expect(read('conv.bias')).toEqual([5, 6]);
    expect(file.length).toBe(8 + size + 6 * 4);
  });
});
