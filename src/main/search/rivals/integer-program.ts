/**
 * The policy of least expected loss within the budgets, exactly, as a multiple-choice knapsack: one binary variable a group and
 * combination of its decisions' choices, one of them taken a group, a row a budget. Solved by HiGHS (branch and cut, its
 * WebAssembly build; single-threaded, so the same program gives the same answer), which takes a second or so in a thread of its own.
 */
import { LatheError } from '../../../shared/errors.ts';
import { Random } from '../../../shared/random.ts';
import { Highs } from './highs.ts';
import type { Choices, DecisionProblem } from './problem.ts';
import { lowered } from './repair.ts';
import type { LossTable, Solver } from './sensitivity-rival.ts';

/** How far from the best a solution for changed sensitivities may be, as a share of its expected loss: far below what changed them. */
const roughGap = 0.01;

interface Column {
  readonly name: string;
  readonly members: readonly number[]; // the group's decisions
  readonly choices: Choices; // of those, in order
  readonly amounts: readonly number[]; // as shares of the limits
}

/** Rejects with LatheError bad-input where costs are no sum over groups. Once `signal` is aborted the solver rejects at once, as cancelled. */
export async function integerProgramSolver(problem: DecisionProblem, signal: AbortSignal | null = null): Promise<Solver> {
  const { separable } = problem;
  if (!separable) {
    throw new LatheError('bad-input', 'method integer-program: these costs are no sum over layers; choose another method');
  }
  const highs = new Highs(signal);
  await highs.ready();
  const groups = columnsOf(problem);
  return async (table, exact) => {
    const { status, values } = await highs.solve(programText(groups, table, separable.limits.length), exact ? 0 : roughGap);
    if (status !== 'Optimal') {
      throw new LatheError('internal', `the integer program ended as "${status}"; try another method, and report the manifest`);
    }
    const choices = problem.decisions.map(() => 0);
    for (const columns of groups) {
      const taken = columns.find(({ name }) => (values[name] ?? 0) > 0.5);
      taken?.members.forEach((decision, place) => {
        choices[decision] = taken.choices[place] ?? 0;
      });
    }
    // The solver's tolerance may let a policy through that is over by a millionth.
    return lowered(problem, choices, Random.fromSeed(0));
  };
}

/** Every group's combinations. */
function columnsOf({ decisions, separable }: DecisionProblem): Column[][] {
  const groups: number[][] = [];
  decisions.forEach(({ group }, decision) => (groups[group] ??= []).push(decision));
  return groups.map((members, group) =>
    combinations(members.map((decision) => decisions[decision]?.choices ?? 0)).map((choices, index) => ({
      name: `x${String(group)}_${String(index)}`,
      members,
      choices,
      amounts: (separable?.amountsOf(group, choices) ?? []).map((amount, limit) => shareOf(amount, separable?.limits[limit] ?? 0)),
    })),
  );
}

/** Of a limit that leaves nothing, whatever takes anything is too much. */
function shareOf(amount: number, limit: number): number {
  if (limit > 0) return amount / limit;
  return amount > 0 ? 2 : 0;
}

function combinations(counts: readonly number[]): number[][] {
  return counts.reduce<number[][]>(
    (found, count) => found.flatMap((start) => Array.from({ length: count }, (_, choice) => [...start, choice])),
    [[]],
  );
}

/** The program in CPLEX's LP format, which HiGHS reads. */
function programText(groups: readonly (readonly Column[])[], table: LossTable, limits: number): string {
  const columns = groups.flat();
  const lossOf = ({ members, choices }: Column): number =>
    members.reduce((sum, decision, place) => sum + (table[decision]?.[choices[place] ?? 0] ?? 0), 0);
  const sum = (terms: readonly (readonly [number, string])[]): string =>
    terms.map(([factor, name]) => `+ ${factor.toExponential(12)} ${name}`).join('\n ');
  return [
    'Minimize',
    ` loss: ${sum(columns.map((column) => [lossOf(column), column.name]))}`,
    'Subject To',
    ...groups.map((own, group) => ` one${String(group)}: ${own.map(({ name }) => `+ ${name}`).join('\n ')} = 1`),
    ...Array.from(
      { length: limits },
      (_, limit) => ` limit${String(limit)}: ${sum(columns.map(({ amounts, name }) => [amounts[limit] ?? 0, name]))} <= 1`,
    ),
    'Binary',
    ...columns.map(({ name }) => ` ${name}`),
    'End',
    '',
  ].join('\n');
}
