import { describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { createControl, createDataset, createModel } from '../../compute/index.ts';
import { couplingOf } from '../../network/coupling.ts';
import { createGraph, type Graph, type NodeSpec } from '../../network/graph.ts';
import { initialParameters, toNativeProgram } from '../../network/program.ts';
import { sliceNetwork } from '../../network/slice.ts';
import { stateOfValues, valuesOfState } from '../../network/values.ts';
import { Reconstruction } from './reconstruct.ts';

const window = { stride: [1, 1], dilation: [1, 1], groups: 1 } as const;

/** 3x3 without a bias before a batch norm, 1x1 with a bias, and a linear layer behind a pooling. */
function network(): Graph {
  const specs: NodeSpec[] = [
    { kind: 'conv', name: 'a', input: 'input', outChannels: 12, kernel: [3, 3], padding: [1, 1, 1, 1], bias: true, ...window },
    { kind: 'relu', name: 'a_relu', input: 'a' },
    { kind: 'conv', name: 'b', input: 'a_relu', outChannels: 10, kernel: [3, 3], padding: [1, 1, 1, 1], bias: false, ...window },
    { kind: 'batchNorm', name: 'b_bn', input: 'b', epsilon: 1e-5, momentum: 0.1 },
    { kind: 'relu', name: 'b_relu', input: 'b_bn' },
    { kind: 'conv', name: 'c', input: 'b_relu', outChannels: 8, kernel: [1, 1], padding: [0, 0, 0, 0], bias: true, ...window },
    { kind: 'relu', name: 'c_relu', input: 'c' },
    { kind: 'globalAveragePool', name: 'pool', input: 'c_relu' },
    { kind: 'linear', name: 'fc', input: 'pool', outFeatures: 4, bias: true },
  ];
  return createGraph([10, 10, 2], specs);
}

const graph = network();
const coupling = couplingOf(graph);

function modelAndImages(): { model: ReturnType<typeof createModel>; images: ReturnType<typeof createDataset>; indices: Uint32Array } {
  const random = Random.fromSeed(4);
  const model = createModel(toNativeProgram(graph));
  model.setState(initialParameters(model.parameters, random).map((value) => value + 0.02 * random.normal(0, 1)));
  const count = 200;
  const bytes = Uint8Array.from({ length: count * 200 }, () => random.uniformInt(0, 255));
  const images = createDataset({
    images: bytes,
    labels: new Uint8Array(count),
    height: 10,
    width: 10,
    channels: 2,
    mean: [0.5, 0.5],
    std: [0.3, 0.3],
  });
  return { model, images, indices: Uint32Array.from({ length: count }, (_, at) => at) };
}

async function collected(samples = 10): Promise<{ model: ReturnType<typeof createModel>; reconstruction: Reconstruction }> {
  const { model, images, indices } = modelAndImages();
  const reconstruction = await Reconstruction.collect(
    graph,
    coupling,
    model,
    { dataset: images, indices, samples, seed: 1 },
    createControl(),
  );
  return { model, reconstruction };
}

const range = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, at) => at);

describe('least-squares weights', () => {
  it('are refused for layers without moments and channels that a layer does not have', async () => {
    const { model } = await collected();
    const ask = async (op: string, channels: Uint32Array): Promise<unknown> =>
      await model.reconstruct({ ridge: 1e-4, layers: [{ op, channels, rows: range(1), intercept: true }] });
    await expect(ask('a', range(2))).rejects.toThrow(/no moments were collected of 'a'/);
    await expect(ask('b', Uint32Array.of(12))).rejects.toThrow(/b: channels must name some of 12/);
    await expect(ask('b', range(0))).rejects.toThrow(/b: channels must name some of 12/);
  });

  it.each([
    ['b', 12, 10, false],
    ['b', 12, 10, true],
    ['c', 10, 8, true],
    ['fc', 8, 4, true],
  ])('are the weights of %s again where all %i channels are kept', async (op, channels, rows, intercept) => {
    const { model } = await collected();
    const [found] = await model.reconstruct({
      ridge: 1e-4,
      wantErrors: true,
      layers: [{ op, channels: range(channels), rows: range(rows), intercept }],
    });
    const weight = valuesOfState(model.parameters, model.getState().parameters).get(op)?.['weight'] ?? new Float32Array();
    const largest = Math.max(...weight.map(Math.abs));
    found?.weight.forEach((value, at) => {
      expect(Math.abs(value - (weight[at] ?? 0))).toBeLessThan(1e-4 * largest);
    });
    expect(Math.max(...(found?.shift ?? []).map(Math.abs))).toBeLessThan(1e-4);
    expect(found?.relativeError).toBeLessThan(1e-6);
  });

  it.each(['b', 'c', 'fc'])(
    'leave an error of %s that falls with every channel that is kept, and is below that of the old weights',
    async (op) => {
      const { model } = await collected();
      const all = { b: 12, c: 10, fc: 8 }[op] ?? 0;
      const rows = range({ b: 10, c: 8, fc: 4 }[op] ?? 0);
      const layers = Array.from({ length: all }, (_, index) => ({ op, channels: range(index + 1), rows, intercept: true }));
      const errors = (await model.reconstruct({ ridge: 1e-6, wantErrors: true, layers })).map(
        ({ relativeError }) => relativeError ?? Number.NaN,
      );
      const kept = (await model.reconstruct({ ridge: 1, wantErrors: true, layers })).map(
        ({ relativeError }) => relativeError ?? Number.NaN,
      );
      errors.slice(1).forEach((error, index) => {
        expect(error).toBeLessThanOrEqual((errors[index] ?? 0) + 1e-9);
      });
      expect(errors[0]).toBeGreaterThan(0.05);
      expect(errors.at(-1)).toBeLessThan(1e-6);
      expect(errors[all >> 1]).toBeLessThan(kept[all >> 1] ?? 0);
    },
  );

  it('bring a pruned network nearer to the whole one, whatever the threads', async () => {
    const { model, reconstruction } = await collected();
    const values = valuesOfState(model.parameters, model.getState().parameters);
    const kept = new Map(
      coupling.groups.flatMap((group, index) =>
        group.locked === null ? [[index, new Uint8Array(group.units).fill(1, 0, group.units - 3)] as const] : [],
      ),
    );
    const sliced = sliceNetwork(graph, values, kept, coupling);
    const inputs = Float32Array.from({ length: 20 * 200 }, (_, at) => Math.sin(at * 1.7) * 1.5);
    const logits = async (of: typeof sliced.values): Promise<Float32Array> => {
      const smaller = createModel(toNativeProgram(sliced.graph));
      smaller.setState(stateOfValues(smaller.parameters, of));
      return await smaller.forward({ inputs, batch: 20 });
    };
    const wanted = await model.forward({ inputs, batch: 20 });
    const distance = (found: Float32Array): number => found.reduce((sum, value, at) => sum + (value - (wanted[at] ?? 0)) ** 2, 0);
    const solved = await reconstruction.apply(sliced.values, kept);
    expect(distance(await logits(solved))).toBeLessThan(0.5 * distance(await logits(sliced.values)));
    expect(await reconstruction.apply(sliced.values, kept)).toEqual(solved);
  });
});
