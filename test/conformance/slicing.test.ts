/** A network without some channels computes what the whole one does with zeros on them: random channel sets on whole networks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createModel, setThreads } from '../../src/main/compute/index.ts';
import { couplingOf } from '../../src/main/network/coupling.ts';
import { foldBatchNorm } from '../../src/main/network/fold.ts';
import type { Graph } from '../../src/main/network/graph.ts';
import { initialParameters, toNativeProgram } from '../../src/main/network/program.ts';
import { maskValues, sliceNetwork } from '../../src/main/network/slice.ts';
import type { KeptUnits } from '../../src/main/network/slice.ts';
import { stateOfValues, valuesOfState } from '../../src/main/network/values.ts';
import type { NetworkValues } from '../../src/main/network/values.ts';
import { resolveNetwork } from '../../src/main/network/zoo.ts';
import { Random } from '../../src/shared/random.ts';

const images = 2;
const networks = [
  ['mobilenet-v2', 0.35],
  ['resnet-50', 0.25],
  ['nasnet-a-mobile', 0.25],
  ['squeezenet-1.1', 0.5],
  ['mobilenet-v3-small', 0.5],
  ['vgg-16', 0.125],
] as const;

/** Weights as training starts with, and batch-norm values that are no identity, so that a channel left out by mistake is seen. */
function randomValues(graph: Graph, random: Random): NetworkValues {
  const { parameters } = createModel(toNativeProgram(graph));
  const state = initialParameters(parameters, random);
  for (const { role, offset, length } of parameters) {
    for (let i = offset; i < offset + length; i += 1) {
      if (role === 'gamma' || role === 'runningVariance') state[i] = 0.5 + random.uniform();
      if (role === 'beta' || role === 'bias' || role === 'runningMean') state[i] = random.uniform() - 0.5;
    }
  }
  return valuesOfState(parameters, state);
}

/** Logits (images, classes). */
async function forward(graph: Graph, values: NetworkValues, inputs: Float32Array): Promise<Float32Array> {
  const model = createModel(toNativeProgram(graph));
  model.setState(stateOfValues(model.parameters, values));
  return await model.forward({ inputs, batch: images });
}

function randomInputs(graph: Graph, random: Random): Float32Array {
  return Float32Array.from({ length: images * graph.inputShape.reduce((a, b) => a * b, 1) }, () => random.normal(0, 1));
}

/** Of every group that is free some units go, at least one stays. */
function randomUnits(graph: Graph, random: Random): KeptUnits {
  return new Map(
    couplingOf(graph).groups.flatMap(({ units, locked }, group): [number, Uint8Array][] => {
      if (locked !== null) return [];
      const share = random.uniform();
      const marks = Uint8Array.from({ length: units }, () => (random.uniform() < share ? 1 : 0));
      marks[Math.min(units - 1, Math.floor(random.uniform() * units))] = 1;
      return [[group, marks]];
    }),
  );
}

/** The largest difference over the largest value. */
function difference(found: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return found.reduce((most, value, index) => Math.max(most, Math.abs(value - (expected[index] ?? Number.NaN))), 0) / largest;
}

describe('a sliced network', () => {
  it.each(networks)('computes what the masked %s x%d does', { timeout: 300_000 }, async (id, width) => {
    setThreads(2);
    const { graph } = resolveNetwork({ id, width, classes: 10 }, { shape: [32, 32, 3], classes: 10 });
    const coupling = couplingOf(graph);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (seed) => {
        const random = Random.fromSeed(seed);
        const values = randomValues(graph, random);
        const kept = randomUnits(graph, random);
        const inputs = randomInputs(graph, random);
        const sliced = sliceNetwork(graph, values, kept, coupling);
        const masked = await forward(graph, maskValues(graph, values, kept, coupling), inputs);
        expect(sliced.graph.macs).toBeLessThan(graph.macs);
        expect(difference(await forward(sliced.graph, sliced.values, inputs), masked)).toBeLessThan(1e-5);
        // The test would see a channel left out: without the mask the network says something else.
        expect(difference(masked, await forward(graph, values, inputs))).toBeGreaterThan(1e-3);
      }),
      { numRuns: 4, seed: 7 },
    );
  });
});

describe('folded batch norm', () => {
  it.each(networks)('leaves what %s x%d computes as it was', { timeout: 300_000 }, async (id, width) => {
    const { graph } = resolveNetwork({ id, width, classes: 10 }, { shape: [32, 32, 3], classes: 10 });
    const random = Random.fromSeed(3);
    const values = randomValues(graph, random);
    const inputs = randomInputs(graph, random);
    const folded = foldBatchNorm(graph, values);
    expect(folded.graph.nodes.some(({ spec }) => spec.kind === 'batchNorm')).toBe(false);
    expect(difference(await forward(folded.graph, folded.values, inputs), await forward(graph, values, inputs))).toBeLessThan(1e-4);
  });
});
