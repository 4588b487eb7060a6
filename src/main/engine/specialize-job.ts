/**
 * A run that searches an architecture (ProxylessNAS): warm-up and search of the supernet, the network that follows, its training and
 * that of its rivals by the same recipe, and the test split once, at the end.
 */
import { canonicalJson } from '../../shared/canonical.ts';
import { LatheError } from '../../shared/errors.ts';
import { bytes, fixed } from '../../shared/format.ts';
import type { Budget, Cost } from '../../shared/policy.ts';
import type { NetworkRecord } from '../../shared/network.ts';
import { Random } from '../../shared/random.ts';
import type { Metric, Solution, SpecializeManifest } from '../../shared/run.ts';
import type { Decision } from '../../shared/specialize.ts';
import { createModel, createSupernet, setThreads } from '../compute/index.ts';
import type { NativeDataset, NativeModel } from '../compute/addon.ts';
import { absoluteLimits, costOfPath, graphPricer, requireReachable, spaceCosts, type SpaceCosts } from '../hardware/space-cost.ts';
import { findTarget } from '../hardware/targets.ts';
import { graphFromJson, graphSha256, graphToJson } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { initialParameters, toNativeProgram } from '../network/program.ts';
import { SpacePrograms } from '../network/space/programs.ts';
import { pathGraph, toPolicy, type Path } from '../network/space/space.ts';
import { networkIdOf, resolveNetwork } from '../network/zoo.ts';
import { Evaluator } from '../search/evaluator.ts';
import { amountOf } from '../../shared/budgets.ts';
import { randomPath } from '../search/specialize/population.ts';
import { SpecializeSearch, targetTolerance } from '../search/specialize/search.ts';
import { SupernetTraining } from '../search/specialize/supernet-training.ts';
import { Training } from '../search/training/training.ts';
import { writeBlob } from '../store/blobs.ts';
import { loadState, saveState, type Contender, type RetrainingCheckpoint } from './checkpoint.ts';
import { endSharing, throwIfCancelled, type JobContext } from './job.ts';
import { openGraph } from './networks.ts';
import { RateMeter } from './reporter.ts';
import { choosePath, evolvePaths, pathReading } from './specialize-choice.ts';
import { trainingKey } from './training-key.ts';
import { foundNetwork, unmeasured } from './results.ts';
import { openOptions, openTest, openTraining, threadsOf, type TrainingImages } from './workbench.ts';

/** Seconds of work that a crash may cost, at most about twice this. */
const checkpointIntervalMs = 10_000;

/** A target of the run: what the space's networks cost there, and what one may cost. */
interface TargetCosts {
  readonly target: string;
  readonly priceOf: (graph: Graph) => Cost;
  readonly costs: SpaceCosts;
  readonly limits: readonly Budget[];
}

interface Setting extends TargetCosts {
  readonly context: JobContext;
  readonly manifest: SpecializeManifest;
  readonly also: readonly TargetCosts[]; // further targets
  readonly images: TrainingImages;
  readonly random: Random; // derive streams from it; never drawn from itself
}

export async function runSpecialize(context: JobContext, manifest: SpecializeManifest): Promise<void> {
  const { reporter, job } = context;
  const setting = await openSetting(context, manifest);
  throwIfCancelled(context);
  if (context.helping) {
    const { training } = await openSearch(setting);
    await context.helping.serve(pathReading(context, training));
    return;
  }
  const resumed =
    job.checkpoint?.phase === 'retraining' ? await loadState(job.dataDir, job.checkpoint.sha256, 'specialize-retraining') : null;
  const trained = await retrain(setting, resumed ?? (await searchNetworks(setting)));
  await testAll(setting, trained);
  reporter.progress({ phase: 'done', done: 1, total: 1, ratePerSecond: null, etaSeconds: null });
}

async function openSetting(context: JobContext, manifest: SpecializeManifest): Promise<Setting> {
  const { reporter, job } = context;
  reporter.progress({ phase: 'loading', done: 0, total: 1, ratePerSecond: null, etaSeconds: null });
  const reference = await openGraph(job.dataDir, manifest.network);
  if (graphSha256(reference) !== manifest.networkSha256) {
    throw new LatheError('conflict', `network ${manifest.network.id} is built differently by this version of Lathe; start a new run`);
  }
  setThreads(threadsOf(job));
  const own = targetCosts(context, manifest, manifest, reference);
  const also = manifest.also.map((other) => targetCosts(context, manifest, other, reference));
  reporter.budgetLimits(own.limits);
  const [height, width] = manifest.fit.shape;
  const images = await openTraining(job.dataset, manifest, openOptions(context, height, width));
  reporter.log(
    'info',
    `${job.dataset.id}: weights learn on ${String(images.trainIndices.length)} images, the architecture on ${String(images.validationIndices.length)} others; the test split stays closed until the end`,
  );
  reporter.progress({ phase: 'loading', done: 1, total: 1, ratePerSecond: null, etaSeconds: null });
  return { ...own, context, manifest, also, images, random: Random.fromSeed(manifest.seed) };
}

function targetCosts(
  { reporter }: JobContext,
  { space, fit }: SpecializeManifest,
  asked: SpecializeManifest['also'][number],
  reference: Graph,
): TargetCosts {
  const { target, sha256 } = findTarget(asked.target);
  if (sha256 !== asked.targetSha256) {
    throw new LatheError('conflict', `target ${asked.target} has changed since the run was made; start a new run`);
  }
  const { costs, fitted } = spaceCosts(space, fit, target, asked.batch);
  if (fitted.size > 0) reporter.log('warn', `${target.id} has no latency of ${[...fitted].join(', ')}: fitted to its other rows`);
  const priceOf = graphPricer(target, asked.batch);
  const full = priceOf(reference);
  const amounts = { latency: full.latencyMs, energy: full.energyMj, size: full.sizeBytes, macs: full.macs, params: reference.params };
  const limits = absoluteLimits(asked.budgets, amounts, costs, target.id);
  requireReachable(costs, limits, space);
  return { target: target.id, priceOf, costs, limits };
}

/** By evolution with the shared weights: a rival of the found network where one is asked for, and a network for every further target. */
async function evolved({ context, manifest, random, also, ...own }: Setting, training: SupernetTraining): Promise<Contender[]> {
  const tasks = [
    ...(manifest.search.evolutionRival ? [{ label: 'evolution', costs: own.costs, limits: own.limits }] : []),
    ...also.map(({ target, costs, limits }) => ({ label: `for ${target}`, costs, limits })),
  ].map((task) => ({ ...task, random: random.derive(`evolution ${task.label}`) }));
  const counts = new SpacePrograms(manifest.space, manifest.fit).blocks.map(({ candidates }) => candidates.length);
  const paths = await evolvePaths(context, manifest.search, counts, tasks, training);
  endSharing(context);
  return tasks.map(({ label }, index) => contenderOf(manifest, 'baseline', label, paths[index] ?? []));
}

/** Warm-up and search; then what is to be trained by itself: the network that was found, and its rivals. */
async function searchNetworks(setting: Setting): Promise<RetrainingCheckpoint> {
  const { context } = setting;
  const { search, training, secondsBefore } = await openSearch(setting);
  await runSearch(setting, search, training, secondsBefore);
  const path = await choosePath(context, setting.manifest.search, search, training);
  const decisions = search.decisions();
  tellDecisions(context, search, decisions);
  return {
    kind: 'specialize-retraining',
    contenders: [...contendersOf(setting, path), ...(await evolved(setting, training))],
    decisions,
    training: null,
  };
}

interface OpenSearch {
  readonly search: SpecializeSearch;
  readonly training: SupernetTraining;
  readonly secondsBefore: number;
}

/** A search at its beginning, or where its checkpoint stands. */
async function openSearch(setting: Setting): Promise<OpenSearch> {
  const { context, manifest, random, images, costs, limits } = setting;
  const { job, reporter } = context;
  const programs = new SpacePrograms(manifest.space, manifest.fit);
  const supernet = createSupernet(programs.ops);
  supernet.setState(initialParameters(supernet.parameters, random.derive('initial weights')));
  const split = { weights: images.trainIndices, architecture: images.validationIndices };
  const training = new SupernetTraining(
    supernet,
    programs,
    images.dataset,
    split,
    manifest.search,
    random.derive('supernet'),
    context.control,
  );
  const search = new SpecializeSearch(programs.blocks, training, costs, limits, manifest.search, random.derive('search'));
  let secondsBefore = 0;
  if (job.checkpoint) {
    const checkpoint = await loadState(job.dataDir, job.checkpoint.sha256, 'specialize-search');
    search.restore(checkpoint.search);
    secondsBefore = checkpoint.seconds;
    reporter.log('info', `the search continues at step ${String(search.stepsDone)} of ${String(search.totalSteps)}`);
  }
  return { search, training, secondsBefore };
}

async function runSearch(setting: Setting, search: SpecializeSearch, training: SupernetTraining, secondsBefore: number): Promise<void> {
  const { context } = setting;
  const { reporter, control, job } = context;
  const startMs = context.now();
  const seconds = (): number => secondsBefore + (context.now() - startMs) / 1000;
  let lastCheckpointMs = startMs;
  let meter = new RateMeter(context.now, search.stepsDone);
  let wasWarmup = search.warmingUp;
  const checkpoint = async (): Promise<void> => {
    const blob = await saveState(job.dataDir, { kind: 'specialize-search', search: search.save(), seconds: seconds() });
    const reached = { phase: search.warmingUp ? ('warmup' as const) : ('searching' as const), step: search.stepsDone };
    await reporter.checkpoint({ ...reached, ...blob, atMs: context.now() });
    if (search.finished) context.measuring.openFrom({ ...reached, sha256: blob.sha256 });
    lastCheckpointMs = context.now();
  };
  if (search.stepsDone === 0) reporter.metrics(search.snapshot());
  while (!search.finished) {
    if (wasWarmup && !search.warmingUp) {
      meter = new RateMeter(context.now, search.stepsDone); // architecture steps take their time
      wasWarmup = false;
      await checkpoint();
    }
    try {
      reporter.metrics(await search.advance());
    } catch (error) {
      if (control.cancelled) await checkpoint();
      throw error;
    }
    const [phase, from, to] = search.warmingUp
      ? (['warmup', 0, search.warmupSteps] as const)
      : (['searching', search.warmupSteps, search.totalSteps] as const);
    const { ratePerSecond, etaSeconds } = meter.progress(phase, search.stepsDone, to);
    reporter.progress({ phase, done: search.stepsDone - from, total: to - from, ratePerSecond, etaSeconds, unit: 'steps' });
    if (control.cancelled || context.now() - lastCheckpointMs > checkpointIntervalMs) await checkpoint();
    throwIfCancelled(context);
  }
  await checkpoint();
  reporter.metrics([{ series: 'supernet/seconds', step: 0, value: seconds() }, ...memoryOf(training)]);
  if (training.memory) {
    const { pathBytes, peakBytes } = training.memory;
    const ratio = fixed(peakBytes / pathBytes, 2);
    reporter.log('info', `an architecture step held ${bytes(peakBytes)} of tensors at most, ${ratio} times those of the largest path`);
  }
}

function memoryOf(training: SupernetTraining): Metric[] {
  if (!training.memory) return [];
  return [
    { series: 'supernet/pathBytes', step: 0, value: training.memory.pathBytes },
    { series: 'supernet/peakBytes', step: 0, value: training.memory.peakBytes },
  ];
}

function tellDecisions({ reporter }: JobContext, search: SpecializeSearch, decisions: readonly Decision[]): void {
  const open = decisions.filter((decision) => !decision.decided).map((decision) => decision.block);
  const text =
    open.length === 0
      ? `all ${String(decisions.length)} blocks are decided`
      : `${String(decisions.length - open.length)} of ${String(decisions.length)} blocks are decided; a coin toss: ${open.join(', ')}`;
  reporter.log(
    open.length === 0 ? 'info' : 'warn',
    `${text}; the likeliest network stood for the last ${String(search.stableFor)} architecture steps`,
  );
}

function contenderOf({ space, fit }: SpecializeManifest, role: Contender['role'], label: string, path: Path): Contender {
  return { role, label, path, graphJson: graphToJson(pathGraph(space, fit, path)), weights: null, validationAccuracy: null };
}

function contendersOf(setting: Setting, path: Path): Contender[] {
  const { manifest, costs, limits, random, context } = setting;
  const { space, fit, search } = manifest;
  const contender = (role: Contender['role'], label: string, own: Path): Contender => contenderOf(manifest, role, label, own);
  const list = [contender('best', 'found', path)];
  const equal = limits.flatMap(({ resource }) => {
    const cost = costs[resource];
    if (!cost) return [];
    const most = costOfPath(cost, path);
    return [{ cost, most, least: most * (1 - targetTolerance) }];
  });
  const counts = new SpacePrograms(space, fit).blocks.map(({ candidates }) => candidates.length);
  const taken = new Set([path.join()]);
  for (let tries = 0; taken.size <= search.randomRivals && tries < triesOfARival * search.randomRivals; tries++) {
    const rival = randomPath(counts, equal, random.derive(`random rival ${String(tries)}`));
    if (!rival || taken.has(rival.join())) continue;
    list.push(contender('baseline', `random ${String(taken.size)}`, rival));
    taken.add(rival.join());
  }
  if (taken.size <= search.randomRivals) {
    context.reporter.log(
      'warn',
      `only ${String(taken.size - 1)} other networks of equal cost were found by chance, ${String(search.randomRivals)} were asked for`,
    );
  }
  if (search.widthRival) {
    const spent = limits.map((limit) => {
      const cost = costs[limit.resource];
      return cost ? { ...limit, value: costOfPath(cost, path) } : limit;
    });
    const rival = widthRival(setting, spent);
    if (rival) list.push(rival);
  }
  return list;
}

const triesOfARival = 20;
const widthStep = 0.01;
const largestWidth = 2;

/** The reference network at the largest width that costs no more than the found one. */
function widthRival({ manifest, priceOf, context }: Setting, most: readonly Budget[]): Contender | null {
  const [side] = manifest.fit.shape;
  if (manifest.network.graph !== undefined) return null; // its channels are fixed
  for (let steps = Math.round(largestWidth / widthStep); steps > 0; steps--) {
    const width = Number((steps * widthStep).toFixed(2));
    const { graph, ref } = resolveNetwork({ ...manifest.network, width, inputSize: side });
    const cost = priceOf(graph);
    if (!most.every((limit) => withinLimit(limit, cost, graph))) continue;
    return {
      role: 'baseline',
      label: networkIdOf(ref),
      path: null,
      graphJson: graphToJson(graph),
      weights: null,
      validationAccuracy: null,
    };
  }
  context.reporter.log('warn', `${manifest.network.id}: no width is as cheap as the found network, there is no rival of it`);
  return null;
}

/** Trains every network from its own initial weights, by the same recipe and on the same images in the same order. */
async function retrain(setting: Setting, start: RetrainingCheckpoint): Promise<RetrainingCheckpoint> {
  const { context } = setting;
  const { reporter, job } = context;
  let state = start;
  const checkpoint = async (step: number, next: RetrainingCheckpoint): Promise<void> => {
    state = next;
    const blob = await saveState(job.dataDir, state);
    await reporter.checkpoint({ phase: 'retraining', step, ...blob, atMs: context.now() });
  };
  if (start.contenders.every(({ weights }) => weights === null) && start.training === null) await checkpoint(0, start);
  for (const [index, contender] of start.contenders.entries()) {
    reporter.solution(await solutionOf(setting, state, contender, null));
    if (contender.weights !== null) continue;
    const training = index === start.contenders.findIndex(({ weights }) => weights === null) ? start.training : null;
    const done = await trainOne(setting, state, index, training, (saved) =>
      checkpoint(saved?.stepsDone ?? 0, { ...state, training: saved }),
    );
    const contenders = state.contenders.map((other, at) => (at === index ? done : other));
    await checkpoint(0, { ...state, contenders, training: null });
    reporter.solution(await solutionOf(setting, state, done, null));
  }
  return state;
}

async function trainOne(
  setting: Setting,
  state: RetrainingCheckpoint,
  index: number,
  saved: RetrainingCheckpoint['training'],
  checkpoint: (training: RetrainingCheckpoint['training']) => Promise<void>,
): Promise<Contender> {
  const { context, manifest, images, random } = setting;
  const { reporter, control } = context;
  const contender = state.contenders[index];
  if (!contender) throw new RangeError(`there is no network ${String(index)} to train`);
  const graph = graphFromJson(contender.graphJson);
  const model = createModel(toNativeProgram(graph));
  model.setState(initialParameters(model.parameters, random.derive('retraining: initial weights')));
  const training = new Training(model, images.dataset, images.trainIndices, manifest.training, random.derive('retraining'), control);
  if (saved) training.restore(saved);
  const evaluator = new Evaluator(model, images.dataset, control);
  const startMs = context.now();
  let lastCheckpointMs = startMs;
  const all = state.contenders.length * training.totalSteps;
  const meter = new RateMeter(context.now, index * training.totalSteps + training.stepsDone);
  while (!training.finished) {
    if (training.awaitsJudgement) {
      const { accuracy, loss } = await evaluator.measure(images.validationIndices);
      training.judge(accuracy);
      const step = training.stepsDone;
      reporter.metrics([
        { series: `retrain/${contender.label}/accuracy`, step, value: accuracy },
        { series: `retrain/${contender.label}/validationLoss`, step, value: loss },
      ]);
    } else {
      const metrics = await training.advance();
      reporter.metrics(
        metrics.flatMap((metric) => (metric.series === 'train/loss' ? [{ ...metric, series: `retrain/${contender.label}/loss` }] : [])),
      );
    }
    reporter.progress(meter.progress('retraining', index * training.totalSteps + training.stepsDone, all));
    if (control.cancelled || context.now() - lastCheckpointMs > checkpointIntervalMs) {
      await checkpoint(training.save());
      lastCheckpointMs = context.now();
    }
    throwIfCancelled(context);
  }
  const validationAccuracy = await evaluator.accuracyOf(images.validationIndices);
  const weights = await keepWeights(setting, graph, model, (context.now() - startMs) / 1000, training);
  reporter.log(
    'info',
    `${contender.label}: validation accuracy ${(validationAccuracy * 100).toFixed(2)} % after ${String(training.stepsDone)} steps`,
  );
  return { ...contender, weights, validationAccuracy };
}

async function keepWeights(setting: Setting, graph: Graph, model: NativeModel, seconds: number, training: Training): Promise<string> {
  const { context, manifest } = setting;
  const { job, reporter } = context;
  const networkSha256 = graphSha256(graph);
  const blob = await saveState(job.dataDir, { kind: 'weights', networkSha256, parameters: model.getState().parameters });
  await reporter.weights({
    trainingKey: trainingKey({ ...manifest, networkSha256 }),
    ...blob,
    network: manifest.space.id,
    dataset: manifest.dataset,
    testAccuracy: null,
    trainSeconds: seconds,
    imagesPerSecond: (training.stepsDone * training.batchSize) / Math.max(seconds, 1e-3),
    atMs: context.now(),
  });
  return blob.sha256;
}

async function solutionOf(
  setting: Setting,
  state: RetrainingCheckpoint,
  contender: Contender,
  testAccuracy: number | null,
): Promise<Solution> {
  const { context, manifest, priceOf, also } = setting;
  const graph = graphFromJson(contender.graphJson);
  const cost = priceOf(graph);
  // A network for a further target is held to that one's budget.
  const own = also.find(({ target }) => contender.label === `for ${target}`) ?? setting;
  const ownCost = own.priceOf(graph);
  const { sha256 } = await writeBlob(context.job.dataDir, new TextEncoder().encode(canonicalJson(graphToJson(graph))));
  const isResult = contender.role === 'best' || own !== setting;
  const network = isResult && testAccuracy !== null ? networkOf(setting, contender, graph, sha256) : null;
  if (network) context.reporter.network(network);
  return {
    ...cost,
    role: contender.role,
    label: contender.label,
    policy: null,
    validationAccuracy: contender.validationAccuracy,
    testAccuracy,
    ...unmeasured,
    withinBudget: own.limits.every((limit) => withinLimit(limit, ownCost, graph)),
    weights: contender.weights,
    architecture: {
      architecture: contender.path === null ? null : toPolicy(manifest.space, contender.path),
      graph: sha256,
      decisions: contender.role === 'best' ? [...state.decisions] : [],
      params: graph.params,
      costs: [setting, ...also].map(({ target, priceOf: price }) => {
        const { latencyMs, energyMj } = price(graph);
        return { target, latencyMs, energyMj };
      }),
      network: network?.id ?? null,
    },
  };
}

/** The found network as one of the user's, with its weights: where any network is asked for, it can be named. */
function networkOf(
  { context, manifest }: Setting,
  { label, role, weights }: Contender,
  graph: Graph,
  graphBlob: string,
): NetworkRecord | null {
  if (weights === null) return null;
  const { runId } = context.job;
  const id = `${manifest.space.id}-${runId}${role === 'best' ? '' : `-${label.replace('for ', '')}`}`.slice(0, 100);
  const note = `found in space ${manifest.space.id} for ${manifest.target} by run ${runId}, trained on ${manifest.dataset}`;
  return foundNetwork(context, graph, { id, fileSha256: graphBlob, graphBlob, weights, note });
}

/** Sums in another order may differ in the last digits. */
const rounding = 1e-9;

function withinLimit(limit: Budget, cost: Cost, graph: Graph): boolean {
  const amount = limit.resource === 'params' ? graph.params : amountOf(cost, limit.resource);
  return amount !== null && amount <= limit.value * (1 + rounding);
}

/** Opens the test split, once, for all networks that were trained. */
async function testAll(setting: Setting, state: RetrainingCheckpoint): Promise<void> {
  const { context, images } = setting;
  const { reporter, job, control } = context;
  const meter = new RateMeter(context.now, 0);
  let test: { readonly dataset: NativeDataset; readonly indices: Uint32Array } | null = null;
  for (const [index, contender] of state.contenders.entries()) {
    const graph = graphFromJson(contender.graphJson);
    const model = createModel(toNativeProgram(graph));
    if (contender.weights === null) throw new LatheError('internal', `${contender.label} was not trained`);
    model.setState((await loadState(job.dataDir, contender.weights, 'weights')).parameters);
    test ??= await openTest(context, { graph, normalisation: images.normalisation });
    const testAccuracy = await new Evaluator(model, test.dataset, control).accuracyOf(test.indices);
    reporter.solution(await solutionOf(setting, state, contender, testAccuracy));
    reporter.progress({ ...meter.progress('testing', index + 1, state.contenders.length), unit: 'networks' });
  }
}
