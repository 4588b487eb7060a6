import { describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { createControl, createDataset, createModel } from '../../compute/index.ts';
import { couplingOf } from '../../network/coupling.ts';
import { createGraph } from '../../network/graph.ts';
import { toNativeProgram } from '../../network/program.ts';
import type { NetworkValues } from '../../network/values.ts';
import { orderOf, scoresOf } from './importance.ts';
import { taylorOf } from './taylor.ts';

const unit = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
/** Two producers tied by an addition, a batch norm behind each, one consumer. */
const graph = createGraph(
  [4, 4, 2],
  [
    { kind: 'conv', name: 'a', input: 'input', outChannels: 3, kernel: [1, 1], bias: false, ...unit },
    { kind: 'batchNorm', name: 'a_bn', input: 'a', epsilon: 1e-5, momentum: 0.1 },
    { kind: 'conv', name: 'b', input: 'a_bn', outChannels: 3, kernel: [1, 1], bias: false, ...unit },
    { kind: 'add', name: 'sum', inputs: ['a_bn', 'b'] },
    { kind: 'globalAveragePool', name: 'pool', input: 'sum' },
    { kind: 'linear', name: 'fc', input: 'pool', outFeatures: 2, bias: true },
  ],
);
const coupling = couplingOf(graph);
const group = coupling.groups.findIndex(({ name }) => name === 'a');
const values: NetworkValues = new Map([
  ['a', { weight: Float32Array.of(1, 2, 3, 4, 1, 1) }], // rows of 2
  [
    'a_bn',
    {
      gamma: Float32Array.of(-3, 1, 2),
      beta: new Float32Array(3),
      runningMean: new Float32Array(3),
      runningVariance: new Float32Array(3).fill(1),
    },
  ],
  ['b', { weight: Float32Array.of(1, -2, 3, 0, 0, 0, 4, -5, 6) }], // rows of 3: reads the group, and writes it
  ['fc', { weight: Float32Array.of(1, 1, -9, 1, 1, 1), bias: new Float32Array(2) }],
]);
const of = (kind: Parameters<typeof scoresOf>[2]): number[] => [...scoresOf({ graph, coupling, values, taylor: null }, group, kind)];

describe('the importance of coupled channels', () => {
  it('adds up what every layer that reads them says', () => {
    expect(of('l1')).toEqual([1 + 4 + 2, 2 + 5 + 2, 3 + 6 + 10]);
    expect(of('l2')[2]).toBeCloseTo(Math.sqrt(9 + 36 + 81 + 1), 6);
  });

  it('reads the scale of batch norms that carry them', () => {
    expect(of('batch-norm')).toEqual([3, 1, 2]);
  });

  it('finds the filter nearest to all others replaceable', () => {
    const scores = of('fpgm');
    const filters = [
      [1, 2, 1, -2, 3],
      [3, 4, 0, 0, 0],
      [1, 1, 4, -5, 6],
    ];
    const distance = (x: number[], y: number[]): number => Math.hypot(...x.map((value, at) => value - (y[at] ?? 0)));
    filters.forEach((filter, at) => {
      expect(scores[at]).toBeCloseTo(
        filters.reduce((sum, other) => sum + distance(filter, other), 0),
        5,
      );
    });
  });

  it('orders units by score, equal ones as they come', () => {
    expect([...orderOf(Float64Array.of(1, 3, 3, 0))]).toEqual([1, 2, 0, 3]);
  });

  it('takes Taylor scores from gradients, and leaves the model as it was', async () => {
    const model = createModel(toNativeProgram(graph));
    const random = Random.fromSeed(8);
    const start = model.getState().parameters.map((value, at) => value + 0.1 + 0.05 * (at % 5));
    model.setState(start);
    const images = createDataset({
      images: Uint8Array.from({ length: 128 * 32 }, () => random.uniformInt(0, 255)),
      labels: Uint8Array.from({ length: 128 }, (_, at) => at % 2),
      height: 4,
      width: 4,
      channels: 2,
      mean: [0.5, 0.5],
      std: [0.5, 0.5],
    });
    const taylor = await taylorOf(
      model,
      images,
      Uint32Array.from({ length: 128 }, (_, at) => at),
      createControl(),
    );
    expect(model.getState().parameters).toEqual(start);
    const scores = scoresOf({ graph, coupling, values, taylor }, group, 'taylor');
    const weights = taylor.get('a')?.['weight'] ?? [];
    const tied = taylor.get('b')?.['weight'] ?? [];
    expect(scores[0]).toBeCloseTo((weights[0] ?? 0) + (weights[1] ?? 0) + (tied[0] ?? 0) + (tied[1] ?? 0) + (tied[2] ?? 0), 12);
    expect(Math.max(...scores)).toBeGreaterThan(0);
  });
});
