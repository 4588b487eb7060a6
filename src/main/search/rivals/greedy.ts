/**
 * Greedy by sensitivity: from the top, always the lowering that costs the least expected loss for what it saves of the
 * budgets that are not met yet; then what is left is spent where it helps most.
 */
import { LatheError } from '../../../shared/errors.ts';
import { amountOf } from '../../../shared/budgets.ts';
import type { DecisionProblem } from './problem.ts';
import { topChoices } from './sensitivity.ts';
import type { LossTable, Solver } from './sensitivity-rival.ts';

interface Move {
  readonly decision: number;
  readonly choice: number;
  readonly merit: number;
}

export function greedySolver(problem: DecisionProblem): Solver {
  return (table) => {
    const choices = topChoices(problem);
    while (!problem.meetsBudgets(choices)) {
      const move = bestLowering(problem, table, choices);
      if (!move) throw new LatheError('bad-input', 'no policy meets the budgets even with every decision at its least');
      choices[move.decision] = move.choice;
    }
    for (let move = bestRaise(problem, table, choices); move; move = bestRaise(problem, table, choices)) {
      choices[move.decision] = move.choice;
    }
    return choices;
  };
}

/** How far a policy is over its limits, as a sum of shares; 0: it meets them. */
function excess(problem: DecisionProblem, choices: readonly number[]): number {
  const cost = problem.costOf(choices);
  return problem.limits.reduce((sum, { resource, value }) => sum + Math.max(0, (amountOf(cost, resource) ?? 0) / value - 1), 0);
}

/** Each lowering to any choice below counts by expected loss for excess taken off. Null: nothing can be lowered. */
function bestLowering(problem: DecisionProblem, table: LossTable, choices: readonly number[]): Move | null {
  const before = excess(problem, choices);
  let best: Move | null = null;
  const changed = [...choices];
  choices.forEach((current, decision) => {
    for (let choice = current - 1; choice >= 0; choice -= 1) {
      changed[decision] = choice;
      const saved = Math.max(before - excess(problem, changed), Number.MIN_VALUE);
      const merit = saved / (1e-12 + lossAt(table, decision, choice) - lossAt(table, decision, current));
      if (!best || merit > best.merit) best = { decision, choice, merit };
    }
    changed[decision] = current;
  });
  return best;
}

/** The raise by one choice or more that still meets the budgets and takes off the most loss. Null: none takes any off. */
function bestRaise(problem: DecisionProblem, table: LossTable, choices: readonly number[]): Move | null {
  let best: Move | null = null;
  const changed = [...choices];
  choices.forEach((current, decision) => {
    for (let choice = current + 1; choice < (problem.decisions[decision]?.choices ?? 0); choice += 1) {
      const merit = lossAt(table, decision, current) - lossAt(table, decision, choice);
      changed[decision] = choice;
      if (merit > 0 && (!best || merit > best.merit) && problem.meetsBudgets(changed)) best = { decision, choice, merit };
    }
    changed[decision] = current;
  });
  return best;
}

function lossAt(table: LossTable, decision: number, choice: number): number {
  return table[decision]?.[choice] ?? 0;
}
