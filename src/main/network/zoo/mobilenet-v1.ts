/**
 * MobileNet-V1 (Howard et al. 2017, arXiv 1704.04861, table 1), and the two that AMC made of it (He et al. 2018, arXiv
 * 1802.03494; the channels are those of the released models). The 'small' stem has stride 1 in the first convolution.
 */
import type { Published } from '../../../shared/network.ts';
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, image } from './layers.ts';

// Pointwise output channels of the 13 blocks, and the stride of each one's depthwise convolution.
const channels = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024];
const strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1];

const paper = 'Howard et al. 2017, arXiv 1704.04861';
const amcModels = 'mit-han-lab/amc-models, README';
const automation = 'Han et al., Design Automation for Efficient Deep Learning Computing';

const widths: readonly (readonly [width: number, macsMillion: number, paramsMillion: number, top1: number])[] = [
  [1, 569, 4.2, 0.706],
  [0.75, 325, 2.6, 0.684],
  [0.5, 149, 1.3, 0.637],
  [0.25, 41, 0.5, 0.506],
];

export const mobilenetV1: Family = {
  id: 'mobilenet-v1',
  title: 'MobileNet-V1',
  source: paper,
  defaults: imagenet,
  listedWidths: widths.map(([width]) => width),
  published: [
    ...widths.map(([width, macs, params, top1]): Published => ({
      width,
      macs: macs * 1e6,
      params: params * 1e6,
      top1,
      source: `${paper}, table 6`,
    })),
    {
      width: 1,
      macs: 569e6,
      top1: 0.706,
      top5: 0.895,
      latencies: [
        { device: 'NVIDIA Titan XP, batch 50', ms: 0.46 },
        { device: 'Google Pixel 1', ms: 123.3 },
      ],
      memoryBytes: 20.1e6,
      source: `${automation}, table 3`,
    },
    {
      width: 0.75,
      macs: 325e6,
      top1: 0.684,
      top5: 0.882,
      latencies: [
        { device: 'NVIDIA Titan XP, batch 50', ms: 0.34 },
        { device: 'Google Pixel 1', ms: 72.3 },
      ],
      memoryBytes: 14.8e6,
      source: `${automation}, table 3`,
    },
    { width: 1, top1: 0.709, top5: 0.895, latencies: [{ device: 'Google Pixel 1', ms: 123 }], source: amcModels },
    { width: 0.75, top1: 0.684, top5: 0.882, latencies: [{ device: 'Google Pixel 1', ms: 72.5 }], source: amcModels },
  ],
  build: (variant) =>
    build(
      variant,
      channels.map((count) => scaled(count, variant.width)),
    ),
};

/** What AMC made for a budget: channels of the released model, and its figures in the paper and beside the release. */
function amcFamily(
  budget: 'FLOPs' | 'time',
  widthOf: readonly number[],
  macs: number,
  inPaper: { readonly top1: number; readonly top5: number; readonly gpuMs: number; readonly phoneMs: number; readonly memoryBytes: number },
  released: { readonly top1: number; readonly top5: number; readonly phoneMs: number },
): Family {
  const { top1, top5, gpuMs, phoneMs, memoryBytes } = inPaper;
  const latencies = [
    { device: 'NVIDIA Titan XP, batch 50', ms: gpuMs },
    { device: 'Google Pixel 1', ms: phoneMs },
  ];
  return {
    id: `mobilenet-v1-amc-50-${budget.toLowerCase()}`,
    title: `MobileNet-V1 AMC 50 % ${budget}`,
    source: 'He et al. 2018, arXiv 1802.03494; channels of mit-han-lab/amc-models',
    defaults: imagenet,
    listedWidths: null,
    published: [
      { macs, top1, top5, latencies, memoryBytes, source: `${automation}, table 3` },
      {
        macs,
        top1: released.top1,
        top5: released.top5,
        latencies: [{ device: 'Google Pixel 1', ms: released.phoneMs }],
        source: `${amcModels}; mit-han-lab/amc, README`,
      },
    ],
    build: (variant) => build(variant, widthOf),
  };
}

export const mobilenetV1Amc50Flops = amcFamily(
  'FLOPs',
  [24, 48, 96, 80, 192, 200, 328, 352, 368, 360, 328, 400, 736, 752],
  285e6,
  { top1: 0.705, top5: 0.893, gpuMs: 0.32, phoneMs: 68.3, memoryBytes: 14.3e6 },
  { top1: 0.70494, top5: 0.89306, phoneMs: 68.9 },
);

export const mobilenetV1Amc50Time = amcFamily(
  'time',
  [16, 48, 88, 80, 192, 168, 336, 360, 360, 352, 352, 368, 768, 680],
  272e6,
  { top1: 0.702, top5: 0.892, gpuMs: 0.3, phoneMs: 63.3, memoryBytes: 13.2e6 },
  { top1: 0.702, top5: 0.8943, phoneMs: 63.2 },
);

/** Rounded down, at least 8, as in the authors' code (TF-Slim, mobilenet_v1.py). */
function scaled(count: number, width: number): number {
  return Math.max(8, Math.floor(count * width));
}

/** `widthOf` has the output channels of the first convolution and of each block. */
function build({ stem, classes }: Variant, widthOf: readonly number[]): readonly NodeSpec[] {
  const layers = new Layers();
  let [inChannels = 0] = widthOf;
  const first = { outChannels: inChannels, kernel: 3, stride: stem === 'small' ? 1 : 2, activation: 'relu' } as const;
  let last = layers.block('conv1', image, first);
  for (const [index, stride] of strides.entries()) {
    const name = `conv${index + 2}`;
    const outChannels = widthOf[index + 1] ?? 0;
    last = layers.block(`${name}_dw`, last, { outChannels: inChannels, kernel: 3, stride, groups: inChannels, activation: 'relu' });
    last = layers.block(`${name}_pw`, last, { outChannels, kernel: 1, activation: 'relu' });
    inChannels = outChannels;
  }
  layers.classifier(last, classes);
  return layers.specs;
}
