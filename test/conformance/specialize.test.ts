/**
 * The architecture search on figures alone: the phone's table of ProxylessNAS (han-cai/files, mobile_trim.yaml) as the cost, and for
 * accuracy nothing, or a score of each candidate, where dynamic programming knows the best network within any limit.
 */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Random } from '../../src/shared/random.ts';
import { specializeParametersSchema } from '../../src/shared/specialize.ts';
import type { Budget } from '../../src/shared/policy.ts';
import { costOfPath, extremePath, type AdditiveCost } from '../../src/main/hardware/space-cost.ts';
import { findResources } from '../../src/main/hardware/targets.ts';
import { blocksOf, networksOf, partsOf, zero } from '../../src/main/network/space/space.ts';
import { findSpace } from '../../src/main/network/space/spaces.ts';
import { architectureStep, type GateForm } from '../../src/main/search/specialize/gradient.ts';
import { Objective, type ObjectiveForm } from '../../src/main/search/specialize/objective.ts';
import { ArchitectureParameters, expectedCost } from '../../src/main/search/specialize/probabilities.ts';
import { absentNote, readReference, referenceFolder } from './reference.ts';

const space = findSpace(findResources(import.meta.dirname), 'proxyless');
const blocks = blocksOf(space);
const defaults = specializeParametersSchema.parse({});
const counts = blocks.map(({ candidates }) => candidates.length);

/** The table's mean of every block and candidate, ms. */
function phoneTable(): AdditiveCost {
  const table = parse(readReference('luts/mobile_trim.yaml')) as Record<string, { mean: number }>;
  const at = (key: string): number => {
    const entry = table[key];
    if (!entry) throw new Error(`the table has no ${key}`);
    return entry.mean;
  };
  let side = 112;
  const rows = blocks.map(({ inChannels, outChannels, stride, keepsShape, candidates }) => {
    const out = side / stride;
    const row = candidates.map((candidate) => {
      if (candidate === zero) return 0;
      const { kernel, expansion } = partsOf(candidate);
      return at(
        `expanded_conv-input:${side}x${side}x${inChannels}-output:${out}x${out}x${outChannels}-expand:${expansion}-kernel:${kernel}-stride:${stride}-idskip:${Number(keepsShape)}`,
      );
    });
    side = out;
    return row;
  });
  const first = at('expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0');
  const fixed =
    at('Conv-input:224x224x3-output:112x112x32') +
    first +
    at('Conv_1-input:7x7x320-output:7x7x1280') +
    at('Logits-input:7x7x1280-output:1000');
  return { fixed, blocks: rows };
}

const latency = (value: number): Budget[] => [{ resource: 'latency', kind: 'absolute', value }];

it('the published space has 6^6 x 7^15 networks: Zero only where a block keeps its shape', () => {
  expect(networksOf(space)).toBe(6n ** 6n * 7n ** 15n);
});

describe.skipIf(referenceFolder === null)(`the phone's table${absentNote}`, () => {
  const cost = referenceFolder === null ? { fixed: 0, blocks: [] } : phoneTable();

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

  /** Scores that rise with a candidate's cost and tell kernels and expansions apart, with luck of each: as accuracies do. */
  function scoresOf(seed: number): number[][] {
    const random = Random.fromSeed(seed).derive('scores');
    return cost.blocks.map((row) => row.map((ms) => Math.sqrt(ms) + (ms > 0 ? 0.3 * random.normal() : 0)));
  }
  const scoreOf = (scores: readonly (readonly number[])[], path: readonly number[]): number =>
    scores.reduce((sum, row, block) => sum + (row[path[block] ?? -1] ?? Number.NaN), 0);

  /** The score of the best network without a limit: scores are told to the search as shares of it, in the order of a cross-entropy. */
  const topOf = (scores: readonly (readonly number[])[]): number => scores.reduce((sum, row) => sum + Math.max(...row), 0);

  async function gradientSearch(
    scores: readonly (readonly number[])[],
    form: ObjectiveForm,
    limit: number,
    weight: number,
    seed: number,
  ): Promise<ArchitectureParameters> {
    const parameters = new ArchitectureParameters(counts);
    const objective = new Objective(form, latency(limit), weight, defaults.multiplierRate);
    const random = Random.fromSeed(seed);
    const top = topOf(scores);
    // The loss is 1 minus the score: its derivative by a gate is minus that of its candidate.
    const oracle = {
      gates: async (active: readonly number[], candidates: readonly (readonly number[])[]) => ({
        loss: 1 - scoreOf(scores, active) / top,
        gates: candidates.map((of, block) => of.map((choice) => -(scores[block]?.[choice] ?? 0) / top)),
      }),
    };
    const steps = 1000;
    for (let i = 0; i < steps; i++) await architectureStep(parameters, objective, [cost], oracle, 'full', 0.05, random, i / steps);
    return parameters;
  }

  it('traded against a score by its weight traces a curve that only falls', async () => {
    const found: number[] = [];
    for (const weight of [0.01, 0.03, 0.1, 0.3, 1, 3]) {
      found.push(costOfPath(cost, (await gradientSearch(scoresOf(1), 'additive', 80, weight, 1)).argmax));
    }
    expect([...found].sort((a, b) => b - a)).toEqual(found);
    expect((found[0] ?? 0) - (found.at(-1) ?? 0)).toBeGreaterThan(100);
  });
});
