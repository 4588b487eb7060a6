/**
 * MnasNet-A1 (Tan et al. 2019, arXiv 1807.11626, figure 7): found by reinforcement learning with a phone's latency in the reward.
 * Squeezed to a quarter of the block's input channels, as in the authors' code. The 'small' stem has stride 1 in the first convolution.
 */
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, divisibleChannels, image, invertedResidual } from './layers.ts';

// Expansion, kernel, output channels, repetitions, stride of the first, squeeze-and-excitation.
const stages: readonly (readonly [t: number, kernel: number, c: number, n: number, s: number, squeeze: boolean])[] = [
  [1, 3, 16, 1, 1, false],
  [6, 3, 24, 2, 2, false],
  [3, 5, 40, 3, 2, true],
  [6, 3, 80, 4, 2, false],
  [6, 3, 112, 2, 1, true],
  [6, 5, 160, 3, 2, true],
  [6, 3, 320, 1, 1, false],
];

export const mnasnetA1: Family = {
  id: 'mnasnet-a1',
  title: 'MnasNet-A1',
  source: 'Tan et al. 2019, arXiv 1807.11626',
  defaults: imagenet,
  listedWidths: [1],
  published: [
    { params: 3.9e6, top1: 0.752, latencies: [{ device: 'Google Pixel 1', ms: 78 }], source: 'Tan et al. 2019, arXiv 1807.11626' },
    {
      top1: 0.74,
      top5: 0.918,
      latencies: [{ device: 'NVIDIA Tesla V100', ms: 6.1 }],
      source: 'Han et al., Design Automation for Efficient Deep Learning Computing, table 1',
      note: 'called MnasNet there; its accuracy is not that of A1',
    },
  ],
  build,
};

function build({ width, stem, classes }: Variant): readonly NodeSpec[] {
  const layers = new Layers(1e-3);
  const activation = 'relu';
  let inChannels = divisibleChannels(32, width);
  let last = layers.block('stem', image, { outChannels: inChannels, kernel: 3, stride: stem === 'small' ? 1 : 2, activation });
  let number = 0;
  for (const [t, kernel, c, n, s, hasGate] of stages) {
    const outChannels = divisibleChannels(c, width);
    for (let repetition = 0; repetition < n; repetition += 1) {
      number += 1;
      const stride = repetition === 0 ? s : 1;
      const block = { name: `b${number}`, inChannels, midChannels: inChannels * t, outChannels, kernel, stride, activation } as const;
      const squeeze = { channels: Math.max(1, Math.floor(inChannels / 4)), gate: 'sigmoid' } as const;
      last = invertedResidual(layers, last, hasGate ? { ...block, squeeze } : block);
      inChannels = outChannels;
    }
  }
  last = layers.block('last_1x1', last, { outChannels: divisibleChannels(1280, Math.max(1, width)), kernel: 1, activation });
  layers.classifier(last, classes, 0.2);
  return layers.specs;
}
