/**
 * Latency tables against what was published: the ProxylessNAS phone table and sums over it, a Once-for-All table, and the operators of
 * MobileNet-V1 on a Pixel 1. The files are read where they lie beside the project; they are no part of it.
 */
import { describe, expect, it } from 'vitest';
import type { LatencyEntry } from '../../src/shared/latency-table.ts';
import { fitModel, type FitRow } from '../../src/main/hardware/tables/fit.ts';
import { partsOf } from '../../src/main/hardware/tables/parts.ts';
import { readTable } from '../../src/main/hardware/tables/read.ts';
import { workOf } from '../../src/main/hardware/tables/work.ts';
import { findResources } from '../../src/main/hardware/targets.ts';
import { createGraph, type Graph } from '../../src/main/network/graph.ts';
import { coveringGraphs } from '../../src/main/network/space/programs.ts';
import { findSpace } from '../../src/main/network/space/spaces.ts';
import { image, invertedResidual, Layers } from '../../src/main/network/zoo/layers.ts';
import { absentNote, readReference, referenceFolder } from './reference.ts';

const isThere = referenceFolder !== null;

/** The default search space of ProxylessNAS with one choice in all 21 searched blocks; 'zero': none where that is allowed. */
function homogeneous(kernel: number, expansion: number, zero = false): Graph {
  const layers = new Layers(1e-3);
  const activation = 'relu6';
  let last = layers.block('stem', image, { outChannels: 32, kernel: 3, stride: 2, activation });
  const first = { name: 'b1', inChannels: 32, midChannels: 32, outChannels: 16, kernel: 3, stride: 1, activation } as const;
  last = invertedResidual(layers, last, first);
  let inChannels = 16;
  const stages = [
    [24, 4, 2],
    [40, 4, 2],
    [80, 4, 2],
    [96, 4, 1],
    [192, 4, 2],
    [320, 1, 1],
  ] as const;
  for (const [outChannels, blocks, stageStride] of stages) {
    for (let at = 0; at < (zero ? 1 : blocks); at += 1) {
      const stride = at === 0 ? stageStride : 1;
      const midChannels = inChannels * expansion;
      const name = `s${outChannels}_${at}`;
      last = invertedResidual(layers, last, { name, inChannels, midChannels, outChannels, kernel, stride, activation });
      inChannels = outChannels;
    }
  }
  last = layers.block('last', last, { outChannels: 1280, kernel: 1, activation });
  layers.classifier(last, 1000);
  return createGraph([224, 224, 3], layers.specs);
}

describe.skipIf(!isThere)(`the phone table${absentNote}`, () => {
  const table = isThere ? readTable('mobile_trim.yaml', readReference('luts/mobile_trim.yaml'), 'yaml', 'ms') : null;
  const golden = isThere
    ? (JSON.parse(readReference('luts/mobile_trim_golden.json')) as {
        fixed_ms: Record<string, number>;
        expected_ms_uniform_alpha: number;
        min_ms_all_zero_where_allowed: number;
        min_ms_without_zero: number;
        max_ms: number;
        homogeneous_ms: Record<string, number>;
      })
    : null;
  const latencies = new Map((table?.entries ?? []).map((entry: LatencyEntry) => [entry.key, entry.meanMs]));
  const partsMs = (graph: Graph): number[] =>
    partsOf(graph, 'proxylessnas').map(({ name, key }) => {
      const ms = latencies.get(key);
      if (ms === undefined) throw new Error(`${name}: ${key} is not in the table`);
      return ms;
    });
  const total = (graph: Graph): number => partsMs(graph).reduce((sum, ms) => sum + ms, 0);

  it('has 72 keys of one scheme', () => {
    expect(table?.entries).toHaveLength(72);
    expect(table?.scheme).toBe('proxylessnas');
    expect(table?.entries.every((entry) => entry.stdMs === null && entry.variance !== null)).toBe(true);
  });

  it.each([3, 5, 7].flatMap((kernel) => [3, 6].map((expansion) => [kernel, expansion] as const)))(
    'sums to the golden latency of %d x %d blocks of one kind',
    (kernel, expansion) => {
      expect(total(homogeneous(kernel, expansion))).toBeCloseTo(
        golden?.homogeneous_ms[`${kernel}x${kernel}_MBConv${expansion}`] ?? Number.NaN,
        9,
      );
    },
  );

  it('has a key for every candidate of every block of the space that Lathe searches for it', () => {
    const space = findSpace(findResources(import.meta.dirname), 'proxyless');
    const graphs = coveringGraphs(space, { shape: [224, 224, 3], classes: 1000 });
    const needed = new Set(graphs.flatMap((graph) => partsOf(graph, 'proxylessnas').map(({ key }) => key)));
    expect(needed.size).toBe(70); // stem, first block, last convolution, classes; 11 different blocks of 6 candidates
    expect([...needed].filter((key) => !latencies.has(key))).toEqual([]);
  });

  it('sums to the golden latency of its cheapest, dearest and average network', () => {
    expect(total(homogeneous(3, 3, true))).toBeCloseTo(golden?.min_ms_all_zero_where_allowed ?? Number.NaN, 9);
    expect(total(homogeneous(7, 6))).toBeCloseTo(golden?.max_ms ?? Number.NaN, 9);
    const choices = [3, 5, 7].flatMap((kernel) => [3, 6].map((expansion) => homogeneous(kernel, expansion)));
    const parts = choices.map((graph) => partsOf(graph, 'proxylessnas').map(({ key }) => [key, latencies.get(key) ?? Number.NaN] as const));
    let expected = 0;
    for (const [index, [key = '']] of (parts[0] ?? []).entries()) {
      const ops = parts.map((part) => part[index]?.[1] ?? Number.NaN);
      const isSearched = key.startsWith('expanded_conv') && !key.includes('expand:1-');
      const canSkip = key.includes('idskip:1'); // a seventh choice, which costs nothing
      expected += isSearched ? ops.reduce((sum, ms) => sum + ms, 0) / (canSkip ? 7 : 6) : (ops[0] ?? Number.NaN);
    }
    expect(expected).toBeCloseTo(golden?.expected_ms_uniform_alpha ?? Number.NaN, 9);
  });
});

describe.skipIf(!isThere)(`a Once-for-All table${absentNote}`, () => {
  it('imports with its middle channels and standard deviations', () => {
    const { scheme, entries } = readTable('note10-224.yaml', readReference('luts/note10-224.yaml'), 'yaml', 'ms');
    expect(scheme).toBe('once-for-all');
    expect(entries).toHaveLength(96);
    expect(entries.every((entry) => entry.variance === null && entry.stdMs !== null)).toBe(true);
    expect(entries.find(({ key }) => key.startsWith('Logits'))).toMatchObject({ meanMs: 0.669412, count: 500 });
  });
});

interface PixelLayer {
  readonly op: string;
  readonly name: string;
  readonly median_ms: number;
  readonly cin?: number;
  readonly cout?: number;
  readonly k?: number;
  readonly stride?: number;
  readonly hin?: number;
  readonly hout?: number;
}

describe.skipIf(!isThere)(`the operator-class model${absentNote}`, () => {
  it('fitted on the operators of MobileNet-V1 on a Pixel 1 predicts the one of width 0.75 within 5 %', () => {
    const { models } = JSON.parse(readReference('pixel1-mobilenet-v1-latency.json')) as {
      models: Record<string, { end_to_end_ms_mean: number; layers: PixelLayer[] }>;
    };
    const rowsOf = (name: string): FitRow[] => (models[name]?.layers ?? []).flatMap(pixelRow);
    const rows = rowsOf('mobilenet_v1_1.0');
    const model = fitModel(rows);
    expect(rows.length).toBeGreaterThanOrEqual(28);
    const measured = models['mobilenet_v1_0.75']?.end_to_end_ms_mean ?? Number.NaN;
    const predicted = rowsOf('mobilenet_v1_0.75').reduce((sum, { work }) => sum + (model.predict(work) ?? Number.NaN), 0);
    expect(Math.abs(predicted / measured - 1)).toBeLessThan(0.05);
  });
});

function pixelRow({ op, name, median_ms: latencyMs, cin = 0, cout = 0, k = 1, stride = 1, hin = 1, hout = 1 }: PixelLayer): FitRow[] {
  const [inputs, output] = [[[hin, hin, cin]], [hout, hout, cout]];
  if (op !== 'CONV_2D' && op !== 'DEPTHWISE_CONV_2D') return [];
  const work = workOf({
    ...{ scheme: 'operator', kind: 'conv', inputs, output, kernel: [k, k], stride: [stride, stride], dilation: null },
    ...{ groups: op === 'CONV_2D' ? 1 : cin, sum: false, activation: 'relu6', bits: null, first: false },
  });
  return [{ key: name, work, latencyMs }];
}
