/**
 * The record of a run while it is worked on, here or on another machine: what an engine is given to start from, and what it
 * reports, stored first and pushed to watchers then.
 */
import type { Output } from '../../shared/contract.ts';
import type { Job } from '../../shared/engine-messages.ts';
import { LatheError } from '../../shared/errors.ts';
import type { NetworkRecord } from '../../shared/network.ts';
import type { RunSummary } from '../../shared/run.ts';
import type { Batch } from '../engine/host.ts';
import { trainingKey } from '../engine/training-key.ts';
import { deleteBlob } from '../store/blobs.ts';
import type { BatchOrigin, Store } from '../store/types.ts';
import type { Datasets } from './datasets.ts';
import type { EventBus } from './event-bus.ts';

export interface RunRecordOptions {
  readonly store: Store;
  readonly dataDir: string;
  readonly datasets: Datasets;
  readonly bus: EventBus;
}

export class RunRecord {
  private readonly options: RunRecordOptions;
  private readonly seenRevisions = new Map<string, number>();

  constructor(options: RunRecordOptions) {
    this.options = options;
  }

  async show(id: string): Promise<Output<'run.show'>> {
    const detail = await this.options.store.getRun(id);
    if (!detail) throw unknownRun(id);
    return detail;
  }

  async require(id: string): Promise<RunSummary> {
    const summary = await this.options.store.getSummary(id);
    if (!summary) throw unknownRun(id);
    return summary;
  }

  /** What an engine needs to go on with a run that this store has claimed: it goes back to its last checkpoint first. */
  async makeJob(id: string): Promise<Job> {
    const { store, dataDir } = this.options;
    const { checkpoint, summary } = await store.rewindToCheckpoint(id, Date.now());
    this.changed(summary);
    this.options.bus.emit({ name: 'run.rewound', payload: { id } });
    const { manifest } = await this.show(id);
    if (manifest.method === 'pipeline') throw new Error(`pipeline ${id} has no job of its own`);
    const dataset = await this.options.datasets.require(manifest.dataset);
    if (dataset.sha256 !== manifest.datasetSha256) {
      throw new LatheError('conflict', `data set ${manifest.dataset} has changed since the run was made; start a new run`);
    }
    const weights = manifest.method === 'train' ? null : await store.findWeights(trainingKey(manifest));
    return {
      runId: id,
      manifest,
      dataset,
      dataDir,
      checkpoint,
      simd: null,
      maximumThreads: null,
      trials: 'own',
      agent: 'agentRun' in manifest && manifest.agentRun !== undefined ? await this.agentOf(manifest.agentRun) : null,
      weights: weights ? { sha256: weights.sha256, trainSeconds: weights.trainSeconds, imagesPerSecond: weights.imagesPerSecond } : null,
    };
  }

  /** The last checkpoint of a completed search holds its agent. */
  private async agentOf(id: string): Promise<{ sha256: string }> {
    const { summary, checkpoint } = await this.show(id);
    // Behind a fine-tuning the agent stands in the checkpoints of that.
    if (summary.status !== 'completed' || (checkpoint?.phase !== 'searching' && checkpoint?.phase !== 'tuning'))
      throw new LatheError(
        'conflict',
        `run ${id}, whose agent this run takes, is ${summary.status}; let it complete, then resume this one`,
      );
    return { sha256: checkpoint.sha256 };
  }

  /**
   * Has the batch on disk when it resolves, with the blobs that nothing refers to any more deleted; returns their hashes.
   * With an origin, one of an attempt that was given up is refused (`conflict`), and one that is on disk already is passed over.
   */
  async applyBatch(id: string, batch: Batch, origin?: BatchOrigin): Promise<string[]> {
    // Before the checkpoint that says they are done with.
    for (const record of batch.networks ?? []) await this.keepNetwork(record);
    const { summary, log, dropped, isNew } = await this.options.store.applyBatch({
      id,
      ...(origin ? { origin } : {}),
      ...(batch.progress ? { progress: batch.progress } : {}),
      ...(batch.budgetLimits ? { budgetLimits: batch.budgetLimits } : {}),
      ...(batch.trials ? { trials: batch.trials } : {}),
      ...(batch.metrics ? { metrics: batch.metrics } : {}),
      ...(batch.log ? { log: batch.log } : {}),
      ...(batch.solutions ? { solutions: batch.solutions } : {}),
      ...(batch.checkpoint ? { checkpoint: batch.checkpoint } : {}),
      ...(batch.weights ? { weights: batch.weights } : {}),
    });
    if (!isNew) return [];
    for (const sha256 of dropped) await deleteBlob(this.options.dataDir, sha256);
    this.changed(summary);
    const { bus } = this.options;
    if (batch.trials) bus.emit({ name: 'run.trials', payload: { id, trials: batch.trials } });
    if (batch.metrics) bus.emit({ name: 'run.metrics', payload: { id, metrics: batch.metrics } });
    if (log.length > 0) bus.emit({ name: 'run.log', payload: { id, lines: log } });
    if (batch.solutions || batch.checkpoint) bus.emit({ name: 'run.solutions', payload: { id } });
    return dropped;
  }

  /** A run that was resumed may make the same network again. */
  private async keepNetwork(record: NetworkRecord): Promise<void> {
    const { store } = this.options;
    if (await store.getNetwork(record.id)) await store.removeNetwork(record.id);
    await store.addNetwork(record);
  }

  /** Tells watchers. */
  changed(summary: RunSummary): RunSummary {
    this.seenRevisions.set(summary.id, summary.revision);
    this.options.bus.emit({ name: 'run.changed', payload: summary });
    return summary;
  }

  /** Whether this state of a run is known already, told by this process or seen before. */
  isKnown({ id, revision }: RunSummary): boolean {
    return this.seenRevisions.get(id) === revision;
  }

  /** Every run of which a state is known. */
  seen(): string[] {
    return [...this.seenRevisions.keys()];
  }

  forget(ids: readonly string[]): void {
    for (const id of ids) this.seenRevisions.delete(id);
  }

  markSeen({ id, revision }: RunSummary): void {
    this.seenRevisions.set(id, revision);
  }
}

function unknownRun(id: string): LatheError {
  return new LatheError('not-found', `run ${id}: there is no such run; run list shows those there are`);
}
