/**
 * Batch norm folded into what stands before it, for inference: y = gamma * (x - mean) / sqrt(variance + epsilon) + beta is one
 * factor and one summand a channel, which a convolution or linear layer takes into its weights and bias.
 */
import { createGraph, inputsOf } from './graph.ts';
import type { BatchNormSpec, Graph, NodeSpec } from './graph.ts';
import type { NetworkValues } from './values.ts';

export interface FoldedNetwork {
  readonly graph: Graph;
  readonly values: NetworkValues;
}

/**
 * The graph without batch norm: one behind a convolution or linear layer that nothing else reads is folded into it, which then has
 * a bias; any other becomes a `channelAffine`. The last node keeps its name. Throws an Error where `values` lacks a parameter.
 */
export function foldBatchNorm(graph: Graph, values: NetworkValues): FoldedNetwork {
  const readers = new Map<string, number>();
  for (const { spec } of graph.nodes) for (const name of inputsOf(spec)) readers.set(name, (readers.get(name) ?? 0) + 1);
  const renamed = new Map<string, string>(); // batch norms that are gone -> who gives their values now
  const specs = new Map<string, NodeSpec>();
  const folded = new Map(values);
  for (const { spec } of graph.nodes) {
    const moved = reading(spec, renamed);
    const target = 'input' in moved ? specs.get(moved.input) : undefined;
    if (moved.kind !== 'batchNorm') specs.set(spec.name, moved);
    else if (target && (target.kind === 'conv' || target.kind === 'linear') && readers.get(target.name) === 1) {
      specs.set(target.name, { ...target, bias: true });
      folded.set(target.name, foldInto(folded, target.name, affineOf(moved, values)));
      folded.delete(spec.name);
      renamed.set(spec.name, target.name);
    } else {
      specs.set(spec.name, { kind: 'channelAffine', name: spec.name, input: moved.input, trained: false });
      folded.set(spec.name, affineOf(moved, values));
    }
  }
  return { graph: createGraph(graph.inputShape, [...specs.values()]), values: folded };
}

function reading(spec: NodeSpec, renamed: ReadonlyMap<string, string>): NodeSpec {
  const current = (name: string): string => renamed.get(name) ?? name;
  if (spec.kind === 'mul') return { ...spec, inputs: [current(spec.inputs[0]), current(spec.inputs[1])] };
  if ('inputs' in spec) return { ...spec, inputs: spec.inputs.map(current) };
  return { ...spec, input: current(spec.input) };
}

type Affine = Readonly<Record<'scale' | 'shift', Float32Array>>;

function affineOf({ name, epsilon }: BatchNormSpec, values: NetworkValues): Affine {
  const [gamma, beta] = [valueOf(values, name, 'gamma'), valueOf(values, name, 'beta')];
  const [mean, variance] = [valueOf(values, name, 'runningMean'), valueOf(values, name, 'runningVariance')];
  const scale = gamma.map((value, channel) => value / Math.sqrt((variance[channel] ?? 0) + epsilon));
  return { scale, shift: beta.map((value, channel) => value - (mean[channel] ?? 0) * (scale[channel] ?? 0)) };
}

function foldInto(values: NetworkValues, layer: string, { scale, shift }: Affine): Readonly<Record<string, Float32Array>> {
  const weight = valueOf(values, layer, 'weight');
  const bias = values.get(layer)?.['bias'];
  const row = weight.length / scale.length;
  return {
    weight: weight.map((value, index) => value * (scale[Math.floor(index / row)] ?? 0)),
    bias: shift.map((value, channel) => value + (bias?.[channel] ?? 0) * (scale[channel] ?? 0)),
  };
}

function valueOf(values: NetworkValues, op: string, role: string): Float32Array {
  const found = values.get(op)?.[role];
  if (!found) throw new Error(`${op}: its ${role} is missing`);
  return found;
}
