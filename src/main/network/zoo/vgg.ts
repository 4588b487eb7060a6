/**
 * VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556, configuration D), without batch norm. There is no stem to shrink: both
 * forms are the same network. At 32 x 32 the flattened image is 1 x 1.
 */
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, divisibleChannels, image } from './layers.ts';

const stages: readonly (readonly number[])[] = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];

export const vgg16: Family = {
  id: 'vgg-16',
  title: 'VGG-16',
  source: 'Simonyan and Zisserman 2014, arXiv 1409.1556',
  defaults: imagenet,
  listedWidths: [1],
  published: [{ macs: 15.47e9, params: 138_357_544, top1: 0.71592, top5: 0.90382, source: 'torchvision, model weights IMAGENET1K_V1' }],
  build,
};

function build({ width, classes }: Variant): readonly NodeSpec[] {
  const layers = new Layers();
  let last = image;
  for (const [stage, channels] of stages.entries()) {
    for (const [index, count] of channels.entries()) {
      const name = `conv${stage + 1}_${index + 1}`;
      last = layers.convolution(name, last, { outChannels: divisibleChannels(count, width), kernel: 3, bias: true });
      last = layers.activation('relu', `${name}_relu`, last);
    }
    last = layers.maxPool(`pool${stage + 1}`, last, { kernel: 2, stride: 2, padding: [0, 0, 0, 0] });
  }
  last = layers.push({ kind: 'flatten', name: 'flatten', input: last });
  for (const name of ['fc6', 'fc7']) {
    last = layers.linear(name, last, divisibleChannels(4096, width));
    last = layers.dropout(`${name}_dropout`, layers.activation('relu', `${name}_relu`, last), 0.5);
  }
  layers.linear('fc', last, classes);
  return layers.specs;
}
