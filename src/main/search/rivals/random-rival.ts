/** Random search: every policy drawn anew, then brought to the edge of its budgets. The least that a search has to beat. */
import { Random, type RandomState } from '../../../shared/random.ts';
import type { DecisionProblem, Proposal, Rival } from './problem.ts';
import { atTheEdge } from './repair.ts';

interface State {
  readonly kind: 'random';
  readonly random: RandomState;
}

export class RandomRival implements Rival {
  private readonly problem: DecisionProblem;
  private random: Random;

  constructor(problem: DecisionProblem, random: Random) {
    this.problem = problem;
    this.random = random;
  }

  ask(): Proposal {
    const asked = this.problem.decisions.map(({ choices }) => this.random.uniformInt(0, choices - 1));
    return { origin: 'random', asked, choices: atTheEdge(this.problem, asked, this.random) };
  }

  readonly ahead = Number.POSITIVE_INFINITY;

  /** Learns nothing. */
  tell(): void {
    return undefined;
  }

  save(): State {
    return { kind: 'random', random: this.random.getState() };
  }

  restore(state: unknown): void {
    this.random = Random.fromState((state as State).random);
  }
}
