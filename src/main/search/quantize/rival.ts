/** The search for bits as its rivals see it: two decisions a layer that is not protected, its weight bits and its activation bits. */
import type { Budget } from '../../../shared/policy.ts';
import type { QuantizeParameters, Trial } from '../../../shared/run.ts';
import type { Random } from '../../../shared/random.ts';
import { amountOf, exceededBudgets, meetsBudgets } from '../../../shared/budgets.ts';
import type { Choices, Decision, DecisionProblem, SeparableCosts } from '../rivals/problem.ts';
import { RivalSearch, type RivalMethod, type RivalSearchState, type RivalTrial } from '../rivals/search.ts';
import { lockedLayers, protectedBits, type BitVector } from './bits.ts';
import { sides, type Sensitivity } from './sensitivity.ts';
import type { BitSearch, Candidate, QuantizeEnvironment } from './search.ts';

/** Bits as choices and back: a decision's choice 0 is the fewest bits. */
interface Coding {
  readonly decisions: readonly Decision[];
  readonly layerOf: (decision: number) => number;
  readonly toBits: (choices: Choices) => BitVector;
  readonly toChoices: (bits: BitVector) => number[];
}

/** Rejects with LatheError bad-input where there are too few trials for the method. */
export async function createRivalBitSearch(
  method: RivalMethod,
  environment: QuantizeEnvironment,
  parameters: QuantizeParameters,
  limits: readonly Budget[],
  seeds: readonly BitVector[],
  referenceAccuracy: number,
  random: Random,
  signal: AbortSignal, // aborted: a solver that is waited for stops
): Promise<BitSearch<RivalSearchState>> {
  const coding = codingOf(environment, parameters);
  const problem = problemOf(coding, environment, limits);
  const options = { method, trials: parameters.trials, finalists: parameters.finalists, seeds: seeds.map(coding.toChoices), signal };
  const search = await RivalSearch.create(problem, options, random);
  const toTrial = ({ step, origin, asked, choices, cost, accuracy, isBest }: RivalTrial): Trial => {
    const bits = coding.toBits(choices);
    const askedBits = coding.toBits(asked);
    return {
      ...cost,
      step,
      origin,
      accuracy,
      isBest,
      reward: parameters.rewardScale * 100 * (accuracy - referenceAccuracy),
      weightBits: [...bits.weightBits],
      activationBits: [...bits.activationBits],
      askedWeightBits: [...askedBits.weightBits],
      askedActivationBits: [...askedBits.activationBits],
      clippedBy: exceededBudgets(environment.costOf(askedBits), limits),
      noise: null,
      criticLoss: null,
      atMs: environment.now(),
    };
  };
  return {
    get step(): number {
      return search.step;
    },
    get best(): readonly Candidate[] {
      return search.best.map(({ choices, ...candidate }) => ({ ...candidate, bits: coding.toBits(choices) }));
    },
    next: async (most: number): Promise<Trial[]> => (await search.next(most)).map(toTrial),
    get sensitivities(): readonly Sensitivity[] {
      return search.sensitivities.map(({ decision, choice, ...rest }) => ({
        ...rest,
        layer: coding.layerOf(decision),
        side: sides[decision % 2] ?? 'weights',
        bits: parameters.minimumBits + choice,
      }));
    },
    save: () => search.save(),
    restore: (state) => {
      search.restore(state);
    },
  };
}

function codingOf({ layers }: QuantizeEnvironment, { minimumBits, maximumBits, protectFirstAndLast }: QuantizeParameters): Coding {
  const locked = lockedLayers(layers.length, protectFirstAndLast);
  const free = layers.flatMap((layer, index) => (locked[index] === true ? [] : [{ layer: index, name: layer.name }]));
  const choices = maximumBits - minimumBits + 1;
  return {
    decisions: free.flatMap(({ name }, group) => sides.map((side) => ({ name: `${name} ${side}`, group, choices }))),
    layerOf: (decision) => free[Math.floor(decision / 2)]?.layer ?? 0,
    toBits: (of) => {
      const weightBits = locked.map(() => protectedBits);
      const activationBits = locked.map(() => protectedBits);
      free.forEach(({ layer }, group) => {
        weightBits[layer] = minimumBits + (of[2 * group] ?? 0);
        activationBits[layer] = minimumBits + (of[2 * group + 1] ?? 0);
      });
      return { weightBits, activationBits };
    },
    toChoices: ({ weightBits, activationBits }) =>
      free.flatMap(({ layer }) => [weightBits, activationBits].map((side) => (side[layer] ?? minimumBits) - minimumBits)),
  };
}

function problemOf(coding: Coding, environment: QuantizeEnvironment, limits: readonly Budget[]): DecisionProblem {
  const costOf = (choices: Choices): ReturnType<QuantizeEnvironment['costOf']> => environment.costOf(coding.toBits(choices));
  return {
    decisions: coding.decisions,
    limits,
    costOf,
    meetsBudgets: (choices) => meetsBudgets(costOf(choices), limits),
    readingsOf: (policies) => environment.readingsOf(policies.map(coding.toBits)),
    separable: separableCosts(coding, limits, costOf),
  };
}

/** A layer's cost does not depend on the others' bits: what it takes is what it adds to the least policy. */
function separableCosts(coding: Coding, limits: readonly Budget[], costOf: DecisionProblem['costOf']): SeparableCosts {
  const least = coding.decisions.map(() => 0);
  const amounts = (choices: Choices): number[] => limits.map(({ resource }) => amountOf(costOf(choices), resource) ?? 0);
  const floor = amounts(least);
  return {
    limits: limits.map(({ value }, index) => value - (floor[index] ?? 0)),
    amountsOf: (group, [weights = 0, activations = 0]) => {
      const choices = [...least];
      choices[2 * group] = weights;
      choices[2 * group + 1] = activations;
      return amounts(choices).map((amount, index) => amount - (floor[index] ?? 0));
    },
  };
}
