/** The search of a stage of a pruning: what each group alone loses, the trials, and the best of them again. */
import type { Budget } from '../../shared/policy.ts';
import type { Metric } from '../../shared/run.ts';
import { createMlp } from '../compute/index.ts';
import type { DdpgState } from '../search/agent/ddpg.ts';
import { choicesOf, type Counts } from '../search/prune/decisions.ts';
import { meets } from '../search/prune/clip.ts';
import { magnitudeCounts } from '../search/prune/magnitude.ts';
import { createRivalPruneSearch } from '../search/prune/rival.ts';
import { FixedSearch, PruneSearch, type ChannelSearch, type PruneEnvironment, type PruneSearchState } from '../search/prune/search.ts';
import { uniformWidth } from '../search/prune/uniform.ts';
import type { RivalSearchState } from '../search/rivals/search.ts';
import { Training } from '../search/training/training.ts';
import { LatheError } from '../../shared/errors.ts';
import { loadState, saveState, type PruneCheckpoint, type TunedNetwork } from './checkpoint.ts';
import { endSharing, throwIfCancelled } from './job.ts';
import type { Measure } from './measuring.ts';
import { asAsked, ofWhole, type PruneRun, type PruneStage } from './prune-stage.ts';
import { RateMeter } from './reporter.ts';

/** Seconds of work that a crash may cost, at most about twice this. */
const checkpointIntervalMs = 5_000;

export interface Found {
  readonly network: TunedNetwork;
  readonly agent: Pick<DdpgState, 'actor'> | null; // null: no agent has decided
}

/** Of the network that these counts leave, before fine-tuning. */
export async function accuracyOnValidation({ pruner, run }: PruneStage, counts: Counts): Promise<number> {
  const { dataset, validationImages } = run.bench;
  return await pruner.accuracyOf(await pruner.prune(counts), dataset, validationImages);
}

/**
 * What each group alone loses: the accuracy on the reward images with so many of its units and all others whole, as the series
 * `sensitivity/GROUP` over the units. For a person to see where channels matter; the search does not read it.
 */
export async function measureSensitivity({ run, counts, pruner }: PruneStage): Promise<void> {
  const { context, manifest, bench, rewardImages } = run;
  const steps = manifest.search.sensitivitySteps;
  const questions = counts.decisions.flatMap((decision, at) => {
    const choices = choicesOf(decision).slice(0, -1); // whole is the network itself
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
    const metric: Metric = { series: `sensitivity/${name}`, step: units, value };
    context.reporter.metrics([metric]);
    throwIfCancelled(context);
  }
}

/** Trials from the first, or from where a checkpoint stands; returns the network that is worth fine-tuning. */
export async function searchStage(stage: PruneStage, wholeAccuracy: number, state: PruneCheckpoint['search'] | null): Promise<Found> {
  const { clip, run } = stage;
  const uniform = clip.limits.length > 0 ? uniformWidth(clip) : null;
  const search = await makeSearch(stage, uniform ? [uniform.counts] : []);
  if (state) {
    search.restore(state as never); // of this run's own method: the manifest says which
    run.context.reporter.log('info', `search continues at trial ${String(search.step)} of ${String(search.trials)}`);
  }
  await runTrials(stage, wholeAccuracy, search);
  const network = await chooseWinner(stage, search);
  return { network, agent: search instanceof PruneSearch ? search.save().agent : null };
}

type AnySearch = ChannelSearch<PruneSearchState> | ChannelSearch<RivalSearchState> | FixedSearch;

async function makeSearch(stage: PruneStage, seeds: readonly Counts[]): Promise<AnySearch> {
  const { run, counts, pricing, clip, pruner, trials } = stage;
  const { context, manifest, bench } = run;
  const environment: PruneEnvironment = {
    counts,
    price: pricing.price,
    costOf: pricing.costOf,
    measure: async (policies) => {
      const readings = await context.measuring.all(policies, readingOf(stage));
      return readings.map(([accuracy = 0, loss = 0]) => ({ accuracy, loss }));
    },
    now: context.now,
  };
  const search = { ...manifest.search, trials };
  const random = bench.random.derive(stage.index === 0 ? 'search' : `search of stage ${String(stage.index)}`);
  switch (search.method) {
    case 'ddpg':
      return new PruneSearch(environment, search, clip.limits, seeds, random, createMlp);
    case 'transfer':
      return new PruneSearch(environment, search, clip.limits, seeds, random, createMlp, await foreignAgent(run));
    case 'magnitude': {
      const found = magnitudeCounts(clip, pruner.scores);
      if (!found)
        throw new LatheError('bad-input', 'method magnitude: no threshold over all groups keeps the budgets; choose another method');
      return new FixedSearch(environment, search, [...seeds.map((own) => ['uniform', own] as const), ['magnitude', found]]);
    }
    default:
      return await createRivalPruneSearch(search.method, environment, search, clip.limits, seeds, random);
  }
}

/** What a trial reads of the network that these counts leave: its accuracy and its loss. */
export function readingOf(stage: PruneStage): Measure {
  const { manifest, rewardImages } = stage.run;
  return async (counts) => {
    const { accuracy, loss } = await measureTuned(stage, counts, manifest.search.trialImages, rewardImages);
    return [accuracy, loss];
  };
}

/** The agent of the run that the manifest names, as that run's last checkpoint holds it. */
async function foreignAgent({ context }: PruneRun): Promise<Pick<DdpgState, 'actor'>> {
  const { job, reporter } = context;
  if (!job.agent) throw new LatheError('bad-input', 'method transfer: the run whose agent decides is missing');
  const { agent } = await loadState(job.dataDir, job.agent.sha256, 'prune-tuning');
  if (!agent) throw new LatheError('bad-input', 'method transfer: the run named has no agent; name one of method ddpg');
  reporter.log('info', `the agent of checkpoint ${job.agent.sha256.slice(0, 12)} decides and learns nothing`);
  return agent;
}

async function runTrials(stage: PruneStage, wholeAccuracy: number, search: AnySearch): Promise<void> {
  const { run, from, trialsBefore } = stage;
  const { context, manifest, weights } = run;
  const { reporter, control, job, measuring } = context;
  const meter = new RateMeter(context.now, search.step + trialsBefore);
  let lastCheckpointMs = context.now();
  const total = search instanceof FixedSearch ? search.trials + trialsBefore : manifest.search.trials;
  const progress = (done = 0): void => {
    reporter.progress(meter.progress('searching', search.step + done + trialsBefore, total));
  };
  measuring.onDone = progress;
  const checkpoint = async (state: PruneCheckpoint['search']): Promise<void> => {
    const blob = await saveState(job.dataDir, {
      kind: 'prune-search',
      weights,
      wholeAccuracy,
      search: state,
      ...(from ? { stage: from } : {}),
    });
    const reached = { phase: 'searching', step: state.nextStep + trialsBefore };
    await reporter.checkpoint({ ...reached, ...blob, atMs: context.now() });
    measuring.openFrom({ ...reached, sha256: blob.sha256 });
    lastCheckpointMs = context.now();
  };
  progress();
  if (measuring.most > 1) await checkpoint(search.save());
  while (search.step < search.trials) {
    const before = search.save(); // a trial that is cut short has drawn random numbers already
    try {
      for (const trial of await search.next(measuring.most))
        reporter.trial({
          ...trial,
          step: trial.step + trialsBefore,
          ...(trial.prune ? { prune: { ...trial.prune, groups: ofWhole(run, trial.prune.groups) } } : {}),
        });
    } catch (error) {
      if (control.cancelled) await checkpoint(before);
      throw error;
    }
    progress();
    if (control.cancelled || search.step === search.trials || context.now() - lastCheckpointMs > checkpointIntervalMs)
      await checkpoint(search.save());
    throwIfCancelled(context);
    // Lets the message of a cancel in: the agent's updates run on this thread.
    await new Promise((resolve) => setImmediate(resolve));
  }
  endSharing(context);
}

/**
 * The best trials once more, on validation images that no reward was read from: the best of many noisy readings is flattered by
 * its luck. With `finalistImages` each is fine-tuned a little before, for what is best before it need not be best behind it.
 * Where the rewards used all validation images, or accuracy is traded against a resource, the search's own order stands.
 */
async function chooseWinner(stage: PruneStage, search: AnySearch): Promise<TunedNetwork> {
  const { run, clip } = stage;
  const { context, manifest, bench, rewardImages } = run;
  const fresh = bench.validationImages.slice(rewardImages.length);
  const fitting = search.best.filter(({ counts }) => meets(clip.price, counts, clip.limits));
  const candidates = fitting.length > 0 ? fitting : search.best;
  const [first] = candidates;
  if (!first) throw new Error('a search of at least one trial has a best one');
  let winner = { candidate: first, accuracy: -1 };
  if (fresh.length > 0 && manifest.search.reward === 'accuracy') {
    const meter = new RateMeter(context.now, 0);
    const tuned = Math.max(manifest.search.finalistImages, manifest.search.trialImages);
    for (const [index, candidate] of candidates.entries()) {
      const { accuracy } = await measureTuned(stage, candidate.counts, tuned, fresh);
      if (accuracy > winner.accuracy) winner = { candidate, accuracy };
      context.reporter.progress(meter.progress('testing', index + 1, candidates.length));
    }
  }
  const { counts, step, groups } = winner.candidate;
  context.reporter.log('info', `trial ${String(step + stage.trialsBefore)} is taken`);
  return { role: 'best', label: 'found', groups, beforeTuning: await accuracyOnValidation(stage, counts), parameters: null };
}

/**
 * Read on `images`, behind a short fine-tuning on the first `tuned` training images where there are any: the same ones in the same
 * order for each network. Their rates are those of the fine-tuning at the end, along one cosine.
 */
async function measureTuned(
  { run, pruner }: Pick<PruneStage, 'run' | 'pruner'>,
  counts: Counts,
  tuned: number,
  images: Uint32Array,
): Promise<{ readonly accuracy: number; readonly loss: number }> {
  const { context, manifest, bench } = run;
  const pruned = await pruner.prune(counts);
  if (tuned > 0) {
    await pruner.recalibrate(pruned);
    const some = bench.trainImages.slice(0, tuned);
    const options = { ...manifest.tuning, epochs: 1, warmupSteps: 0, patienceEpochs: 0 };
    const random = bench.random.derive('short fine-tuning');
    const training = new Training(pruned.model, bench.dataset, some, options, random, context.control, {
      keepZeros: manifest.search.granularity === 'weights',
    });
    while (training.stepsDone < training.totalSteps) {
      await training.advance();
      throwIfCancelled(context);
    }
  }
  return await pruner.measure(pruned, bench.dataset, images);
}

/** The uniform width within the limits, cut at once out of the stage's network; null without limits, or where none keeps them. */
export async function uniformRival(stage: PruneStage, limits: readonly Budget[]): Promise<TunedNetwork | null> {
  const uniform = limits.length > 0 ? uniformWidth({ ...stage.clip, limits }) : null;
  if (!uniform) return null;
  return {
    role: 'baseline',
    label: `uniform ×${uniform.ratio.toFixed(2)}`,
    groups: asAsked(stage, uniform.counts),
    beforeTuning: await accuracyOnValidation(stage, uniform.counts),
    parameters: null,
  };
}
