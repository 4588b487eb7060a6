/**
 * ResNets (He et al. 2015, arXiv 1512.03385). For ImageNet (table 1): 18 and 34 of basic blocks, 50 of bottlenecks in the form
 * called v1.5, whose stride is in the 3 x 3 convolution. For CIFAR (section 4.2): 20 and 56 layers, and the plain 20 without
 * shortcuts. Shortcuts that change the shape are 1 x 1 convolutions (option B); the paper's CIFAR networks pad with zeros
 * instead (option A), which has no parameters. The 'small' stem of the ImageNet ones is a 3 x 3 convolution of stride 1 without
 * the pooling; that of the CIFAR ones has stride 1, and 'imagenet' has stride 2.
 */
import { evenPadding } from '../shape.ts';
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { cifar10, imagenet } from './family.ts';
import { Layers, divisibleChannels, image } from './layers.ts';

const source = 'He et al. 2015, arXiv 1512.03385';

export const resnet18: Family = {
  id: 'resnet-18',
  title: 'ResNet-18',
  source,
  defaults: imagenet,
  listedWidths: [1],
  published: [{ macs: 1.814e9, params: 11_689_512, top1: 0.69758, top5: 0.89078, source: 'torchvision, model weights IMAGENET1K_V1' }],
  build: (variant) => buildImagenet(variant, [2, 2, 2, 2], 'basic'),
};

export const resnet34: Family = {
  id: 'resnet-34',
  title: 'ResNet-34',
  source,
  defaults: imagenet,
  listedWidths: [1],
  published: [
    { macs: 3.664e9, params: 21_797_672, top1: 0.73314, top5: 0.9142, source: 'torchvision, model weights IMAGENET1K_V1' },
    {
      top1: 0.733,
      top5: 0.914,
      latencies: [{ device: 'NVIDIA Tesla V100', ms: 8 }],
      source: 'Han et al., Design Automation for Efficient Deep Learning Computing, table 1',
    },
  ],
  build: (variant) => buildImagenet(variant, [3, 4, 6, 3], 'basic'),
};

export const resnet50: Family = {
  id: 'resnet-50',
  title: 'ResNet-50',
  source: `${source}; v1.5: stride in the 3 x 3`,
  defaults: imagenet,
  listedWidths: [1],
  published: [
    { macs: 4.09e9, params: 25_557_032, top1: 0.7613, source: 'torchvision, model weights IMAGENET1K_V1' },
    {
      macs: 3.8e9,
      source: `${source}, table 1`,
      note: 'stride in the first 1 x 1 of each stage: 3,857,973,248 MACs in our count, less than v1.5',
    },
  ],
  build: (variant) => buildImagenet(variant, [3, 4, 6, 3], 'bottleneck'),
};

export const resnet20: Family = {
  id: 'resnet-20',
  title: 'ResNet-20',
  source,
  defaults: cifar10,
  listedWidths: [1],
  published: [{ params: 0.27e6, top1: 0.9125, source: `${source}, table 6`, note: 'CIFAR-10; shortcuts without parameters (option A)' }],
  build: (variant) => buildCifar(variant, 3, true),
};

export const resnet56: Family = {
  id: 'resnet-56',
  title: 'ResNet-56',
  source,
  defaults: cifar10,
  listedWidths: [1],
  published: [{ params: 0.85e6, top1: 0.9303, source: `${source}, table 6`, note: 'CIFAR-10; shortcuts without parameters (option A)' }],
  build: (variant) => buildCifar(variant, 9, true),
};

export const plain20: Family = {
  id: 'plain-20',
  title: 'Plain-20',
  source,
  defaults: cifar10,
  listedWidths: [1],
  published: [{ top1: 0.905, source: 'IntelLabs/distiller, auto_compression README', note: 'CIFAR-10' }],
  build: (variant) => buildCifar(variant, 3, false),
};

interface Block {
  readonly name: string;
  readonly inChannels: number;
  readonly channels: number;
  readonly stride: number;
}

function buildImagenet({ width, stem, classes }: Variant, stages: readonly number[], kind: 'basic' | 'bottleneck'): readonly NodeSpec[] {
  const layers = new Layers();
  let inChannels = divisibleChannels(64, width);
  const first = stem === 'small' ? { kernel: 3, stride: 1 } : { kernel: 7, stride: 2 };
  let last = layers.block('conv1', image, { outChannels: inChannels, ...first, activation: 'relu' });
  if (stem === 'imagenet') last = layers.maxPool('maxpool', last, { kernel: 3, stride: 2, padding: evenPadding(1) });
  for (const [stage, count] of stages.entries()) {
    const channels = divisibleChannels(64 * 2 ** stage, width);
    for (let index = 0; index < count; index += 1) {
      const block = { name: `layer${stage + 1}_${index + 1}`, inChannels, channels, stride: stage > 0 && index === 0 ? 2 : 1 };
      last = kind === 'basic' ? basic(layers, last, block) : bottleneck(layers, last, block);
      inChannels = kind === 'basic' ? channels : 4 * channels;
    }
  }
  layers.classifier(last, classes);
  return layers.specs;
}

function buildCifar({ width, stem, classes }: Variant, blocks: number, hasShortcuts: boolean): readonly NodeSpec[] {
  const layers = new Layers();
  let inChannels = divisibleChannels(16, width);
  let last = layers.block('conv1', image, { outChannels: inChannels, kernel: 3, stride: stem === 'small' ? 1 : 2, activation: 'relu' });
  for (let stage = 0; stage < 3; stage += 1) {
    const channels = divisibleChannels(16 * 2 ** stage, width);
    for (let index = 0; index < blocks; index += 1) {
      const block = { name: `layer${stage + 1}_${index + 1}`, inChannels, channels, stride: stage > 0 && index === 0 ? 2 : 1 };
      last = basic(layers, last, block, hasShortcuts);
      inChannels = channels;
    }
  }
  layers.classifier(last, classes);
  return layers.specs;
}

function basic(layers: Layers, input: string, { name, inChannels, channels, stride }: Block, hasShortcut = true): string {
  let last = layers.block(`${name}_conv1`, input, { outChannels: channels, kernel: 3, stride, activation: 'relu' });
  last = layers.block(`${name}_conv2`, last, { outChannels: channels, kernel: 3, activation: hasShortcut ? null : 'relu' });
  if (!hasShortcut) return last;
  return joined(layers, name, last, shortcut(layers, input, { name, inChannels, channels, stride }));
}

function bottleneck(layers: Layers, input: string, { name, inChannels, channels, stride }: Block): string {
  let last = layers.block(`${name}_conv1`, input, { outChannels: channels, kernel: 1, activation: 'relu' });
  last = layers.block(`${name}_conv2`, last, { outChannels: channels, kernel: 3, stride, activation: 'relu' });
  last = layers.block(`${name}_conv3`, last, { outChannels: 4 * channels, kernel: 1, activation: null });
  return joined(layers, name, last, shortcut(layers, input, { name, inChannels, channels: 4 * channels, stride }));
}

function shortcut(layers: Layers, input: string, { name, inChannels, channels, stride }: Block): string {
  if (stride === 1 && inChannels === channels) return input;
  return layers.block(`${name}_shortcut`, input, { outChannels: channels, kernel: 1, stride, activation: null });
}

function joined(layers: Layers, name: string, last: string, other: string): string {
  return layers.activation('relu', `${name}_relu`, layers.add(`${name}_add`, last, other));
}
