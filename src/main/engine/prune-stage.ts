/** What a stage of a pruning works with: the network as the stage before has left it, what can be decided of it, and its limits. */
import type { Budget } from '../../shared/policy.ts';
import type { GroupDecision } from '../../shared/prune.ts';
import type { PruneManifest } from '../../shared/run.ts';
import type { NativeModel } from '../compute/addon.ts';
import { createModel } from '../compute/index.ts';
import { couplingOf, type Coupling } from '../network/coupling.ts';
import { graphFromJson } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { toNativeProgram } from '../network/program.ts';
import { valuesOfState } from '../network/values.ts';
import type { ClipSetting } from '../search/prune/clip.ts';
import type { Counts } from '../search/prune/decisions.ts';
import { channelMaker, weightMaker } from '../search/prune/makers.ts';
import { Pruner, type Maker } from '../search/prune/pruned.ts';
import { Reconstruction } from '../search/prune/reconstruct.ts';
import { stageLimits, stageTrials } from '../search/prune/stages.ts';
import { taskOf, weightsLeft, type EarlierUnits, type Task } from '../search/prune/task.ts';
import { taylorOf } from '../search/prune/taylor.ts';
import { loadState, type StageBase } from './checkpoint.ts';
import type { JobContext } from './job.ts';
import { targetOf } from './prune-target.ts';
import type { TrainedWeights } from './train-phase.ts';
import type { Workbench } from './workbench.ts';

/** What does not change from stage to stage. */
export interface PruneRun {
  readonly context: JobContext;
  readonly manifest: PruneManifest;
  readonly bench: Workbench; // its model holds the whole network
  readonly weights: TrainedWeights; // of the whole network
  readonly whole: Task;
  readonly limits: readonly Budget[]; // absolute, of the last stage
  readonly rewardImages: Uint32Array;
}

/** A network to take something out of, with its weights. */
export interface Base {
  readonly graph: Graph;
  readonly model: NativeModel;
}

export interface PruneStage extends Task {
  readonly run: PruneRun;
  readonly index: number;
  readonly trials: number;
  readonly trialsBefore: number; // in the stages before
  readonly from: StageBase | null; // null: the whole network
  readonly clip: ClipSetting; // decisions, absolute limits, prices
  readonly pruner: Pruner;
}

/** The stage that starts from a network that was kept, or the first. Collects what its least squares need. */
export async function openStage(run: PruneRun, from: StageBase | null): Promise<PruneStage> {
  const { manifest, bench, limits, whole } = run;
  const { search } = manifest;
  const base = from ? await restoreBase(run, from) : bench;
  const coupling = couplingOf(base.graph);
  const task = from ? taskAfter(run, base, coupling) : whole;
  const index = from?.index ?? 0;
  const stage = stageLimits(limits, (resource) => whole.pricing.price(resource, whole.counts.all), search.stages, index);
  const { trials, before } = stageTrials(search.trials, search.stages, index);
  return {
    ...task,
    run,
    index,
    from,
    trials,
    trialsBefore: before,
    clip: { decisions: task.counts.decisions, limits: stage, price: task.pricing.price },
    pruner: await openPruner(run, base, coupling, task),
  };
}

async function restoreBase({ context }: PruneRun, { graphJson, weights }: StageBase): Promise<Base> {
  const graph = graphFromJson(graphJson);
  const model = createModel(toNativeProgram(graph));
  model.setState((await loadState(context.job.dataDir, weights, 'weights')).parameters);
  return { graph, model };
}

function taskAfter({ manifest, whole }: PruneRun, { graph, model }: Base, coupling: Coupling): Task {
  const { search, batch } = manifest;
  const earlier: EarlierUnits =
    search.granularity === 'weights'
      ? weightsLeft(valuesOfState(model.parameters, model.getState().parameters))
      : new Map(whole.counts.decisions.map(({ name, units }) => [name, units]));
  return taskOf(graph, coupling, { ...search, target: targetOf(manifest), batch, earlier });
}

async function openPruner(
  { context, manifest, bench }: PruneRun,
  base: Base,
  coupling: Coupling,
  { counts, channels }: Task,
): Promise<Pruner> {
  const { search } = manifest;
  const { control } = context;
  const statistics =
    search.statisticsImages > 1 ? { dataset: bench.dataset, indices: bench.trainImages.slice(0, search.statisticsImages) } : null;
  return new Pruner({ maker: await makerOf(), statistics, control });

  async function makerOf(): Promise<Maker> {
    const { graph, model } = base;
    if (!channels) return weightMaker({ graph, model, decisions: counts.decisions });
    const { importance } = search;
    const reconstruction = search.reconstructionImages > 0 ? await collectMoments(context, manifest, bench, base, coupling) : null;
    const taylor = importance === 'taylor' ? await taylorOf(model, bench.dataset, bench.trainImages, control) : null;
    return channelMaker({ graph, coupling, model, decisions: channels.decisions, importance, taylor, reconstruction });
  }
}

async function collectMoments(
  context: JobContext,
  { search }: PruneManifest,
  bench: Workbench,
  { graph, model }: Base,
  coupling: Coupling,
): Promise<Reconstruction> {
  const images = {
    dataset: bench.dataset,
    indices: bench.trainImages.slice(0, search.reconstructionImages),
    samples: search.reconstructionSamples,
    seed: bench.random.derive('reconstruction').uint32(),
  };
  const startMs = context.now();
  const reconstruction = await Reconstruction.collect(graph, coupling, model, images, context.control);
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

/** The decisions of a stage as they are of the whole network: a group that has lost units in an earlier stage is shown with all it had. */
export function ofWhole({ whole }: PruneRun, groups: readonly GroupDecision[]): GroupDecision[] {
  const unitsOf = new Map(whole.counts.decisions.map(({ name, units }) => [name, units]));
  return groups.map((group) => {
    const units = unitsOf.get(group.group) ?? group.units;
    return { ...group, units, asked: (group.asked * group.units) / units };
  });
}

/** Every unit that a stage keeps, as decisions that nothing bounded. */
export function asAsked({ counts }: Task, units: Counts): GroupDecision[] {
  return counts.decisions.map(({ name, units: all }, t) => {
    const kept = units[t] ?? all;
    return { group: name, units: all, kept, asked: kept / all, reason: 'asked' as const };
  });
}
