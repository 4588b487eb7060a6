/** From a network to the keys that it needs: operators as a runtime merges them, and blocks. */
import { describe, expect, it } from 'vitest';
import { createGraph } from '../../network/graph.ts';
import { everyKind } from '../../network/test-kit.ts';
import { resolveNetwork } from '../../network/zoo.ts';
import { parseKey } from './keys.ts';
import { partsOf } from './parts.ts';

const graphOf = (id: string) => resolveNetwork({ id }).graph;

describe('operators', () => {
  it('have their batch norm, activation and sum merged into them', () => {
    const parts = partsOf(graphOf('mobilenet-v2'), 'operators');
    expect(parts).toHaveLength(54); // 52 convolutions, the pooling, the last layer
    expect(parts.filter(({ key }) => key.includes('-sum:1-'))).toHaveLength(10); // its shortcuts
    expect(parts[3]).toEqual({
      name: 'b2_expand',
      key: 'conv-input:112x112x16-output:112x112x96-kernel:1x1-stride:1x1-groups:1-activation:relu6-bits:float',
    });
  });

  it('of every kind have a key that is read back', () => {
    const parts = partsOf(createGraph([12, 10, 6], everyKind()), 'operators');
    for (const { key } of parts) expect(() => parseKey(key)).not.toThrow();
    expect(parts.map(({ name }) => name)).toEqual(expect.arrayContaining(['normalised', 'sum', 'scaled', 'padded', 'joined', 'softmax']));
    expect(parts.some(({ name }) => name === 'dropped' || name === 'flat')).toBe(false); // they cost nothing
  });
});

describe('blocks', () => {
  it('are not found in a network of others, and the layer is named', () => {
    expect(() => partsOf(graphOf('resnet-18'), 'proxylessnas')).toThrow(
      /^maxpool: a table of the proxylessnas scheme has keys for a stem, /,
    );
    // Squeeze and excitation has no place in the older scheme.
    expect(() => partsOf(graphOf('mobilenet-v3-large'), 'proxylessnas')).toThrow(/^b4_expand: a table of the proxylessnas scheme/);
    expect(() => partsOf(graphOf('mobilenet-v2'), 'layers')).toThrow('a table of layers needs the bits of each layer');
  });

  it('of MobileNet-V2 are a stem, 17 inverted residuals, and the last layers', () => {
    const parts = partsOf(graphOf('mobilenet-v2'), 'proxylessnas');
    expect(parts).toHaveLength(20);
    expect(parts.filter(({ key }) => key.includes('idskip:1'))).toHaveLength(10);
    expect(parts[1]?.key).toBe('expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0');
    expect(parts.slice(-2).map(({ key }) => key)).toEqual(['Conv_1-input:7x7x320-output:7x7x1280', 'Logits-input:7x7x1280-output:1000']);
  });

  it('of MobileNet-V3 have their middle channels, gates and activations in the Once-for-All scheme', () => {
    const keys = partsOf(graphOf('mobilenet-v3-large'), 'once-for-all').map(({ key }) => key);
    expect(keys[4]).toBe('expanded_conv-input:56x56x24-output:28x28x40-expand:72-kernel:5-stride:2-idskip:0-se:1-hs:0');
    expect(keys.filter((key) => key.endsWith('hs:1'))).toHaveLength(9);
    expect(keys.slice(-3)).toEqual([
      'AvgPool2D-input:7x7x960-output:1x1x960',
      'Conv_2-input:1x1x960-output:1x1x1280',
      'Logits-input:1x1x1280-output:1000',
    ]);
  });
});
