/**
 * NASNet-A (4 @ 1056), the mobile one (Zoph et al. 2018, arXiv 1707.07012, figure 4 and appendix A.4): twelve normal cells in three
 * stages with a reduction cell before each later one and two reducing stem cells, each cell reading the outputs of the two before it.
 * Padding is TensorFlow's 'same': what is odd goes below and to the right. The 'small' stem has stride 1 in the first convolution.
 */
import { LatheError } from '../../../shared/errors.ts';
import type { NodeSpec } from '../graph.ts';
import type { Padding } from '../shape.ts';
import type { Family, Variant } from './family.ts';
import { imagenet } from './family.ts';
import { Layers, image } from './layers.ts';

const filtersOfMobile = 44; // 1056 / 24
const stemChannels = 32;
const cellsOfStage = 4;

export const nasnetAMobile: Family = {
  id: 'nasnet-a-mobile',
  title: 'NASNet-A Mobile',
  source: 'Zoph et al. 2018, arXiv 1707.07012',
  defaults: imagenet,
  listedWidths: [1],
  published: [
    { macs: 564e6, params: 5.3e6, top1: 0.74, top5: 0.916, source: 'Zoph et al. 2018, arXiv 1707.07012' },
    {
      top1: 0.74,
      top5: 0.913,
      latencies: [{ device: 'NVIDIA Tesla V100', ms: 38.3 }],
      source: 'Han et al., Design Automation for Efficient Deep Learning Computing, table 1',
    },
  ],
  build,
};

/** An output with what following cells have to know of it. */
interface Feature {
  readonly name: string;
  readonly channels: number;
  readonly side: number; // height and width
}

function build({ width, inputSize, stem, classes }: Variant): readonly NodeSpec[] {
  const layers = new Layers(1e-3);
  const filters = Math.max(4, 4 * Math.round((filtersOfMobile * width) / 4)); // the stem cells have a half and a quarter of them
  const cells = new Cells(layers);
  let [previous, last] = cells.stem(inputSize, stem, Math.max(8, Math.round(stemChannels * width)));
  for (const [index, divisor] of [4, 2].entries()) {
    [previous, last] = [last, cells.reduction(`stem${index + 1}`, previous, last, filters / divisor)];
  }
  for (let stage = 0; stage < 3; stage += 1) {
    const count = filters * 2 ** stage;
    if (stage > 0) [previous, last] = [last, cells.reduction(`reduction${stage}`, previous, last, count)];
    for (let index = 0; index < cellsOfStage; index += 1) {
      [previous, last] = [last, cells.normal(`cell${stage * cellsOfStage + index + 1}`, previous, last, count)];
    }
  }
  layers.classifier(layers.activation('relu', 'last_relu', last.name), classes, 0.5);
  return layers.specs;
}

class Cells {
  readonly #layers: Layers;
  #rectified = new Map<string, string>(); // one ReLU of each tensor, whoever reads it

  constructor(layers: Layers) {
    this.#layers = layers;
  }

  /** The first convolution, which both inputs of the first cell are; without padding where it halves. */
  stem(inputSize: number, stem: Variant['stem'], channels: number): [Feature, Feature] {
    const isSmall = stem === 'small';
    const side = isSmall ? inputSize : Math.floor((inputSize - 3) / 2) + 1;
    if (side < 16) {
      throw new LatheError(
        'bad-input',
        `nasnet-a-mobile: an input of ${inputSize} x ${inputSize} is too small for its reductions; take the small stem`,
      );
    }
    const padding: Padding = isSmall ? [1, 1, 1, 1] : [0, 0, 0, 0];
    const name = this.#layers.block('conv0', image, {
      outChannels: channels,
      kernel: 3,
      stride: isSmall ? 1 : 2,
      padding,
      activation: null,
    });
    const feature = { name, channels, side };
    return [feature, feature];
  }

  /** Figure 4, left: five sums joined with the cell before, 6 * count channels. */
  normal(name: string, previous: Feature, current: Feature, count: number): Feature {
    const layers = this.#layers;
    const { side } = current;
    const h = this.#squeeze(`${name}_current`, current, count);
    const p = this.#matched(`${name}_previous`, previous, current, count);
    const average = (part: string, from: string): string => layers.averagePool(`${name}_${part}`, from, this.#window(side, 3, 1));
    const sums = [
      layers.add(
        `${name}_add1`,
        this.#separable(`${name}_sep1_left`, h, count, count, 5, 1, side),
        this.#separable(`${name}_sep1_right`, p, count, count, 3, 1, side),
      ),
      layers.add(
        `${name}_add2`,
        this.#separable(`${name}_sep2_left`, p, count, count, 5, 1, side),
        this.#separable(`${name}_sep2_right`, p, count, count, 3, 1, side),
      ),
      layers.add(`${name}_add3`, average('pool3', h), p),
      layers.add(`${name}_add4`, average('pool4_left', p), average('pool4_right', p)),
      layers.add(`${name}_add5`, this.#separable(`${name}_sep5`, h, count, count, 3, 1, side), h),
    ];
    return { name: layers.concat(`${name}_concat`, p, ...sums), channels: 6 * count, side };
  }

  /** Figure 4, right: halves the resolution, 4 * count channels. */
  reduction(name: string, previous: Feature, current: Feature, count: number): Feature {
    const layers = this.#layers;
    const { side } = current;
    const half = Math.ceil(side / 2);
    const h = this.#squeeze(`${name}_current`, current, count);
    // The first stem cell reads the same tensor twice and does not squeeze the second.
    const isFirst = previous.name === current.name;
    const p = isFirst ? current.name : this.#matched(`${name}_previous`, previous, current, count);
    const from = isFirst ? current.channels : count;
    const separable = (part: string, input: string, inChannels: number, kernel: number): string =>
      this.#separable(`${name}_${part}`, input, inChannels, count, kernel, 2, side);
    const max = layers.maxPool(`${name}_max`, h, this.#window(side, 3, 2));
    const sum1 = layers.add(`${name}_add1`, separable('sep1_left', h, count, 5), separable('sep1_right', p, from, 7));
    const sum2 = layers.add(`${name}_add2`, max, separable('sep2', p, from, 7));
    const pool3 = layers.averagePool(`${name}_pool3`, h, this.#window(side, 3, 2));
    const sum3 = layers.add(`${name}_add3`, pool3, separable('sep3', p, from, 5));
    const sum4 = layers.add(`${name}_add4`, layers.averagePool(`${name}_pool4`, sum1, this.#window(half, 3, 1)), sum2);
    const sum5 = layers.add(`${name}_add5`, this.#separable(`${name}_sep5`, sum1, count, count, 3, 1, half), max);
    return { name: layers.concat(`${name}_concat`, sum2, sum3, sum4, sum5), channels: 4 * count, side: half };
  }

  /** The output of the cell before the last, in the shape that this cell needs. */
  #matched(name: string, previous: Feature, current: Feature, count: number): string {
    return previous.side === current.side ? this.#squeeze(name, previous, count) : this.#factorizedReduction(name, previous, count);
  }

  #squeeze(name: string, { name: input }: Feature, count: number): string {
    return this.#layers.block(`${name}_1x1`, this.#relu(input), { outChannels: count, kernel: 1, activation: null });
  }

  /** Halves by two paths of every second pixel, the second shifted by one, each giving half of the channels. */
  #factorizedReduction(name: string, { name: input }: Feature, count: number): string {
    const layers = this.#layers;
    const rectified = this.#relu(input);
    const every = { kernel: 1, stride: 2, padding: [0, 0, 0, 0] } as const;
    const shifted = layers.push({ kind: 'pad', name: `${name}_shift`, input: rectified, padding: [-1, -1, 1, 1], value: 0 });
    const paths = [rectified, shifted].map((from, index) =>
      layers.convolution(`${name}_path${index + 1}_1x1`, layers.averagePool(`${name}_path${index + 1}`, from, every), {
        outChannels: index === 0 ? Math.ceil(count / 2) : Math.floor(count / 2),
        kernel: 1,
      }),
    );
    return layers.batchNorm(`${name}_bn`, layers.concat(`${name}_paths`, ...paths));
  }

  /** ReLU, depthwise, pointwise and batch norm, twice; the first has the stride. */
  #separable(name: string, input: string, inChannels: number, count: number, kernel: number, stride: number, side: number): string {
    const layers = this.#layers;
    let last = input;
    let channels = inChannels;
    for (const [index, step] of [stride, 1].entries()) {
      const part = `${name}_${index + 1}`;
      const { padding } = this.#window(index === 0 ? side : Math.ceil(side / stride), kernel, step);
      last = index === 0 ? this.#relu(last) : layers.activation('relu', `${part}_relu`, last);
      last = layers.convolution(`${part}_dw`, last, { outChannels: channels, kernel, stride: step, padding, groups: channels });
      last = layers.block(`${part}_pw`, last, { outChannels: count, kernel: 1, activation: null });
      channels = count;
    }
    return last;
  }

  #relu(input: string): string {
    const known = this.#rectified.get(input);
    if (known !== undefined) return known;
    const name = this.#layers.activation('relu', `${input}_relu`, input);
    this.#rectified.set(input, name);
    return name;
  }

  /** TensorFlow's 'same': out = ceil(side / stride). */
  #window(side: number, kernel: number, stride: number): { kernel: number; stride: number; padding: Padding } {
    const total = Math.max(0, (Math.ceil(side / stride) - 1) * stride + kernel - side);
    const before = Math.floor(total / 2);
    return { kernel, stride, padding: [before, before, total - before, total - before] };
  }
}
