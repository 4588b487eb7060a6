/** Shape inference and counting, with what a malformed graph is told. */
import { describe, expect, it } from 'vitest';
import { graphSha256 } from './graph-form.ts';
import { createGraph, inputName, quantizableLayers } from './graph.ts';
import type { NodeSpec } from './graph.ts';
import { conv, everyKind, head } from './test-kit.ts';

describe('createGraph, misuse', () => {
  it.each<[string, readonly NodeSpec[], string]>([
    ['nothing at all', [], 'the network: expected a vector of class scores at the end'],
    ['an image at the end', [conv('a', inputName, 4)], 'a: expected a vector of class scores at the end'],
    ['a missing input', [conv('a', 'b', 4)], 'a: reads b, which no earlier operator gives'],
    ['a name twice', [conv('a', inputName, 4), conv('a', 'a', 4)], 'a: two operators have this name; each needs its own'],
    ['the name of the input', [conv(inputName, inputName, 4)], 'input: two operators have this name; each needs its own'],
    ['no name', [conv('', inputName, 4)], 'operator 0: expected a name, found none'],
    [
      'groups that do not divide the channels',
      [conv('a', inputName, 5, { groups: 3 })],
      'a: groups must divide the channels in and out; found 3 groups, 3 channels in, 5 out',
    ],
    ['a fractional channel count', [conv('a', inputName, 4.5)], 'a: outChannels must be an integer from 1 to 16384, found 4.5'],
    [
      'padding as wide as the kernel',
      [conv('a', inputName, 4, { padding: [1, 1, 1, 3] })],
      'a: padding must be an integer from 0 to 2, found 3',
    ],
    [
      'a window that does not fit',
      [conv('a', inputName, 4, { kernel: [9, 1], padding: [0, 0, 0, 0] })],
      'a: its window of 9 x 1 pixels does not fit into 8 x 6 (padding included)',
    ],
    [
      'shapes that do not add',
      [conv('a', inputName, 4), conv('b', inputName, 5), { kind: 'add', name: 'c', inputs: ['a', 'b'] }],
      'c: expected equal shapes to add, found 8 x 6 x 4 and 8 x 6 x 5',
    ],
    [
      'a linear layer on an image',
      [{ kind: 'linear', name: 'fc', input: inputName, outFeatures: 5, bias: true }],
      'fc: a linear layer reads a vector of features, found the shape 8 x 6 x 3; put a flatten before it',
    ],
    [
      'channels that do not join',
      [conv('a', inputName, 4, { stride: [2, 2] }), { kind: 'concat', name: 'c', inputs: ['a', inputName] }],
      'c: expected shapes of one height and width to join, found 4 x 3 x 4 and 8 x 6 x 3',
    ],
    [
      'a gate of other channels',
      [{ kind: 'globalAveragePool', name: 'g', input: inputName }, conv('a', inputName, 4), { kind: 'mul', name: 'm', inputs: ['a', 'g'] }],
      'm: expected two equal shapes to multiply, or one factor a channel as the second; found 8 x 6 x 4 and 3',
    ],
    ['a sum of one', [{ kind: 'add', name: 'a', inputs: [inputName] }], 'a: expected two or more shapes to add, found 1'],
    [
      'bounds in the wrong order',
      [{ kind: 'clip', name: 'a', input: inputName, minimum: 1, maximum: 0 }],
      'a: minimum must be below maximum, found 1 and 0',
    ],
    [
      'dropping everything',
      [{ kind: 'dropout', name: 'a', input: inputName, probability: 1 }],
      'a: probability must be from 0 to 0.999, found 1',
    ],
    [
      'an image that no memory holds',
      [{ kind: 'pad', name: 'a', input: inputName, padding: [4000, 0, 0, 4000], value: 0 }, conv('b', 'a', 16384)],
      'b: its output 4008 x 4006 x 16384 has 263062290432 values; at most 268435456 are taken',
    ],
    [
      'a pool on a vector',
      [...head(inputName), { kind: 'globalAveragePool', name: 'a', input: 'fc' }],
      'a: globalAveragePool reads an image of H x W x C, found the shape 5',
    ],
  ])('refuses %s', (_, specs, message) => {
    expect(() => createGraph([8, 6, 3], specs)).toThrow(expect.objectContaining({ code: 'bad-input', message }));
  });
});

describe('createGraph', () => {
  const specs: NodeSpec[] = [
    conv('a', inputName, 4, { stride: [2, 2], bias: true }),
    { kind: 'batchNorm', name: 'a_bn', input: 'a', epsilon: 1e-5, momentum: 0.1 },
    { kind: 'relu', name: 'a_relu', input: 'a_bn' },
    conv('b', 'a_relu', 4, { groups: 4 }),
    { kind: 'add', name: 'c', inputs: ['a_relu', 'b'] },
    { kind: 'averagePool', name: 'd', input: 'c', kernel: [2, 2], stride: [1, 1], padding: [0, 0, 0, 0], countPadding: true },
    conv('e', 'd', 6, { kernel: [1, 1], padding: [0, 0, 0, 0] }),
    ...head('e'),
  ];
  const graph = createGraph([9, 6, 3], specs);

  it('infers the shape of every operator', () => {
    expect(graph.nodes.map((node) => node.outputShape.join('x'))).toEqual([
      '5x3x4',
      '5x3x4',
      '5x3x4',
      '5x3x4',
      '5x3x4',
      '4x2x4',
      '4x2x6',
      '6',
      '5',
    ]);
    expect(graph.classes).toBe(5);
  });

  it('counts multiply-accumulates of convolutions and linear layers, and all trained parameters', () => {
    // a: 15 pixels of 4 x 27; b: 15 of 4 x 9; e: 8 of 4 x 6; fc: 6 x 5.
    expect(graph.nodes.map((node) => node.macs)).toEqual([1620, 0, 0, 540, 0, 0, 192, 0, 30]);
    expect(graph.nodes.map((node) => node.params)).toEqual([112, 8, 0, 36, 0, 0, 24, 0, 35]);
    expect([graph.macs, graph.params]).toEqual([2382, 215]);
  });

  it('tells the quantizable layers and their kinds', () => {
    expect(quantizableLayers(graph)).toEqual([
      {
        name: 'a',
        kind: 'conv',
        inChannels: 3,
        outChannels: 4,
        kernel: [3, 3],
        stride: [2, 2],
        dilation: [1, 1],
        groups: 1,
        weights: 108,
        macs: 1620,
        inputShape: [9, 6, 3],
        outputShape: [5, 3, 4],
        inputPixels: 54,
        outputPixels: 15,
      },
      {
        name: 'b',
        kind: 'depthwise',
        inChannels: 4,
        outChannels: 4,
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        groups: 4,
        weights: 36,
        macs: 540,
        inputShape: [5, 3, 4],
        outputShape: [5, 3, 4],
        inputPixels: 15,
        outputPixels: 15,
      },
      {
        name: 'e',
        kind: 'pointwise',
        inChannels: 4,
        outChannels: 6,
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        groups: 1,
        weights: 24,
        macs: 192,
        inputShape: [4, 2, 4],
        outputShape: [4, 2, 6],
        inputPixels: 8,
        outputPixels: 8,
      },
      {
        name: 'fc',
        kind: 'linear',
        inChannels: 6,
        outChannels: 5,
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        groups: 1,
        weights: 30,
        macs: 30,
        inputShape: [6],
        outputShape: [5],
        inputPixels: 1,
        outputPixels: 1,
      },
    ]);
  });

  it('infers the shape of every kind', () => {
    const every = createGraph([12, 10, 6], everyKind());
    const shapeOf = (name: string): string | undefined => every.nodes.find((node) => node.spec.name === name)?.outputShape.join('x');
    const named = [
      'grouped',
      'depthwise',
      'sum',
      'squeeze',
      'reduce',
      'gate',
      'scaled',
      'padded',
      'max',
      'average',
      'joined',
      'flat',
      'softmax',
    ];
    expect(named.map(shapeOf)).toEqual([
      '12x10x8',
      '12x10x8',
      '12x10x8',
      '8',
      '1x1x4',
      '1x1x8',
      '12x10x8',
      '13x12x8',
      '6x6x8',
      '6x6x8',
      '6x6x24',
      '864',
      '5',
    ]);
    // grouped: 120 pixels of 8 x 27; depthwise: 120 of 8 x 5; pointwise: 120 of 64; the gate 32 + 32; fc: 864 x 5.
    expect(every.macs).toBe(25_920 + 4800 + 7680 + 64 + 4320);
    expect(every.params).toBe(216 + 8 + 16 + 40 + 64 + 36 + 40 + 4325);
    expect(quantizableLayers(every).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'grouped conv',
      'depthwise depthwise',
      'pointwise pointwise',
      'reduce pointwise',
      'expand pointwise',
      'fc linear',
    ]);
  });

  it('is identified by its operators, not by how their keys were ordered', () => {
    const reordered = specs.map((spec) => Object.fromEntries(Object.entries(spec).reverse()) as NodeSpec);
    expect(graphSha256(createGraph([9, 6, 3], reordered))).toBe(graphSha256(graph));
    expect(graphSha256(createGraph([9, 7, 3], specs))).not.toBe(graphSha256(graph));
    const renamed = specs.map((spec) => (spec.name === 'fc' ? { ...spec, name: 'classifier' } : spec));
    expect(graphSha256(createGraph([9, 6, 3], renamed))).not.toBe(graphSha256(graph));
  });

  it('cannot be changed', () => {
    expect(Object.isFrozen(graph) && Object.isFrozen(graph.nodes)).toBe(true);
    for (const node of graph.nodes)
      expect(Object.isFrozen(node) && Object.isFrozen(node.spec) && Object.isFrozen(node.outputShape)).toBe(true);
  });
});
