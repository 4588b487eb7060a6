/**
 * The four published ProxylessNAS networks (Cai et al. 2019, arXiv 1812.00332): inverted residuals whose kernel and expansion were
 * searched for a device, a skipped block being the identity. Architectures as the authors released them (han-cai/files,
 * proxylessnas/*.config). The 'small' stem has stride 1 in the first convolution.
 */
import type { Published } from '../../../shared/network.ts';
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, divisibleChannels, image, invertedResidual } from './layers.ts';

/** 'k5e3': 5 x 5, expanded three times; '-': skipped. */
type Choice = `k${3 | 5 | 7}e${3 | 6}` | '-';

interface Architecture {
  /** Of the stem, the first block, the six stages and the last convolution. */
  readonly channels: readonly number[];
  /** Of the 21 searched blocks. */
  readonly choices: readonly Choice[];
  readonly dropout: number; // in the authors' retraining
}

const blocksOfStage = [4, 4, 4, 4, 4, 1];
const strideOfStage = [2, 2, 2, 1, 2, 1];

const paper = 'Cai et al. 2019, arXiv 1812.00332';
const automation = 'Han et al., Design Automation for Efficient Deep Learning Computing';
const repository = 'mit-han-lab/proxylessnas, README';
const counted = 'osmr/imgclsmob, gluon/README';
const gpu = 'NVIDIA Tesla V100';
const cpu = 'Intel Xeon E5-2640 v4';
const phone = 'Google Pixel 1';

function specialized(top1: number, gpuMs: number, cpuMs: number, phoneMs: number): Published {
  const latencies = [
    { device: gpu, ms: gpuMs },
    { device: cpu, ms: cpuMs },
    { device: phone, ms: phoneMs },
  ];
  return { top1, latencies, source: `${automation}, table 2` };
}

export const proxylessGpu: Family = {
  ...family('gpu', 'GPU', {
    channels: [40, 24, 32, 56, 112, 128, 256, 432, 1728],
    choices: [
      ...(['k5e3', '-', '-', '-'] as const),
      ...(['k7e3', '-', '-', 'k3e3'] as const),
      ...(['k7e6', '-', '-', 'k5e3'] as const),
      ...(['k5e6', '-', 'k3e3', 'k5e3'] as const),
      ...(['k7e6', 'k7e6', 'k7e6', 'k5e6'] as const),
      'k7e6',
    ],
    dropout: 0.3,
  }),
  published: [
    specialized(0.751, 5.1, 204.9, 124),
    { top1: 0.751, top5: 0.925, latencies: [{ device: gpu, ms: 5.1 }], source: `${automation}, table 1` },
    { params: 7_119_848, source: counted },
  ],
};

export const proxylessCpu: Family = {
  ...family('cpu', 'CPU', {
    channels: [40, 24, 32, 48, 88, 104, 216, 360, 1432],
    choices: [
      ...(['k3e6', 'k3e3', 'k3e3', 'k3e3'] as const),
      ...(['k3e6', 'k3e3', 'k3e3', 'k5e3'] as const),
      ...(['k3e6', '-', '-', 'k3e3'] as const),
      ...(['k5e6', 'k3e3', 'k3e3', 'k3e3'] as const),
      ...(['k5e6', 'k5e3', 'k5e3', 'k3e3'] as const),
      'k5e6',
    ],
    dropout: 0.2,
  }),
  published: [specialized(0.753, 7.4, 138.7, 116), { params: 4_361_648, source: counted }],
};

/** Of the network for phones and of its wider form. */
const mobileChoices: readonly Choice[] = [
  ...(['k5e3', 'k3e3', '-', '-'] as const),
  ...(['k7e3', 'k3e3', 'k5e3', 'k5e3'] as const),
  ...(['k7e6', 'k5e3', 'k5e3', 'k5e3'] as const),
  ...(['k5e6', 'k5e3', 'k5e3', 'k5e3'] as const),
  ...(['k7e6', 'k7e6', 'k7e3', 'k7e3'] as const),
  'k7e6',
];

export const proxylessMobile: Family = {
  ...family('mobile', 'Mobile', {
    channels: [32, 16, 32, 40, 80, 96, 192, 320, 1280],
    choices: mobileChoices,
    dropout: 0.1,
  }),
  published: [
    specialized(0.746, 7.2, 164.1, 78),
    { macs: 320e6, top1: 0.746, top5: 0.922, source: repository },
    { params: 4_080_512, source: counted },
  ],
};

export const proxylessMobile14: Family = {
  ...family('mobile-14', 'Mobile 1.4', {
    channels: [48, 24, 40, 56, 112, 136, 256, 448, 1792],
    choices: mobileChoices,
    dropout: 0.3,
  }),
  published: [
    { macs: 581e6, top1: 0.767, top5: 0.933, latencies: [{ device: phone, ms: 147 }], source: repository },
    { params: 6_857_568, source: counted },
  ],
};

function family(suffix: string, title: string, architecture: Architecture): Omit<Family, 'published'> {
  return {
    id: `proxyless-${suffix}`,
    title: `ProxylessNAS ${title}`,
    source: paper,
    defaults: imagenet,
    listedWidths: [1],
    build: (variant) => build(variant, architecture),
  };
}

function build({ width, stem, classes }: Variant, { channels, choices, dropout }: Architecture): readonly NodeSpec[] {
  const layers = new Layers(1e-3);
  const activation = 'relu6';
  const [stemChannels = 0, first = 0, ...rest] = channels.map((count) => (width === 1 ? count : divisibleChannels(count, width)));
  const last1x1 = rest.pop() ?? 0;
  let last = layers.block('stem', image, { outChannels: stemChannels, kernel: 3, stride: stem === 'small' ? 1 : 2, activation });
  const opening = { name: 'b1', inChannels: stemChannels, midChannels: stemChannels, outChannels: first, kernel: 3, stride: 1, activation };
  last = invertedResidual(layers, last, { ...opening, activation });
  let inChannels = first;
  for (const [index, block] of stagedBlocks(rest).entries()) {
    const choice = choices[index] ?? '-';
    if (choice === '-') continue;
    const [kernel, expansion] = [Number(choice[1]), Number(choice[3])];
    const midChannels = inChannels * expansion;
    last = invertedResidual(layers, last, { name: `b${index + 2}`, inChannels, midChannels, kernel, activation, ...block });
    inChannels = block.outChannels;
  }
  last = layers.block('last_1x1', last, { outChannels: last1x1, kernel: 1, activation });
  layers.classifier(last, classes, dropout);
  return layers.specs;
}

function stagedBlocks(channels: readonly number[]): { outChannels: number; stride: number }[] {
  return channels.flatMap((outChannels, stage) =>
    Array.from({ length: blocksOfStage[stage] ?? 0 }, (_, index) => ({
      outChannels,
      stride: index === 0 ? (strideOfStage[stage] ?? 1) : 1,
    })),
  );
}
