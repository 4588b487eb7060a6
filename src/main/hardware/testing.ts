/** Layers and rows for tests of the laws. */
import fc from 'fast-check';
import type { NativeLayer, NativeMemory, NativeRows } from '../compute/addon.ts';

/** A 1 x 1 convolution of one channel and one pixel, but for what is given. */
export function layerOf(part: Partial<NativeLayer>): NativeLayer {
  return {
    name: 'x',
    linear: false,
    first: false,
    inChannels: 1,
    outChannels: 1,
    groups: 1,
    kernelHeight: 1,
    kernelWidth: 1,
    strideHeight: 1,
    strideWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
    inHeight: 1,
    inWidth: 1,
    outHeight: 1,
    outWidth: 1,
    ...part,
  };
}

export function rowOf(weightBits: number, activationBits: number): NativeRows {
  return { layer: Uint32Array.of(0), weightBits: Uint8Array.of(weightBits), activationBits: Uint8Array.of(activationBits) };
}

/** Each layer once, at these bits. */
export function rowsOf(bits: readonly (readonly [weightBits: number, activationBits: number])[]): NativeRows {
  return {
    layer: Uint32Array.from(bits.keys()),
    weightBits: Uint8Array.from(bits, ([weight]) => weight),
    activationBits: Uint8Array.from(bits, ([, activation]) => activation),
  };
}

/** Multiply-accumulates of one image. */
export function macsOf(layer: NativeLayer): number {
  return layer.outHeight * layer.outWidth * layer.outChannels * (layer.inChannels / layer.groups) * layer.kernelHeight * layer.kernelWidth;
}

/** What must cross the bus at least: each weight, each input that is looked at, each output. In elements. */
export function compulsoryOf(layer: NativeLayer): { weights: number; inputs: number; outputs: number } {
  const span = (outputs: number, stride: number, kernel: number, dilation: number, inputs: number): number =>
    Math.min(inputs, (outputs - 1) * stride + (kernel - 1) * dilation + 1);
  // With strides above the kernel some rows are never looked at, but a tile is a box.
  const looked = (outputs: number, stride: number, kernel: number, dilation: number, inputs: number): number =>
    Math.min(span(outputs, stride, kernel, dilation, inputs), outputs * kernel);
  const rows = looked(layer.outHeight, layer.strideHeight, layer.kernelHeight, layer.dilationHeight, layer.inHeight);
  const columns = looked(layer.outWidth, layer.strideWidth, layer.kernelWidth, layer.dilationWidth, layer.inWidth);
  return {
    weights: layer.outChannels * (layer.inChannels / layer.groups) * layer.kernelHeight * layer.kernelWidth,
    inputs: layer.inChannels * rows * columns,
    outputs: layer.outChannels * layer.outHeight * layer.outWidth,
  };
}

const size = (max: number): fc.Arbitrary<number> => fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max }));

/** Any convolution or linear layer, grouped and depthwise ones too; non-square as well. */
export const anyLayer: fc.Arbitrary<NativeLayer> = fc
  .record({
    kind: fc.constantFrom('conv', 'conv', 'depthwise', 'grouped', 'linear'),
    inputs: size(200),
    outputs: size(200),
    groups: fc.integer({ min: 2, max: 12 }),
    channels: fc.integer({ min: 2, max: 300 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 5 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
    dilation: fc.tuple(fc.constantFrom(1, 1, 2), fc.constantFrom(1, 1, 3)),
    out: fc.tuple(size(60), size(60)),
    padding: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ kind, inputs, outputs, groups, channels, kernel, stride, dilation, out, padding }) => {
    if (kind === 'linear') return layerOf({ linear: true, inChannels: inputs * 5, outChannels: outputs * 5 });
    const channelCounts =
      kind === 'depthwise'
        ? { inChannels: channels, outChannels: channels, groups: channels }
        : kind === 'grouped'
          ? { inChannels: inputs * groups, outChannels: outputs * groups, groups }
          : { inChannels: inputs, outChannels: outputs, groups: 1 };
    const input = (axis: 0 | 1): number => Math.max(1, (out[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - padding);
    return layerOf({
      ...channelCounts,
      kernelHeight: kernel[0],
      kernelWidth: kernel[1],
      strideHeight: stride[0],
      strideWidth: stride[1],
      dilationHeight: dilation[0],
      dilationWidth: dilation[1],
      outHeight: out[0],
      outWidth: out[1],
      inHeight: input(0),
      inWidth: input(1),
    });
  });

export const anyBits = fc.integer({ min: 1, max: 8 });

/** Buffers from a few hundred bytes on: some layers do not fit the smallest. */
export const anyMemory: fc.Arbitrary<NativeMemory> = fc.record({
  weightBufferBits: fc.integer({ min: 4000, max: 2_000_000 }),
  inputBufferBits: fc.integer({ min: 4000, max: 1_000_000 }),
  outputBufferBits: fc.integer({ min: 4000, max: 1_000_000 }),
  busBitsPerCycle: fc.integer({ min: 1, max: 512 }),
  sumBits: fc.constantFrom(16, 24, 32),
  storedBits: fc.constantFrom(0, 0, 16),
  latencySlack: fc.constant(0),
});
