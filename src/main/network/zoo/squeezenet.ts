/**
 * SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360, in the authors' version 1.1, which needs 2.4 times less computation): fire
 * modules that squeeze to few channels and expand by 1 x 1 and 3 x 3 convolutions side by side. The 'small' stem keeps the
 * resolution in the first convolution.
 */
import { evenPadding } from '../shape.ts';
import type { NodeSpec } from '../graph.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, divisibleChannels, image } from './layers.ts';

// Squeezed channels and the channels of each of both expansions; null: a pooling.
const modules: readonly (readonly [squeeze: number, expand: number] | null)[] = [
  null,
  [16, 64],
  [16, 64],
  null,
  [32, 128],
  [32, 128],
  null,
  [48, 192],
  [48, 192],
  [64, 256],
  [64, 256],
];

export const squeezenet11: Family = {
  id: 'squeezenet-1.1',
  title: 'SqueezeNet 1.1',
  source: 'Iandola et al. 2016, arXiv 1602.07360; version 1.1',
  defaults: imagenet,
  listedWidths: [1],
  published: [{ params: 1_235_496, top1: 0.58178, top5: 0.80624, source: 'torchvision, model weights IMAGENET1K_V1' }],
  build,
};

function build({ width, stem, classes }: Variant): readonly NodeSpec[] {
  const layers = new Layers();
  const first = stem === 'small' ? { stride: 1, padding: evenPadding(1) } : { stride: 2, padding: evenPadding(0) };
  let last = layers.convolution('conv1', image, { outChannels: divisibleChannels(64, width), kernel: 3, bias: true, ...first });
  last = layers.activation('relu', 'conv1_relu', last);
  let number = 1;
  for (const module of modules) {
    if (module === null) {
      last = layers.maxPool(`pool${number}`, last, { kernel: 3, stride: 2, padding: evenPadding(0) });
      continue;
    }
    number += 1;
    const [squeeze, expand] = module;
    last = fire(layers, `fire${number}`, last, divisibleChannels(squeeze, width), divisibleChannels(expand, width));
  }
  last = layers.dropout('dropout', last, 0.5);
  last = layers.convolution('conv10', last, { outChannels: classes, kernel: 1, bias: true });
  last = layers.activation('relu', 'conv10_relu', last);
  layers.push({ kind: 'globalAveragePool', name: 'pool', input: last });
  return layers.specs;
}

function fire(layers: Layers, name: string, input: string, squeeze: number, expand: number): string {
  const convolution = (part: string, from: string, outChannels: number, kernel: number): string =>
    layers.activation('relu', `${name}_${part}_relu`, layers.convolution(`${name}_${part}`, from, { outChannels, kernel, bias: true }));
  const squeezed = convolution('squeeze', input, squeeze, 1);
  return layers.concat(`${name}_concat`, convolution('expand1x1', squeezed, expand, 1), convolution('expand3x3', squeezed, expand, 3));
}
