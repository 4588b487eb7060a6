/** What a network costs by the counting conventions that papers and tools use, and what its layers move. */
import type { MacConvention } from '../../shared/network.ts';
import type { Graph, GraphNode } from './graph.ts';
import { product } from './shape.ts';

const bytesPerFloat = 4;

/**
 * - layers: multiply-accumulates of convolution and linear layers, the default everywhere.
 * - amc: and a linear layer's biases (mit-han-lab/amc, channel_pruning_env.py).
 * - measure-model: and one for each ReLU output and each pixel of an average pooling's windows; ReLU6 and global pooling count
 *   nothing (mit-han-lab/amc-models, lib/net_measure.py).
 * - operations: two, a multiplication and an addition, for each of `layers` (as NNCF and others print FLOPs).
 */
export function countMacs(graph: Graph, convention: MacConvention): number {
  if (convention === 'layers') return graph.macs;
  if (convention === 'operations') return 2 * graph.macs;
  return graph.macs + graph.nodes.reduce((sum, node) => sum + extraOf(node, convention), 0);
}

function extraOf({ spec, outputShape }: GraphNode, convention: 'amc' | 'measure-model'): number {
  if (spec.kind === 'linear') return spec.bias ? spec.outFeatures : 0;
  if (convention === 'amc') return 0;
  if (spec.kind === 'relu') return product(outputShape);
  return spec.kind === 'averagePool' ? product(outputShape) * product(spec.kernel) : 0;
}

export interface LayerTraffic {
  readonly weightBytes: number; // of the trained values
  readonly activationBytes: number; // all inputs read and the output written, once each
  /** Multiply-accumulates per byte of both; null: the operator has none. */
  readonly macsPerByte: number | null;
}

/** What one operator moves for one image in 32-bit floats, if every value moves once. */
export function trafficOf({ params, macs, inputShapes, outputShape }: GraphNode): LayerTraffic {
  const values = inputShapes.reduce((sum, shape) => sum + product(shape), product(outputShape));
  const weightBytes = bytesPerFloat * params;
  const activationBytes = bytesPerFloat * values;
  return { weightBytes, activationBytes, macsPerByte: macs === 0 ? null : macs / (weightBytes + activationBytes) };
}
