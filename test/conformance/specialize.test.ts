/**
 * The architecture search on figures alone: the phone's table of ProxylessNAS (han-cai/files, mobile_trim.yaml) as the cost, and for
 * accuracy nothing, or a score of each candidate, where dynamic programming knows the best network within any limit.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import { costOfPath, extremePath } from '../../src/main/hardware/space-cost.ts';
import { networksOf } from '../../src/main/network/space/space.ts';
import { bestPath } from '../../src/main/search/specialize/derive.ts';
import { architectureStep, type GateForm } from '../../src/main/search/specialize/gradient.ts';
import { Objective, type ObjectiveForm } from '../../src/main/search/specialize/objective.ts';
import { ArchitectureParameters, expectedCost } from '../../src/main/search/specialize/probabilities.ts';
import { cost, counts, derive, gradientSearch, latency, scoreOf, scoresOf, space } from '../support/separable.ts';
import { absentNote, referenceFolder } from './reference.ts';

it('the published space has 6^6 x 7^15 networks: Zero only where a block keeps its shape', () => {
  expect(networksOf(space)).toBe(6n ** 6n * 7n ** 15n);
});

describe.skipIf(referenceFolder === null)(`the phone's table${absentNote}`, () => {
  it('gives the published sums: the uniform expectation, the cheapest and the dearest network', () => {
    expect(expectedCost(cost, new ArchitectureParameters(counts).probabilities)).toBeCloseTo(113.98812882557645, 10);
    expect(costOfPath(cost, extremePath(cost, 'least'))).toBeCloseTo(29.6088, 4);
    expect(costOfPath(cost, extremePath(cost, 'most'))).toBeCloseTo(191.0299, 4);
  });

  /** Latency alone: the cross-entropy is the same for every network. */
  async function latencyOnly(
    form: ObjectiveForm,
    weight: number,
    gates: GateForm,
    steps: number,
    seed = 1,
  ): Promise<ArchitectureParameters> {
    const parameters = new ArchitectureParameters(counts);
    const objective = new Objective(form, latency(80), weight, 0);
    const random = Random.fromSeed(seed);
    const oracle = {
      gates: async (_: unknown, candidates: readonly (readonly number[])[]) => ({
        loss: 1,
        gates: candidates.map((of) => of.map(() => 0)),
      }),
    };
    for (let i = 0; i < steps; i++) await architectureStep(parameters, objective, [cost], oracle, gates, 0.1, random);
    return parameters;
  }

  it.each([
    ['power', 'full'],
    ['additive', 'full'],
    ['additive', 'two'],
  ] as const)('alone drives alpha to the cheapest network (%s, %s)', async (form, gates) => {
    const parameters = await latencyOnly(form, 0.5, gates, 600);
    expect(costOfPath(cost, parameters.argmax)).toBeCloseTo(29.6088, 4);
    expect(expectedCost(cost, parameters.probabilities)).toBeLessThan(31);
  });

  it('traded against a score by its weight traces a curve that only falls', async () => {
    const found: number[] = [];
    for (const weight of [0.01, 0.03, 0.1, 0.3, 1, 3]) {
      found.push(costOfPath(cost, (await gradientSearch(scoresOf(1), 'additive', 80, weight, 1)).argmax));
    }
    expect([...found].sort((a, b) => b - a)).toEqual(found);
    expect((found[0] ?? 0) - (found.at(-1) ?? 0)).toBeGreaterThan(100);
  });

  it.each([60, 100, 140])(
    'with a score of each candidate comes near the best network within %d ms that dynamic programming knows',
    async (most) => {
      const scores = scoresOf(1);
      const best = bestPath(scores, [{ cost, most }], 20_000)?.score ?? Number.NaN;
      const path = derive(await gradientSearch(scores, 'constraint', most, 1, 1), most);
      expect(costOfPath(cost, path)).toBeLessThanOrEqual(most * (1 + 1e-9));
      expect(costOfPath(cost, path)).toBeGreaterThan(0.98 * most);
      expect((best - scoreOf(scores, path)) / best).toBeLessThan(0.02);
    },
  );

  it('meets a hard limit within 2 %, ten times out of ten, wherever the search has left the probabilities', async () => {
    for (let i = 0; i < 10; i++) {
      const most = 36 + 15 * i; // from near the cheapest network to near the dearest
      const reached = costOfPath(cost, derive(await latencyOnly('additive', 0.3, 'two', 10 * (i + 1), i + 1), most));
      expect(reached).toBeLessThanOrEqual(most * (1 + 1e-9));
      expect(reached).toBeGreaterThanOrEqual(0.98 * most);
    }
  });
});
