/** From any policy to one that uses its budgets: lowered until they hold, then raised as far as they allow. */
import { LatheError } from '../../../shared/errors.ts';
import type { Random } from '../../../shared/random.ts';
import type { Choices, DecisionProblem } from './problem.ts';

/** Lowers decisions in random order, one choice at a time, until the budgets hold. */
export function lowered(problem: DecisionProblem, asked: Choices, random: Random): number[] {
  const choices = [...asked];
  while (!problem.meetsBudgets(choices)) {
    let changed = false;
    for (const index of random.permutation(choices.length)) {
      const choice = choices[index] ?? 0;
      if (choice === 0) continue;
      choices[index] = choice - 1;
      changed = true;
      if (problem.meetsBudgets(choices)) break;
    }
    if (!changed) throw new LatheError('bad-input', 'no policy meets the budgets even with every decision at its least');
  }
  return choices;
}

/** Raises decisions in random order, one choice at a time, while the budgets hold; `choices` must meet them. */
export function spent(problem: DecisionProblem, choices: Choices, random: Random): number[] {
  const result = [...choices];
  for (let changed = true; changed;) {
    changed = false;
    for (const index of random.permutation(result.length)) {
      const choice = result[index] ?? 0;
      if (choice + 1 >= (problem.decisions[index]?.choices ?? 0)) continue;
      result[index] = choice + 1;
      if (problem.meetsBudgets(result)) changed = true;
      else result[index] = choice;
    }
  }
  return result;
}

/** Both: a policy at the edge of its budgets. */
export function atTheEdge(problem: DecisionProblem, asked: Choices, random: Random): number[] {
  return spent(problem, lowered(problem, asked, random), random);
}
