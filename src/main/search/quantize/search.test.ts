import { describe, expect, it } from 'vitest';
import type { LayerInfo } from '../../../shared/network.ts';
import type { Budget } from '../../../shared/policy.ts';
import { Random } from '../../../shared/random.ts';
import { quantizeParametersSchema, type Trial } from '../../../shared/run.ts';
import { createMlp } from '../../compute/index.ts';
import { describeNetwork } from '../../network/describe.ts';
import { uniformBits, type BitVector } from './bits.ts';
import type { DdpgState } from '../agent/ddpg.ts';
import { QuantizeSearch } from './search.ts';

const layers: readonly LayerInfo[] = describeNetwork({ id: 'mobilenet-v1', width: 0.25 }).layers.filter((layer) => layer.kind !== null);
const weightOf = (layer: number): number => 1 + (layer % 3);
const costOf = ({ weightBits, activationBits }: BitVector): { latencyMs: number; energyMj: null; sizeBytes: number; macs: number } => ({
  latencyMs: weightBits.reduce((sum, w, layer) => sum + weightOf(layer) * w * (activationBits[layer] ?? 0), 0),
  energyMj: null,
  sizeBytes: 1,
  macs: 1,
});
/** Early layers need bits, late ones hardly: uniform bits are far from the best. */
const accuracyOf = ({ weightBits, activationBits }: BitVector): number =>
  1 -
  weightBits.reduce((loss, w, layer) => loss + (2 ** -w + 2 ** -(activationBits[layer] ?? 0)) / (1 + layer * layer), 0) / weightBits.length;

const locked = layers.map((_, layer) => layer === 0 || layer === layers.length - 1);
const seeds = [uniformBits(4, 4, locked), uniformBits(5, 3, locked)];
const limits: readonly Budget[] = [{ resource: 'latency', kind: 'absolute', value: costOf(uniformBits(4, 4, locked)).latencyMs }];

function makeSearch(
  change: { readonly trials?: number; readonly refinement?: number; readonly method?: 'transfer' } = {},
  foreign: DdpgState | null = null,
): QuantizeSearch {
  const parameters = quantizeParametersSchema.parse({
    trials: 60,
    agent: { hiddenUnits: 16, warmupTrials: 4, batchSize: 16 },
    ...change,
  });
  const environment = {
    layers,
    costOf,
    readingsOf: async (policies: readonly BitVector[]) =>
      await Promise.resolve(policies.map((bits) => ({ accuracy: accuracyOf(bits), loss: 0 }))),
    now: () => 0,
  };
  return new QuantizeSearch(environment, parameters, limits, seeds, 1, Random.fromSeed(5), createMlp, foreign);
}

async function finish(search: QuantizeSearch, trials = 60): Promise<Trial[]> {
  const all: Trial[] = [];
  while (search.step < trials) all.push(await search.trial());
  return all;
}

describe('the quantize search', () => {
  it('tries the uniform policies first, then asks the agent, then refines', async () => {
    const trials = await finish(makeSearch());
    expect(trials.map((trial) => trial.origin)).toEqual([
      ...Array.from({ length: 2 }, () => 'uniform'),
      ...Array.from({ length: 34 }, () => 'agent'),
      ...Array.from({ length: 24 }, () => 'refinement'),
    ]);
    expect(trials[0]?.weightBits).toEqual(seeds[0]?.weightBits);
    expect(trials.map((trial) => trial.noise === null)).toEqual(trials.map((_, step) => step < 6 || step >= 36));
  });

  it('asks the agent to the end where refinement is off', async () => {
    const trials = await finish(makeSearch({ refinement: 0 }));
    expect(trials.filter((trial) => trial.origin === 'agent')).toHaveLength(58);
  });

  it('never ends below the policies it began with, and refining finds better ones', async () => {
    const search = makeSearch({ trials: 200 });
    const trials = await finish(search, 200);
    const best = (origin: Trial['origin']): number => Math.max(...trials.filter((t) => t.origin === origin).map((t) => t.accuracy));
    expect(search.best[0]?.accuracy).toBeGreaterThanOrEqual(best('uniform'));
    expect(best('refinement')).toBeGreaterThan(best('uniform'));
    for (const trial of trials) expect(trial.latencyMs).toBeLessThanOrEqual(limits[0]?.value ?? 0);
  });

  it('tells the agent what was done in the end, and teaches it the best policies: lent to a search, it beats uniform bits at once', async () => {
    const search = makeSearch({ trials: 200 });
    await finish(search, 200);
    const trials = await finish(makeSearch({ trials: 3, method: 'transfer' }, search.save().agent), 3);
    expect(trials.map(({ origin, noise }) => [origin, noise])).toEqual([
      ['transfer', null],
      ['transfer', 0.05],
      ['transfer', 0.05],
    ]);
    expect(trials[0]?.accuracy).toBeGreaterThan(Math.max(...seeds.map(accuracyOf)));
    for (const { latencyMs } of trials) expect(latencyMs).toBeLessThanOrEqual(limits[0]?.value ?? 0);
  });

  it('ends with as little noise, however few its trials are', async () => {
    const noises = (await finish(makeSearch({ trials: 120 }), 120)).flatMap(({ noise }) => (noise === null ? [] : [noise]));
    expect(noises[0]).toBe(0.5);
    expect(noises.at(-1)).toBeLessThan(0.5 * 0.99 ** 560);
    expect(noises.every((noise, at) => at === 0 || noise < (noises[at - 1] ?? 0))).toBe(true);
  });

  it.each([1, 20, 45])('goes on from a saved state at trial %i to the same trials', async (at) => {
    const whole = await finish(makeSearch());
    const first = makeSearch();
    await finish(first, at);
    const second = makeSearch();
    second.restore(structuredClone(first.save()));
    expect(await finish(second)).toEqual(whole.slice(at));
  });
});
