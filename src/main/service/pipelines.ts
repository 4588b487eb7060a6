/**
 * A pipeline: runs one after the other, each on the network that the one before it found, with one budget that they share. Every stage is
 * a run of its own, with its checkpoints, its page and its results; a pipeline holds which run is which stage, and the figures side by side.
 * It has no state but that: resumed, it looks at its runs and goes on with the first that is not completed.
 */
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { budget as budgetText, resource as amountText } from '../../shared/format.ts';
import type { NetworkRef } from '../../shared/network.ts';
import { plannedLimits, shareOf, sharersOf, stagesOf, wholeLimit } from '../../shared/pipeline.ts';
import type { Budget, Cost } from '../../shared/policy.ts';
import {
  runRequestSchema,
  stageNameSchema,
  type PipelineManifest,
  type PipelineRequest,
  type RunDetail,
  type RunRequest,
  type RunSummary,
  type Solution,
  type StageName,
} from '../../shared/run.ts';
import type { TargetInfo } from '../../shared/target.ts';
import type { Store } from '../store/types.ts';
import type { MadeManifest, ManifestSources } from './manifests.ts';

type Base = Omit<PipelineManifest, 'method' | 'target' | 'targetSha256' | 'batch' | 'budgets' | 'stages' | 'rivals'>;

/** What a network costs on a pipeline's target: of a simulated one in its 8-bit form, of a latency table in float. */
export type NetworkCost = (network: NetworkRef, on: Pick<PipelineManifest, 'dataset' | 'target' | 'batch'>) => Promise<Cost>;

export function networkCost(
  targets: { find(id: string): TargetInfo; preview(input: Parsed<'run.preview'>): Promise<Output<'run.preview'>> },
  prunings: { preview(input: Parsed<'prune.preview'>): Promise<Output<'prune.preview'>> },
): NetworkCost {
  return async (network, { dataset, target, batch }) => {
    const question = { network, dataset, target, batch };
    if (targets.find(target).target.law !== 'table') return (await targets.preview(question)).reference;
    const { whole } = await prunings.preview({ ...question, budgets: [] });
    if (whole.latencyMs === null) throw new LatheError('internal', `target ${target} tells no latency of ${network.id}`);
    return { ...whole, latencyMs: whole.latencyMs };
  };
}

/** The manifest of a pipeline, refused now where its first stage cannot work or a later one has no budget. */
export async function makePipelineManifest(
  sources: Pick<ManifestSources, 'target'> & { readonly costOf: NetworkCost; make(request: Parsed<'run.create'>): Promise<MadeManifest> },
  request: PipelineRequest,
  base: Base,
  networkTitle: string,
): Promise<MadeManifest> {
  const { target, sha256: targetSha256 } = sources.target(request.target);
  const { stages, budgets, rivals } = request;
  const names = stagesOf(stages);
  const whole = budgets[0];
  if (whole && whole.resource !== 'latency' && whole.resource !== 'energy') {
    throw new LatheError(
      'bad-input',
      `budget ${whole.resource}: the stages of a pipeline share latency or energy; give one of these, or each stage a budget of its own`,
    );
  }
  const [poor] = sharersOf(stages);
  if (!whole && poor !== undefined) {
    throw new LatheError(
      'bad-input',
      `stage ${poor} has no budget; give the whole pipeline one, such as latency=0.25, or each of its stages`,
    );
  }
  if (stages.quantize && target.law === 'table') {
    throw new LatheError(
      'bad-input',
      `target ${target.id} is a latency table of float networks and knows no bits: leave the stage quantize out, or choose a simulated target`,
    );
  }
  const manifest: PipelineManifest = {
    method: 'pipeline',
    ...base,
    target: target.id,
    targetSha256,
    batch: request.batch ?? target.defaultBatch,
    budgets,
    stages,
    rivals: [...new Set(rivals)],
  };
  const reference = await sources.costOf(referenceOf(manifest), manifest);
  const limit = limitOf(manifest, reference);
  const [first] = names;
  if (first !== undefined) {
    const planned = limit ? plannedLimits(amountOf(reference, limit), limit.value, stages).find(({ stage }) => stage === first) : undefined;
    const own = limit && planned ? [{ ...limit, value: planned.limit }] : (stages[first]?.budgets ?? []);
    await sources.make(runRequestSchema.parse(stageRequest(manifest, first, null, own)));
  }
  const words = whole ? budgetText(whole) : 'a budget a stage';
  return { manifest, name: `${names.join(' → ')} ${networkTitle}, ${words}`, networkTitle, layers: [] };
}

/** The pipeline's network as a run is asked for it. */
function referenceOf({ network }: PipelineManifest): NetworkRef {
  const { graph, ...zoo } = network;
  return graph === undefined ? zoo : { id: network.id };
}

function limitOf({ budgets }: PipelineManifest, reference: Cost): Budget | null {
  const [budget] = budgets;
  if (!budget) return null;
  return { resource: budget.resource, kind: 'absolute', value: wholeLimit(budget, amountOf(reference, budget)) };
}

function amountOf(cost: Pick<Cost, 'latencyMs' | 'energyMj'>, { resource }: Budget): number {
  const amount = resource === 'energy' ? cost.energyMj : cost.latencyMs;
  if (amount === null) throw new LatheError('bad-input', 'budget energy: this target has no energy model; give latency');
  return amount;
}

/** The run that a stage is: on `from`, with its weights as they are; null: on the pipeline's own network, trained first. */
function stageRequest(manifest: PipelineManifest, stage: StageName, from: NetworkRef | null, budgets: readonly Budget[]): RunRequest {
  const { dataset, seed, threads, target, batch, stages, training } = manifest;
  const common = {
    dataset,
    seed,
    threads,
    target,
    batch,
    budgets: [...budgets],
    network: from ?? referenceOf(manifest),
    training: from === null ? training : { ...training, epochs: 0 },
  };
  switch (stage) {
    case 'specialize': {
      const { space, search } = stages.specialize ?? {};
      return { method: 'specialize', ...common, search: { widthRival: false, ...search }, ...(space === undefined ? {} : { space }) };
    }
    case 'prune': {
      const { search, tuning } = stages.prune ?? {};
      return { method: 'prune', ...common, tuning: { epochs: training.epochs, ...tuning }, ...(search ? { search } : {}) };
    }
    case 'quantize': {
      const { search } = stages.quantize ?? {};
      return { method: 'quantize', ...common, ...(search ? { search } : {}) };
    }
  }
}

/** How a pipeline's work ended. */
export interface PipelineEnd {
  readonly status: Extract<RunSummary['status'], 'completed' | 'failed' | 'cancelled' | 'paused' | 'interrupted'>;
  readonly error: string | null;
}

export interface PipelineParts {
  readonly store: Store;
  readonly costOf: NetworkCost;
  show(id: string): Promise<RunDetail>;
  /** A completed run with the very same manifest, or a new one that waits to be worked on. */
  makeStage(request: Parsed<'run.create'>, name: string): Promise<RunSummary>;
  /** Works on a run of this process until it ends. */
  work(id: string, stage: { readonly name: string; readonly index: number; readonly count: number }): Promise<RunSummary>;
  changed(summary: RunSummary): void;
  /** How the pipeline was asked to end; null: it was not. */
  stopped(): PipelineEnd | null;
}

/** What goes from one stage to the next. */
interface Standing {
  readonly network: NetworkRef | null; // null: the pipeline's own, not trained yet
  readonly cost: Cost;
}

export class PipelineWork {
  readonly #parts: PipelineParts;
  readonly #id: string;
  readonly #manifest: PipelineManifest;
  readonly #count: number;

  constructor(parts: PipelineParts, id: string, manifest: PipelineManifest) {
    this.#parts = parts;
    this.#id = id;
    this.#manifest = manifest;
    this.#count = stagesOf(manifest.stages).length + manifest.rivals.length;
  }

  /** From the first stage that is not completed to the end. Throws LatheError where a stage cannot be made, with its name. */
  async run(): Promise<PipelineEnd> {
    const manifest = this.#manifest;
    const reference = await this.#parts.costOf(referenceOf(manifest), manifest);
    const limit = limitOf(manifest, reference);
    await this.#write({
      solutions: [solutionOf('float', 'reference', null, reference, limit)],
      ...(limit ? { budgetLimits: [limit] } : {}),
    });
    try {
      await this.#referenceRun(reference, limit);
      await this.#stages(reference, limit);
      await this.#rivals(limit);
    } catch (error) {
      if (error instanceof Ended) return error.end;
      throw error;
    }
    return { status: 'completed', error: null };
  }

  async #referenceRun(cost: Cost, limit: Budget | null): Promise<void> {
    const manifest = this.#manifest;
    if (!manifest.rivals.includes('reference')) return;
    const { dataset, seed, threads, training } = manifest;
    const request: RunRequest = { method: 'train', network: referenceOf(manifest), dataset, seed, threads, training };
    const float = (await this.#stage('reference', async () => request)).solutions.find(({ role }) => role === 'float') ?? null;
    await this.#write({ solutions: [solutionOf('float', 'reference', float, cost, limit)] });
  }

  async #stages(reference: Cost, limit: Budget | null): Promise<void> {
    const manifest = this.#manifest;
    const names = stagesOf(manifest.stages);
    let standing: Standing = { network: null, cost: reference };
    for (const name of names) {
      const budgets = this.#budgetsOf(name, standing.cost, limit);
      const [share] = budgets;
      if (name === 'prune' && limit && share && share.resource === limit.resource && share.value >= amountOf(standing.cost, limit)) {
        await this.#log(
          `stage prune is passed over: its network costs ${amountText(limit.resource, amountOf(standing.cost, limit))}, no more than it may`,
        );
        continue;
      }
      const { network } = standing;
      const detail = await this.#stage(name, async () => {
        await this.#tellShare(name, standing.cost, limit, share);
        return stageRequest(manifest, name, network, budgets);
      });
      standing = await this.#standingBehind(name, detail, standing);
      const best = detail.solutions.find(({ role }) => role === 'best') ?? null;
      await this.#write({ solutions: [solutionOf(name === names.at(-1) ? 'best' : 'baseline', name, best, standing.cost, limit)] });
    }
  }

  #budgetsOf(name: StageName, now: Cost, limit: Budget | null): readonly Budget[] {
    const { stages } = this.#manifest;
    const own = stages[name]?.budgets ?? [];
    if (own.length > 0 || !limit) return own;
    const sharers = sharersOf(stages);
    return [{ ...limit, value: shareOf(amountOf(now, limit), limit.value, sharers.length - sharers.indexOf(name)) }];
  }

  async #tellShare(name: StageName, now: Cost, limit: Budget | null, share: Budget | undefined): Promise<void> {
    if (!limit || share?.resource !== limit.resource || share.kind !== 'absolute') return;
    const { resource } = limit;
    await this.#log(
      `stage ${name}: from ${amountText(resource, amountOf(now, limit))} to at most ${amountText(resource, share.value)}, its share of the way to ${amountText(resource, limit.value)}`,
    );
  }

  /** What the stage leaves: a network of the user's at its 8-bit cost, or, of bits, the policy's cost on the same network. */
  async #standingBehind(name: StageName, { summary, solutions }: RunDetail, before: Standing): Promise<Standing> {
    const best = solutions.find(({ role }) => role === 'best');
    if (!best) throw new LatheError('internal', `stage ${name}: run ${summary.id} is completed and has no result`);
    if (name === 'quantize') {
      if (best.latencyMs === null) throw new LatheError('internal', `stage ${name}: run ${summary.id} has no latency`);
      return { network: before.network, cost: { ...best, latencyMs: best.latencyMs } };
    }
    const id = best.architecture?.network ?? best.prune?.network ?? null;
    if (id === null) throw new LatheError('internal', `stage ${name}: run ${summary.id} has kept no network`);
    return { network: { id }, cost: await this.#parts.costOf({ id }, this.#manifest) };
  }

  /** Each stage alone on the reference network, at the whole budget, or, without one, at its own. */
  async #rivals(limit: Budget | null): Promise<void> {
    const manifest = this.#manifest;
    for (const name of stageNameSchema.options.filter((stage) => manifest.rivals.includes(stage))) {
      const budgets = limit ? [limit] : (manifest.stages[name]?.budgets ?? []);
      const label = `${name} alone`;
      const detail = await this.#rival(label, stageRequest(manifest, name, null, budgets));
      if (!detail) continue;
      const { cost } = await this.#standingBehind(name, detail, {
        network: null,
        cost: await this.#parts.costOf(referenceOf(manifest), manifest),
      });
      const best = detail.solutions.find(({ role }) => role === 'best') ?? null;
      await this.#write({ solutions: [solutionOf('baseline', label, best, cost, limit)] });
    }
  }

  /** Null where it cannot meet the budget: that is what there is to say of it. */
  async #rival(name: string, request: RunRequest): Promise<RunDetail | null> {
    try {
      return await this.#stage(name, async () => request);
    } catch (error) {
      if (!(error instanceof LatheError && error.code === 'bad-input')) throw error;
      await this.#log(`not possible: ${error.message}`);
      return null;
    }
  }

  /** The completed run of a stage, made and worked on where that is not done. Throws Ended. */
  async #stage(name: string, request: () => Promise<RunRequest>): Promise<RunDetail> {
    const { stages, summary } = await this.#parts.show(this.#id);
    const stop = this.#parts.stopped();
    if (stop) throw new Ended(stop);
    const known = stages.find((stage) => stage.name === name);
    let run = known ? (await this.#parts.show(known.run)).summary : null;
    if (!run) {
      run = await this.#made(name, request, summary.name);
      for (const changed of await this.#parts.store.addStage(this.#id, { name, run: run.id })) this.#parts.changed(changed);
    }
    if (run.status !== 'completed') {
      const index = known ? stages.indexOf(known) : stages.length;
      run = await this.#parts.work(run.id, { name, index, count: this.#count });
    }
    if (run.status !== 'completed') throw new Ended(endOf(name, run));
    return await this.#parts.show(run.id);
  }

  async #made(name: string, request: () => Promise<RunRequest>, pipeline: string): Promise<RunSummary> {
    try {
      const made = await this.#parts.makeStage(runRequestSchema.parse(await request()), `${name} · ${pipeline}`);
      await this.#log(`stage ${name} is run ${made.id}${made.status === 'completed' ? ', completed before with the same manifest' : ''}`);
      return made;
    } catch (error) {
      if (error instanceof LatheError) throw new LatheError(error.code, `stage ${name}: ${error.message}`, error.details);
      throw error;
    }
  }

  async #log(text: string): Promise<void> {
    await this.#write({ log: [{ atMs: Date.now(), level: 'info', text }] });
  }

  async #write(batch: Omit<Parameters<Store['applyBatch']>[0], 'id'>): Promise<void> {
    this.#parts.changed((await this.#parts.store.applyBatch({ id: this.#id, ...batch })).summary);
  }
}

/** A stage that did not complete ends the pipeline as it ended itself. */
class Ended extends Error {
  readonly end: PipelineEnd;

  constructor(end: PipelineEnd) {
    super(`ended: ${end.status}`);
    this.end = end;
  }
}

function endOf(name: string, { id, status, error }: RunSummary): PipelineEnd {
  const text = error === null ? null : `stage ${name} (run ${id}): ${error}`;
  switch (status) {
    case 'failed':
    case 'cancelled':
    case 'paused':
    case 'interrupted':
      return { status, error: text };
    default:
      throw new LatheError('internal', `stage ${name}: run ${id} is ${status}, expected it to have ended`);
  }
}

/** A stage's result among the pipeline's: its accuracies, and its cost in the one measure that all stages are compared in. */
function solutionOf(role: Solution['role'], label: string, own: Solution | null, cost: Cost, limit: Budget | null): Solution {
  const { latencyMs, energyMj, sizeBytes, macs } = cost;
  return {
    policy: own?.policy ?? null,
    validationAccuracy: own?.validationAccuracy ?? null,
    testAccuracy: own?.testAccuracy ?? null,
    integerTestAccuracy: own?.integerTestAccuracy ?? null,
    tunedValidationAccuracy: own?.tunedValidationAccuracy ?? null,
    tunedTestAccuracy: own?.tunedTestAccuracy ?? null,
    weights: own?.weights ?? null,
    quantized: null, // it is exported where its network is: from the stage's own run
    ...(own?.prune ? { prune: own.prune } : {}),
    ...(own?.architecture ? { architecture: own.architecture } : {}),
    ...{ role, label, latencyMs, energyMj, sizeBytes, macs },
    withinBudget: limit ? amountOf(cost, limit) <= limit.value * (1 + rounding) : (own?.withinBudget ?? false),
  };
}

/** Sums in another order may differ in the last digits. */
const rounding = 1e-9;
