import { describe, expect, it } from 'vitest';
import type { Budget, Cost } from '../../../shared/policy.ts';
import { Random } from '../../../shared/random.ts';
import { meetsBudgets } from '../../../shared/budgets.ts';
import { greedySolver } from './greedy.ts';
import { Highs } from './highs.ts';
import { integerProgramSolver } from './integer-program.ts';
import type { Choices, DecisionProblem, Reading } from './problem.ts';
import { rivalMethods, RivalSearch, type RivalMethod, type RivalTrial } from './search.ts';
import { choicesOf, expectedLoss, fewestTrials, lossTable, planProbes } from './sensitivity.ts';

/** `groups` of two decisions with `count` choices; a group's latency is (1 + its first) (1 + its second) (1 + its number). */
function makeProblem(groups: number, count: number, share: number): DecisionProblem {
  const decisions = Array.from({ length: 2 * groups }, (_, index) => ({
    name: `d${String(index)}`,
    group: Math.floor(index / 2),
    choices: count,
  }));
  const amountOf = (group: number, [first = 0, second = 0]: Choices): number => (1 + first) * (1 + second) * (1 + group);
  const costOf = (choices: Choices): Cost => ({
    latencyMs: Array.from({ length: groups }, (_, group) => amountOf(group, choices.slice(2 * group, 2 * group + 2))).reduce(
      (a, b) => a + b,
      0,
    ),
    energyMj: null,
    sizeBytes: 1,
    macs: 1,
  });
  const most = costOf(decisions.map(() => count - 1)).latencyMs;
  const limits: readonly Budget[] = [{ resource: 'latency', kind: 'absolute', value: share * most }];
  /** Early decisions need much, late ones hardly anything. */
  const lossOf = (choices: Choices): number => choices.reduce((sum, choice, index) => sum + 2 ** -choice / (1 + index) ** 2, 0);
  return {
    decisions,
    limits,
    costOf,
    meetsBudgets: (choices) => meetsBudgets(costOf(choices), limits),
    readingsOf: async (policies): Promise<Reading[]> =>
      await Promise.resolve(policies.map(lossOf).map((loss) => ({ loss, accuracy: Math.exp(-loss) }))),
    separable: { limits: limits.map(({ value }) => value), amountsOf: (group, choices) => [amountOf(group, choices)] },
  };
}

const seed = [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]; // all alike, within the budget of 0.4

async function makeSearch(method: RivalMethod, trials = 40, problem = makeProblem(5, 5, 0.4)): Promise<RivalSearch> {
  return await RivalSearch.create(problem, { method, trials, finalists: 4, seeds: [seed] }, Random.fromSeed(3));
}

async function finish(search: RivalSearch, trials = 40, most = 1): Promise<RivalTrial[]> {
  const all: RivalTrial[] = [];
  while (search.step < trials) all.push(...(await search.next(Math.min(most, trials - search.step))));
  return all;
}

describe('a search by sensitivity', () => {
  it('is refused where its trials do not even measure every decision once', async () => {
    const enough = fewestTrials(10) + 1; // and the seed
    await expect(makeSearch('greedy', enough - 1)).rejects.toThrow(/needs 15/);
    await expect(makeSearch('greedy', enough)).resolves.toBeDefined();
  });

  it('by an integer program is refused where costs are no sum', async () => {
    const problem = { ...makeProblem(2, 3, 0.5), separable: null };
    await expect(makeSearch('integer-program', 60, problem)).rejects.toThrow(/no sum over layers/);
  });

  it('measures the top and each decision alone, and finds its loss again, between measured choices never falling', async () => {
    const problem = makeProblem(2, 5, 1);
    const probes = planProbes(problem, 12); // 9 may measure: two choices a decision
    expect(probes.map(({ choice }) => choice)).toEqual([0, 0, 0, 0, 0, 2, 2, 2, 2]);
    const readings = await problem.readingsOf(probes.map((probe) => choicesOf(problem, probe)));
    const [row = []] = lossTable(problem, probes, readings);
    expect(row[0]).toBeCloseTo(1 - 2 ** -4, 10);
    expect(row[2]).toBeCloseTo(2 ** -2 - 2 ** -4, 10);
    expect(row[4]).toBe(0);
    expect([...row].sort((a, b) => b - a)).toEqual(row);
    expect(row[1]).toBeGreaterThan(2 ** -2 - 2 ** -4);
    expect(row[1]).toBeLessThan(1 - 2 ** -4);
  });

  it('by an integer program finds what trying everything finds, greedily nothing better', async () => {
    const problem = makeProblem(3, 3, 0.5);
    const random = Random.fromSeed(7);
    const solve = await integerProgramSolver(problem);
    for (let round = 0; round < 5; round += 1) {
      const table = problem.decisions.map(({ choices }) => {
        const row = Array.from({ length: choices }, () => random.uniform()).sort((a, b) => b - a);
        return row.map((loss) => loss - (row.at(-1) ?? 0));
      });
      let best = Infinity;
      for (let code = 0; code < 3 ** 6; code += 1) {
        const choices = problem.decisions.map((_, index) => Math.floor(code / 3 ** index) % 3);
        if (problem.meetsBudgets(choices)) best = Math.min(best, expectedLoss(table, choices));
      }
      const solved = await solve(table, true);
      expect(problem.meetsBudgets(solved)).toBe(true);
      expect(expectedLoss(table, solved)).toBeCloseTo(best, 9);
      const greedy = await greedySolver(problem)(table, true);
      expect(problem.meetsBudgets(greedy)).toBe(true);
      expect(expectedLoss(table, greedy)).toBeGreaterThanOrEqual(best - 1e-9);
    }
  });
});

describe('the solver of integer programs', () => {
  it('answers beside this thread, in order, and its waiting ends at once when it is told to stop', async () => {
    const stop = new AbortController();
    const highs = new Highs(stop.signal);
    expect((await highs.solve('no program', 0)).status).toBe('Empty');
    const least = (bound: number): string => `Minimize\n obj: x\nSubject To\n c: x >= ${bound}\nGeneral\n x\nEnd\n`;
    const solutions = await Promise.all([2.5, 7.2].map((bound) => highs.solve(least(bound), 0)));
    expect(solutions.map(({ status, values }) => [status, values['x']])).toEqual([
      ['Optimal', 3],
      ['Optimal', 8],
    ]);
    const waiting = highs.solve(least(1), 0);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    await expect(highs.solve(least(1), 0)).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe.each(rivalMethods)('the rival %s', (method) => {
  it('measures exactly its trials, the given policies first, and everything but sensitivities within the budget', async () => {
    const trials = await finish(await makeSearch(method));
    expect(trials.map(({ step }) => step)).toEqual(trials.map((_, index) => index));
    expect(trials[0]).toMatchObject({ origin: 'uniform', choices: seed });
    for (const trial of trials) expect(trial.withinBudget || trial.origin === 'sensitivity').toBe(true);
  });

  it('makes the same trials however many are measured at once', async () => {
    const one = await makeSearch(method);
    const many = await makeSearch(method);
    expect(await finish(many, 40, 7)).toEqual(await finish(one));
    expect(many.save()).toEqual(one.save());
    expect((await (await makeSearch(method)).next(1000)).length).toBe(
      { random: 40, evolutionary: 16, greedy: 21, 'integer-program': 21 }[method],
    );
  });

  it('beats the policy all alike, and its best is the best of its trials', async () => {
    const search = await makeSearch(method);
    const trials = await finish(search);
    const within = trials.filter((trial) => trial.withinBudget);
    expect(search.best[0]?.accuracy).toBe(Math.max(...within.map(({ accuracy }) => accuracy)));
    expect(search.best[0]?.accuracy).toBeGreaterThan(trials[0]?.accuracy ?? 1);
    expect(trials.findLast(({ isBest }) => isBest)?.accuracy).toBe(search.best[0]?.accuracy);
  });

  it.each([1, 7, 30])('goes on from a saved state at trial %i to the same trials', async (at) => {
    const whole = await finish(await makeSearch(method));
    const first = await makeSearch(method);
    await finish(first, at);
    const second = await makeSearch(method);
    second.restore(structuredClone(first.save()));
    expect(await finish(second)).toEqual(whole.slice(at));
  });
});
