/**
 * What a search without an agent sees of its task: discrete decisions in groups, what a policy costs, how good it is. Bits of
 * layers and channels of layers both have this form.
 */
import type { Budget, Cost } from '../../../shared/policy.ts';

/** One choice a decision, as its index: 0 is the one that costs least, `choices - 1` the one that costs most. */
export type Choices = readonly number[];

export interface Decision {
  readonly name: string;
  /** Decisions of one group together decide what that part of the network costs, such as a layer's weight and activation bits. */
  readonly group: number; // 0, 1, 2, ... without gaps
  readonly choices: number; // how many there are
}

/** How good a policy is on the reward images. The loss (mean cross-entropy) is the less noisy of the two. */
export interface Reading {
  readonly accuracy: number; // 0..1
  readonly loss: number;
}

/** Costs that are sums over groups: what an integer program needs. */
export interface SeparableCosts {
  /** What is left of each limit when everything that no decision changes is taken off. */
  readonly limits: readonly number[];
  /** What a group takes of each limit; `choices` are those of its decisions, in order. */
  amountsOf(group: number, choices: Choices): readonly number[];
}

export interface DecisionProblem {
  readonly decisions: readonly Decision[];
  readonly limits: readonly Budget[]; // absolute; the least policy (all 0) meets them
  costOf(choices: Choices): Cost; // cheap: asked for after every change
  meetsBudgets(choices: Choices): boolean;
  /** The readings of these policies, in their order. */
  readingsOf(policies: readonly Choices[]): Promise<readonly Reading[]>;
  readonly separable: SeparableCosts | null; // null: costs are no sum over groups
}

/** A policy to measure, and what was wanted before the budgets were enforced. */
export interface Proposal {
  readonly origin: RivalOrigin;
  readonly asked: Choices;
  readonly choices: Choices;
}

export type RivalOrigin = 'uniform' | 'random' | 'evolution' | 'sensitivity' | 'greedy' | 'program';

/** A search as a dialogue: ask for a policy, measure it, tell how good it was. */
export interface Rival {
  ask(): Proposal | Promise<Proposal>;
  /** How many may be asked for from here on before any of them is told, for no outcome changes what the next ones are. */
  readonly ahead: number;
  tell(proposal: Proposal, reading: Reading): void;
  /** Everything that decides the future but the problem; structured-cloneable. */
  save(): unknown;
  restore(state: unknown): void;
}

export function keyOf(choices: Choices): string {
  return choices.join(',');
}
