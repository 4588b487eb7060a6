/** Other ways to count, against figures that the tools behind them print, and bytes by hand. */
import { describe, expect, it } from 'vitest';
import { countMacs, trafficOf } from './counting.ts';
import { diffGraphs } from './diff.ts';
import { resolveNetwork } from './zoo.ts';

describe('countMacs', () => {
  // mit-han-lab/amc and amc-models: environment and measure_model, counted with them.
  it.each([
    ['mobilenet-v1', 568_740_352, 568_741_352, 573_784_040],
    ['mobilenet-v1-0.75', 325_400_448, 325_401_448, 329_183_464],
  ] as const)('%s by layers, as the AMC environment, as measure_model', (id, layers, amc, measured) => {
    const { graph } = resolveNetwork({ id });
    expect([countMacs(graph, 'layers'), countMacs(graph, 'amc'), countMacs(graph, 'measure-model')]).toEqual([layers, amc, measured]);
    expect(countMacs(graph, 'operations')).toBe(2 * layers);
  });
});

describe('trafficOf', () => {
  it('counts weights, inputs and output once in 32-bit floats', () => {
    const { graph } = resolveNetwork({ id: 'mobilenet-v2' });
    const node = graph.nodes.find(({ spec }) => spec.name === 'b3_add');
    expect(node && trafficOf(node)).toEqual({ weightBytes: 0, activationBytes: 3 * 4 * 56 * 56 * 24, macsPerByte: null });
    const stem = graph.nodes[0];
    const bytes = 4 * 864 + 4 * (224 * 224 * 3 + 112 * 112 * 32);
    expect(stem && trafficOf(stem).macsPerByte).toBeCloseTo(10_838_016 / bytes, 10);
  });
});

describe('diffGraphs', () => {
  it('tells what AMC changed of MobileNet-V1, and that a network differs from itself in nothing', () => {
    const before = resolveNetwork({ id: 'mobilenet-v1' }).graph;
    const after = resolveNetwork({ id: 'mobilenet-v1-amc-50-flops' }).graph;
    expect(diffGraphs(before, before)).toMatchObject({ added: 0, removed: 0, changed: 0, same: 83 });
    const diff = diffGraphs(before, after);
    expect(diff).toMatchObject({ added: 0, removed: 0, macs: [568_740_352, 293_870_000], params: [4_231_976, 2_408_232] });
    expect(diff.rows[0]).toEqual({
      name: 'conv1',
      op: 'conv',
      change: 'changed',
      details: ['outChannels 32 -> 24', 'output shape 112 x 112 x 32 -> 112 x 112 x 24'],
      macs: [10_838_016, 8_128_512],
      params: [864, 648],
    });
  });

  it('lists what one of both lacks, in order', () => {
    const plain = resolveNetwork({ id: 'plain-20' }).graph;
    const residual = resolveNetwork({ id: 'resnet-20' }).graph;
    const { rows, added, removed } = diffGraphs(plain, residual);
    expect([added, removed]).toEqual([9 + 9 + 4, 9]); // additions, their ReLUs, two shortcuts with batch norm; the ReLUs of the plain blocks
    expect(rows.findIndex(({ name }) => name === 'layer1_1_add')).toBe(rows.findIndex(({ name }) => name === 'layer1_1_conv2_bn') + 1);
    expect(rows.reduce((sum, { params: [before, after] }) => sum + (after ?? 0) - (before ?? 0), 0)).toBe(residual.params - plain.params);
  });
});
