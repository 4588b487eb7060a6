/** A run that prunes (AMC): weights, the uniform width, trials, the best ones again, fine-tuning, and the test split once, at the end. */
import type { Budget } from '../../shared/policy.ts';
import type { GroupDecision } from '../../shared/prune.ts';
import type { PruneManifest } from '../../shared/run.ts';
import { createMlp } from '../compute/index.ts';
import { couplingOf, type Coupling } from '../network/coupling.ts';
import { ChannelCounts, choicesOf, decisionsOf, type Counts } from '../search/prune/channels.ts';
import { absoluteLimits, requireReachable, type ClipSetting } from '../search/prune/clip.ts';
import { onTarget, pricing, type Pricing } from '../search/prune/pricing.ts';
import { Pruner } from '../search/prune/pruned.ts';
import { Reconstruction } from '../search/prune/reconstruct.ts';
import { createRivalPruneSearch } from '../search/prune/rival.ts';
import { PruneSearch, type ChannelSearch, type PruneEnvironment, type PruneSearchState } from '../search/prune/search.ts';
import { taylorOf } from '../search/prune/taylor.ts';
import type { RivalSearchState } from '../search/rivals/search.ts';
import { uniformWidth } from '../search/prune/uniform.ts';
import { loadState, saveState, type PruneCheckpoint, type TunedNetwork, type TuningCheckpoint } from './checkpoint.ts';
import { throwIfCancelled, type JobContext } from './job.ts';
import { finishNetworks } from './prune-finish.ts';
import { targetOf } from './prune-target.ts';
import { RateMeter } from './reporter.ts';
import { trainWeights, type TrainedWeights } from './train-phase.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

/** Seconds of work that a crash may cost, at most about twice this. */
const checkpointIntervalMs = 5_000;

export interface PruneSetting {
  readonly context: JobContext;
  readonly manifest: PruneManifest;
  readonly bench: Workbench;
  readonly counts: ChannelCounts;
  readonly pricing: Pricing;
  readonly clip: ClipSetting; // decisions, absolute limits, prices
  readonly pruner: Pruner;
  readonly rewardImages: Uint32Array;
  readonly weights: TrainedWeights;
}

export async function runPrune(context: JobContext, manifest: PruneManifest): Promise<void> {
  const bench = await openWorkbench(context, manifest);
  throwIfCancelled(context);
  const { search } = manifest;
  const coupling = couplingOf(bench.graph);
  const counts = new ChannelCounts(bench.graph, decisionsOf(bench.graph, search, coupling), coupling);
  const target = targetOf(manifest);
  const prices = pricing(counts, target ? onTarget(bench.graph, coupling, counts, target, manifest.batch) : null);
  const limits = absoluteLimits(manifest.budgets, (resource) => prices.price(resource, counts.all));
  const clip: ClipSetting = { decisions: counts.decisions, limits, roundTo: search.roundTo, price: prices.price };
  requireReachable(clip);
  context.reporter.budgetLimits(limits);

  const resumed = await resumedState(context);
  const weights = resumed ? await restoreWeights(context, bench, resumed.weights) : await trainWeights(context, manifest, bench);
  context.reporter.progress({ phase: 'calibrating', done: 0, total: 1, ratePerSecond: null, etaSeconds: null });
  const statistics = search.statisticsImages > 1 ? bench.trainImages.slice(0, search.statisticsImages) : null;
  const reconstruction = search.reconstructionImages > 0 ? await collectMoments(context, manifest, bench, coupling) : null;
  const taylor = search.importance === 'taylor' ? await taylorOf(bench.model, bench.dataset, bench.trainImages, context.control) : null;
  const options = {
    graph: bench.graph,
    coupling,
    model: bench.model,
    decisions: counts.decisions,
    importance: search.importance,
    statistics: statistics ? { dataset: bench.dataset, indices: statistics } : null,
    reconstruction,
    control: context.control,
  };
  const pruner = new Pruner(options, taylor);
  const rewardImages = bench.validationImages.slice(0, search.rewardImages);
  const setting: PruneSetting = { context, manifest, bench, counts, pricing: prices, clip, pruner, rewardImages, weights };
  if (resumed?.kind === 'prune-tuning') {
    await finishNetworks(setting, resumed);
    return;
  }
  const wholeAccuracy = resumed?.wholeAccuracy ?? (await accuracyOnValidation(setting, counts.all));
  if (!resumed) await measureSensitivity(setting);
  const networks = await searchNetworks(setting, wholeAccuracy, resumed?.search ?? null);
  await finishNetworks(setting, { kind: 'prune-tuning', weights, wholeAccuracy, networks, training: null });
}

async function collectMoments(
  context: JobContext,
  { search }: PruneManifest,
  bench: Workbench,
  coupling: Coupling,
): Promise<Reconstruction> {
  const images = {
    dataset: bench.dataset,
    indices: bench.trainImages.slice(0, search.reconstructionImages),
    samples: search.reconstructionSamples,
    seed: bench.random.derive('reconstruction').uint32(),
  };
  const startMs = context.now();
  const reconstruction = await Reconstruction.collect(bench.graph, coupling, bench.model, images, context.control);
  context.reporter.log(
    'info',
    `collected what enters each layer on ${String(images.indices.length)} images in ${((context.now() - startMs) / 1000).toFixed(1)} s`,
  );
  if (reconstruction.left.length > 0) {
    context.reporter.log(
      'warn',
      `keep their weights instead of new ones, for they are grouped or too wide: ${reconstruction.left.join(', ')}`,
    );
  }
  return reconstruction;
}

async function resumedState({ job }: JobContext): Promise<PruneCheckpoint | TuningCheckpoint | null> {
  switch (job.checkpoint?.phase) {
    case 'searching':
      return await loadState(job.dataDir, job.checkpoint.sha256, 'prune-search');
    case 'tuning':
      return await loadState(job.dataDir, job.checkpoint.sha256, 'prune-tuning');
    default:
      return null;
  }
}

async function restoreWeights({ job }: JobContext, bench: Workbench, weights: TrainedWeights): Promise<TrainedWeights> {
  bench.model.setState((await loadState(job.dataDir, weights.sha256, 'weights')).parameters);
  return weights;
}

/**
 * What each group alone loses: the accuracy on the reward images with so many of its units and all others whole, as the series
 * `sensitivity/GROUP` over the units. For a person to see where channels matter; the search does not read it.
 */
async function measureSensitivity({ context, manifest, bench, counts, pruner, rewardImages }: PruneSetting): Promise<void> {
  const steps = manifest.search.sensitivitySteps;
  const questions = counts.decisions.flatMap((decision, at) => {
    const choices = choicesOf(decision, manifest.search.roundTo).slice(0, -1); // whole is the network itself
    const count = Math.min(steps, choices.length);
    return Array.from({ length: count }, (_, step) => ({
      at,
      name: decision.name,
      units: choices[Math.floor((step * choices.length) / count)] ?? 1,
    }));
  });
  const meter = new RateMeter(context.now, 0);
  for (const [index, { at, name, units }] of questions.entries()) {
    context.reporter.progress(meter.progress('baselines', index, questions.length));
    const pruned = await pruner.prune(counts.all.map((all, other) => (other === at ? units : all)));
    const value = await pruner.accuracyOf(pruned, bench.dataset, rewardImages);
    context.reporter.metrics([{ series: `sensitivity/${name}`, step: units, value }]);
    throwIfCancelled(context);
  }
}

/** Of the network that these channels make, before fine-tuning. */
async function accuracyOnValidation({ pruner, bench }: PruneSetting, counts: Counts): Promise<number> {
  return await pruner.accuracyOf(await pruner.prune(counts), bench.dataset, bench.validationImages);
}

/** Trials from the first, or from where a checkpoint stands; returns the networks that are worth fine-tuning. */
async function searchNetworks(
  setting: PruneSetting,
  wholeAccuracy: number,
  state: PruneCheckpoint['search'] | null,
): Promise<TunedNetwork[]> {
  const { context, manifest, clip } = setting;
  const uniform = uniformWidth(clip);
  const search = await makeSearch(setting, uniform && clip.limits.length > 0 ? [uniform.counts] : []);
  if (state) {
    search.restore(state as never); // of this run's own method: the manifest says which
    context.reporter.log('info', `search continues at trial ${String(search.step)} of ${String(manifest.search.trials)}`);
  }
  await runTrials(setting, wholeAccuracy, search);
  const best = await chooseWinner(setting, search);
  const networks: TunedNetwork[] = [best];
  if (uniform && clip.limits.length > 0) {
    networks.push({
      role: 'baseline',
      label: `uniform ×${uniform.ratio.toFixed(2)}`,
      groups: groupsOf(setting, uniform.counts),
      beforeTuning: await accuracyOnValidation(setting, uniform.counts),
      parameters: null,
    });
  }
  return networks;
}

type AnySearch = ChannelSearch<PruneSearchState> | ChannelSearch<RivalSearchState>;

async function makeSearch(setting: PruneSetting, seeds: readonly Counts[]): Promise<AnySearch> {
  const { context, manifest, bench, counts, pricing: prices, clip, pruner, rewardImages } = setting;
  const environment: PruneEnvironment = {
    counts,
    price: prices.price,
    costOf: prices.costOf,
    measure: async (units) => await pruner.measure(await pruner.prune(units), bench.dataset, rewardImages),
    now: context.now,
  };
  const { search } = manifest;
  const random = bench.random.derive('search');
  if (search.method === 'ddpg') return new PruneSearch(environment, search, clip.limits, seeds, random, createMlp);
  return await createRivalPruneSearch(search.method, environment, search, clip.limits, seeds, random);
}

function groupsOf({ counts }: PruneSetting, units: Counts): GroupDecision[] {
  return counts.decisions.map(({ name, units: all }, t) => {
    const kept = units[t] ?? all;
    return { group: name, units: all, kept, asked: kept / all, reason: 'asked' as const };
  });
}

async function runTrials(setting: PruneSetting, wholeAccuracy: number, search: AnySearch): Promise<void> {
  const { context, manifest, weights } = setting;
  const { reporter, control, job } = context;
  const total = manifest.search.trials;
  const meter = new RateMeter(context.now, search.step);
  let lastCheckpointMs = context.now();
  const checkpoint = async (state: PruneCheckpoint['search']): Promise<void> => {
    const blob = await saveState(job.dataDir, { kind: 'prune-search', weights, wholeAccuracy, search: state });
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

/**
 * The best trials once more, on validation images that no reward was read from: the best of many noisy readings is flattered by
 * its luck. Where the rewards used all validation images, or accuracy is traded against a resource, the search's own order stands.
 */
async function chooseWinner(setting: PruneSetting, search: AnySearch): Promise<TunedNetwork> {
  const { context, manifest, bench, pruner, rewardImages } = setting;
  const fresh = bench.validationImages.slice(rewardImages.length);
  const [first] = search.best;
  if (!first) throw new Error('a search of at least one trial has a best one');
  let winner = { candidate: first, accuracy: -1 };
  if (fresh.length > 0 && manifest.search.reward === 'accuracy') {
    const meter = new RateMeter(context.now, 0);
    for (const [index, candidate] of search.best.entries()) {
      const accuracy = await pruner.accuracyOf(await pruner.prune(candidate.counts), bench.dataset, fresh);
      if (accuracy > winner.accuracy) winner = { candidate, accuracy };
      context.reporter.progress(meter.progress('testing', index + 1, search.best.length));
    }
  }
  const { counts, groups, step } = winner.candidate;
  context.reporter.log('info', `trial ${String(step)} is taken`);
  return { role: 'best', label: 'found', groups, beforeTuning: await accuracyOnValidation(setting, counts), parameters: null };
}

/** Limits that a network keeps or breaks. */
export function withinLimits({ clip }: PruneSetting, counts: Counts, limits: readonly Budget[] = clip.limits): boolean {
  return limits.every(({ resource, value }) => clip.price(resource, counts) <= value);
}
