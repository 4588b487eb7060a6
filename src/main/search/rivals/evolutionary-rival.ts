/**
 * A steady-state genetic algorithm: the child of two of the best policies, decision by decision from either, a few decisions
 * changed, brought to the edge of its budgets; it takes the place of the worst where it is better.
 */
import { Random, type RandomState } from '../../../shared/random.ts';
import { keyOf, type Choices, type DecisionProblem, type Proposal, type Reading, type Rival } from './problem.ts';
import { atTheEdge } from './repair.ts';

/** Policies kept. Below that many known, policies are drawn at random. */
const populationSize = 16;
/** Of so many drawn, the better one becomes a parent. */
const tournament = 2;
const crossoverProbability = 0.5;
/** Decisions that change in a child, on average. */
const meanMutations = 3;
/** Largest step of one mutation, in choices. */
const largestStep = 2;

interface Individual extends Reading {
  readonly choices: Choices;
}

interface State {
  readonly kind: 'evolutionary';
  readonly random: RandomState;
  readonly population: readonly Individual[];
}

export class EvolutionaryRival implements Rival {
  private readonly problem: DecisionProblem;
  private random: Random;
  private population: readonly Individual[] = []; // best first

  constructor(problem: DecisionProblem, random: Random) {
    this.problem = problem;
    this.random = random;
  }

  ask(): Proposal {
    const asked = this.population.length < populationSize ? this.drawn() : this.child();
    return { origin: 'evolution', asked, choices: atTheEdge(this.problem, asked, this.random) };
  }

  /** The first generation is drawn; each child follows from all before it. */
  get ahead(): number {
    return Math.max(1, populationSize - this.population.length);
  }

  tell({ choices }: Proposal, { accuracy, loss }: Reading): void {
    const key = keyOf(choices);
    if (this.population.some((other) => keyOf(other.choices) === key)) return;
    this.population = [...this.population, { choices, accuracy, loss }]
      .sort((a, b) => b.accuracy - a.accuracy || a.loss - b.loss)
      .slice(0, populationSize);
  }

  private drawn(): number[] {
    return this.problem.decisions.map(({ choices }) => this.random.uniformInt(0, choices - 1));
  }

  private child(): number[] {
    const first = this.parent();
    const second = this.random.uniform() < crossoverProbability ? this.parent() : first;
    const { decisions } = this.problem;
    return decisions.map((decision, index) => {
      const inherited = (this.random.uniform() < 0.5 ? first : second)[index] ?? 0;
      if (this.random.uniform() >= meanMutations / decisions.length) return inherited;
      const step = this.random.uniformInt(1, largestStep) * (this.random.uniform() < 0.5 ? -1 : 1);
      return Math.min(decision.choices - 1, Math.max(0, inherited + step));
    });
  }

  private parent(): Choices {
    let best = this.population.length - 1;
    for (let i = 0; i < tournament; i += 1) best = Math.min(best, this.random.uniformInt(0, this.population.length - 1));
    return this.population[best]?.choices ?? [];
  }

  save(): State {
    return { kind: 'evolutionary', random: this.random.getState(), population: this.population };
  }

  restore(state: unknown): void {
    const { random, population } = state as State;
    this.random = Random.fromState(random);
    this.population = population;
  }
}
