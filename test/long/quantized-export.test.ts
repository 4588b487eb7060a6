/**
 * Quantized networks outside Lathe: random policies of 2 to 8 bits on briefly trained networks, written to ONNX. Each file loads in
 * ONNX Runtime, and its accuracy on the test images is what Lathe's own quantized evaluation says.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import onnxProto from 'onnx-proto';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetworkRef } from '../../src/shared/network.ts';
import type { QuantizePolicy } from '../../src/shared/policy.ts';
import { Random } from '../../src/shared/random.ts';
import { generatedRecord, openTestSplit } from '../../src/main/data/datasets.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, type TestService } from '../support/service.ts';

const side = 32;
const batchSize = 100;
/** Of the accuracy, 0..1: what values on the edge between two codes may move, which fall to either side with the last bit of a sum. */
const tolerance = 0.005;

let dataDir = '';
let folder = '';
let test: TestService;
const rows: string[] = [];

beforeAll(async () => {
  dataDir = await makeDataDir();
  folder = await mkdtemp(join(tmpdir(), 'lathe-export-'));
  test = await openService(dataDir);
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(dataDir);
  await rm(folder, { recursive: true, force: true });
  console.log(['network | bits | Lathe % | ONNX Runtime %', ...rows].join('\n'));
});

/** Logits are (images, classes); the share whose largest is at the label. */
async function accuracyInOnnxRuntime(path: string): Promise<number> {
  const { mean, std } = scaleOf(path);
  const set = await openTestSplit(generatedRecord, { dataDir });
  const { images: bytes } = set;
  if (!(bytes instanceof Uint8Array)) throw new Error('the generated images are in memory');
  const [pixels, channels] = [set.height * set.width, set.channels];
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  let correct = 0;
  for (let first = 0; first < set.labels.length; first += batchSize) {
    const count = Math.min(batchSize, set.labels.length - first);
    const planes = new Float32Array(count * channels * pixels);
    planes.forEach((_, at) => {
      const [image, channel, pixel] = [Math.floor(at / (channels * pixels)), Math.floor(at / pixels) % channels, at % pixels];
      const byte = bytes[((first + image) * pixels + pixel) * channels + channel] ?? 0;
      planes[at] = (byte / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
    });
    const results = await session.run({ [session.inputNames[0] ?? '']: new Tensor('float32', planes, [count, channels, side, side]) });
    const logits = results[session.outputNames[0] ?? '']?.data as Float32Array;
    const classes = logits.length / count;
    for (let image = 0; image < count; image += 1) {
      const own = logits.subarray(image * classes, (image + 1) * classes);
      if (own.indexOf(Math.max(...own)) === set.labels[first + image]) correct += 1;
    }
  }
  await session.release();
  return correct / set.labels.length;
}

/** The normalisation that the file tells. */
function scaleOf(path: string): { readonly mean: readonly number[]; readonly std: readonly number[] } {
  const { metadataProps } = onnxProto.onnx.ModelProto.decode(readFileSync(path));
  const read = (key: string): readonly number[] =>
    JSON.parse(metadataProps.find((entry) => entry.key === key)?.value ?? 'null') as number[];
  return { mean: read('lathe.inputMean'), std: read('lathe.inputStd') };
}

function randomPolicy(names: readonly string[], random: Random): QuantizePolicy {
  const layers = names.map((name) => ({ name, weightBits: random.uniformInt(2, 8), activationBits: random.uniformInt(2, 8) }));
  return { kind: 'quantize', layers };
}
const uniform =
  (bits: number) =>
  (names: readonly string[]): QuantizePolicy => ({
    kind: 'quantize',
    layers: names.map((name) => ({ name, weightBits: bits, activationBits: bits })),
  });

const networks: readonly NetworkRef[] = [{ id: 'mobilenet-v1', width: 0.25 }, { id: 'mobilenet-v2', width: 0.35 }, { id: 'resnet-20' }];

describe.each(networks)('$id at 32 x 32', { timeout: 30 * 60_000 }, (network) => {
  let run = '';
  let exact: NetworkRef = network;
  let names: readonly string[] = [];

  beforeAll(async () => {
    const training = { epochs: 3 };
    run = (await test.service.call('run.create', { method: 'train', network, dataset: 'generated', training, threads: 2 })).id;
    await waitForStatus(test.service, run, ['completed'], 30 * 60_000);
    exact = (await test.service.call('run.show', { id: run })).manifest.network;
    names = (await test.service.call('evaluate', { network, dataset: 'generated', weights: run })).layers?.map(({ name }) => name) ?? [];
  }, 30 * 60_000);

  const policies = [8, 4].map((bits) => [`w${bits}a${bits}`, uniform(bits)] as const);
  const random = [1, 2, 3, 4, 5, 6].map(
    (seed) => [`random ${seed}`, (all: readonly string[]) => randomPolicy(all, Random.fromSeed(seed))] as const,
  );
  it.each([...policies, ...random])('%s', async (label, policyOf) => {
    const policy = policyOf(names);
    const path = join(folder, 'network.onnx');
    await test.service.call('network.export', { network: exact, path, weights: run, policy });
    const ours = await test.service.call('evaluate', { network, dataset: 'generated', weights: run, policy, split: 'test' });
    const theirs = await accuracyInOnnxRuntime(path);
    rows.push(`${network.id} | ${label} | ${(ours.accuracy * 100).toFixed(2)} | ${(theirs * 100).toFixed(2)}`);
    console.log(rows.at(-1));
    expect(Math.abs(theirs - ours.accuracy)).toBeLessThanOrEqual(tolerance);
  });
});
