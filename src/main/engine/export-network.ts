/** A network with its weights as an ONNX file, checked by running it in ONNX Runtime against our own forward pass. */
import { writeFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { LatheError } from '../../shared/errors.ts';
import type { NetworkExport } from '../../shared/network.ts';
import type { QuantizePolicy } from '../../shared/policy.ts';
import { Random } from '../../shared/random.ts';
import type { NativeDataset, NativeModel, NativeQuantization } from '../compute/addon.ts';
import { createControl, createDataset, createModel } from '../compute/index.ts';
import { graphSha256 } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { exportOnnx } from '../network/onnx/export.ts';
import { initialParameters, toNativeProgram } from '../network/program.ts';
import { Evaluator, type ThresholdChoice } from '../search/evaluator.ts';
import { fromPolicy } from '../search/quantize/bits.ts';
import { loadState, type QuantizedBlob } from './checkpoint.ts';
import { checkWritable, writeWhole } from './networks.ts';
import { planOfFound, type QuantizationPlan } from './quantized-network.ts';

/** Images to calibrate activations on, in the network's own scale. */
export interface CalibrationImages {
  readonly dataset: NativeDataset;
  readonly indices: Uint32Array;
  /** The first so many of them give batch norm its statistics under quantization, as in the run (0: it keeps the float network's). */
  readonly statisticsImages: number;
  readonly thresholds: ThresholdChoice;
}

export interface ExportQuestion {
  readonly graph: Graph;
  readonly dataDir: string;
  readonly weights: string | null; // SHA-256 of a blob; null: initial values of seed 1
  readonly quantized: string | null; // SHA-256 of the blob of a quantized network, in place of weights and policy
  readonly path: string;
  readonly name: string;
  readonly policy: QuantizePolicy | null;
  readonly calibration: CalibrationImages | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: string;
}

const checkedImages = 16;
const checkedMacs = 2e10; // what the check computes at most, beyond its two images: large networks are not waited for
const largestRelativeDifference = 1e-4; // of the largest logit

/** Writes the file, checks it and returns what was found; a float file that differs is not left behind. */
export async function exportNetwork(question: ExportQuestion): Promise<NetworkExport> {
  const { graph, path } = question;
  const notes: string[] = [];
  await checkWritable(path);
  const model = createModel(toNativeProgram(graph));
  const found = question.quantized === null ? null : await foundNetwork(question.dataDir, question.quantized, graph);
  if (!found) model.setState(await weightsOf(question, model, notes));
  const policy = found?.policy ?? question.policy;
  const plan = found ? planOfFound(model, found) : policy ? await quantizationOf(model, graph, policy, question.calibration, notes) : null;
  const values = parametersByRole(model);
  const file = exportOnnx(graph, (op, role) => values.get(`${op}\n${role}`), {
    producerVersion: question.version,
    graphName: question.name,
    metadata: { ...question.metadata, ...(policy ? { 'lathe.policy': JSON.stringify(policy) } : {}) },
    ...(plan ? { quantization: plan.layers } : {}),
  });
  const check = await compare(model, graph, file.bytes, plan?.inFile ?? null);
  if (!plan && !(check.relativeDifference <= largestRelativeDifference)) {
    throw new LatheError(
      'internal',
      `${path} was not written: ONNX Runtime's results with it differ from Lathe's by ${check.relativeDifference.toExponential(1)} of the largest; please report it`,
    );
  }
  await writeWhole(path, (temporary) => writeFile(temporary, file.bytes));
  return { path, sizeBytes: file.bytes.length, opset: file.opset, notes: [...notes, ...file.notes], check };
}

/** Throws LatheError bad-input where it is of another network. */
export async function foundNetwork(dataDir: string, sha256: string, graph: Graph): Promise<QuantizedBlob> {
  const blob = await loadState(dataDir, sha256, 'quantized');
  if (blob.networkSha256 === graphSha256(graph)) return blob;
  throw new LatheError(
    'bad-input',
    `quantized network ${sha256.slice(0, 12)} is of another form; name the network of its run, with its variant`,
  );
}

async function weightsOf({ dataDir, weights }: ExportQuestion, model: NativeModel, notes: string[]): Promise<Float32Array> {
  if (weights === null) {
    notes.push('the network is untrained: these are the initial weights of seed 1; --weights names those of a run');
    return initialParameters(model.parameters, Random.fromSeed(1).derive('initial weights'));
  }
  const { parameters } = await loadState(dataDir, weights, 'weights');
  const expected = model.getState().parameters.length;
  if (parameters.length !== expected) {
    throw new LatheError(
      'bad-input',
      `weights ${weights.slice(0, 12)} are of another network: it has ${expected} values, they are ${parameters.length}; name the network that they were trained in, with its variant`,
    );
  }
  return parameters;
}

function parametersByRole(model: NativeModel): ReadonlyMap<string, Float32Array> {
  const { parameters } = model.getState();
  return new Map(
    model.parameters.map(({ op, role, offset, length }) => [`${op}\n${role}`, parameters.subarray(offset, offset + length)] as const),
  );
}

/** As a search measures the policy: its rule of thresholds, one a layer or one an output channel, and batch norm's statistics under quantization. */
async function quantizationOf(
  model: NativeModel,
  graph: Graph,
  policy: QuantizePolicy,
  images: CalibrationImages | null,
  notes: string[],
): Promise<QuantizationPlan> {
  const bits = fromPolicy(model.quantizableOps, policy);
  // Thresholds of weights need no images; two blank ones stand in where there are none.
  const { dataset, indices, statisticsImages, thresholds } = images ?? {
    dataset: blankImages(graph, 2),
    indices: Uint32Array.of(0, 1),
    statisticsImages: 0,
    thresholds: {},
  };
  const evaluator = new Evaluator(model, dataset, createControl());
  await evaluator.calibrate(indices, Math.min(statisticsImages, indices.length), thresholds);
  const network = await evaluator.networkOf(bits);
  if (images) return planOfFound(model, network);
  notes.push(
    'activations are float32 in the file, for there are no images to measure their ranges on; --weights with the id of a run brings its images',
  );
  return planOfFound(model, {
    ...network,
    quantization: { ...network.quantization, activationBits: new Uint8Array(model.quantizableOps.length) },
  });
}

function blankImages(graph: Graph, count: number): NativeDataset {
  const [height, width, channels] = graph.inputShape;
  const images = new Uint8Array(count * height * width * channels);
  return createDataset({ images, labels: new Uint8Array(count), height, width, channels, ...unitScale(channels) });
}

/** Bytes become -1 to 1. */
function unitScale(channels: number): { readonly mean: readonly number[]; readonly std: readonly number[] } {
  return { mean: new Array<number>(channels).fill(0.5), std: new Array<number>(channels).fill(0.5) };
}

/** The same random images through both. */
async function compare(
  model: NativeModel,
  graph: Graph,
  bytes: Uint8Array,
  quantization: NativeQuantization | null,
): Promise<NetworkExport['check']> {
  const [height, width, channels] = graph.inputShape;
  const { classes } = graph;
  const pixels = height * width;
  const count = pixels * channels > 2 ** 20 ? 2 : Math.min(checkedImages, Math.max(2, Math.floor(checkedMacs / graph.macs)));
  const random = Random.fromSeed(1).derive('export check');
  const images = Uint8Array.from({ length: count * pixels * channels }, () => random.uniformInt(0, 255));
  const dataset = createDataset({ images, labels: new Uint8Array(count), height, width, channels, ...unitScale(channels) });
  const { logits } = await model.evaluate({
    dataset,
    indices: Uint32Array.from({ length: count }, (_, at) => at),
    batchSize: count,
    wantLogits: true,
    ...(quantization ? { quantization } : {}),
  });
  if (!logits) throw new LatheError('internal', 'the forward pass gave no logits');
  const found = await runOnnx(bytes, toPlanes(images, count, pixels, channels), [count, channels, height, width]);
  if (found.length !== logits.length)
    throw new LatheError('internal', `ONNX Runtime gave ${found.length} values, expected ${logits.length}`);
  let [largest, largestDifference, same] = [0, 0, 0];
  logits.forEach((value, at) => {
    largest = Math.max(largest, Math.abs(value));
    largestDifference = Math.max(largestDifference, Math.abs(value - (found[at] ?? Number.NaN)));
  });
  for (let image = 0; image < count; image += 1) {
    if (largestAt(logits, image * classes, classes) === largestAt(found, image * classes, classes)) same += 1;
  }
  return {
    images: count,
    largestDifference,
    relativeDifference: largestDifference / Math.max(largest, Number.MIN_VALUE),
    sameClass: same / count,
  };
}

/** (count, H * W, C) bytes as (count, C, H * W) floats from -1 to 1. */
function toPlanes(images: Uint8Array, count: number, pixels: number, channels: number): Float32Array {
  const planes = new Float32Array(images.length);
  for (let image = 0; image < count; image += 1) {
    for (let pixel = 0; pixel < pixels; pixel += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        const byte = images[(image * pixels + pixel) * channels + channel] ?? 0;
        planes[(image * channels + channel) * pixels + pixel] = (byte / 255 - 0.5) / 0.5;
      }
    }
  }
  return planes;
}

async function runOnnx(bytes: Uint8Array, inputs: Float32Array, dims: readonly number[]): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  try {
    const [input = '', output = ''] = [session.inputNames[0], session.outputNames[0]];
    const results = await session.run({ [input]: new Tensor('float32', inputs, dims) });
    const data = results[output]?.data;
    if (!(data instanceof Float32Array)) throw new LatheError('internal', 'ONNX Runtime gave no float32 values');
    return data;
  } finally {
    await session.release();
  }
}

function largestAt(values: Float32Array, start: number, length: number): number {
  let best = 0;
  for (let at = 1; at < length; at += 1) if ((values[start + at] ?? 0) > (values[start + best] ?? 0)) best = at;
  return best;
}
