/**
 * What was published of the architecture search: Han et al., "Design Automation for Efficient Deep Learning Computing", Tables 1
 * and 2 and the text on Figure 2. ImageNet; GPU is a Tesla V100, CPU a Xeon E5-2640 v4, mobile a Google Pixel-1.
 */

/** Table 1: top-1 and latency on the GPU; `id`: the network of the zoo that a row is. */
export const publishedOnGpu: readonly { readonly title: string; readonly id: string; readonly top1: number; readonly ms: number }[] = [
  { title: 'MobileNet-V2', id: 'mobilenet-v2', top1: 0.72, ms: 6.1 },
  { title: 'ResNet-34', id: 'resnet-34', top1: 0.733, ms: 8 },
  { title: 'NASNet-A', id: 'nasnet-a-mobile', top1: 0.74, ms: 38.3 },
  { title: 'MnasNet', id: 'mnasnet-a1', top1: 0.74, ms: 6.1 },
  { title: 'Specialized for GPU', id: 'proxyless-gpu', top1: 0.751, ms: 5.1 },
];

/** Table 2: specialized for the row's hardware; top-1, and milliseconds on GPU, CPU, mobile. */
export const publishedAcross: readonly (readonly [string, number, number, number, number])[] = [
  ['GPU', 0.751, 5.1, 204.9, 124],
  ['CPU', 0.753, 7.4, 138.7, 116],
  ['mobile', 0.746, 7.2, 164.1, 78],
];

/** Figure 2 as the text tells it: at the same accuracy on the phone. */
export const publishedTradeOff =
  'Published: at about 74.6 % MobileNet-V2 takes 143 ms on the phone, the specialized network 78 ms (1.83 times faster).';
