/** A run that searches bits (HAQ): weights, calibration, uniform baselines, trials, finalists, and the test split once, at the end. */
import type { Budget } from '../../shared/policy.ts';
import type { LayerInfo } from '../../shared/network.ts';
import type { QuantizeManifest } from '../../shared/run.ts';
import { LatheError } from '../../shared/errors.ts';
import { createMlp } from '../compute/index.ts';
import { costTable, type CostTable, type PolicyBits } from '../hardware/cost-table.ts';
import { findTarget } from '../hardware/targets.ts';
import { quantizableLayerInfos } from '../network/describe.ts';
import { Evaluator } from '../search/evaluator.ts';
import { uniformPolicies } from '../search/quantize/baselines.ts';
import {
  absoluteBudgets,
  enforceBudgets,
  fromPolicy,
  lockedLayers,
  requireFeasible,
  uniformBits,
  type BitVector,
} from '../search/quantize/bits.ts';
import type { DdpgState } from '../search/agent/ddpg.ts';
import { sensitivityMetrics, sensitivityPolicies, type Sensitivity } from '../search/quantize/sensitivity.ts';
import { createRivalBitSearch } from '../search/quantize/rival.ts';
import { QuantizeSearch, type BitSearch, type QuantizeSearchState } from '../search/quantize/search.ts';
import type { RivalSearchState } from '../search/rivals/search.ts';
import { fineTuning } from './fine-tuning.ts';
import { loadState, saveState, type BitTuningCheckpoint, type SearchCheckpoint } from './checkpoint.ts';
import { endSharing, throwIfCancelled, type JobContext } from './job.ts';
import type { Measure } from './measuring.ts';
import { chooseWinner, keepFound, quantizedSolution, reportFloat, testAll } from './quantize-finish.ts';
import { policiesToTune, tunePolicies } from './quantize-tuning.ts';
import { RateMeter } from './reporter.ts';
import { trainWeights, type TrainedWeights } from './train-phase.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

/** Seconds of work that a crash may cost, at most about twice this. */
const checkpointIntervalMs = 5_000;

/** What is known once calibration and baselines are through; with the search's own state, a checkpoint. */
export interface Prelude {
  readonly referenceAccuracy: number; // float, on the reward images
  readonly floatValidationAccuracy: number;
  readonly baselines: SearchCheckpoint['baselines'];
}

/** What every phase of such a run works with. */
export interface QuantizeSetting {
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

  const resumed =
    job.checkpoint?.phase === 'searching' || job.checkpoint?.phase === 'tuning'
      ? await loadState(job.dataDir, job.checkpoint.sha256, 'search', 'quantize-tuning')
      : null;
  const weights = resumed ? await restoreWeights(context, bench, resumed) : await trainWeights(context, manifest, bench);
  const evaluator = new Evaluator(bench.model, bench.dataset, context.control);
  reporter.progress({ phase: 'calibrating', done: 0, total: 1, ratePerSecond: null, etaSeconds: null });
  await prepare(evaluator, bench, manifest);

  const rewardImages = bench.validationImages.slice(0, manifest.search.rewardImages);
  const setting: QuantizeSetting = { context, manifest, bench, layers, costs, limits, locked, evaluator, rewardImages, weights };
  if (context.helping) {
    await context.helping.serve(readingOf(setting));
    return;
  }
  const tuning = resumed?.kind === 'quantize-tuning' ? resumed : await searchAndTest(setting, resumed);
  if (tuning) await tunePolicies(setting, tuning);
  reporter.progress({ phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null });
}

/** From the baselines or a checkpoint among the trials to the readings on the test split; what is to be fine-tuned then, if anything. */
async function searchAndTest(setting: QuantizeSetting, resumed: SearchCheckpoint | null): Promise<BitTuningCheckpoint | null> {
  const { context, manifest, weights } = setting;
  const prelude = resumed ?? (await measureBaselines(setting));
  const search = await makeSearch(setting, prelude);
  if (resumed) {
    search.restore(resumed.search);
    context.reporter.log('info', `search continues at trial ${String(search.step)} of ${String(manifest.search.trials)}`);
  }
  await runTrials(setting, prelude, search);
  await reportSensitivity(setting, search);
  const winner = await chooseWinner(setting, prelude, search.best);
  const tested = await testAll(setting, prelude, winner);
  if (manifest.search.finetuneEpochs === 0) {
    await keepFound(setting, tested.found, await setting.evaluator.networkOf(tested.found.bits));
    return null;
  }
  const policies = policiesToTune(tested);
  return { kind: 'quantize-tuning', weights, ...preludeOf(prelude), search: search.save(), policies, done: 0, training: null };
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
async function reportSensitivity(setting: QuantizeSetting, search: AnySearch): Promise<void> {
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

async function restoreWeights(
  context: JobContext,
  bench: Workbench,
  checkpoint: Pick<SearchCheckpoint, 'weights'>,
): Promise<TrainedWeights> {
  const blob = await loadState(context.job.dataDir, checkpoint.weights.sha256, 'weights');
  bench.model.setState(blob.parameters);
  return checkpoint.weights;
}

/** A search whose state is its own method's: a checkpoint is read back by the method that wrote it, as the manifest never changes. */
type AnySearch = BitSearch<QuantizeSearchState | RivalSearchState>;

async function makeSearch(setting: QuantizeSetting, prelude: Prelude): Promise<AnySearch> {
  const { context, manifest, bench, layers, costs, limits } = setting;
  const { method } = manifest.search;
  const environment = {
    layers,
    costOf: costs.costOf,
    readingsOf: async (policies: readonly BitVector[]) => {
      const candidates = policies.map(({ weightBits, activationBits }) => [...weightBits, ...activationBits]);
      const readings = await context.measuring.all(candidates, readingOf(setting));
      return readings.map(([accuracy = 0, loss = 0]) => ({ accuracy, loss }));
    },
    now: context.now,
  };
  const seeds = seedsOf(setting, prelude);
  const random = bench.random.derive('search');
  if (method === 'ddpg' || method === 'transfer') {
    const foreign = method === 'transfer' ? await foreignAgent(context) : null;
    return new QuantizeSearch(environment, manifest.search, limits, seeds, prelude.referenceAccuracy, random, createMlp, foreign);
  }
  return await createRivalBitSearch(method, environment, manifest.search, limits, seeds, prelude.referenceAccuracy, random, context.signal);
}

/** A policy's accuracy and loss; the weight bits of all layers stand before their activation bits. */
function readingOf({ evaluator, rewardImages }: QuantizeSetting): Measure {
  return async (candidate) => {
    const [weightBits, activationBits] = [candidate.slice(0, candidate.length / 2), candidate.slice(candidate.length / 2)];
    const { accuracy, loss } = await evaluator.measure(rewardImages, { weightBits, activationBits });
    return [accuracy, loss];
  };
}

/** What is tried first: the uniform policies within the budget, and the policy to start from, lowered where it is over a budget. */
function seedsOf({ manifest, layers, costs, limits, locked }: QuantizeSetting, prelude: Prelude): BitVector[] {
  const uniform = prelude.baselines.filter((baseline) => baseline.withinBudget).map((baseline) => baseline.bits);
  if (!manifest.start) return uniform;
  const names = layers.map((layer) => layer.name);
  const start = enforceBudgets(fromPolicy(names, manifest.start), manifest.search.minimumBits, locked, limits, costs.costOf);
  return [...uniform, start];
}

/** The agent of the run that the manifest names, as that run's last checkpoint holds it. */
async function foreignAgent({ job, reporter }: JobContext): Promise<DdpgState> {
  if (!job.agent) throw new LatheError('bad-input', 'method transfer: the run whose agent decides is missing');
  const { search } = await loadState(job.dataDir, job.agent.sha256, 'search', 'quantize-tuning');
  if (!('agent' in search)) throw new LatheError('bad-input', 'method transfer: the run named has no agent; name one of method ddpg');
  reporter.log('info', `the agent of checkpoint ${job.agent.sha256.slice(0, 12)} decides and learns nothing`);
  return search.agent;
}

/** The float network and the uniform policies, on all validation images. */
async function measureBaselines(setting: QuantizeSetting): Promise<Prelude> {
  const { context, manifest, bench, costs, limits, locked, evaluator, rewardImages } = setting;
  const { minimumBits, maximumBits } = manifest.search;
  const policies = uniformPolicies(minimumBits, maximumBits, locked, limits, costs.costOf);
  const meter = new RateMeter(context.now, 0);
  const total = policies.length + 1;
  context.reporter.progress(meter.progress('baselines', 0, total));
  const referenceAccuracy = await evaluator.accuracyOf(rewardImages);
  const floatValidationAccuracy = await evaluator.accuracyOf(bench.validationImages);
  reportFloat(setting, floatValidationAccuracy, null);
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

async function runTrials(setting: QuantizeSetting, prelude: Prelude, search: AnySearch): Promise<void> {
  const { context, manifest, weights } = setting;
  const { reporter, control, job, measuring } = context;
  const total = manifest.search.trials;
  const meter = new RateMeter(context.now, search.step);
  let lastCheckpointMs = context.now();
  const checkpoint = async (state: QuantizeSearchState | RivalSearchState): Promise<void> => {
    const blob = await saveState(job.dataDir, { kind: 'search', weights, ...preludeOf(prelude), search: state });
    await reporter.checkpoint({ phase: 'searching', step: state.nextStep, ...blob, atMs: context.now() });
    measuring.openFrom({ phase: 'searching', step: state.nextStep, sha256: blob.sha256 });
    lastCheckpointMs = context.now();
  };
  measuring.onDone = (done) => reporter.progress(meter.progress('searching', search.step + done, total));
  reporter.progress(meter.progress('searching', search.step, total));
  if (measuring.most > 1) await checkpoint(search.save());
  while (search.step < total) {
    const before = search.save(); // a trial that is cut short has drawn random numbers already
    try {
      for (const trial of await search.next(measuring.most)) reporter.trial(trial);
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
  endSharing(context);
}

function preludeOf({ referenceAccuracy, floatValidationAccuracy, baselines }: Prelude): Prelude {
  return { referenceAccuracy, floatValidationAccuracy, baselines };
}
