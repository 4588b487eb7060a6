/** Shape inference and counting, with what a malformed graph is told. */
import { describe, expect, it } from 'vitest';
import { createGraph, graphSha256, inputName, quantizableLayers } from './graph.ts';
import type { NodeSpec } from './graph.ts';

const conv = (name: string, input: string, outChannels: number, more: Partial<Extract<NodeSpec, { kind: 'conv' }>> = {}): NodeSpec => ({
  kind: 'conv',
  name,
  input,
  outChannels,
  kernel: 3,
  stride: 1,
  padding: 1,
  groups: 1,
  bias: false,
  ...more,
});
const head = (input: string): NodeSpec[] => [
  { kind: 'globalAveragePool', name: 'pool', input },
  { kind: 'linear', name: 'fc', input: 'pool', outFeatures: 5, bias: true },
];

describe('createGraph, misuse', () => {
  it.each<[string, readonly NodeSpec[], string]>([
    ['nothing at all', [], 'the network: expected a vector of class scores at the end'],
    ['an image at the end', [conv('a', inputName, 4)], 'a: expected a vector of class scores at the end'],
    ['a missing input', [conv('a', 'b', 4)], 'a: reads b, which no earlier operator gives'],
    ['a name twice', [conv('a', inputName, 4), conv('a', 'a', 4)], 'a: two operators have this name; each needs its own'],
    ['the name of the input', [conv(inputName, inputName, 4)], 'input: two operators have this name; each needs its own'],
    ['no name', [conv('', inputName, 4)], 'operator 0: expected a name, found none'],
    [
      'groups that are neither dense nor depthwise',
      [conv('a', inputName, 6, { groups: 3 })],
      'a: groups must be 1 or, for a depthwise convolution, equal to the channels in and out; found 3 groups, 3 channels in, 6 out',
    ],
    ['a fractional channel count', [conv('a', inputName, 4.5)], 'a: outChannels must be an integer from 1 to 16384, found 4.5'],
    ['padding as wide as the kernel', [conv('a', inputName, 4, { padding: 3 })], 'a: padding must be an integer from 0 to 2, found 3'],
    [
      'a window that does not fit',
      [conv('a', inputName, 4, { kernel: 9, padding: 0 })],
      'a: its window of 9 pixels does not fit into 8 (padding included)',
    ],
    [
      'shapes that do not add',
      [conv('a', inputName, 4), conv('b', inputName, 5), { kind: 'add', name: 'c', inputs: ['a', 'b'] }],
      'c: expected two equal shapes to add, found 8 x 6 x 4 and 8 x 6 x 5',
    ],
    [
      'a linear layer on an image',
      [{ kind: 'linear', name: 'fc', input: inputName, outFeatures: 5, bias: true }],
      'fc: a linear layer reads a vector of features, found the shape 8 x 6 x 3',
    ],
    ['a convolution on a vector', [...head(inputName), conv('a', 'fc', 4)], 'a: conv reads an image of H x W x C, found the shape 5'],
  ])('refuses %s', (_, specs, message) => {
    expect(() => createGraph([8, 6, 3], specs)).toThrow(expect.objectContaining({ code: 'bad-input', message }));
  });
});

describe('createGraph', () => {
  const specs: NodeSpec[] = [
    conv('a', inputName, 4, { stride: 2, bias: true }),
    { kind: 'batchNorm', name: 'a_bn', input: 'a', epsilon: 1e-5, momentum: 0.1 },
    { kind: 'relu', name: 'a_relu', input: 'a_bn' },
    conv('b', 'a_relu', 4, { groups: 4 }),
    { kind: 'add', name: 'c', inputs: ['a_relu', 'b'] },
    { kind: 'averagePool', name: 'd', input: 'c', kernel: 2, stride: 1 },
    conv('e', 'd', 6, { kernel: 1, padding: 0 }),
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
        kernel: 3,
        stride: 2,
        groups: 1,
        weights: 108,
        macs: 1620,
        inputPixels: 54,
        outputPixels: 15,
      },
      {
        name: 'b',
        kind: 'depthwise',
        inChannels: 4,
        outChannels: 4,
        kernel: 3,
        stride: 1,
        groups: 4,
        weights: 36,
        macs: 540,
        inputPixels: 15,
        outputPixels: 15,
      },
      {
        name: 'e',
        kind: 'pointwise',
        inChannels: 4,
        outChannels: 6,
        kernel: 1,
        stride: 1,
        groups: 1,
        weights: 24,
        macs: 192,
        inputPixels: 8,
        outputPixels: 8,
      },
      {
        name: 'fc',
        kind: 'linear',
        inChannels: 6,
        outChannels: 5,
        kernel: 1,
        stride: 1,
        groups: 1,
        weights: 30,
        macs: 30,
        inputPixels: 1,
        outputPixels: 1,
      },
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
