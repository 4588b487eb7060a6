/** A policy in an ONNX file has the thresholds that a search of bits with these settings has measured it with. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import { firstIndices, randomImages } from '../compute/test-kit.ts';
import { createGraph, inputName } from '../network/graph.ts';
import { exportNetwork } from './export-network.ts';

const channels = 6;
const graph = createGraph(
  [8, 8, 3],
  [
    {
      kind: 'conv',
      name: 'conv',
      input: inputName,
      outChannels: channels,
      kernel: [3, 3],
      stride: [1, 1],
      padding: [1, 1, 1, 1],
      dilation: [1, 1],
      groups: 1,
      bias: true,
    },
    { kind: 'relu', name: 'relu', input: 'conv' },
    { kind: 'globalAveragePool', name: 'pool', input: 'relu' },
    { kind: 'linear', name: 'fc', input: 'pool', outFeatures: 4, bias: true },
  ],
);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lathe-export-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

/** What codes of a layer's weights are worth in the file: one, or one an output channel. */
async function scalesOf(layer: string, thresholds: { readonly perChannel?: boolean; readonly rule?: 'maximum' }): Promise<number[]> {
  const path = join(folder, 'network.onnx');
  await exportNetwork({
    graph,
    dataDir: folder,
    weights: null,
    quantized: null,
    path,
    name: 'test',
    policy: { kind: 'quantize', layers: ['conv', 'fc'].map((name) => ({ name, weightBits: 4, activationBits: 8 })) },
    calibration: {
      dataset: randomImages(Random.fromSeed(3), 16, [8, 8, 3], 4).dataset,
      indices: firstIndices(16),
      statisticsImages: 8,
      thresholds,
    },
    metadata: {},
    version: '0',
  });
  const { graph: file } = onnxProto.onnx.ModelProto.decode(readFileSync(path));
  const scale = file?.initializer?.find(({ name }) => name === `${layer}/weight scale`);
  if (!scale) throw new Error(`no scale of ${layer} in the file`);
  if (scale.rawData && scale.rawData.length > 0) return [...new Float32Array(Uint8Array.from(scale.rawData).buffer)];
  return [...(scale.floatData ?? [])];
}

describe('a policy in an ONNX file', () => {
  it('has a scale for each output channel where the search had, and one a layer elsewhere', async () => {
    const [one, each] = [await scalesOf('conv', {}), await scalesOf('conv', { perChannel: true })];
    expect(one).toHaveLength(1);
    expect(each).toHaveLength(channels);
    expect(new Set(each).size).toBe(channels);
    expect(Math.min(...each)).toBeLessThan(one[0] ?? 0);
  });

  it('has the thresholds of the rule that the search had: the maximum clips nothing, the least squared error does', async () => {
    const [maximum] = await scalesOf('conv', { rule: 'maximum' });
    const [squares] = await scalesOf('conv', {});
    expect(squares).toBeLessThan(maximum ?? 0);
  });
});
