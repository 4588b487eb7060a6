/** A quantized network as it was measured: as the plan of an ONNX file, and as a .safetensors file of whole numbers. */
import type { NativeCodebook, NativeModel, NativeQuantization } from '../compute/addon.ts';
import { weightCodes } from '../network/codes.ts';
import { hasCodes, type LayerQuantization } from '../network/onnx/export.ts';
import { writeSafetensors, type Tensor } from '../network/safetensors.ts';
import type { QuantizedNetwork } from '../search/evaluator.ts';
import type { QuantizedBlob } from './checkpoint.ts';

/** How a network is written to ONNX. */
export interface QuantizationPlan {
  readonly layers: ReadonlyMap<string, LayerQuantization>;
  /** What of it the file computes: 0 bits where it stays in float32. */
  readonly inFile: NativeQuantization;
}

/** Leaves the network's values in the model: weights without codes of their own (codebooks, one bit) as the values they stand for. */
export function planOfFound(model: NativeModel, { quantization, parameters, signed }: QuantizedNetwork): QuantizationPlan {
  const values = parameters.slice();
  const layers = quantizersOf(model, quantization).map((layer, at): readonly [string, LayerQuantization] => {
    const { op, offset, length, weightBits, activationBits, thresholds, codebook } = layer;
    const linear = hasCodes(weightBits) && codebook === null;
    if (!linear) values.set(valuesOf(layer, parameters.subarray(offset, offset + length)), offset);
    const activationThreshold = quantization.activationThresholds[at] ?? null;
    const plan = { weightThresholds: linear ? thresholds : null, activationThreshold, activationSigned: signed[at] ?? true };
    return [op, { ...plan, weightBits, activationBits }];
  });
  model.setState(values);
  const plans = layers.map(([, layer]) => layer);
  const coded = ({ weightBits, weightThresholds }: LayerQuantization): boolean => hasCodes(weightBits) && weightThresholds !== null;
  const { codebooks: _codebooks, ...linear } = quantization;
  const inFile = {
    ...linear,
    weightBits: Uint8Array.from(plans, (layer) => (coded(layer) ? layer.weightBits : 0)),
    activationBits: Uint8Array.from(plans, (layer) => (coded(layer) && hasCodes(layer.activationBits) ? layer.activationBits : 0)),
  };
  return { layers: new Map(layers), inFile };
}

/**
 * Weights as codes (`conv1.weight.codes`, int8) and what a code is worth (`conv1.weight.scale`, one or one an output channel), or as
 * centroids and each weight's (uint8); the clipping value of what enters a layer as `conv1.input.threshold`; all else in float32.
 */
export function quantizedSafetensors(
  model: NativeModel,
  { quantization, parameters, signed, policy }: QuantizedBlob,
  metadata: Readonly<Record<string, string>>,
): Buffer {
  const layers = quantizersOf(model, quantization);
  const quantized = new Set(layers.map(({ op }) => op));
  const tensors = layers.flatMap((layer, at): Tensor[] => {
    const { op, offset, length, shape, weightBits, thresholds, codebook } = layer;
    const threshold = Float32Array.of(quantization.activationThresholds[at] ?? Number.NaN);
    const input = { name: `${op}.input.threshold`, shape: [1], values: threshold };
    if (codebook) {
      const { centroids, assignment } = codebook;
      const names = { name: `${op}.weight.codes`, shape, values: assignment };
      return [names, { name: `${op}.weight.centroids`, shape: [centroids.length], values: centroids }, input];
    }
    const { codes, steps } = weightCodes(parameters.subarray(offset, offset + length), weightBits, thresholds);
    return [
      { name: `${op}.weight.codes`, shape, values: codes },
      { name: `${op}.weight.scale`, shape: [steps.length], values: steps },
      input,
    ];
  });
  for (const { op, role, offset, length, shape } of model.parameters) {
    if (role === 'weight' && quantized.has(op)) continue;
    tensors.push({ name: `${op}.${role}`, shape, values: parameters.subarray(offset, offset + length) });
  }
  const inputs = layers.map(({ op, activationBits }, at) => ({ layer: op, bits: activationBits, signed: signed[at] ?? true }));
  return writeSafetensors(tensors, { ...metadata, policy: JSON.stringify(policy), inputs: JSON.stringify(inputs) });
}

interface LayerQuantizer {
  readonly op: string;
  readonly offset: number; // of its weights
  readonly length: number;
  readonly shape: readonly number[];
  readonly weightBits: number;
  readonly activationBits: number;
  readonly thresholds: Float32Array; // one, or one an output channel
  readonly codebook: NativeCodebook | null;
}

function quantizersOf(model: NativeModel, quantization: NativeQuantization): LayerQuantizer[] {
  const { channelThresholds } = quantization;
  let channelsBefore = 0;
  return model.quantizableOps.map((op, at) => {
    const weight = model.parameters.find((parameter) => parameter.op === op && parameter.role === 'weight');
    if (!weight) throw new Error(`operator ${op} has no weights`);
    const channels = weight.shape[0] ?? 0;
    const first = channelsBefore;
    channelsBefore += channels;
    return {
      op,
      offset: weight.offset,
      length: weight.length,
      shape: weight.shape,
      weightBits: quantization.weightBits[at] ?? 0,
      activationBits: quantization.activationBits[at] ?? 0,
      thresholds: channelThresholds?.slice(first, first + channels) ?? quantization.weightThresholds.slice(at, at + 1),
      codebook: quantization.codebooks?.[at] ?? null,
    };
  });
}

/** What the weights of a layer are worth in its quantized form. */
function valuesOf({ weightBits, thresholds, codebook }: LayerQuantizer, weights: Float32Array): Float32Array {
  if (codebook) return Float32Array.from(codebook.assignment, (centroid) => codebook.centroids[centroid] ?? Number.NaN);
  const { codes, steps } = weightCodes(weights, weightBits, thresholds);
  const row = weights.length / steps.length;
  return Float32Array.from(codes, (code, at) => code * (steps[Math.floor(at / row)] ?? Number.NaN));
}
