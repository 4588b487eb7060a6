/** A run that prunes (AMC): weights, then in each stage trials and fine-tuning, and the test split once, at the end. */
import type { PruneManifest } from '../../shared/run.ts';
import { couplingOf } from '../network/coupling.ts';
import { graphToJson } from '../network/graph-form.ts';
import { absoluteLimits, requireReachable } from '../search/prune/clip.ts';
import { taskOf } from '../search/prune/task.ts';
import { loadState, saveState, type PruneCheckpoint, type StageBase, type TuningCheckpoint } from './checkpoint.ts';
import { throwIfCancelled, type JobContext } from './job.ts';
import { finishNetworks, tuneStage } from './prune-finish.ts';
import { accuracyOnValidation, measureSensitivity, readingOf, searchStage, uniformRival } from './prune-search.ts';
import { openStage, type PruneRun, type PruneStage } from './prune-stage.ts';
import { targetOf } from './prune-target.ts';
import { trainWeights, type TrainedWeights } from './train-phase.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

export async function runPrune(context: JobContext, manifest: PruneManifest): Promise<void> {
  const bench = await openWorkbench(context, manifest);
  throwIfCancelled(context);
  const { search, batch } = manifest;
  const whole = taskOf(bench.graph, couplingOf(bench.graph), { ...search, target: targetOf(manifest), batch });
  const limits = absoluteLimits(manifest.budgets, (resource) => whole.pricing.price(resource, whole.counts.all));
  requireReachable({ decisions: whole.counts.decisions, limits, price: whole.pricing.price });
  context.reporter.budgetLimits(limits);

  const resumed = await resumedState(context);
  const weights = resumed ? await restoreWeights(context, bench, resumed.weights) : await trainWeights(context, manifest, bench);
  context.reporter.progress({ phase: 'calibrating', done: 0, total: 1, ratePerSecond: null, etaSeconds: null });
  const rewardImages = bench.validationImages.slice(0, search.rewardImages);
  const run: PruneRun = { context, manifest, bench, weights, whole, limits, rewardImages };
  await runStages(run, resumed);
}

/** Stage by stage: search, and fine-tune what was found, which is what the next one starts from. */
async function runStages(run: PruneRun, resumed: PruneCheckpoint | TuningCheckpoint | null): Promise<void> {
  const { weights } = run;
  const { stages } = run.manifest.search;
  let from = resumed?.stage ?? null;
  let stage = await openStage(run, from);
  if (run.context.helping) {
    await run.context.helping.serve(readingOf(stage));
    return;
  }
  const wholeAccuracy = resumed?.wholeAccuracy ?? (await accuracyOnValidation(stage, stage.counts.all));
  if (!resumed) await measureSensitivity(stage);
  for (let state = resumed; ; state = null) {
    const tuning = state?.kind === 'prune-tuning' ? state : await searched(stage, wholeAccuracy, state);
    if (stage.index === stages - 1) {
      await finishNetworks(stage, tuning);
      return;
    }
    from = await nextBase(stage, tuning);
    stage = await openStage(run, from);
  }

  async function searched(stage: PruneStage, wholeAccuracy: number, state: PruneCheckpoint | null): Promise<TuningCheckpoint> {
    const { network, agent } = await searchStage(stage, wholeAccuracy, state?.search ?? null);
    const first = stage.from ? await openStage(run, null) : stage;
    const rival = stage.index === stages - 1 ? await uniformRival(first, stage.clip.limits) : null;
    const tuning: TuningCheckpoint = {
      kind: 'prune-tuning',
      weights,
      wholeAccuracy,
      networks: rival ? [network, rival] : [network],
      training: null,
      agent,
      ...(stage.from ? { stage: stage.from } : {}),
    };
    const { context } = run;
    const blob = await saveState(context.job.dataDir, tuning); // what was found stays, whatever comes
    await context.reporter.checkpoint({ phase: 'tuning', step: 0, ...blob, atMs: context.now() });
    return tuning;
  }
}

async function nextBase(stage: PruneStage, tuning: TuningCheckpoint): Promise<StageBase> {
  const { graph, weights } = await tuneStage(stage, tuning);
  return { index: stage.index + 1, graphJson: graphToJson(graph), weights };
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
