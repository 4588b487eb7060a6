/** A run that searches bits (HAQ): weights, calibration, uniform baselines, trials, finalists, and the test split once, at the end. */
import type { Budget } from '../../shared/policy.ts';
import type { LayerInfo } from '../../shared/network.ts';
import type { QuantizeManifest, Solution } from '../../shared/run.ts';
import { LatheError } from '../../shared/errors.ts';
import { createMlp } from '../compute/index.ts';
import { costTable, type CostTable, type PolicyBits } from '../hardware/cost-table.ts';
import { findTarget } from '../hardware/targets.ts';
import { quantizableLayerInfos } from '../network/describe.ts';
import { Evaluator } from '../search/evaluator.ts';
import { uniformPolicies } from '../search/quantize/baselines.ts';
import { meetsBudgets } from '../search/budgets.ts';
import {
  absoluteBudgets,
  enforceBudgets,
  fromPolicy,
  lockedLayers,
  requireFeasible,
  toPolicy,
  uniformBits,
  type BitVector,
} from '../search/quantize/bits.ts';
import type { DdpgState } from '../search/agent/ddpg.ts';
import { sensitivityMetrics, sensitivityPolicies, type Sensitivity } from '../search/quantize/sensitivity.ts';
import { createRivalBitSearch } from '../search/quantize/rival.ts';
import { QuantizeSearch, type BitSearch, type QuantizeSearchState } from '../search/quantize/search.ts';
import type { RivalSearchState } from '../search/rivals/search.ts';
import { fineTuning, tuningBatch } from './fine-tuning.ts';
import { loadState, saveState, type SearchCheckpoint } from './checkpoint.ts';
import { throwIfCancelled, type JobContext } from './job.ts';
import { RateMeter } from './reporter.ts';
import { trainWeights, type TrainedWeights } from './train-phase.ts';
import { openTest, openWorkbench, type Workbench } from './workbench.ts';

/** Seconds of work that a crash may cost, at most about twice this. */
const checkpointIntervalMs = 5_000;

/** What is known once calibration and baselines are through; with the search's own state, a checkpoint. */
interface Prelude {
  readonly referenceAccuracy: number; // float, on the reward images
  readonly floatValidationAccuracy: number;
  readonly baselines: SearchCheckpoint['baselines'];
}

interface TestedPolicy {
  readonly bits: BitVector;
  readonly solution: Solution;
}

type TestImages = Awaited<ReturnType<typeof openTest>>;

interface Setting {
  readonly context: JobContext;
  readonly manifest: QuantizeManifest;
  readonly bench: Workbench;
  readonly layers: readonly LayerInfo[];
  readonly costs: CostTable;
  readonly limits: readonly Budget[];
  readonly locked: readonly boolean[];
  readonly evaluator: Evaluator;
  readonly rewardImages: Uint32Array;
  readonly weights: TrainedWeights;
}

export async function runQuantize(context: JobContext, manifest: QuantizeManifest): Promise<void> {
  const { reporter, job } = context;
  const bench = await openWorkbench(context, manifest);
  throwIfCancelled(context);

  const { target, sha256 } = findTarget(manifest.target);
  if (sha256 !== manifest.targetSha256) {
    throw new LatheError('conflict', `target ${manifest.target} has changed since the run was made; start a new run`);
  }
  const layers = quantizableLayerInfos(bench.graph);
  const table = costTable(bench.graph, target, manifest.batch);
  const costs = manifest.search.codebooks ? withCodebooks(table) : table;
  const locked = lockedLayers(layers.length, manifest.search.protectFirstAndLast);
  const reference = costs.costOf(uniformBits(8, 8, locked));
  const limits = absoluteBudgets(manifest.budgets, reference, target.id);
  const fewest = manifest.search.minimumBits;
  requireFeasible(costs.costOf(uniformBits(fewest, fewest, locked)), limits, fewest, reference);
  reporter.budgetLimits(limits);

  const resumed = job.checkpoint?.phase === 'searching' ? await loadState(job.dataDir, job.checkpoint.sha256, 'search') : null;
  const weights = resumed ? await restoreWeights(context, bench, resumed) : await trainWeights(context, manifest, bench);
  const evaluator = new Evaluator(bench.model, bench.dataset, context.control);
  reporter.progress({ phase: 'calibrating', done: 0, total: 1, ratePerSecond: null, etaSeconds: null });
  await prepare(evaluator, bench, manifest);

  const rewardImages = bench.validationImages.slice(0, manifest.search.rewardImages);
  const setting: Setting = { context, manifest, bench, layers, costs, limits, locked, evaluator, rewardImages, weights };
  const prelude = resumed ?? (await measureBaselines(setting));
  const search = await makeSearch(setting, prelude);
  if (resumed) {
    search.restore(resumed.search);
    reporter.log('info', `search continues at trial ${String(search.step)} of ${String(manifest.search.trials)}`);
  }
  await runTrials(setting, prelude, search);
  await reportSensitivity(setting, search);
  const winner = await chooseWinner(setting, search);
  const test = await openTest(context, bench);
  const tested = await testAll(setting, prelude, winner, test);
  await tuneAtTheEnd(setting, tested, test);
  reporter.progress({ phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null });
}

/** Thresholds, codebooks where they were asked for, and the short training before each measurement where it was. */
async function prepare(evaluator: Evaluator, bench: Workbench, manifest: QuantizeManifest): Promise<void> {
  const { search } = manifest;
  const images = bench.trainImages.slice(0, search.calibrationImages);
  await evaluator.calibrate(images, search.statisticsImages, { rule: search.thresholds, perChannel: search.perChannel });
  if (search.codebooks) {
    const random = bench.random.derive('codebooks');
    await evaluator.cluster(Float64Array.from({ length: bench.model.quantizableOps.length * 256 }, () => random.uniform()));
  }
  evaluator.fineTune(search.finetuneSteps > 0 ? fineTuning(bench, manifest, search.finetuneSteps) : null);
}

/** A codebook lies beside each layer's weights: 2^bits centroids of 32 bits. */
function withCodebooks(table: CostTable): CostTable {
  const bytes = ({ weightBits }: PolicyBits): number => Array.from(weightBits).reduce((sum, bits) => sum + 4 * 2 ** bits, 0);
  return {
    ...table,
    costOf: (bits) => {
      const cost = table.costOf(bits);
      return { ...cost, sizeBytes: cost.sizeBytes + bytes(bits) };
    },
  };
}

/** What the search measured of layers alone; where it was asked for and the search measures none, measured now. */
async function reportSensitivity(setting: Setting, search: AnySearch): Promise<void> {
  const { context, manifest, layers, locked, evaluator, rewardImages } = setting;
  const names = layers.map((layer) => layer.name);
  if (search.sensitivities.length > 0 || !manifest.search.sensitivity) {
    context.reporter.metrics(sensitivityMetrics(search.sensitivities, names));
    return;
  }
  const { minimumBits, maximumBits } = manifest.search;
  const { top, probes } = sensitivityPolicies({ minimumBits, maximumBits, locked });
  const meter = new RateMeter(context.now, 0);
  const reference = await evaluator.measure(rewardImages, top);
  const found: Sensitivity[] = [];
  for (const [index, { layer, side, bits, policy }] of probes.entries()) {
    const { accuracy, loss } = await evaluator.measure(rewardImages, policy);
    found.push({ layer, side, bits, accuracyLoss: reference.accuracy - accuracy, lossRise: loss - reference.loss });
    context.reporter.progress(meter.progress('testing', index + 1, probes.length));
  }
  context.reporter.metrics(sensitivityMetrics(found, names));
}

async function restoreWeights(context: JobContext, bench: Workbench, checkpoint: SearchCheckpoint): Promise<TrainedWeights> {
  const blob = await loadState(context.job.dataDir, checkpoint.weights.sha256, 'weights');
  bench.model.setState(blob.parameters);
  return checkpoint.weights;
}

/** A search whose state is its own method's: a checkpoint is read back by the method that wrote it, as the manifest never changes. */
type AnySearch = BitSearch<QuantizeSearchState | RivalSearchState>;

async function makeSearch(setting: Setting, prelude: Prelude): Promise<AnySearch> {
  const { context, manifest, bench, layers, costs, limits, evaluator, rewardImages } = setting;
  const { method } = manifest.search;
  const environment = {
    layers,
    costOf: costs.costOf,
    accuracyOf: (bits: BitVector) => evaluator.measure(rewardImages, bits),
    now: context.now,
  };
  const seeds = seedsOf(setting, prelude);
  const random = bench.random.derive('search');
  if (method === 'ddpg' || method === 'transfer') {
    const foreign = method === 'transfer' ? await foreignAgent(context) : null;
    return new QuantizeSearch(environment, manifest.search, limits, seeds, prelude.referenceAccuracy, random, createMlp, foreign);
  }
  return await createRivalBitSearch(method, environment, manifest.search, limits, seeds, prelude.referenceAccuracy, random);
}

/** What is tried first: the uniform policies within the budget, and the policy to start from, lowered where it is over a budget. */
function seedsOf({ manifest, layers, costs, limits, locked }: Setting, prelude: Prelude): BitVector[] {
  const uniform = prelude.baselines.filter((baseline) => baseline.withinBudget).map((baseline) => baseline.bits);
  if (!manifest.start) return uniform;
  const names = layers.map((layer) => layer.name);
  const start = enforceBudgets(fromPolicy(names, manifest.start), manifest.search.minimumBits, locked, limits, costs.costOf);
  return [...uniform, start];
}

/** The agent of the run that the manifest names, as that run's last checkpoint holds it. */
async function foreignAgent({ job, reporter }: JobContext): Promise<DdpgState> {
  if (!job.agent) throw new LatheError('bad-input', 'method transfer: the run whose agent decides is missing');
  const { search } = await loadState(job.dataDir, job.agent.sha256, 'search');
  if (!('agent' in search)) throw new LatheError('bad-input', 'method transfer: the run named has no agent; name one of method ddpg');
  reporter.log('info', `the agent of checkpoint ${job.agent.sha256.slice(0, 12)} decides and learns nothing`);
  return search.agent;
}

/** The float network and the uniform policies, on all validation images. */
async function measureBaselines(setting: Setting): Promise<Prelude> {
  const { context, manifest, bench, costs, limits, locked, evaluator, rewardImages } = setting;
  const { minimumBits, maximumBits } = manifest.search;
  const policies = uniformPolicies(minimumBits, maximumBits, locked, limits, costs.costOf);
  const meter = new RateMeter(context.now, 0);
  const total = policies.length + 1;
  context.reporter.progress(meter.progress('baselines', 0, total));
  const referenceAccuracy = await evaluator.accuracyOf(rewardImages);
  const floatValidationAccuracy = await evaluator.accuracyOf(bench.validationImages);
  context.reporter.solution(floatSolution(setting, floatValidationAccuracy, null));
  const baselines: SearchCheckpoint['baselines'][number][] = [];
  for (const policy of policies) {
    context.reporter.progress(meter.progress('baselines', baselines.length + 1, total));
    const validationAccuracy = await evaluator.accuracyOf(bench.validationImages, policy.bits);
    const baseline = { label: policy.label, bits: policy.bits, validationAccuracy, withinBudget: policy.withinBudget };
    baselines.push(baseline);
    context.reporter.solution(quantizedSolution(setting, 'baseline', baseline.label, baseline.bits, validationAccuracy, null));
  }
  context.reporter.progress(meter.progress('baselines', total, total));
  return { referenceAccuracy, floatValidationAccuracy, baselines };
}

async function runTrials(setting: Setting, prelude: Prelude, search: AnySearch): Promise<void> {
  const { context, manifest, weights } = setting;
  const { reporter, control, job } = context;
  const total = manifest.search.trials;
  const meter = new RateMeter(context.now, search.step);
  let lastCheckpointMs = context.now();
  const checkpoint = async (state: QuantizeSearchState | RivalSearchState): Promise<void> => {
    const blob = await saveState(job.dataDir, { kind: 'search', weights, ...preludeOf(prelude), search: state });
    await reporter.checkpoint({ phase: 'searching', step: state.nextStep, ...blob, atMs: context.now() });
    lastCheckpointMs = context.now();
  };
  reporter.progress(meter.progress('searching', search.step, total));
  while (search.step < total) {
    const before = search.save(); // a trial that is cut short has drawn random numbers already
    try {
      reporter.trial(await search.trial());
    } catch (error) {
      if (control.cancelled) await checkpoint(before);
      throw error;
    }
    reporter.progress(meter.progress('searching', search.step, total));
    if (control.cancelled || search.step === total || context.now() - lastCheckpointMs > checkpointIntervalMs)
      await checkpoint(search.save());
    throwIfCancelled(context);
    // Lets the message of a cancel in: the agent's updates run on this thread.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function preludeOf({ referenceAccuracy, floatValidationAccuracy, baselines }: Prelude): Prelude {
  return { referenceAccuracy, floatValidationAccuracy, baselines };
}

/**
 * The best trials once more, on validation images that no reward was read from: the best of many noisy readings is flattered
 * by its luck. Where the rewards used all validation images, on those.
 */
async function chooseWinner(
  setting: Setting,
  search: AnySearch,
): Promise<{ readonly bits: BitVector; readonly validationAccuracy: number }> {
  const { context, bench, evaluator, rewardImages } = setting;
  const fresh = bench.validationImages.slice(rewardImages.length);
  const images = fresh.length > 0 ? fresh : bench.validationImages;
  const meter = new RateMeter(context.now, 0);
  let winner: { readonly bits: BitVector; readonly accuracy: number } | null = null;
  for (const [index, candidate] of search.best.entries()) {
    const accuracy = await evaluator.accuracyOf(images, candidate.bits);
    if (!winner || accuracy > winner.accuracy) winner = { bits: candidate.bits, accuracy };
    context.reporter.progress(meter.progress('testing', index + 1, search.best.length));
  }
  if (!winner) throw new Error('a search of at least one trial has a best one');
  const { bits } = winner;
  const validationAccuracy = await evaluator.accuracyOf(bench.validationImages, bits);
  context.reporter.solution(quantizedSolution(setting, 'best', 'found', bits, validationAccuracy, null));
  return { bits, validationAccuracy };
}

/** Opens the test split, once: the float network, every baseline and the winner. */
async function testAll(
  setting: Setting,
  prelude: Prelude,
  winner: { readonly bits: BitVector; readonly validationAccuracy: number },
  test: TestImages,
): Promise<TestedPolicy[]> {
  const { context, manifest, evaluator } = setting;
  const { reporter } = context;
  const tester = evaluator.on(test.dataset);
  const meter = new RateMeter(context.now, 0);
  const total = prelude.baselines.length + 2;
  reporter.log('info', `test split opened: ${String(test.indices.length)} images, read once for ${String(total)} networks`);
  reporter.solution(floatSolution(setting, prelude.floatValidationAccuracy, await tester.accuracyOf(test.indices)));
  reporter.progress(meter.progress('testing', 1, total));
  const testAccuracy = await tester.accuracyOf(test.indices, winner.bits);
  // Codebooks have no integer form.
  const integerTestAccuracy = manifest.search.codebooks ? null : await tester.accuracyOf(test.indices, winner.bits, 'integer');
  const found = {
    ...quantizedSolution(setting, 'best', 'found', winner.bits, winner.validationAccuracy, testAccuracy),
    integerTestAccuracy,
  };
  const tested: TestedPolicy[] = [{ bits: winner.bits, solution: found }];
  reporter.solution(found);
  reporter.log(
    'info',
    `found policy on the test split: ${(testAccuracy * 100).toFixed(2)} % fake-quantized${integerTestAccuracy === null ? '' : `, ${(integerTestAccuracy * 100).toFixed(2)} % in integer arithmetic`}`,
  );
  reporter.progress(meter.progress('testing', 2, total));
  for (const [index, baseline] of prelude.baselines.entries()) {
    const testAccuracy = await tester.accuracyOf(test.indices, baseline.bits);
    const solution = quantizedSolution(setting, 'baseline', baseline.label, baseline.bits, baseline.validationAccuracy, testAccuracy);
    tested.push({ bits: baseline.bits, solution });
    reporter.solution(solution);
    reporter.progress(meter.progress('testing', index + 3, total));
  }
  return tested;
}

/**
 * The long quantized training (PACT), where it was asked for: of the winner, of the uniform policy within the budget that was the
 * most accurate before, and of the one with the most bits w = a, all alike and from the same float weights.
 */
async function tuneAtTheEnd(setting: Setting, tested: readonly TestedPolicy[], test: TestImages): Promise<void> {
  const { context, manifest, bench, evaluator } = setting;
  const { finetuneEpochs } = manifest.search;
  if (finetuneEpochs === 0) return;
  const uniform = tested.filter(({ solution }) => solution.role === 'baseline' && solution.withinBudget);
  const accuracyOf = (policy: TestedPolicy): number => policy.solution.validationAccuracy ?? -1;
  const best = [...uniform].sort((a, b) => accuracyOf(b) - accuracyOf(a))[0];
  const equal = uniform.find(({ solution }) => /^w(\d)a\1$/.test(solution.label)); // from the most bits down
  const found = tested.find(({ solution }) => solution.role === 'best');
  const chosen = [...new Set([found, best, equal])].filter((policy) => policy !== undefined);
  const stepsPerEpoch = Math.floor(bench.trainImages.length / tuningBatch(bench, manifest));
  evaluator.fineTune(fineTuning(bench, manifest, finetuneEpochs * stepsPerEpoch));
  const meter = new RateMeter(context.now, 0);
  for (const [index, { bits, solution }] of chosen.entries()) {
    context.reporter.progress(meter.progress('tuning', index, chosen.length));
    const parts = [{ dataset: bench.dataset, indices: bench.validationImages }, test];
    const [validation, onTest] = await evaluator.measureAll(parts, bits);
    if (!validation || !onTest) throw new Error('two sets of images have two readings');
    context.reporter.solution({ ...solution, tunedValidationAccuracy: validation.accuracy, tunedTestAccuracy: onTest.accuracy });
  }
}

function floatSolution(setting: Setting, validationAccuracy: number, testAccuracy: number | null): Solution {
  const { graph } = setting.bench;
  return {
    role: 'float',
    label: 'float32',
    policy: null,
    validationAccuracy,
    testAccuracy,
    integerTestAccuracy: null,
    tunedValidationAccuracy: null,
    tunedTestAccuracy: null,
    withinBudget: false,
    weights: setting.weights.sha256,
    latencyMs: null, // the target computes integers
    energyMj: null,
    sizeBytes: graph.params * Float32Array.BYTES_PER_ELEMENT,
    macs: graph.macs,
  };
}

function quantizedSolution(
  setting: Setting,
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
    integerTestAccuracy: null,
    tunedValidationAccuracy: null,
    tunedTestAccuracy: null,
    withinBudget: meetsBudgets(cost, setting.limits),
    weights: setting.weights.sha256,
  };
}
