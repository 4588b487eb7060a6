/** What is measured: kernels, whole networks and training steps, each with what it costs and how a peer is asked for it. */
import type { NativeOperatorBenchmark, NativeProgram } from '../src/main/compute/addon.ts';
import type { Graph } from '../src/main/network/graph.ts';
import { toNativeProgram } from '../src/main/network/program.ts';
import { resolveNetwork } from '../src/main/network/zoo.ts';

export interface ConvShape {
  readonly batch: number;
  readonly side: number; // of the input, square
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups: number;
}

export type Work =
  | { readonly kind: 'kernel'; readonly name: string; readonly conv: ConvShape; readonly pass: 'forward' | 'backward' }
  | { readonly kind: 'inference'; readonly name: string; readonly graph: Graph; readonly batch: number }
  | { readonly kind: 'integer'; readonly name: string; readonly graph: Graph; readonly batch: number }
  | { readonly kind: 'training'; readonly name: string; readonly graph: Graph; readonly batch: number };

const dense: ConvShape = { batch: 1, side: 56, inChannels: 64, outChannels: 64, kernel: 3, stride: 1, groups: 1 };
const pointwise: ConvShape = { batch: 16, side: 14, inChannels: 256, outChannels: 256, kernel: 1, stride: 1, groups: 1 };
const depthwise: ConvShape = { batch: 16, side: 28, inChannels: 256, outChannels: 256, kernel: 3, stride: 1, groups: 256 };
const small = { shape: [32, 32, 3], classes: 10 } as const;

/** The works of the table in docs/bench.md, in its order. `backward` is both gradients, of the input and of the weights. */
export function listWorks(): readonly Work[] {
  const kernels = [
    { name: 'conv 3x3 64->64 56x56 b1', conv: dense },
    { name: 'conv 1x1 256->256 14x14 b16', conv: pointwise },
    { name: 'depthwise 3x3 256 28x28 b16', conv: depthwise },
  ];
  const imagenet = (id: string): Graph => resolveNetwork({ id }).graph;
  return [
    ...kernels.map(({ name, conv }): Work => ({ kind: 'kernel', name: `${name} forward`, conv, pass: 'forward' })),
    ...kernels.map(({ name, conv }): Work => ({ kind: 'kernel', name: `${name} backward`, conv, pass: 'backward' })),
    { kind: 'inference', name: 'MobileNet-V1 224 b1', graph: imagenet('mobilenet-v1'), batch: 1 },
    { kind: 'integer', name: 'MobileNet-V1 224 b1 w8a8', graph: imagenet('mobilenet-v1'), batch: 1 },
    { kind: 'inference', name: 'MobileNet-V2 224 b1', graph: imagenet('mobilenet-v2'), batch: 1 },
    { kind: 'inference', name: 'ResNet-18 224 b1', graph: imagenet('resnet-18'), batch: 1 },
    {
      kind: 'training',
      name: 'train MobileNet-V1 0.25 32x32 b64',
      graph: resolveNetwork({ id: 'mobilenet-v1-0.25' }, small).graph,
      batch: 64,
    },
    { kind: 'training', name: 'train ResNet-20 32x32 b128', graph: resolveNetwork({ id: 'resnet-20' }, small).graph, batch: 128 },
  ];
}

/** Floating-point operations of one repeat; a multiply-add is two, the backward passes are as much again each. */
export function flopsOf(work: Work): number {
  if (work.kind === 'kernel') return 2 * convMacs(work.conv) * (work.pass === 'backward' ? 2 : 1);
  const macs = work.graph.nodes.reduce((sum, { macs: own }) => sum + own, 0);
  return 2 * macs * work.batch * (work.kind === 'training' ? 3 : 1);
}

/** Bytes that a kernel must move at least: each of its tensors once. Of networks 0: they are held against the other roof. */
export function bytesOf(work: Work): number {
  if (work.kind !== 'kernel') return 0;
  const { batch, side, inChannels, outChannels } = work.conv;
  const input = batch * side * side * inChannels;
  const output = batch * outSide(work.conv) ** 2 * outChannels;
  return 4 * (work.pass === 'forward' ? input + output : 2 * input + output);
}

export function outSide({ side, stride }: ConvShape): number {
  return Math.ceil(side / stride);
}

function convMacs(conv: ConvShape): number {
  const perPixel = (conv.kernel ** 2 * conv.inChannels * conv.outChannels) / conv.groups;
  return conv.batch * outSide(conv) ** 2 * perPixel;
}

export function paddingOf({ kernel }: ConvShape): number {
  return (kernel - 1) / 2;
}

/** A kernel as the addon times it. */
export function toOperatorBenchmark(conv: ConvShape, pass: 'forward' | 'backward', repeats: number): NativeOperatorBenchmark {
  const padding = paddingOf(conv);
  return {
    op: {
      kind: 'conv',
      name: 'conv',
      input: 0,
      output: 1,
      inChannels: conv.inChannels,
      outChannels: conv.outChannels,
      kernel: [conv.kernel, conv.kernel],
      stride: [conv.stride, conv.stride],
      padding: [padding, padding, padding, padding],
      dilation: [1, 1],
      groups: conv.groups,
      bias: false,
    },
    batch: conv.batch,
    height: conv.side,
    width: conv.side,
    channels: conv.inChannels,
    pass: pass === 'forward' ? 'infer' : 'backward',
    repeats,
  };
}

export function programOf(graph: Graph): NativeProgram {
  return toNativeProgram(graph);
}

/**
 * The layers of a chain of convolutions as the peers' programs read them: `conv IN OUT KERNEL STRIDE PADDING GROUPS` (batch norm
 * and ReLU follow each), at the end `classes N`. Null where the graph is not such a chain.
 */
export function chainOf(graph: Graph): readonly string[] | null {
  const lines: string[] = [];
  for (const { spec, inputShapes } of graph.nodes) {
    if (spec.kind === 'add' || spec.kind === 'concat') return null;
    if (spec.kind === 'conv') {
      const channels = inputShapes[0]?.at(-1) ?? 0;
      lines.push(`conv ${channels} ${spec.outChannels} ${spec.kernel[0]} ${spec.stride[0]} ${spec.padding[0]} ${spec.groups}`);
    }
    if (spec.kind === 'linear') lines.push(`classes ${spec.outFeatures}`);
  }
  return lines;
}
