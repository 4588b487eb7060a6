/**
 * The bismo-cloud target against the figures that the authors of HAQ published: their latency table of MobileNet-V2 at batch 16
 * (github.com/mit-han-lab/haq, MIT), and the latencies in the paper's tables, which leave out the first convolution and the classifier.
 */
import { describe, expect, it } from 'vitest';
import { costTable } from '../../src/main/hardware/cost-table.ts';
import { simulate } from '../../src/main/hardware/simulate.ts';
import { findTarget } from '../../src/main/hardware/targets.ts';
import { resolveNetwork } from '../../src/main/network/zoo.ts';
import { absentNote, readReference, referenceFolder } from './reference.ts';

const { target } = findTarget('bismo-cloud');
const v1 = resolveNetwork({ id: 'mobilenet-v1' }).graph;
const v2 = resolveNetwork({ id: 'mobilenet-v2' }).graph;
const tables = { 'mobilenet-v1': costTable(v1, target, 16), 'mobilenet-v2': costTable(v2, target, 16) };

describe('bismo-cloud, published figures', () => {
  it.each([
    ['mobilenet-v2', 4, 74.4577],
    ['mobilenet-v2', 5, 99.4274],
    ['mobilenet-v2', 6, 127.0696],
    ['mobilenet-v2', 8, 189.8208],
  ] as const)('the layers of %s between the first and the last take, at %i bits, %f ms', (id, bits, latencyMs) => {
    const layers = simulateUniform(id, bits).layers.slice(1, -1);
    expect(layers).toHaveLength(51);
    expect(layers.reduce((sum, layer) => sum + layer.latencyMs, 0).toFixed(4)).toBe(latencyMs.toFixed(4));
  });

  it.each([
    ['mobilenet-v1', 4, 57.49],
    ['mobilenet-v1', 5, 77.52],
    ['mobilenet-v1', 6, 99.86],
    ['mobilenet-v1', 8, 151.09],
  ] as const)('the layers of %s between the first and the last take, at %i bits, %f ms', (id, bits, latencyMs) => {
    const layers = simulateUniform(id, bits).layers.slice(1, -1);
    expect(layers).toHaveLength(26);
    expect(layers.reduce((sum, layer) => sum + layer.latencyMs, 0).toFixed(2)).toBe(latencyMs.toFixed(2));
  });

  it('has the published cells that tell weights from activations, blocks from layers, and the classifier from the rest', () => {
    const { cyclesOf } = tables['mobilenet-v2'];
    expect([cyclesOf(0, 1, 1), cyclesOf(0, 1, 2), cyclesOf(0, 1, 8), cyclesOf(0, 2, 1)]).toEqual([200_720, 401_472, 1_606_528, 200_752]);
    expect(cyclesOf(3, 8, 4)).toBe(2_445_504);
    expect([cyclesOf(52, 1, 1), cyclesOf(52, 4, 4), cyclesOf(52, 8, 8)]).toEqual([5000, 20_006, 40_021]);
  });

  function simulateUniform(id: 'mobilenet-v1' | 'mobilenet-v2', bits: number): ReturnType<typeof simulate> {
    const graph = id === 'mobilenet-v1' ? v1 : v2;
    const everywhere = tables[id].layers.map(() => bits);
    return simulate({ graph, title: id, target, batch: 16, bits: { weightBits: everywhere, activationBits: everywhere } });
  }
});

describe.skipIf(referenceFolder === null)(`bismo-cloud, the published table of MobileNet-V2${absentNote}`, () => {
  it('is equal cell by cell: 26 layers at 8 x 8 bits', () => {
    const [header, ...lines] = readReference('haq-cloud-mobilenet-v2-cycles.csv').trim().split('\n');
    expect(header?.trim()).toBe('layer_index,name,type,in_ch,out_ch,kernel,stride,in_hw,out_hw,w_bits,a_bits,cycles');
    const { layers, cyclesOf } = tables['mobilenet-v2'];
    const kinds = { conv: 'conv', dw: 'depthwise', pw: 'pointwise' } as const;
    const seen = new Set<string>();
    for (const line of lines) {
      const [index = '', , type = '', inChannels, outChannels, kernel, stride, inSide, outSide, weightBits, activationBits, cycles] = line
        .trim()
        .split(',');
      const layer = layers[Number(index)];
      expect([
        layer?.kind,
        layer?.inChannels,
        layer?.outChannels,
        layer?.kernel,
        layer?.stride,
        layer?.inputPixels,
        layer?.outputPixels,
      ]).toEqual([
        Object.entries(kinds).find(([key]) => key === type)?.[1],
        Number(inChannels),
        Number(outChannels),
        [Number(kernel), Number(kernel)],
        [Number(stride), Number(stride)],
        Number(inSide) ** 2,
        Number(outSide) ** 2,
      ]);
      expect([line, cyclesOf(Number(index), Number(weightBits), Number(activationBits))]).toEqual([line, Number(cycles)]);
      seen.add(`${index} ${weightBits ?? ''} ${activationBits ?? ''}`);
    }
    expect(seen.size).toBe(26 * 64);
  });
});
