/** What a search of bits does behind its trials: the winner chosen on fresh images, the test split read once, the quantized network kept. */
import { isDeepStrictEqual } from 'node:util';
import type { Solution } from '../../shared/run.ts';
import { meetsBudgets } from '../../shared/budgets.ts';
import type { QuantizedNetwork } from '../search/evaluator.ts';
import { toPolicy, type BitVector } from '../search/quantize/bits.ts';
import type { Candidate } from '../search/quantize/search.ts';
import { saveState, type TestedPolicy } from './checkpoint.ts';
import type { Prelude, QuantizeSetting } from './quantize-job.ts';
import { RateMeter } from './reporter.ts';
import { floatSolution, unmeasured } from './results.ts';
import { openTest } from './workbench.ts';

/**
 * The best trials once more, on validation images that no reward was read from: the best of many noisy readings is flattered
 * by its luck. Where the rewards used all validation images, on those. The best uniform policy within the budget is always one of them.
 */
export async function chooseWinner(
  setting: QuantizeSetting,
  prelude: Prelude,
  best: readonly Candidate[],
): Promise<{ readonly bits: BitVector; readonly validationAccuracy: number }> {
  const { context, bench, evaluator, rewardImages } = setting;
  const fresh = bench.validationImages.slice(rewardImages.length);
  const images = fresh.length > 0 ? fresh : bench.validationImages;
  const candidates = withUniform(best, prelude);
  const meter = new RateMeter(context.now, 0);
  let winner: { readonly bits: BitVector; readonly accuracy: number } | null = null;
  for (const [index, bits] of candidates.entries()) {
    const accuracy = await evaluator.accuracyOf(images, bits);
    if (!winner || accuracy > winner.accuracy) winner = { bits, accuracy };
    context.reporter.progress(meter.progress('testing', index + 1, candidates.length));
  }
  if (!winner) throw new Error('a search of at least one trial has a best one');
  const { bits } = winner;
  const validationAccuracy = await evaluator.accuracyOf(bench.validationImages, bits);
  context.reporter.solution(quantizedSolution(setting, 'best', 'found', bits, validationAccuracy, null));
  return { bits, validationAccuracy };
}

function withUniform(best: readonly Candidate[], { baselines }: Prelude): readonly BitVector[] {
  const found = best.map(({ bits }) => bits);
  const [uniform] = baselines.filter(({ withinBudget }) => withinBudget).sort((a, b) => b.validationAccuracy - a.validationAccuracy);
  if (!uniform || found.some((bits) => isDeepStrictEqual(bits, uniform.bits))) return found;
  return [...found, uniform.bits];
}

/** What `testAll` has measured. */
export interface TestedPolicies {
  readonly found: TestedPolicy;
  readonly baselines: readonly TestedPolicy[];
}

/** Opens the test split, once: the float network, every baseline and the winner. */
export async function testAll(
  setting: QuantizeSetting,
  prelude: Prelude,
  winner: { readonly bits: BitVector; readonly validationAccuracy: number },
): Promise<TestedPolicies> {
  const { context, manifest, bench, evaluator } = setting;
  const { reporter } = context;
  const test = await openTest(context, bench);
  const tester = evaluator.on(test.dataset);
  const meter = new RateMeter(context.now, 0);
  const total = prelude.baselines.length + 2;
  reporter.log('info', `test split opened: ${String(test.indices.length)} images, read once for ${String(total)} networks`);
  reportFloat(setting, prelude.floatValidationAccuracy, await tester.accuracyOf(test.indices));
  reporter.progress(meter.progress('testing', 1, total));
  const testAccuracy = await tester.accuracyOf(test.indices, winner.bits);
  // Codebooks have no integer form.
  const integerTestAccuracy = manifest.search.codebooks ? null : await tester.accuracyOf(test.indices, winner.bits, 'integer');
  const found = {
    ...quantizedSolution(setting, 'best', 'found', winner.bits, winner.validationAccuracy, testAccuracy),
    integerTestAccuracy,
  };
  const baselines: TestedPolicy[] = [];
  reporter.solution(found);
  reporter.log(
    'info',
    `found policy on the test split: ${(testAccuracy * 100).toFixed(2)} % fake-quantized${integerTestAccuracy === null ? '' : `, ${(integerTestAccuracy * 100).toFixed(2)} % in integer arithmetic`}`,
  );
  reporter.progress(meter.progress('testing', 2, total));
  for (const [index, baseline] of prelude.baselines.entries()) {
    const testAccuracy = await tester.accuracyOf(test.indices, baseline.bits);
    const solution = quantizedSolution(setting, 'baseline', baseline.label, baseline.bits, baseline.validationAccuracy, testAccuracy);
    baselines.push({ bits: baseline.bits, solution });
    reporter.solution(solution);
    reporter.progress(meter.progress('testing', index + 3, total));
  }
  return { found: { bits: winner.bits, solution: found }, baselines };
}

/** Keeps the network as it was measured, for files, and names it in the solution. */
export async function keepFound(setting: QuantizeSetting, { bits, solution }: TestedPolicy, network: QuantizedNetwork): Promise<void> {
  const { context, manifest, layers } = setting;
  const policy = toPolicy(
    layers.map((layer) => layer.name),
    bits,
  );
  const { sha256 } = await saveState(context.job.dataDir, { kind: 'quantized', networkSha256: manifest.networkSha256, policy, ...network });
  context.reporter.solution({ ...solution, quantized: sha256 });
}

export function reportFloat({ context, bench, weights }: QuantizeSetting, validationAccuracy: number, testAccuracy: number | null): void {
  const network = { graph: bench.graph, weights: weights.sha256, label: 'float32', cost: null };
  context.reporter.solution(floatSolution(network, { validationAccuracy, testAccuracy, withinBudget: false }));
}

export function quantizedSolution(
  setting: QuantizeSetting,
  role: 'baseline' | 'best',
  label: string,
  bits: BitVector,
  validationAccuracy: number,
  testAccuracy: number | null,
): Solution {
  const cost = setting.costs.costOf(bits);
  return {
    ...cost,
    role,
    label,
    policy: toPolicy(
      setting.layers.map((layer) => layer.name),
      bits,
    ),
    validationAccuracy,
    testAccuracy,
    ...unmeasured,
    withinBudget: meetsBudgets(cost, setting.limits),
    weights: setting.weights.sha256,
  };
}
