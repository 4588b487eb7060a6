/**
 * The tiled law against what must hold for any layer, array and memory; and its fast form against the replay that walks every
 * tile.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeCosts, NativeLayer, NativeMemory, NativeTarget } from '../compute/addon.ts';
import { createSimulator, type Simulator } from '../compute/index.ts';
import { anyBits, anyLayer, anyMemory, compulsoryOf, layerOf, macsOf, rowOf, rowsOf } from './testing.ts';

type TiledTarget = Extract<NativeTarget, NativeMemory>;

const energy = {
  macPj: 0.2,
  cyclePj: 3,
  weightReadPj: 0.02,
  weightWritePj: 0.03,
  inputReadPj: 0.06,
  inputWritePj: 0.11,
  outputReadPj: 0.03,
  outputWritePj: 0.07,
  dramPj: 15,
};
const roomy: NativeMemory = {
  weightBufferBits: 1 << 30,
  inputBufferBits: 1 << 30,
  outputBufferBits: 1 << 30,
  busBitsPerCycle: 64,
  sumBits: 32,
  storedBits: 0,
  latencySlack: 0,
};

const anySides = fc.record({ rows: fc.integer({ min: 1, max: 40 }), columns: fc.integer({ min: 1, max: 40 }) });
const anyDataflow = fc.constantFrom('output-stationary' as const, 'weight-stationary' as const, 'input-stationary' as const);
const anyTarget: fc.Arbitrary<TiledTarget> = fc.oneof(
  fc
    .tuple(anySides, anyMemory, anyDataflow)
    .map(([sides, memory, dataflow]) => ({ law: 'systolic' as const, dataflow, ...sides, ...memory, energy })),
  fc.tuple(anySides, anyMemory).map(([sides, memory]) => ({ law: 'row-stationary' as const, ...sides, ...memory, energy: null })),
  fc
    .tuple(anySides, anyMemory)
    .map(([sides, memory]) => ({ law: 'bitfusion' as const, maximumBits: 8, minimumBits: 2, ...sides, ...memory, storedBits: 0, energy })),
);

/** The cost of the one row, or null where the smallest tile does not fit. */
function costOf(target: TiledTarget, layer: NativeLayer, w: number, a: number, batch: number): NativeCosts | null {
  try {
    return createSimulator(target).run([layer], rowOf(w, a), batch);
  } catch (error) {
    if (error instanceof Error && /give the target a larger buffer/.test(error.message)) return null;
    throw error;
  }
}

/** More tiles than this are not walked one by one here. */
const mostTiles = 100_000;

function at(column: Float64Array | undefined, row = 0): number {
  return column?.[row] ?? Number.NaN;
}

const anyCase = fc.record({
  target: anyTarget,
  layer: anyLayer,
  w: anyBits,
  a: anyBits,
  batch: fc.integer({ min: 1, max: 9 }),
});

describe('the tiled law, misuse', () => {
  const target: TiledTarget = { law: 'systolic', dataflow: 'output-stationary', rows: 8, columns: 8, ...roomy, energy: null };
  const simulator = createSimulator(target);

  it('names the argument, what is allowed and what was found', () => {
    expect(() => createSimulator({ ...target, rows: Number.NaN })).toThrow('target.rows must be an integer from 1 to 65536, found NaN');
    expect(() => createSimulator({ ...target, dataflow: 'sideways' as 'output-stationary' })).toThrow(
      /target\.dataflow must be .* found 'sideways'/,
    );
    expect(() => simulator.run([layerOf({ inChannels: 0 })], rowOf(4, 4), 1)).toThrow(
      'layers[0].inChannels must be an integer from 1 to 16777216, found 0',
    );
    expect(() => simulator.run([layerOf({ inChannels: 3, outChannels: 4, groups: 2 })], rowOf(4, 4), 1)).toThrow(
      'layers[0].groups must divide its channels',
    );
    expect(() => simulator.run([layerOf({})], rowOf(9, 4), 1)).toThrow('x: weightBits must be from 1 to 8, found 9');
    expect(() => simulator.run([layerOf({})], rowOf(4, 0), 1)).toThrow('x: activationBits must be from 1 to 8, found 0');
    expect(() => simulator.run([layerOf({})], rowOf(4, 4), 0)).toThrow(/batch must be an integer from 1 to .* found 0/);
    expect(() => simulator.run([layerOf({})], { ...rowOf(4, 4), activationBits: Uint8Array.of(4, 4) }, 1)).toThrow(
      'rows.activationBits must have 1 entries, one a row, found 2',
    );
    expect(() => simulator.run([], rowOf(4, 4), 1)).toThrow('rows.layer[0] must be below 0, found 0');
    expect(() => simulator.run([layerOf({})], rowOf(4, 4), 1, Int32Array.of(1, 1, 1, 1, 2, 1, 0))).toThrow(
      'tilings[4] must be from 1 to 1, found 2',
    );
  });

  it('says which buffer is too small, by how much, and for which layer', () => {
    const small = createSimulator({ ...target, weightBufferBits: 100 });
    const layer = layerOf({ name: 'conv7', kernelHeight: 5, kernelWidth: 5 });
    expect(() => small.run([layer], rowOf(3, 8), 1)).toThrow(
      'layer conv7: the smallest tile of its weights is 75 bits, and half of the buffer holds 50; give the target a larger buffer',
    );
  });

  it('refuses a layer whose counts a double could not tell exactly', () => {
    const huge = layerOf({ inChannels: 1 << 24, outChannels: 1 << 24, outHeight: 65_536, outWidth: 65_536 });
    expect(() => simulator.run([huge], rowOf(8, 8), 1)).toThrow('layer x: it is too large to simulate: its counts would exceed 2^53');
  });
});

describe('the tiled law, counted by hand', () => {
  it('loads, works and stores one tile after another where everything fits', () => {
    // 4 inputs, 3 outputs, one pixel at 8 bits over 16 bits a cycle: weights 96 bits are 6 cycles, inputs 32 bits 2, outputs 24 bits 2.
    const target: TiledTarget = {
      law: 'systolic',
      dataflow: 'output-stationary',
      rows: 8,
      columns: 8,
      ...roomy,
      busBitsPerCycle: 16,
      energy,
    };
    const cost = createSimulator(target).run([layerOf({ inChannels: 4, outChannels: 3 })], rowOf(8, 8), 1);
    expect(at(cost.computeCycles)).toBe(8 + 8 + 4 - 2);
    expect(at(cost.cycles)).toBe(6 + 2 + 18 + 2);
    expect([at(cost.weightBits), at(cost.inputBits), at(cost.partialBits), at(cost.outputBits)]).toEqual([96, 32, 0, 24]);
    expect([at(cost.weightBufferReadBits), at(cost.inputBufferReadBits)]).toEqual([96, 32]);
    expect(at(cost.computePj)).toBeCloseTo(12 * 0.2 + 18 * 3, 9);
    expect(at(cost.dramPj)).toBe(15 * (96 + 32 + 24));
  });

  it('maps a depthwise layer on BitFusion by channels over columns and taps over rows', () => {
    const target: TiledTarget = {
      law: 'bitfusion',
      maximumBits: 8,
      minimumBits: 2,
      rows: 4,
      columns: 8,
      ...roomy,
      busBitsPerCycle: 1 << 20,
      energy,
    };
    const layer = layerOf({
      inChannels: 20,
      outChannels: 20,
      groups: 20,
      kernelHeight: 3,
      kernelWidth: 3,
      outHeight: 5,
      outWidth: 6,
      inHeight: 7,
      inWidth: 8,
    });
    // 20 channels are 3 columns' worth; 9 taps are 3 rounds of 4 rows at 8 bits, 1 round of 64 lanes at 2.
    expect(at(createSimulator(target).array([layer], rowOf(8, 8), 1).cycles)).toBe(30 * 3 * 3);
    expect(at(createSimulator(target).array([layer], rowOf(2, 2), 1).cycles)).toBe(30 * 3);
  });

  it('maps kernel rows and output rows on a row-stationary array', () => {
    const target: TiledTarget = { law: 'row-stationary', rows: 12, columns: 14, ...roomy, energy: null };
    const layer = layerOf({
      inChannels: 3,
      outChannels: 32,
      kernelHeight: 3,
      kernelWidth: 3,
      outHeight: 112,
      outWidth: 112,
      inHeight: 224,
      inWidth: 224,
    });
    // 4 kernels above each other, 96 pairs of channels in 24 rounds, 112 rows in 8, 112 outputs of 3 taps each.
    expect(at(createSimulator(target).array([layer], rowOf(8, 8), 1).cycles)).toBe(24 * 8 * 112 * 3);
  });
});

describe('the tiled law, for any layer on any target', () => {
  it('conserves multiply-accumulates over tiles, and equals the replay to the cycle', () => {
    fc.assert(
      fc.property(anyCase, ({ target, layer, w, a, batch }) => {
        const cost = costOf(target, layer, w, a, batch);
        if (cost === null || at(cost.tiles) > mostTiles) return;
        const replay = createSimulator(target).replay([layer], rowOf(w, a), batch);
        expect(at(replay.macs)).toBe(batch * macsOf(layer));
        expect([at(replay.cycles), at(replay.computeCycles), at(replay.steps)]).toEqual([
          at(cost.cycles),
          at(cost.computeCycles),
          at(cost.tiles),
        ]);
      }),
      { numRuns: 300 },
    );
  });

  it('takes at least what the array and the bus need, and at most both one after the other', () => {
    fc.assert(
      fc.property(anyCase, ({ target, layer, w, a, batch }) => {
        const cost = costOf(target, layer, w, a, batch);
        if (cost === null || at(cost.tiles) > mostTiles) return;
        const replay = createSimulator(target).replay([layer], rowOf(w, a), batch);
        const bits = at(cost.weightBits) + at(cost.inputBits) + at(cost.partialBits) + at(cost.outputBits);
        const bus =
          at(replay.weightLoadCycles) +
          at(replay.inputLoadCycles) +
          at(replay.partialLoadCycles) +
          at(replay.partialStoreCycles) +
          at(replay.outputStoreCycles);
        expect(at(cost.cycles) * at(cost.peakMacsPerCycle)).toBeGreaterThanOrEqual(batch * macsOf(layer));
        expect(at(cost.cycles) * target.busBitsPerCycle).toBeGreaterThanOrEqual(bits);
        expect(at(cost.cycles)).toBeGreaterThanOrEqual(at(cost.computeCycles));
        expect(at(cost.cycles)).toBeLessThanOrEqual(at(cost.computeCycles) + bus);
        expect(bus * target.busBitsPerCycle).toBeGreaterThanOrEqual(bits);
        expect((bus - at(cost.tiles) * 5) * target.busBitsPerCycle).toBeLessThanOrEqual(bits); // but for rounding up each transfer
      }),
      { numRuns: 300 },
    );
  });

  it('moves what the replay moves, bit for bit, on a bus of one bit', () => {
    fc.assert(
      fc.property(anyCase, ({ target, layer, w, a, batch }) => {
        const thin = { ...target, busBitsPerCycle: 1 };
        const cost = costOf(thin, layer, w, a, batch);
        if (cost === null || at(cost.tiles) > mostTiles) return;
        const replay = createSimulator(thin).replay([layer], rowOf(w, a), batch);
        expect([at(replay.weightLoadCycles), at(replay.inputLoadCycles), at(replay.outputStoreCycles)]).toEqual([
          at(cost.weightBits),
          at(cost.inputBits),
          at(cost.outputBits),
        ]);
        expect(at(replay.partialLoadCycles) + at(replay.partialStoreCycles)).toBe(at(cost.partialBits));
        expect(at(replay.partialLoadCycles)).toBe(at(replay.partialStoreCycles));
      }),
      { numRuns: 200 },
    );
  });

  it('moves every weight, every input that is looked at and every output at least once', () => {
    fc.assert(
      fc.property(anyCase, ({ target, layer, w, a, batch }) => {
        const cost = costOf(target, layer, w, a, batch);
        if (cost === null) return;
        const least = compulsoryOf(layer);
        const [wBits, aBits] = target.storedBits > 0 ? [target.storedBits, target.storedBits] : [w, a];
        expect(at(cost.weightBits)).toBeGreaterThanOrEqual(least.weights * wBits);
        expect(at(cost.inputBits)).toBeGreaterThanOrEqual(least.inputs * aBits * batch);
        expect(at(cost.outputBits)).toBe(least.outputs * aBits * batch);
      }),
      { numRuns: 300 },
    );
  });

  it('has energy parts that follow from the counts, and none where the target has none', () => {
    fc.assert(
      fc.property(anyCase, ({ target, layer, w, a, batch }) => {
        const cost = costOf(target, layer, w, a, batch);
        if (cost === null) return;
        if (target.energy === null) {
          expect([at(cost.computePj), at(cost.bufferPj), at(cost.dramPj)]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
          return;
        }
        const bits = at(cost.weightBits) + at(cost.inputBits) + at(cost.partialBits) + at(cost.outputBits);
        expect(at(cost.computePj)).toBeCloseTo(0.2 * macsOf(layer) * batch + 3 * at(cost.computeCycles), 3);
        expect(at(cost.dramPj) / (15 * bits)).toBeCloseTo(1, 12);
        // The array reads each operand of each tile at least once, and every output is written and read once.
        expect(at(cost.weightBufferReadBits)).toBeGreaterThanOrEqual(at(cost.weightBufferWriteBits) > 0 ? 1 : 0);
        expect(at(cost.outputBufferWriteBits)).toBeGreaterThanOrEqual(target.sumBits * compulsoryOf(layer).outputs * batch);
        expect(at(cost.outputBufferReadBits)).toBeGreaterThanOrEqual(target.sumBits * compulsoryOf(layer).outputs * batch);
        expect(at(cost.bufferPj)).toBeGreaterThan(0);
      }),
      { numRuns: 200 },
    );
  });

  it('is never slower with a wider bus or larger buffers', () => {
    fc.assert(
      fc.property(anyCase, fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 500_000 }), (any, wider, larger) => {
        const { target, layer, w, a, batch } = any;
        const cost = costOf(target, layer, w, a, batch);
        if (cost === null) return;
        const better: TiledTarget[] = [
          { ...target, busBitsPerCycle: target.busBitsPerCycle + wider },
          { ...target, weightBufferBits: target.weightBufferBits + larger },
          { ...target, inputBufferBits: target.inputBufferBits + larger },
          { ...target, outputBufferBits: target.outputBufferBits + larger },
        ];
        for (const other of better) expect(at(costOf(other, layer, w, a, batch)?.cycles)).toBeLessThanOrEqual(at(cost.cycles));
      }),
      { numRuns: 300 },
    );
  });

  it('is never cheaper with more bits at the same tiling, nor slower after a search with fewer', () => {
    fc.assert(
      fc.property(anyCase, anyBits, anyBits, ({ target, layer, w, a, batch }, lessW, lessA) => {
        const cost = costOf(target, layer, w, a, batch);
        if (cost === null) return;
        const fewer = rowOf(Math.min(w, lessW), Math.min(a, lessA));
        const fixed = createSimulator(target).run([layer], fewer, batch, cost.tilings);
        for (const name of ['cycles', 'computeCycles', 'weightBits', 'inputBits', 'partialBits', 'outputBits'] as const)
          expect(at(fixed[name])).toBeLessThanOrEqual(at(cost[name]));
        expect(at(createSimulator(target).run([layer], fewer, batch).cycles)).toBeLessThanOrEqual(at(cost.cycles));
      }),
      { numRuns: 300 },
    );
  });

  it('with slack moves no more than without, for at most that part more cycles', () => {
    fc.assert(
      fc.property(anyCase, fc.double({ min: 0.001, max: 0.5, noNaN: true }), ({ target, layer, w, a, batch }, latencySlack) => {
        const fastest = costOf(target, layer, w, a, batch);
        if (fastest === null) return;
        const lean = costOf({ ...target, latencySlack }, layer, w, a, batch);
        const bits = (cost: NativeCosts | null): number =>
          at(cost?.weightBits) + at(cost?.inputBits) + at(cost?.partialBits) + at(cost?.outputBits);
        expect(bits(lean)).toBeLessThanOrEqual(bits(fastest));
        expect(at(lean?.cycles)).toBeLessThanOrEqual(at(fastest.cycles) * (1 + latencySlack));
      }),
      { numRuns: 200 },
    );
  });

  it('costs no more for a batch than for its images one by one', () => {
    fc.assert(
      fc.property(anyCase, ({ target, layer, w, a, batch }) => {
        const one = costOf(target, layer, w, a, 1);
        if (one === null) return;
        expect(at(costOf(target, layer, w, a, batch)?.cycles)).toBeLessThanOrEqual(batch * at(one.cycles));
      }),
      { numRuns: 200 },
    );
  });
});

describe('the fast form and the replay', () => {
  it('agree to the cycle on 10,000 random layers at random tilings, in any loop order', () => {
    const random = Random.fromSeed(11);
    const layers: NativeLayer[] = [];
    const bits: [number, number][] = [];
    const tilings: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      const { layer, tiling } = randomTiling(random, 3);
      layers.push(layer);
      bits.push([random.uniformInt(1, 8), random.uniformInt(1, 8)]);
      tilings.push(...tiling);
    }
    const simulator: Simulator = createSimulator({
      law: 'systolic',
      dataflow: 'weight-stationary',
      rows: 6,
      columns: 5,
      ...roomy,
      busBitsPerCycle: 23,
      energy: null,
    });
    const fast = simulator.run(layers, rowsOf(bits), 3, Int32Array.from(tilings));
    const replay = simulator.replay(layers, rowsOf(bits), 3, Int32Array.from(tilings));
    const differing = layers.flatMap((layer, i) =>
      fast.cycles[i] === replay.cycles[i] && fast.computeCycles[i] === replay.computeCycles[i] && replay.macs[i] === 3 * macsOf(layer)
        ? []
        : [{ layer, tiling: tilings.slice(7 * i, 7 * i + 7), fast: fast.cycles[i], replay: replay.cycles[i] }],
    );
    expect(differing).toEqual([]);
    expect(replay.steps.reduce((sum, steps) => sum + steps, 0)).toBeGreaterThan(1_000_000); // it was no trivial walk
  });
});

/** A small layer and some tiling of it: groups, images, rows, columns, inputs, outputs, order. */
function randomTiling(random: Random, batch: number): { layer: NativeLayer; tiling: number[] } {
  const pick = (low: number, high: number): number => random.uniformInt(low, high);
  const groups = pick(0, 2) === 0 ? pick(2, 12) : 1;
  const depthwise = groups > 1 && pick(0, 1) === 0;
  const [inputs, outputs] = depthwise ? [1, 1] : [pick(1, 17), pick(1, 17)];
  const [outHeight, outWidth] = [pick(1, 11), pick(1, 11)];
  const layer = layerOf({
    inChannels: inputs * groups,
    outChannels: outputs * groups,
    groups,
    kernelHeight: pick(1, 4),
    kernelWidth: pick(1, 3),
    strideHeight: pick(1, 2),
    outHeight,
    outWidth,
    inHeight: outHeight * 2,
    inWidth: outWidth + 1,
  });
  const axis = pick(0, 2);
  const pixels =
    axis === 0 ? [1, 1, pick(1, outWidth)] : axis === 1 ? [1, pick(1, outHeight), outWidth] : [pick(1, batch), outHeight, outWidth];
  const channels = groups > 1 && pick(0, 1) === 0 ? [pick(1, groups), inputs, outputs] : [1, pick(1, inputs), pick(1, outputs)];
  return { layer, tiling: [channels[0] ?? 1, ...pixels, channels[1] ?? 1, channels[2] ?? 1, pick(0, 5)] };
}
