/**
 * MobileNet-V2 (Sandler et al. 2018, arXiv 1801.04381, table 2), and the one that AMC made of it (He et al. 2018, arXiv
 * 1802.03494; the channels are those of the released model). The 'small' stem has stride 1 in the first convolution.
 */
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, divisibleChannels, image, invertedResidual } from './layers.ts';

// Table 2: expansion t, output channels c, repetitions n, stride s of the first.
const stages: readonly (readonly [t: number, c: number, n: number, s: number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];
const strides = stages.flatMap(([, , n, s]) => Array.from({ length: n }, (_, index) => (index === 0 ? s : 1)));

interface Channels {
  readonly stem: number;
  readonly blocks: readonly (readonly [mid: number, out: number])[]; // of the depthwise convolution, of the projection
  readonly last: number;
}

const slim = 'TF-Slim, MobileNet-V2 checkpoints';

export const mobilenetV2: Family = {
  id: 'mobilenet-v2',
  title: 'MobileNet-V2',
  source: 'Sandler et al. 2018, arXiv 1801.04381',
  defaults: imagenet,
  listedWidths: [1, 0.75, 0.5, 0.35],
  published: [
    { width: 1, macs: 0.3e9, params: 3_504_872, top1: 0.71878, source: 'torchvision documentation' },
    { width: 1, macs: 300e6, source: slim },
    {
      width: 1,
      top1: 0.72,
      top5: 0.91,
      latencies: [{ device: 'NVIDIA Tesla V100', ms: 6.1 }],
      source: 'Han et al., Design Automation for Efficient Deep Learning Computing, table 1',
    },
    { width: 0.75, macs: 209e6, source: slim },
    { width: 0.75, top1: 0.698, top5: 0.896, source: 'mit-han-lab/amc-models, README' },
    { width: 0.5, macs: 97e6, source: slim },
    { width: 0.35, macs: 59e6, source: slim },
  ],
  build: (variant) => build(variant, channelsAt(variant.width)),
};

export const mobilenetV2Amc70: Family = {
  id: 'mobilenet-v2-amc-70',
  title: 'MobileNet-V2 AMC 70 %',
  source: 'He et al. 2018, arXiv 1802.03494; channels of mit-han-lab/amc-models',
  defaults: imagenet,
  listedWidths: null,
  published: [{ macs: 210e6, top1: 0.70854, top5: 0.89914, source: 'mit-han-lab/amc-models, README; mit-han-lab/amc, README' }],
  build: (variant) =>
    build(variant, {
      stem: 24,
      blocks: [
        [24, 16],
        [72, 24],
        [104, 24],
        [104, 32],
        [136, 32],
        [136, 32],
        [136, 64],
        [272, 64],
        [272, 64],
        [272, 64],
        [272, 96],
        [408, 96],
        [400, 96],
        [400, 160],
        [712, 160],
        [720, 160],
        [712, 248],
      ],
      last: 848,
    }),
};

function channelsAt(width: number): Channels {
  const stem = divisibleChannels(32, width);
  const outs = stages.flatMap(([t, c, n]) => Array.from({ length: n }, () => ({ t, out: divisibleChannels(c, width) })));
  return {
    stem,
    blocks: outs.map(({ t, out }, index) => [(outs[index - 1]?.out ?? stem) * t, out]),
    last: divisibleChannels(1280, Math.max(1, width)), // does not shrink below 1280 (section 6.1)
  };
}

function build({ stem, classes }: Variant, channels: Channels): readonly NodeSpec[] {
  const layers = new Layers();
  let inChannels = channels.stem;
  const activation = 'relu6';
  let last = layers.block('stem', image, { outChannels: inChannels, kernel: 3, stride: stem === 'small' ? 1 : 2, activation });
  for (const [index, [midChannels, outChannels]] of channels.blocks.entries()) {
    const name = `b${index + 1}`;
    const stride = strides[index] ?? 1;
    last = invertedResidual(layers, last, { name, inChannels, midChannels, outChannels, kernel: 3, stride, activation, expand: index > 0 });
    inChannels = outChannels;
  }
  last = layers.block('last_1x1', last, { outChannels: channels.last, kernel: 1, activation });
  layers.classifier(last, classes);
  return layers.specs;
}
