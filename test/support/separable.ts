/** The phone's table of ProxylessNAS as the cost of its space, and scores of candidates in place of accuracies: for tests of the search. */
import { parse } from 'yaml';
import type { Budget } from '../../src/shared/policy.ts';
import { Random } from '../../src/shared/random.ts';
import { specializeParametersSchema } from '../../src/shared/specialize.ts';
import type { AdditiveCost } from '../../src/main/hardware/space-cost.ts';
import { findResources } from '../../src/main/hardware/targets.ts';
import { blocksOf, partsOf, zero, type Path } from '../../src/main/network/space/space.ts';
import { findSpace } from '../../src/main/network/space/spaces.ts';
import { bestPath } from '../../src/main/search/specialize/derive.ts';
import { architectureStep } from '../../src/main/search/specialize/gradient.ts';
import { Objective, type ObjectiveForm } from '../../src/main/search/specialize/objective.ts';
import { ArchitectureParameters } from '../../src/main/search/specialize/probabilities.ts';
import { readReference, referenceFolder } from '../conformance/reference.ts';

export const space = findSpace(findResources(import.meta.dirname), 'proxyless');
const blocks = blocksOf(space);
export const counts = blocks.map(({ candidates }) => candidates.length);
const defaults = specializeParametersSchema.parse({});

export const latency = (value: number): Budget[] => [{ resource: 'latency', kind: 'absolute', value }];

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

/** Empty where the references are not beside the project: then suites skip themselves. */
export const cost: AdditiveCost = referenceFolder === null ? { fixed: 0, blocks: [] } : phoneTable();

/** Scores that rise with a candidate's cost and tell kernels and expansions apart, with luck of each: as accuracies do. */
export function scoresOf(seed: number): number[][] {
  const random = Random.fromSeed(seed).derive('scores');
  return cost.blocks.map((row) => row.map((ms) => Math.sqrt(ms) + (ms > 0 ? 0.3 * random.normal() : 0)));
}
export const scoreOf = (scores: readonly (readonly number[])[], path: readonly number[]): number =>
  scores.reduce((sum, row, block) => sum + (row[path[block] ?? -1] ?? Number.NaN), 0);

/** The score of the best network without a limit: scores are told to the search as shares of it, in the order of a cross-entropy. */
const topOf = (scores: readonly (readonly number[])[]): number => scores.reduce((sum, row) => sum + Math.max(...row), 0);

export async function gradientSearch(
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
  for (let i = 0; i < steps; i++)
    await architectureStep(parameters, objective, [cost], oracle, defaults.gates, defaults.architectureRate, random, i / steps);
  return parameters;
}

/** The likeliest path within the limit, and within two per cent of it where there is one. */
export function derive(parameters: ArchitectureParameters, most: number): Path {
  const scores = parameters.probabilities.map((p) => p.map((value) => Math.log(Math.max(value, Number.MIN_VALUE))));
  return bestPath(scores, [{ cost, most, least: 0.98 * most }])?.path ?? [];
}
