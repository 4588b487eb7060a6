/** Images and labels as the addon reads them. */
import type { NativeDataset, NativeDatasetOptions } from './addon.ts';
import { checkFinite, checkInteger, checkLength, fail } from './check.ts';
import { guard } from './native-error.ts';
import { loadAddon } from './load.ts';

/** What a later call must know of a data set to check its own arguments. */
export interface DatasetFacts {
  readonly count: number;
  readonly shape: readonly [height: number, width: number, channels: number];
  readonly largestLabel: number; // -1: no images
}

const facts = new WeakMap<NativeDataset, DatasetFacts>();

/** Throws LatheError: bad-input where lengths and shape do not agree; unavailable without the addon. */
export function createDataset(options: NativeDatasetOptions): NativeDataset {
  const { images, labels, height, width, channels, mean, std } = options;
  checkInteger('height', height, 1, 65_536);
  checkInteger('width', width, 1, 65_536);
  checkInteger('channels', channels, 1, 65_536);
  checkLength(
    'images',
    images.length,
    labels.length * height * width * channels,
    `${labels.length} labels x ${height} x ${width} x ${channels}`,
  );
  checkLength('mean', mean.length, channels, 'one a channel');
  checkLength('std', std.length, channels, 'one a channel');
  checkFinite('mean', mean);
  checkFinite('std', std);
  const flat = std.findIndex((value) => value <= 0);
  if (flat >= 0) fail(`std[${flat}] must be positive, found ${String(std[flat])}`);
  const dataset = guard(() => new (loadAddon().Dataset)({ images, labels, height, width, channels, mean: [...mean], std: [...std] }));
  const largestLabel = labels.reduce((largest, label) => Math.max(largest, label), -1);
  facts.set(dataset, { count: labels.length, shape: [height, width, channels], largestLabel });
  return dataset;
}

/** Throws LatheError: bad-input for anything that `createDataset` did not make. */
export function factsOf(dataset: NativeDataset): DatasetFacts {
  return facts.get(dataset) ?? fail('dataset must come from createDataset');
}
