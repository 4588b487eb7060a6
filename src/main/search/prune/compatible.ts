/**
 * The clip as mit-han-lab/amc computes it (`channel_pruning_env.py`, `_action_wall` and `prune_kernel`), for chains such as
 * MobileNet-V1: one-sided, by division, on the input ratios of the layers that are not depthwise. To compare with; a search uses
 * `clip.ts`. What differs is numbered in docs/algorithms/amc.md.
 */
import { LatheError } from '../../../shared/errors.ts';
import { quantizableLayers } from '../../network/graph.ts';
import type { Graph, QuantizableLayer } from '../../network/graph.ts';

export interface CompatibleClip {
  readonly budget: number; // of the multiply-accumulates, 0..1
  readonly lowerBound: number; // of a ratio
  readonly roundTo: number;
  readonly actions: readonly number[]; // a ratio for each layer that is not depthwise; the first is taken as 1
}

export interface CompatibleChannels {
  readonly layers: readonly { readonly layer: string; readonly channels: number; readonly kept: number }[]; // input channels, in network order
  readonly ratio: number; // multiply-accumulates that stay of all, 0..1
}

/** Input channels of each layer that is not depthwise. Throws LatheError bad-input where the network is no chain. */
export function compatibleClip(graph: Graph, options: CompatibleClip): CompatibleChannels {
  const { layers, buffers } = chainOf(graph);
  const { budget, lowerBound, roundTo, actions } = options;
  const last = layers.length - 1;
  const F = layers.map(({ macs, outChannels }, t) => macs + (t === last ? outChannels : 0)); // the environment counts the bias of a linear layer
  const B = buffers; // of the depthwise layers between layer t - 1 and t
  const total = sum(F) + sum(B);
  const c = layers.map((_, t) => (t === 0 ? 1 : lowerBound)); // input ratios
  const n = (t: number): number => (t === last ? 1 : (c[t + 1] ?? 1)); // output ratios
  for (let t = 1; t <= last; t += 1) {
    const scaled = (F[t - 1] ?? 0) * (c[t - 1] ?? 1) + (F[t] ?? 0) * n(t) + (B[t] ?? 0);
    let other = (B[t - 1] ?? 0) * (c[t - 1] ?? 1);
    layers.forEach((_, i) => {
      if (i !== t && i !== t - 1) other += (F[i] ?? 0) * (c[i] ?? 1) * n(i) + (B[i] ?? 0) * (c[i] ?? 1);
    });
    const most = (budget * total - other) / scaled;
    const asked = Math.min(1, Math.max(0, actions[t] ?? 1));
    const allowed = Math.max(Math.min(asked, most), lowerBound);
    const channels = layers[t]?.inChannels ?? 1;
    c[t] = rounded(allowed, channels, roundTo) / channels;
  }
  const kept = layers.reduce((macs, _, i) => macs + (F[i] ?? 0) * (c[i] ?? 1) * n(i) + (B[i] ?? 0) * (c[i] ?? 1), 0);
  return {
    layers: layers.map(({ name, inChannels }, t) => ({ layer: name, channels: inChannels, kept: Math.round(inChannels * (c[t] ?? 1)) })),
    ratio: kept / total,
  };
}

function rounded(ratio: number, channels: number, roundTo: number): number {
  const wanted = Math.max(Math.round(channels * ratio), 1);
  const up = Math.ceil(wanted / roundTo) * roundTo;
  return up > channels ? Math.floor(channels / roundTo) * roundTo : up;
}

/** Layers that are not depthwise, and before each the multiply-accumulates of the depthwise ones. Throws where it is no chain. */
function chainOf(graph: Graph): { readonly layers: QuantizableLayer[]; readonly buffers: number[] } {
  const joined = graph.nodes.find(({ spec }) => 'inputs' in spec);
  if (joined) throw new LatheError('bad-input', `${joined.spec.name}: the released clip knows chains of layers alone`);
  const layers: QuantizableLayer[] = [];
  const buffers = [0];
  for (const layer of quantizableLayers(graph)) {
    if (layer.kind === 'depthwise') buffers[layers.length] = (buffers[layers.length] ?? 0) + layer.macs;
    else {
      layers.push(layer);
      buffers.push(0);
    }
  }
  return { layers, buffers };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
