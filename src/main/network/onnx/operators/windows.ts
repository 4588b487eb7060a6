/** The window of a convolution or pooling as its attributes have it: kernel, strides, pads, auto_pad, dilations, ceil_mode. */
import type { Padding, Pair } from '../../shape.ts';
import { refuseLayout } from '../context.ts';
import { isLaidOut, type Tensor } from '../layout.ts';
import type { OnnxNode } from '../model.ts';
import { quoted, refuse } from '../refuse.ts';

export interface WindowOf {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  /** Padding that only ceil_mode adds, below and right: never counted by an average. */
  readonly extra: Pair;
}

/** Along one side. */
interface Side {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  readonly extra: number;
}

/** Refuses an image that is not laid out as N x C x H x W, or N x C x W (a signal, which is an image of height 1). */
export function requireImage(node: OnnxNode, tensor: Tensor): 1 | 2 {
  const { sizes, shape } = tensor;
  const isFlat = shape.length === 1 && sizes.H * sizes.W > 1;
  if (!isFlat && isLaidOut(tensor, ['N', 'C', 'H', 'W'])) return 2;
  if (!isFlat && isLaidOut(tensor, ['N', 'C', 'W'])) return 1;
  if (tensor.dims.length > 4) refuse(`${node.title}: it works on ${tensor.dims.length - 2} spatial dimensions; images have 2`);
  return refuseLayout(node, tensor, 'an image of N x C x H x W');
}

/** `kernel` as the weights have it, else from the attribute. Throws LatheError bad-input for what no image has. */
export function windowOf(node: OnnxNode, tensor: Tensor, kernelOfWeights?: readonly number[]): WindowOf {
  const rank = requireImage(node, tensor);
  const kernel = kernelOfWeights ?? node.ints('kernel_shape') ?? refuse(`${node.title}: its kernel_shape is missing`);
  const given = node.ints('kernel_shape');
  if (kernel.length !== rank || (given && given.join() !== kernel.join())) {
    refuse(`${node.title}: its kernel_shape ${quoted((given ?? kernel).join(' x '))} does not fit its weights or its image`);
  }
  const images = rank === 2 ? [tensor.sizes.H, tensor.sizes.W] : [tensor.sizes.W];
  const sides = images.map((image, at) => sideOf(node, image, kernel[at] ?? 1, at, rank));
  const [height, width] = rank === 2 ? [sides[0], sides[1]] : [flatSide, sides[0]];
  if (!height || !width) throw new TypeError('a window has one or two sides');
  return {
    kernel: [height.kernel, width.kernel],
    stride: [height.stride, width.stride],
    padding: [height.before, width.before, height.after, width.after],
    dilation: [height.dilation, width.dilation],
    extra: [height.extra, width.extra],
  };
}

const flatSide: Side = { kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, extra: 0 };

function sideOf(node: OnnxNode, image: number, kernel: number, at: number, rank: number): Side {
  const stride = node.ints('strides')?.[at] ?? 1;
  const dilation = node.ints('dilations')?.[at] ?? 1;
  if (!(kernel >= 1 && stride >= 1 && dilation >= 1)) refuse(`${node.title}: kernel, stride and dilation must be at least 1`);
  const reach = (kernel - 1) * dilation + 1;
  const [before, after] = paddingOf(node, { image, reach, stride, at, rank });
  return {
    kernel,
    stride,
    dilation,
    before,
    after,
    extra: node.int('ceil_mode') === 1 ? ceilExtra(image, reach, stride, before, after) : 0,
  };
}

interface PaddingQuestion {
  readonly image: number;
  readonly reach: number;
  readonly stride: number;
  readonly at: number;
  readonly rank: number;
}

function paddingOf(node: OnnxNode, { image, reach, stride, at, rank }: PaddingQuestion): readonly [number, number] {
  const auto = node.string('auto_pad') ?? 'NOTSET';
  switch (auto) {
    case 'NOTSET':
    case '': {
      const pads = node.ints('pads');
      if (pads && pads.length !== 2 * rank) refuse(`${node.title}: expected ${2 * rank} pads, found ${pads.length}`);
      const [before, after] = [pads?.[at] ?? 0, pads?.[at + rank] ?? 0];
      if (before < 0 || after < 0) refuse(`${node.title}: negative pads, which cut the image, are not taken; cut it before the network`);
      return [before, after];
    }
    case 'VALID':
      return [0, 0];
    case 'SAME_UPPER':
    case 'SAME_LOWER': {
      const total = Math.max(0, (Math.ceil(image / stride) - 1) * stride + reach - image);
      const small = Math.floor(total / 2);
      return auto === 'SAME_UPPER' ? [small, total - small] : [total - small, small];
    }
    default:
      return refuse(`${node.title}: auto_pad ${quoted(auto)} is none that ONNX has`);
  }
}

/** What ceil_mode adds behind the image: the last window may stand over the edge, but must begin within image and padding. */
function ceilExtra(image: number, reach: number, stride: number, before: number, after: number): number {
  const room = image + before + after - reach;
  if (room < 0) return 0;
  let positions = Math.ceil(room / stride) + 1;
  if ((positions - 1) * stride >= image + before) positions -= 1;
  return Math.max(0, (positions - 1) * stride - room);
}
