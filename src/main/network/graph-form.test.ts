/** Graphs written as JSON and text, and read back. */
import { describe, expect, it } from 'vitest';
import { graphFromJson, graphFromText, graphSha256, graphToJson, graphToText } from './graph-form.ts';
import { createGraph } from './graph.ts';
import { everyKind } from './test-kit.ts';

const graph = createGraph([12, 10, 6], everyKind());
type Written = { formatVersion: number; inputShape: number[]; nodes: Record<string, unknown>[] };
const written = (change: (json: Written) => void): unknown => {
  const json = JSON.parse(JSON.stringify(graphToJson(graph))) as Written;
  change(json);
  return json;
};

describe('graphFromJson, misuse', () => {
  it.each<[string, (json: Written) => void, RegExp]>([
    ['another format version', (json) => (json.formatVersion = 1), /^the network's description: formatVersion: .*2/],
    [
      'a kind that is not known',
      (json) => Object.assign(json.nodes[3] ?? {}, { kind: 'gelu' }),
      /^the network's description: nodes\.3\.kind: /,
    ],
    ['a key that is not known', (json) => Object.assign(json.nodes[3] ?? {}, { slope: 1 }), /nodes\.3: .*slope/],
    ['a window with one number', (json) => Object.assign(json.nodes[1] ?? {}, { kernel: 3 }), /nodes\.1\.kernel: /],
    [
      'channels that cannot be',
      (json) => Object.assign(json.nodes[1] ?? {}, { outChannels: 0 }),
      /^grouped: outChannels must be an integer/,
    ],
    ['an operator taken out', (json) => json.nodes.splice(2, 1), /^relu: reads bn, which no earlier operator gives/],
  ])('refuses %s', (_, change, message) => {
    expect(() => graphFromJson(written(change))).toThrow(expect.objectContaining({ code: 'bad-input' }));
    expect(() => graphFromJson(written(change))).toThrow(message);
  });

  it('refuses text that is no YAML, and what is no network', () => {
    expect(() => graphFromText('nodes: [')).toThrow(/^the network's text: /);
    expect(() => graphFromText('a: &x [1]\nb: *x')).toThrow(/^the network's text: /);
    expect(() => graphFromText('3')).toThrow(/^the network's description: /);
  });
});

describe('a graph written down', () => {
  it('comes back equal from JSON and from text, infinite bounds included', () => {
    expect(graphFromJson(JSON.parse(JSON.stringify(graphToJson(graph))))).toEqual(graph);
    expect(graphFromText(graphToText(graph))).toEqual(graph);
    expect(graphFromText(JSON.stringify(graphToJson(graph)))).toEqual(graph);
  });

  it('has an operator a line as text', () => {
    const lines = graphToText(graph).trimEnd().split('\n');
    expect(lines).toHaveLength(4 + graph.nodes.length);
    expect(lines[5]).toBe(
      '  - { kind: conv, name: grouped, input: normalised, outChannels: 8, kernel: [ 3, 3 ], stride: [ 1, 1 ], padding: [ 1, 1, 1, 1 ], dilation: [ 1, 1 ], groups: 2, bias: true }',
    );
  });

  it('is identified by its operators, not by how their keys were ordered', () => {
    const specs = everyKind();
    const reordered = specs.map((spec) => Object.fromEntries(Object.entries(spec).reverse()) as (typeof specs)[number]);
    expect(graphSha256(createGraph([12, 10, 6], reordered))).toBe(graphSha256(graph));
    const renamed = specs.map((spec) => (spec.name === 'softmax' ? { ...spec, name: 'probabilities' } : spec));
    expect(graphSha256(createGraph([12, 10, 6], renamed))).not.toBe(graphSha256(graph));
  });
});
