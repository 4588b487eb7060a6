/** Keys of latency tables: strict reading, and back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatKey, midChannels, parseKey, schemeOfKey, type BlockKey, type OperatorKey } from './keys.ts';
import { workOf } from './work.ts';

const block = 'expanded_conv-input:56x56x24-output:28x28x40-expand:3-kernel:3-stride:2-idskip:0';

describe('a key', () => {
  it.each([
    ['', /unknown type ""/],
    ['Convolution-input:1x1x1-output:1x1x1', /unknown type "Convolution"; expected one of Conv, /],
    [block.replace('-kernel:3', ''), /expected kernel:\.\.\., found stride:2/],
    [`${block}-more:1`, /more:1 was not expected here/],
    [block.replace('expand:3', 'expand:0'), /expand: expected a whole number from 1 to 65536, found 0/],
    [block.replace('expand:3', 'expand:3.5'), /found 3\.5/],
    [block.replace('28x28x40', '28x27x40'), /an input of 56 at stride 2 gives 28, found 27/],
    [block.replace('idskip:0', 'idskip:1'), /idskip:1 needs stride 1/],
    [block.replace('56x56x24', '56x24'), /input: expected HxWxC, found 56x24/],
    [block.replace('-kernel', '-kern'), /expected kernel/],
    ['Logits-input:7x7x1280-output:1x1x1000', /output: expected one number, found 1x1x1000/],
    ['conv-input:8x8x6-output:8x8x6-kernel:3x3-stride:1x1-groups:4-bits:float', /groups: 4 does not divide/],
    ['conv-input:8x8x6-output:8x8x6-kernel:3-stride:1x1-groups:1-bits:float', /kernel: expected HxW, found 3/],
    ['conv-input:8x8x6-output:8x8x6-kernel:3x3-stride:1x1-groups:1-bits:w9a1', /bits: expected float, or as w8a8/],
    ['conv-input:8x8x6-output:8x8x6-kernel:3x3-stride:1x1-groups:1-activation:gelu-bits:float', /activation: expected one of/],
    ['add-input:4x4x4+4x4x4-output:4x4x4', /expected bits:\.\.\., found its end/],
    [`conv-input:${'9'.repeat(500)}`, /longer than 400 characters/],
  ])('%s is refused', (text, message) => {
    expect(() => parseKey(text)).toThrow(message);
  });

  it.each([
    'Conv-input:224x224x3-output:112x112x32',
    'Logits-input:1x1x1536-output:1000',
    block,
    'expanded_conv-input:112x112x24-output:112x112x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0',
    'conv-input:112x112x32-output:112x112x64-kernel:1x1-stride:1x1-groups:1-sum:1-activation:relu6-bits:float',
    'conv-input:14x14x8-output:10x10x8-kernel:3x3-stride:1x1-dilation:2x2-groups:8-first:1-bits:w4a6',
    'linear-input:1024-output:1000-bits:float',
    'add-input:4x4x4+4x4x4-output:4x4x4-bits:float',
    'session-input:1-output:1-bits:float',
  ])('%s is read and written alike', (text) => {
    expect(formatKey(parseKey(text))).toBe(text);
  });

  it('of any operator is read back as it was', () => {
    const side = fc.integer({ min: 1, max: 512 });
    const arbitrary = fc.record({
      shape: fc.tuple(side, side, side),
      kernel: fc.tuple(fc.integer({ min: 1, max: 11 }), fc.integer({ min: 1, max: 11 })),
      activation: fc.constantFrom(null, 'relu', 'hardSwish'),
      weight: fc.integer({ min: 1, max: 8 }),
      sum: fc.boolean(),
      first: fc.boolean(),
    });
    fc.assert(
      fc.property(arbitrary, ({ shape, kernel, activation, weight, sum, first }) => {
        const common = { scheme: 'operator', kind: 'conv', inputs: [shape], output: shape, stride: [1, 2], dilation: null } as const;
        const key: OperatorKey = { ...common, kernel, groups: shape[2], sum, activation, bits: { weight, activation: 8 }, first };
        expect(parseKey(formatKey(key))).toEqual(key);
      }),
    );
  });

  it('says how many channels a block has in the middle: a ratio, or in the Once-for-All scheme the number itself', () => {
    expect(midChannels(parseKey(block) as BlockKey)).toBe(72);
    const other = parseKey('expanded_conv-input:56x56x24-output:28x28x40-expand:96-kernel:5-stride:2-idskip:0-se:1-hs:0');
    expect(midChannels(other as BlockKey)).toBe(96);
    expect([schemeOfKey(parseKey(block)), schemeOfKey(other)]).toEqual(['proxylessnas', 'once-for-all']);
  });

  it('tells the work: multiply-accumulates and weights, counted by hand', () => {
    const depthwise = workOf(parseKey('conv-input:8x8x16-output:4x4x16-kernel:3x3-stride:2x2-groups:16-bits:float'));
    expect(depthwise).toMatchObject({ class: 'depthwise', macs: 4 * 4 * 16 * 9, weightBytes: 4 * 16 * 9, bytes: 4 * (1024 + 256) });
    const whole = workOf(parseKey(block));
    expect(whole.macs).toBe(56 * 56 * 24 * 72 + 28 * 28 * 72 * 40);
    expect(whole.depthwiseMacs).toBe(28 * 28 * 72 * 9);
    expect(whole.weightBytes).toBe(4 * (24 * 72 + 72 * 9 + 72 * 40));
  });
});
