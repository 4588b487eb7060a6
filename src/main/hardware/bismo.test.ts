/**
 * The C++ cycle model against a slow twin that walks every block, tile and fetch, and against what must hold for any layer.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NativeTarget } from '../compute/addon.ts';
import { createSimulator } from '../compute/index.ts';
import { layerOf, rowOf } from './testing.ts';

type BismoArray = Omit<Extract<NativeTarget, { law: 'bismo' }>, 'law' | 'energy'>;
interface BismoLayer {
  readonly kind: 'conv' | 'depthwise' | 'linear';
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly outPixels: number;
}

const cloud: BismoArray = {
  rows: 16,
  columns: 16,
  wordBits: 256,
  weightBufferWords: 16_384,
  activationBufferWords: 16_384,
  depthwiseGroupChannels: 16,
};

interface Cost {
  readonly cycles: number;
  readonly computeCycles: number;
  readonly dramBits: number;
}

function simulateOne(target: BismoArray, layer: BismoLayer, weightBits: number, activationBits: number, batch = 16): Cost {
  const { kind, inChannels, outChannels, kernel, outPixels } = layer;
  const native = layerOf({
    linear: kind === 'linear',
    groups: kind === 'depthwise' ? inChannels : 1,
    inChannels,
    outChannels,
    kernelHeight: kernel,
    kernelWidth: kernel,
    ...pixelsOf(outPixels),
  });
  const result = createSimulator({ law: 'bismo', ...target, energy: null }).run([native], rowOf(weightBits, activationBits), batch);
  const at = (column: Float64Array): number => column[0] ?? Number.NaN;
  return {
    cycles: at(result.cycles),
    computeCycles: at(result.computeCycles),
    dramBits: at(result.weightBits) + at(result.inputBits) + at(result.partialBits) + at(result.outputBits),
  };
}

/** Some sides whose product this is: the law sees no more of them. */
function pixelsOf(count: number): { outHeight: number; outWidth: number; inHeight: number; inWidth: number } {
  let height = Math.max(1, Math.ceil(count / 65_536));
  while (count % height !== 0) height++;
  return { outHeight: height, outWidth: count / height, inHeight: 1, inWidth: 1 };
}

// The slow twin. Rows of each tile of `count` rows, the last one possibly smaller; chunks are cut the same way.
function cut(count: number, size: number): number[] {
  const pieces: number[] = [];
  for (let left = count; left > 0; left -= size) pieces.push(Math.min(left, size));
  return pieces;
}

interface Side {
  readonly tiles: readonly number[]; // rows of each
  readonly bits: number;
}

// One block with one operand resident and the other streamed past it; `words` of a row of one bit plane.
function blockCycles(resident: Side, streamed: Side, words: number): number {
  const pair = words * resident.bits * streamed.bits;
  let fill = streamed.bits - 1;
  for (const rows of resident.tiles) fill += Math.max(rows * words * resident.bits, pair);
  fill += resident.tiles.length * (streamed.tiles.length - 1) * pair;
  let fetched = 0;
  let end = 0;
  for (const rows of streamed.tiles) {
    fetched += rows * words * streamed.bits;
    end = Math.max(fetched + (resident.tiles.length - 1) * pair + streamed.bits * (resident.bits - 1), end + resident.tiles.length * pair);
  }
  return Math.max(fill, end);
}

function slowTwin(target: BismoArray, layer: BismoLayer, w: number, a: number, batch: number): Cost {
  const taps = layer.kernel * layer.kernel;
  const group = target.depthwiseGroupChannels;
  const [pixels, outputs, inner, repeats] =
    layer.kind === 'linear'
      ? [1, layer.outChannels, taps * layer.inChannels, 1]
      : layer.kind === 'depthwise'
        ? [layer.outPixels, group, taps * group, Math.ceil(layer.inChannels / group) * batch]
        : [layer.outPixels, layer.outChannels, taps * layer.inChannels, batch];
  const words = Math.ceil(inner / target.wordBits);
  const chunks = (count: number, tile: number, buffer: number, bits: number): number[] => {
    const fitting = Math.max(tile, Math.floor(buffer / (words * bits)));
    return fitting >= count ? [count] : cut(count, fitting - (fitting % tile));
  };
  let orderX = 0;
  let orderY = 0;
  let computeCycles = 0;
  let fetchedWords = 0;
  for (const p of chunks(pixels, target.rows, target.activationBufferWords, a)) {
    for (const n of chunks(outputs, target.columns, target.weightBufferWords, w)) {
      const activations: Side = { tiles: cut(p, target.rows), bits: a };
      const weights: Side = { tiles: cut(n, target.columns), bits: w };
      orderX += blockCycles(weights, activations, words);
      orderY += blockCycles(activations, weights, words);
      computeCycles += activations.tiles.length * weights.tiles.length * words * w * a;
      fetchedWords += words * (p * a + n * w);
    }
  }
  return {
    cycles: Math.min(orderX, orderY) * repeats,
    computeCycles: computeCycles * repeats,
    dramBits: fetchedWords * target.wordBits * repeats,
  };
}

const anyBits = fc.integer({ min: 1, max: 8 });
const anyBatch = fc.integer({ min: 1, max: 64 });
const anyLayer: fc.Arbitrary<BismoLayer> = fc
  .record({
    kind: fc.constantFrom('conv' as const, 'depthwise' as const, 'linear' as const),
    inChannels: fc.integer({ min: 2, max: 1300 }), // a single channel is no group
    outChannels: fc.integer({ min: 1, max: 1300 }),
    kernel: fc.constantFrom(1, 3, 5, 7),
    outPixels: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 13_000 })),
  })
  .map((layer) => {
    if (layer.kind === 'depthwise') return { ...layer, outChannels: layer.inChannels };
    return layer.kind === 'linear' ? { ...layer, kernel: 1, outPixels: 1 } : layer;
  });
const anyTarget: fc.Arbitrary<BismoArray> = fc.record({
  rows: fc.integer({ min: 1, max: 40 }),
  columns: fc.integer({ min: 1, max: 40 }),
  wordBits: fc.constantFrom(32, 64, 100, 256),
  weightBufferWords: fc.integer({ min: 1, max: 20_000 }),
  activationBufferWords: fc.integer({ min: 1, max: 20_000 }),
  depthwiseGroupChannels: fc.integer({ min: 1, max: 32 }),
});

describe('the bismo law, misuse', () => {
  const layer: BismoLayer = { kind: 'conv', inChannels: 16, outChannels: 16, kernel: 3, outPixels: 196 };

  it('refuses a layer whose counts a double could not tell exactly', () => {
    const huge = { ...layer, inChannels: 16_777_216, outChannels: 16_777_216, outPixels: 2 ** 31, kernel: 9 };
    expect(() => simulateOne(cloud, huge, 8, 8)).toThrow('layer x: it is too large to simulate: its counts would exceed 2^53');
  });
});

describe('the bismo law against the slow twin', () => {
  it('agrees to the cycle for random layers on the cloud array', () => {
    fc.assert(
      fc.property(anyLayer, anyBits, anyBits, anyBatch, (layer, w, a, batch) => {
        expect(simulateOne(cloud, layer, w, a, batch)).toEqual(slowTwin(cloud, layer, w, a, batch));
      }),
      { numRuns: 500 },
    );
  });

  it('agrees to the cycle for random arrays and buffers, also those too small for one tile', () => {
    fc.assert(
      fc.property(anyTarget, anyLayer, anyBits, anyBits, anyBatch, (target, layer, w, a, batch) => {
        expect(simulateOne(target, layer, w, a, batch)).toEqual(slowTwin(target, layer, w, a, batch));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the bismo law, for any layer', () => {
  const useful = (layer: BismoLayer, batch: number): number => {
    const inputs = layer.kernel * layer.kernel * (layer.kind === 'depthwise' ? 1 : layer.inChannels);
    return inputs * layer.outChannels * layer.outPixels * (layer.kind === 'linear' ? 1 : batch);
  };

  it('never beats the array: cycles >= executing cycles >= useful binary operations over the width of the array', () => {
    fc.assert(
      fc.property(anyLayer, anyBits, anyBits, anyBatch, (layer, w, a, batch) => {
        const cost = simulateOne(cloud, layer, w, a, batch);
        expect(cost.cycles).toBeGreaterThanOrEqual(cost.computeCycles);
        expect(cost.computeCycles * 16 * 16 * 256).toBeGreaterThanOrEqual(useful(layer, batch) * w * a);
      }),
    );
  });

  it('never beats the memory: the busier of the two channels fits into the cycles', () => {
    fc.assert(
      fc.property(anyLayer, anyBits, anyBits, anyBatch, (layer, w, a, batch) => {
        const cost = simulateOne(cloud, layer, w, a, batch);
        expect(cost.cycles * 2 * 256).toBeGreaterThanOrEqual(cost.dramBits);
      }),
    );
  });

  it('executes in proportion to weight bits times activation bits', () => {
    fc.assert(
      fc.property(anyLayer, anyBits, anyBits, (layer, w, a) => {
        expect(simulateOne(cloud, layer, w, a).computeCycles).toBe(w * a * simulateOne(cloud, layer, 1, 1).computeCycles);
      }),
    );
  });

  it('takes longer with more bits, as long as both operands fit on chip', () => {
    // Beyond that a bit more means smaller chunks, whose remainders can fall out better: about one random layer in 200 has
    // such a pair on the cloud array. No published cell is one.
    fc.assert(
      fc.property(anyLayer, anyBits, fc.integer({ min: 1, max: 7 }), (layer, fixed, bits) => {
        const roomy = { ...cloud, weightBufferWords: 2 ** 30, activationBufferWords: 2 ** 30 };
        expect(simulateOne(roomy, layer, bits + 1, fixed).cycles).toBeGreaterThan(simulateOne(roomy, layer, bits, fixed).cycles - 1);
        expect(simulateOne(roomy, layer, fixed, bits + 1).cycles).toBeGreaterThan(simulateOne(roomy, layer, fixed, bits).cycles - 1);
      }),
    );
  });

  it('takes as much longer as there are more images, but for a linear layer, which costs the same', () => {
    fc.assert(
      fc.property(anyLayer, anyBits, anyBits, anyBatch, (layer, w, a, batch) => {
        const one = simulateOne(cloud, layer, w, a, 1);
        const times = layer.kind === 'linear' ? 1 : batch;
        expect(simulateOne(cloud, layer, w, a, batch)).toEqual({
          cycles: one.cycles * times,
          computeCycles: one.computeCycles * times,
          dramBits: one.dramBits * times,
        });
      }),
    );
  });

  it('treats weights and activations alike: transposing a square product exchanges the bits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 5000 }),
        anyBits,
        anyBits,
        (p, n, k, w, a) => {
          const layer: BismoLayer = { kind: 'conv', inChannels: k, outChannels: n, kernel: 1, outPixels: p };
          expect(simulateOne(cloud, layer, w, a)).toEqual(simulateOne(cloud, { ...layer, outChannels: p, outPixels: n }, a, w));
        },
      ),
    );
  });

  it('charges a whole group for the last channels of a depthwise layer', () => {
    const depthwise = (channels: number): BismoLayer => ({
      kind: 'depthwise',
      inChannels: channels,
      outChannels: channels,
      kernel: 3,
      outPixels: 196,
    });
    expect(simulateOne(cloud, depthwise(17), 4, 4)).toEqual(simulateOne(cloud, depthwise(32), 4, 4));
    expect(simulateOne(cloud, depthwise(16), 4, 4).cycles * 2).toBe(simulateOne(cloud, depthwise(17), 4, 4).cycles);
  });

  it('keeps a chunk of one tile where a tile does not fit into the buffer', () => {
    // 1 x 1, 300,000 channels: 1172 words a row and bit plane; at 8 bits 16 rows need 150,016 words of the buffer's 16,384.
    const layer: BismoLayer = { kind: 'conv', inChannels: 300_000, outChannels: 16, kernel: 1, outPixels: 16 };
    expect(simulateOne(cloud, layer, 8, 8, 1)).toEqual(slowTwin(cloud, layer, 8, 8, 1));
    expect(simulateOne(cloud, layer, 8, 8, 1).computeCycles).toBe(1172 * 64);
  });
});
