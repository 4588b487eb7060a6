/**
 * MobileNet-V3 (Howard et al. 2019, arXiv 1905.02244, tables 1 and 2): inverted residuals, some with squeeze-and-excitation and
 * hard-swish, found by search and finished by hand. Squeezed to a quarter of the expansion, rounded to 8, as in the authors' code.
 * The 'small' stem has stride 1 in the first convolution.
 */
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, divisibleChannels, image, invertedResidual } from './layers.ts';

type Row = readonly [kernel: number, expansion: number, out: number, squeeze: boolean, activation: 'relu' | 'hardSwish', stride: 1 | 2];

const large: readonly Row[] = [
  [3, 16, 16, false, 'relu', 1],
  [3, 64, 24, false, 'relu', 2],
  [3, 72, 24, false, 'relu', 1],
  [5, 72, 40, true, 'relu', 2],
  [5, 120, 40, true, 'relu', 1],
  [5, 120, 40, true, 'relu', 1],
  [3, 240, 80, false, 'hardSwish', 2],
  [3, 200, 80, false, 'hardSwish', 1],
  [3, 184, 80, false, 'hardSwish', 1],
  [3, 184, 80, false, 'hardSwish', 1],
  [3, 480, 112, true, 'hardSwish', 1],
  [3, 672, 112, true, 'hardSwish', 1],
  [5, 672, 160, true, 'hardSwish', 2],
  [5, 960, 160, true, 'hardSwish', 1],
  [5, 960, 160, true, 'hardSwish', 1],
];

const small: readonly Row[] = [
  [3, 16, 16, true, 'relu', 2],
  [3, 72, 24, false, 'relu', 2],
  [3, 88, 24, false, 'relu', 1],
  [5, 96, 40, true, 'hardSwish', 2],
  [5, 240, 40, true, 'hardSwish', 1],
  [5, 240, 40, true, 'hardSwish', 1],
  [5, 120, 48, true, 'hardSwish', 1],
  [5, 144, 48, true, 'hardSwish', 1],
  [5, 288, 96, true, 'hardSwish', 2],
  [5, 576, 96, true, 'hardSwish', 1],
  [5, 576, 96, true, 'hardSwish', 1],
];

const source = 'Howard et al. 2019, arXiv 1905.02244';

export const mobilenetV3Large: Family = {
  id: 'mobilenet-v3-large',
  title: 'MobileNet-V3 Large',
  source,
  defaults: imagenet,
  listedWidths: [1],
  published: [{ macs: 0.217e9, params: 5_483_032, top1: 0.74042, top5: 0.9134, source: 'torchvision, model weights IMAGENET1K_V1' }],
  build: (variant) => build(variant, large, 1280),
};

export const mobilenetV3Small: Family = {
  id: 'mobilenet-v3-small',
  title: 'MobileNet-V3 Small',
  source,
  defaults: imagenet,
  listedWidths: [1],
  published: [{ macs: 0.057e9, params: 2_542_856, top1: 0.67668, top5: 0.87402, source: 'torchvision, model weights IMAGENET1K_V1' }],
  build: (variant) => build(variant, small, 1024),
};

function build({ width, stem, classes }: Variant, rows: readonly Row[], features: number): readonly NodeSpec[] {
  const layers = new Layers(1e-3);
  const activation = 'hardSwish';
  let inChannels = divisibleChannels(16, width);
  let last = layers.block('stem', image, { outChannels: inChannels, kernel: 3, stride: stem === 'small' ? 1 : 2, activation });
  for (const [index, row] of rows.entries()) {
    const [kernel, expansion, out, hasGate, inner, stride] = row;
    const midChannels = divisibleChannels(expansion, width);
    const outChannels = divisibleChannels(out, width);
    const squeeze = hasGate ? { channels: divisibleChannels(midChannels / 4), gate: 'hardSigmoid' as const } : undefined;
    const block = { name: `b${index + 1}`, inChannels, midChannels, outChannels, kernel, stride, activation: inner };
    last = invertedResidual(layers, last, squeeze ? { ...block, squeeze } : block);
    inChannels = outChannels;
  }
  last = layers.block('last_1x1', last, { outChannels: 6 * inChannels, kernel: 1, activation });
  last = layers.push({ kind: 'globalAveragePool', name: 'pool', input: last });
  last = layers.linear('features', last, divisibleChannels(features, Math.max(1, width)));
  last = layers.activation('hardSwish', 'features_hardSwish', last);
  layers.linear('fc', layers.dropout('dropout', last, 0.2), classes);
  return layers.specs;
}
