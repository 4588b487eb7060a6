import { describe, expect, it } from 'vitest';
import type { Budget } from '../../../shared/policy.ts';
import { Objective } from './objective.ts';

const latency = (value: number): Budget => ({ resource: 'latency', kind: 'absolute', value });

describe('the objective', () => {
  it.each([
    ['power', 80, 114],
    ['power', 80, 20],
    ['power', 0.08, 0.02], // where the printed formula and its released form are undefined
    ['power', 1, 1],
    ['additive', 80, 20],
    ['additive', 0.08, 0.2],
  ] as const)(
    '%s at a reference of %d and an expectation of %d has the weights of its own loss, by finite differences',
    (form, reference, expected) => {
      const objective = new Objective(form, [latency(reference)], 0.3, 0);
      const loss = (ce: number, e: number): number => objective.weigh(ce, [e], 1).loss;
      const { crossEntropy, costs } = objective.weigh(1.7, [expected], 1);
      const h = 1e-6;
      expect(crossEntropy).toBeCloseTo((loss(1.7 + h, expected) - loss(1.7 - h, expected)) / (2 * h), 6);
      const step = expected * h;
      expect(costs[0]).toBeCloseTo((loss(1.7, expected + step) - loss(1.7, expected - step)) / (2 * step), 4);
    },
  );

  it.each(['power', 'additive', 'constraint'] as const)('%s does not depend on the unit', (form) => {
    const [ms, us] = [new Objective(form, [latency(20)], 0.5, 0.1), new Objective(form, [latency(20_000)], 0.5, 0.1)];
    for (const expected of [30, 25, 10]) {
      const [one, two] = [ms.weigh(2, [expected], 1), us.weigh(2, [expected * 1000], 1)];
      expect(two.loss).toBeCloseTo(one.loss, 12);
      expect((two.costs[0] ?? 0) * 1000).toBeCloseTo(one.costs[0] ?? Number.NaN, 12);
    }
  });

  it('presses harder the longer a constraint is broken, and lets go once it holds', () => {
    const objective = new Objective('constraint', [latency(10)], 1, 0.1);
    const pulls = [20, 20, 20, 20, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5].map((expected) => objective.weigh(1, [expected], 1).costs[0] ?? 0);
    expect(pulls.slice(0, 4)).toEqual([...pulls.slice(0, 4)].sort((a, b) => a - b));
    expect(pulls.at(-1)).toBe(0);
  });

  it('moves from where the search started to its limit over the first half of the search', () => {
    const objective = new Objective('constraint', [latency(10)], 1, 0);
    expect(objective.weigh(1, [40], 0).costs[0]).toBe(0);
    expect(objective.weigh(1, [20], 0.25).costs[0]).toBeCloseTo(0, 12); // half-way, in factors
    expect(objective.weigh(1, [20], 0.5).costs[0]).toBeCloseTo(Math.LN2 / 20, 12);
  });

  it('takes several limits at once', () => {
    const objective = new Objective('additive', [latency(10), { resource: 'size', kind: 'absolute', value: 1e6 }], 2, 0);
    const { loss, costs } = objective.weigh(1, [15, 0.5e6], 1);
    expect(loss).toBeCloseTo(1 + 2 * 0.5 - 2 * 0.5, 12);
    expect(costs).toEqual([0.2, 2e-6]);
  });
});
