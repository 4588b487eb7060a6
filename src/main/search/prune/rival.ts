/** The search for channels as its rivals see it: a decision a group, its choices the counts that it may take. */
import type { Budget, Cost, Resource } from '../../../shared/policy.ts';
import type { PruneParameters } from '../../../shared/prune.ts';
import type { Random } from '../../../shared/random.ts';
import type { Trial } from '../../../shared/run.ts';
import type { Choices, DecisionProblem } from '../rivals/problem.ts';
import { RivalSearch, type RivalMethod, type RivalSearchState, type RivalTrial } from '../rivals/search.ts';
import { meets } from './clip.ts';
import { choicesOf, type Counts } from './decisions.ts';
import { rewardOf, type ChannelSearch, type PruneCandidate, type PruneEnvironment } from './search.ts';

const bytesPerFloat = 4;

/** Rejects with LatheError bad-input where there are too few trials for the method. */
export async function createRivalPruneSearch(
  method: RivalMethod,
  environment: PruneEnvironment,
  parameters: PruneParameters,
  limits: readonly Budget[],
  seeds: readonly Counts[],
  random: Random,
): Promise<ChannelSearch<RivalSearchState>> {
  const { counts, price } = environment;
  const choices = counts.decisions.map((decision) => choicesOf(decision));
  const toCounts = (of: Choices): number[] => choices.map((list, t) => list[of[t] ?? 0] ?? 1);
  const toChoices = (units: Counts): number[] => choices.map((list, t) => Math.max(0, list.indexOf(units[t] ?? 0)));
  const problem: DecisionProblem = {
    decisions: counts.decisions.map(({ name }, group) => ({ name, group, choices: choices[group]?.length ?? 1 })),
    limits: limits.map(asCounted),
    costOf: (of) => costOf(environment, toCounts(of), limits),
    meetsBudgets: (of) => meets(price, toCounts(of), limits),
    readingsOf: (policies) => environment.measure(policies.map(toCounts)),
    separable: null, // a layer's cost hangs on two groups
  };
  const options = { method, trials: parameters.trials, finalists: parameters.finalists, seeds: seeds.map(toChoices) };
  const search = await RivalSearch.create(problem, options, random);
  const groupsOf = (asked: Choices, of: Choices): PruneCandidate['groups'] => {
    const [wanted, units] = [toCounts(asked), toCounts(of)];
    return counts.decisions.map(({ name, units: all }, t) => {
      const kept = units[t] ?? all;
      const ask = wanted[t] ?? all;
      return { group: name, units: all, kept, asked: ask / all, reason: kept === ask ? 'asked' : kept < ask ? 'later' : 'use' };
    });
  };
  const toTrial = ({ step, origin, asked, choices: of, accuracy, isBest }: RivalTrial): Trial => {
    const { params, ...cost } = environment.costOf(toCounts(of));
    return {
      ...cost,
      step,
      origin,
      accuracy,
      isBest,
      reward: rewardOf(parameters.reward, accuracy, { ...cost, params }),
      weightBits: [],
      activationBits: [],
      askedWeightBits: [],
      askedActivationBits: [],
      clippedBy: [],
      prune: { groups: [...groupsOf(asked, of)], params },
      noise: null,
      criticLoss: null,
      atMs: environment.now(),
    };
  };
  return {
    get step(): number {
      return search.step;
    },
    trials: parameters.trials,
    get best(): readonly PruneCandidate[] {
      return search.best.map(({ step, accuracy, choices: of }) => ({
        step,
        accuracy,
        reward: accuracy,
        counts: toCounts(of),
        groups: groupsOf(of, of),
      }));
    },
    next: async (most: number): Promise<Trial[]> => (await search.next(most)).map(toTrial),
    save: () => search.save(),
    restore: (state) => {
      search.restore(state);
    },
  };
}

/** What the limits ask for and no more: a rival prices thousands of policies for each that it measures. */
function costOf({ counts, price }: PruneEnvironment, units: Counts, limits: readonly Budget[]): Cost {
  const asked = (resource: Resource): number => (limits.some((limit) => limit.resource === resource) ? price(resource, units) : 0);
  return {
    latencyMs: asked('latency'),
    energyMj: asked('energy'),
    macs: counts.macs(units),
    sizeBytes: limits.some(({ resource }) => resource === 'size' || resource === 'params') ? counts.params(units) * bytesPerFloat : 0,
  };
}

/** Parameters as the bytes that they take: what the rivals can read off a cost. */
function asCounted(limit: Budget): Budget {
  return limit.resource === 'params' ? { ...limit, resource: 'size', value: limit.value * bytesPerFloat } : limit;
}
