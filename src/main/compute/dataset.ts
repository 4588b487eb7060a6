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

/** Throws LatheError: bad-input where lengths and shapes do not agree; unavailable without the addon or when a file cannot be opened. */
export function createDataset(options: NativeDatasetOptions): NativeDataset {
  const { images, labels, height, width, channels, inputHeight = height, inputWidth = width, mean, std } = options;
  checkInteger('height', height, 1, 65_536);
  checkInteger('width', width, 1, 65_536);
  checkInteger('channels', channels, 1, 65_536);
  checkInteger('inputHeight', inputHeight, height, 65_536);
  checkInteger('inputWidth', inputWidth, width, 65_536);
  if (images instanceof Uint8Array) {
    const reason = `${labels.length} labels x ${height} x ${width} x ${channels}`;
    checkLength('images', images.length, labels.length * height * width * channels, reason);
  } else {
    checkInteger('images.offset', images.offset, 0, Number.MAX_SAFE_INTEGER);
  }
  checkLength('mean', mean.length, channels, 'one a channel');
  checkLength('std', std.length, channels, 'one a channel');
  checkFinite('mean', mean);
  checkFinite('std', std);
  const flat = std.findIndex((value) => value <= 0);
  if (flat >= 0) fail(`std[${flat}] must be positive, found ${String(std[flat])}`);
  const native = { images, labels, height, width, channels, inputHeight, inputWidth, mean: [...mean], std: [...std] };
  const dataset = guard(() => new (loadAddon().Dataset)(native));
  const largestLabel = labels.reduce((largest, label) => Math.max(largest, label), -1);
  facts.set(dataset, { count: labels.length, shape: [inputHeight, inputWidth, channels], largestLabel });
  return dataset;
}

/** Throws LatheError: bad-input for anything that `createDataset` did not make. */
export function factsOf(dataset: NativeDataset): DatasetFacts {
  return facts.get(dataset) ?? fail('dataset must come from createDataset');
}
