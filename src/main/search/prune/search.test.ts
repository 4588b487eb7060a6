import { describe, expect, it } from 'vitest';
import type { Budget } from '../../../shared/policy.ts';
import { pruneParametersSchema, type PruneParameters } from '../../../shared/prune.ts';
import { Random } from '../../../shared/random.ts';
import type { Trial } from '../../../shared/run.ts';
import type { TableTarget } from '../../../shared/target.ts';
import { createMlp } from '../../compute/index.ts';
import { couplingOf } from '../../network/coupling.ts';
import { resolveNetwork } from '../../network/zoo.ts';
import { ChannelCounts, decisionsOf } from './channels.ts';
import { absoluteLimits } from './clip.ts';
import type { Counts } from './decisions.ts';
import { onTarget, pricing } from './pricing.ts';
import { createRivalPruneSearch } from './rival.ts';
import { PruneSearch, rewardOf, type PruneEnvironment } from './search.ts';
import { taskOf as taskOfGraph } from './task.ts';
import { uniformWidth } from './uniform.ts';
import { findTarget } from '../../hardware/targets.ts';
import { parseKey } from '../../hardware/tables/keys.ts';
import { partsOf } from '../../hardware/tables/parts.ts';
import { workOf } from '../../hardware/tables/work.ts';

const { graph } = resolveNetwork({ id: 'mobilenet-v1', inputSize: 32, classes: 10 });
const coupling = couplingOf(graph);
const parametersOf = (change: Partial<PruneParameters>): PruneParameters =>
  pruneParametersSchema.parse({ trials: 40, agent: { hiddenUnits: 16, warmupTrials: 6, batchSize: 16 }, ...change });

const halfTheMacs: readonly Budget[] = [{ resource: 'macs', kind: 'fraction', value: 0.5 }];

interface Task {
  readonly environment: PruneEnvironment;
  readonly parameters: PruneParameters;
  readonly limits: readonly Budget[];
  readonly seeds: readonly Counts[];
}

function makeSearch(change: Partial<PruneParameters> = {}, budgets: readonly Budget[] = halfTheMacs): PruneSearch {
  const { environment, parameters, limits, seeds } = taskOf(change, budgets);
  return new PruneSearch(environment, parameters, limits, seeds, Random.fromSeed(5), createMlp);
}

function taskOf(change: Partial<PruneParameters> = {}, budgets: readonly Budget[] = halfTheMacs): Task {
  const parameters = parametersOf(change);
  const counts = new ChannelCounts(graph, decisionsOf(graph, parameters, coupling), coupling);
  const target = onTarget(graph, coupling, counts, findTarget('bitfusion').target, 16);
  const { price, costOf } = pricing(counts, target);
  const limits = absoluteLimits(budgets, (resource) => price(resource, counts.all));
  // Early groups need their channels, late ones hardly.
  const accuracyOf = (units: Counts): number =>
    1 - counts.decisions.reduce((loss, { units: all }, t) => loss + (1 - (units[t] ?? 0) / all) ** 2 / (1 + t), 0) / 10;
  const measure = async (policies: readonly Counts[]): Promise<{ accuracy: number; loss: number }[]> =>
    await Promise.resolve(policies.map(accuracyOf).map((accuracy) => ({ accuracy, loss: 1 - accuracy })));
  const uniform = uniformWidth({ decisions: counts.decisions, limits, price });
  const seeds = uniform && limits.length > 0 ? [uniform.counts] : [];
  return { environment: { counts, price, costOf, measure, now: () => 0 }, parameters, limits, seeds };
}

async function finish(search: PruneSearch, trials = 40): Promise<Trial[]> {
  const all: Trial[] = [];
  while (search.step < trials) all.push(await search.trial());
  return all;
}

describe('the prune search', () => {
  it('tries the uniform width first, then explores at random, then by the actor with falling noise', async () => {
    const trials = await finish(makeSearch(), 12);
    expect(trials.map(({ origin }) => origin)).toEqual(['uniform', ...Array.from({ length: 11 }, () => 'agent')]);
    expect(trials.map(({ noise }) => noise)).toEqual([
      ...Array.from({ length: 7 }, () => null),
      0.5,
      0.475,
      0.45125,
      expect.closeTo(0.4287, 4),
      expect.closeTo(0.4073, 4),
    ]);
  });

  it.each([
    ['macs', 0.5],
    ['latency', 0.8],
    ['energy', 0.6],
    ['params', 0.3],
  ] as const)('keeps a budget of %s and uses it up', async (resource, value) => {
    const search = makeSearch({}, [{ resource, kind: 'fraction', value }]);
    const trials = await finish(search, 10);
    const whole = await finish(makeSearch({ minimumRatio: 0.99, maximumRatio: 1, roundTo: 1 }, []), 1);
    const of = ({ macs, latencyMs, energyMj, prune }: Trial): number =>
      ({ macs, latency: latencyMs, energy: energyMj, params: prune?.params })[resource] ?? Number.NaN;
    for (const trial of trials.slice(1)) {
      expect(of(trial) / of(whole[0] as Trial)).toBeLessThan(value * 1.02); // the whole was pruned by a hundredth
      expect(of(trial) / of(whole[0] as Trial)).toBeGreaterThan(value * 0.95);
    }
  });

  it('keeps a latency of a table and uses it up to 1 part in 100', async () => {
    // A device whose operators take 0.01 ms and 1 ns for 10 multiply-accumulates; other widths are priced by the fitted model.
    const law = (key: string): number => 0.01 + 1e-7 * workOf(parseKey(key)).macs;
    const target: TableTarget = {
      ...{ formatVersion: 1, id: 'phone', title: 'A phone', source: 'made up', calibration: 'imported', defaultBatch: 1 },
      ...{ law: 'table', scheme: 'operators', threads: 1, table: { id: 'phone', sha256: '' }, energy: null },
      latencyMs: Object.fromEntries(partsOf(graph, 'operators').map(({ key }) => [key, law(key)])),
    };
    const parameters = parametersOf({});
    const { counts, pricing } = taskOfGraph(graph, coupling, { ...parameters, target, batch: 1 });
    const whole = pricing.costOf(counts.all).latencyMs ?? Number.NaN;
    const limits = [{ resource: 'latency', kind: 'absolute', value: 0.6 * whole }] as const;
    const environment = { counts, ...pricing, measure: () => Promise.resolve([{ accuracy: 0.5, loss: 1 }]), now: () => 0 };
    const trials = await finish(new PruneSearch(environment, parameters, limits, [], Random.fromSeed(5), createMlp), 4);
    for (const { latencyMs } of trials) {
      expect((latencyMs ?? Number.NaN) / whole).toBeLessThanOrEqual(0.6);
      expect((latencyMs ?? Number.NaN) / whole).toBeGreaterThan(0.594);
    }
  });

  it("lets another search's agent decide from the first trial on, without noise first, and learns nothing", async () => {
    const lender = makeSearch();
    await finish(lender, 20);
    const { agent } = lender.save();
    const { environment, parameters, limits, seeds } = taskOf();
    const make = (seed: number): PruneSearch =>
      new PruneSearch(environment, parameters, limits, seeds, Random.fromSeed(seed), createMlp, agent);
    const [one, other] = [await finish(make(1), 3), await finish(make(2), 3)];
    expect(one.map(({ origin, noise }) => [origin, noise])).toEqual([
      ['transfer', null],
      ['transfer', 0.05],
      ['transfer', 0.05],
    ]);
    expect(one[0]?.prune).toEqual(other[0]?.prune); // the agent's own choice hangs on no seed
  });

  it('has no budget where the reward weighs accuracy against a resource, and then finds fewer of it', async () => {
    const trials = await finish(makeSearch({ reward: 'macs' }, []), 40);
    for (const trial of trials) expect(trial.reward).toBeCloseTo(-(1 - trial.accuracy) * Math.log(trial.macs), 12);
    expect(new Set(trials.map(({ macs }) => macs)).size).toBeGreaterThan(20);
  });

  it('rewards as published', () => {
    const cost = { macs: 1e6, params: 1e3, latencyMs: 2, energyMj: null, sizeBytes: 4e3 };
    expect(rewardOf('accuracy', 0.9, cost)).toBe(0.9);
    expect(rewardOf('macs', 0.9, cost)).toBeCloseTo(-0.1 * Math.log(1e6), 12);
    expect(rewardOf('params', 0.9, cost)).toBeCloseTo(-0.1 * Math.log(1e3), 12);
    expect(rewardOf('latency', 0.9, cost)).toBeCloseTo(-0.1 * Math.log(2000), 12);
  });

  it.each([1, 5, 25])('goes on from a saved state at trial %i to the same trials', async (at) => {
    const whole = await finish(makeSearch());
    const first = makeSearch();
    await finish(first, at);
    const second = makeSearch();
    second.restore(structuredClone(first.save()));
    expect(await finish(second)).toEqual(whole.slice(at));
  });

  it.each(['random', 'evolutionary', 'greedy'] as const)(
    'has a rival, %s, that keeps the same budget and goes on from a saved state',
    async (method) => {
      const { environment, parameters, limits, seeds } = taskOf({ method, trials: 30, roundTo: 64 });
      const make = async (): ReturnType<typeof createRivalPruneSearch> =>
        await createRivalPruneSearch(method, environment, parameters, limits, seeds, Random.fromSeed(2));
      const whole = await make();
      const trials: Trial[] = [];
      while (whole.step < 30) trials.push(...(await whole.next(1)));
      const limit = limits[0]?.value ?? 0;
      for (const { macs, origin } of trials) if (origin !== 'sensitivity') expect(macs).toBeLessThanOrEqual(limit);
      expect(whole.best[0]?.accuracy).toBe(Math.max(...trials.filter(({ macs }) => macs <= limit).map(({ accuracy }) => accuracy)));
      const first = await make();
      while (first.step < 12) await first.next(1);
      const second = await make();
      second.restore(structuredClone(first.save()));
      const rest: Trial[] = [];
      while (second.step < 30) rest.push(...(await second.next(5)));
      expect(rest).toEqual(trials.slice(12));
    },
  );
});
