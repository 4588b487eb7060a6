/** Data sets of the addon: what is refused, images in a file against the same ones in memory, and images smaller than the input. */
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeDataset, NativeDatasetOptions, NativeModel } from './addon.ts';
import { createDataset, createModel, setThreads } from './index.ts';
import { firstIndices, startingValues, tinyProgram } from './test-kit.ts';

const [height, width, channels] = tinyProgram.inputShape; // 6 x 5 x 2
const count = 40;
const random = Random.fromSeed(3);
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.uniformInt(0, 255));
const images = bytesOf(count * height * width * channels);
const labels = Uint8Array.from({ length: count }, () => random.uniformInt(0, 2));
const common = { labels, height, width, channels, mean: [0.4, 0.5], std: [0.25, 0.2] };

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lathe-dataset-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** The same images in a file, behind 16 bytes that are none. */
async function inFile(name: string, bytes = images): Promise<{ path: string; offset: number }> {
  const path = join(folder, name);
  await writeFile(path, Buffer.concat([Buffer.alloc(16, 0xee), bytes]));
  return { path, offset: 16 };
}

function newModel(): NativeModel {
  const model = createModel(tinyProgram);
  model.setState(startingValues(model.parameters, Random.fromSeed(11)));
  return model;
}

const train = (model: NativeModel, dataset: NativeDataset): ReturnType<NativeModel['train']> =>
  model.train({
    dataset,
    order: Uint32Array.from({ length: 5 * 8 }, (_, i) => (i * 7) % count),
    batchSize: 8,
    learningRates: new Float32Array(5).fill(0.05),
    momentum: 0.9,
    weightDecay: 1e-4,
  });

const logitsOf = async (dataset: NativeDataset): Promise<Float32Array | null> =>
  (await newModel().evaluate({ dataset, indices: firstIndices(count), batchSize: 16, wantLogits: true })).logits;

describe('createDataset refuses', () => {
  it('an input that is smaller than the images', () => {
    expect(() => createDataset({ ...common, images, inputHeight: 5 })).toThrow(
      'inputHeight must be a whole number from 6 to 65536, found 5',
    );
  });

  it('a file that is not there, and one that is too short', async () => {
    const missing: NativeDatasetOptions = { ...common, images: { path: join(folder, 'none'), offset: 0 } };
    expect(() => createDataset(missing)).toThrow(/none could not be opened: No such file/);
    const file = await inFile('short', images.subarray(1));
    expect(() => createDataset({ ...common, images: file })).toThrow(
      'images must hold 2400 bytes (labels x height x width x channels), found 2399',
    );
    expect(() => createDataset({ ...common, images: { ...file, offset: 1e6 } })).toThrow('found 0');
    expect(() => createDataset({ ...common, images: { ...file, offset: -1 } })).toThrow('images.offset must be a whole number');
  });
});

describe('images in a file', () => {
  it('train to the same weights as images in memory, bit for bit, with one thread and with two', async () => {
    const file = await inFile('same');
    for (const threads of [1, 2]) {
      setThreads(threads);
      const [memory, streamed] = [newModel(), newModel()];
      const first = await train(memory, createDataset({ ...common, images }));
      const second = await train(streamed, createDataset({ ...common, images: file }));
      expect(second.losses).toEqual(first.losses);
      expect(streamed.getState()).toEqual(memory.getState());
      expect(first.losses[0]).not.toBe(first.losses[4]); // it did learn something
    }
    expect(await logitsOf(createDataset({ ...common, images: file }))).toEqual(await logitsOf(createDataset({ ...common, images })));
  });

  it('that are cut off while they are used end the call with a sentence and leave the model behind its last whole step', async () => {
    const file = await inFile('cut');
    const dataset = createDataset({ ...common, images: file });
    await truncate(file.path, 1000);
    const model = newModel();
    const before = model.getState().parameters;
    await expect(train(model, dataset)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/cut was cut short while it was in use: it ends at byte \d+$/) as string,
    });
    expect(model.getState().parameters).toEqual(before);
  });
});

describe('images smaller than the input', () => {
  it('are centred on zero bytes, the spare row below and the spare column right', async () => {
    const [small, narrow] = [3, 2]; // in 6 x 5: one row above and two below, one column left and two right
    const stored = bytesOf(count * small * narrow * channels);
    const padded = new Uint8Array(images.length);
    for (let at = 0; at < stored.length; at++) {
      const c = at % channels;
      const column = Math.floor(at / channels) % narrow;
      const row = Math.floor(at / channels / narrow) % small;
      const image = Math.floor(at / channels / narrow / small);
      padded[((image * height + row + 1) * width + column + 1) * channels + c] = stored[at] ?? 0;
    }
    const options = { ...common, height: small, width: narrow, inputHeight: height, inputWidth: width };
    const expected = await logitsOf(createDataset({ ...common, images: padded }));
    expect(await logitsOf(createDataset({ ...options, images: stored }))).toEqual(expected);
    expect(await logitsOf(createDataset({ ...options, images: await inFile('small', stored) }))).toEqual(expected);
  });
});
