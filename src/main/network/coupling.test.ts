/** Which channels go together, and that a network without some computes what the network with zeros in their place does. */
import { describe, expect, it } from 'vitest';
import { couplingOf } from './coupling.ts';
import { createGraph, inputName } from './graph.ts';
import type { NodeSpec } from './graph.ts';
import { sliceGraph } from './slice.ts';
import { conv, head } from './test-kit.ts';
import { networkIds, resolveNetwork } from './zoo.ts';

const groupsOf = (specs: readonly NodeSpec[]): string[] =>
  couplingOf(createGraph([8, 6, 4], specs)).groups.map(
    ({ producers, units, channelsPerUnit, locked }) =>
      `${producers.join('+')} ${units}x${channelsPerUnit}${locked === null ? '' : ` ${locked}`}`,
  );
const one = { kernel: [1, 1], padding: [0, 0, 0, 0] } as const;

describe('couplingOf', () => {
  it('ties what an addition joins, also over several blocks, and locks the image and the classes', () => {
    const specs = [conv('a', inputName, 8), conv('b', 'a', 8), conv('c', 'b', 8)];
    const sums: NodeSpec[] = [
      { kind: 'add', name: 'ab', inputs: ['a', 'b'] },
      { kind: 'add', name: 'abc', inputs: ['ab', 'c'] },
    ];
    expect(groupsOf([...specs, ...sums, ...head('abc')])).toEqual(['input 4x1 image', 'a+b+c 8x3', 'fc 5x1 classes']);
  });

  it('passes through depthwise convolution and gate, and lines up what is joined', () => {
    const graph = createGraph(
      [8, 6, 4],
      [
        conv('a', inputName, 8),
        conv('dw', 'a', 8, { groups: 8 }),
        { kind: 'globalAveragePool', name: 'squeeze', input: 'dw' },
        conv('gate', 'squeeze', 8, one),
        { kind: 'mul', name: 'scaled', inputs: ['dw', 'gate'] },
        conv('b', inputName, 3),
        { kind: 'concat', name: 'joined', inputs: ['scaled', 'b'] },
        ...head('joined'),
      ],
    );
    const { groups, channelsOf } = couplingOf(graph);
    expect(groups.map(({ name, producers }) => `${name}: ${producers.join(' ')}`)).toEqual(['input: input', 'a: a gate', 'b: b', 'fc: fc']);
    expect(groups[1]).toMatchObject({ followers: ['dw'], consumers: ['gate', 'fc'], joints: ['scaled'], units: 8, channelsPerUnit: 2 });
    expect(
      channelsOf('joined')
        .map(({ group, unit }) => `${group}.${unit}`)
        .slice(6),
    ).toEqual(['1.6', '1.7', '2.0', '2.1', '2.2']);
  });

  it('keeps the groups of a grouped convolution of one size, spreads a channel over a flattened image, and locks a softmax', () => {
    expect(groupsOf([conv('a', inputName, 8), conv('b', 'a', 12, { groups: 4 }), ...head('b')])).toEqual([
      'input 4x1 image',
      'a 2x4',
      'b 3x4',
      'fc 5x1 classes',
    ]);
    const flat: NodeSpec[] = [
      conv('a', inputName, 2),
      { kind: 'flatten', name: 'flat', input: 'a' },
      { kind: 'linear', name: 'hidden', input: 'flat', outFeatures: 7, bias: true },
      { kind: 'softmax', name: 'soft', input: 'hidden' },
      { kind: 'linear', name: 'fc', input: 'soft', outFeatures: 5, bias: true },
    ];
    expect(groupsOf(flat)).toEqual(['input 4x1 image', 'a 2x1', 'hidden 7x1 softmax', 'fc 5x1 classes']);
    expect(couplingOf(createGraph([8, 6, 4], flat)).channelsOf('flat')).toHaveLength(96);
  });

  it.each(networkIds)('gives every channel of %s to one group, with as many units as channels', (id) => {
    const { graph } = resolveNetwork({ id, inputSize: 64 });
    const { groups } = couplingOf(graph);
    const written = graph.nodes.reduce(
      (sum, { spec, kind }) => (spec.kind === 'conv' && kind !== 'depthwise' ? sum + spec.outChannels : sum),
      3,
    );
    const linear = graph.nodes.reduce((sum, { spec }) => (spec.kind === 'linear' ? sum + spec.outFeatures : sum), 0);
    expect(groups.reduce((sum, { units, channelsPerUnit }) => sum + units * channelsPerUnit, 0)).toBe(written + linear);
    expect(groups.filter(({ locked }) => locked !== null)).toHaveLength(2);
  });

  it('finds the five residual streams of MobileNet-V2', () => {
    const { groups } = couplingOf(resolveNetwork({ id: 'mobilenet-v2' }).graph);
    expect(groups.filter(({ joints }) => joints.length > 0).map(({ units }) => units)).toEqual([24, 32, 64, 96, 160]);
  });
});

describe('sliceGraph, misuse', () => {
  const graph = createGraph([8, 6, 4], [conv('a', inputName, 8), ...head('a')]);
  it.each<[string, number, number[], string]>([
    ['a group that is not there', 7, [1], 'there is no channel group 7; the network has 3'],
    ['marks that are too few', 1, [1, 1], 'channel group a: expected 8 marks, one a unit, found 2'],
    ['nothing left', 1, [0, 0, 0, 0, 0, 0, 0, 0], 'channel group a: nothing of it would stay; keep one unit at least'],
    ['a class taken away', 2, [1, 1, 1, 1, 0], "channel group fc: its channels are the network's classes and stay"],
  ])('refuses %s', (_, group, marks, message) => {
    expect(() => sliceGraph(graph, new Map([[group, Uint8Array.from(marks)]]))).toThrow(
      expect.objectContaining({ code: 'bad-input', message }),
    );
  });
});
