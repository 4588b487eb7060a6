/** Data sets: those that come with Lathe, and the user's; what is there, and how what is not comes here. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { contract, type Output, type Parsed } from '../../shared/contract.ts';
import { datasetRecordSchema, type DatasetInfo, type DatasetProgress, type DatasetRecord } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { suggest } from '../../shared/nearest.ts';
import { builtInDatasetIds, describeDataset, describeDatasets, generatedRecord } from '../data/datasets.ts';
import { addFashionMnist } from '../data/fashion-mnist.ts';
import { ImageCache } from '../data/image-cache.ts';
import { suggestId } from '../data/recognise.ts';
import { EngineTask, type EngineRequests } from '../engine/host.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import type { Store } from '../store/types.ts';
import type { EventBus } from './event-bus.ts';

export interface DatasetsOptions {
  readonly store: Store;
  readonly dataDir: string;
  readonly log: (text: string) => void;
  readonly launchEngine: EngineLauncher;
  readonly requests: EngineRequests;
  readonly bus: EventBus;
}

/** A data set that is being added. */
interface Adding {
  progress: DatasetProgress;
  readonly cancel: () => void;
}

export class Datasets {
  private readonly options: DatasetsOptions;
  private readonly adding = new Map<string, Adding>();
  private readonly working = new Set<Promise<unknown>>();

  constructor(options: DatasetsOptions) {
    this.options = options;
  }

  async list(): Promise<DatasetInfo[]> {
    return await describeDatasets(await this.options.store.listDatasets(), this.options.dataDir);
  }

  /** A data set, here or not. Throws not-found with the ids there are. */
  async show(id: string): Promise<DatasetInfo> {
    const datasets = await this.list();
    const found = datasets.find((dataset) => dataset.id === id);
    if (found) return found;
    throw new LatheError(
      'not-found',
      `there is no data set ${id}; ${suggest(
        id,
        datasets.map((dataset) => dataset.id),
      )}`,
    );
  }

  /** A data set whose files are here. Throws unavailable with the command that gets them. */
  async require(id: string): Promise<DatasetRecord> {
    const { available, hint, ...record } = await this.show(id);
    if (!available) throw new LatheError('unavailable', `data set ${id} is not here yet: ${hint ?? 'add it'}`);
    return record;
  }

  /** Adds a set; what is under way is in `underWay` and can be cancelled. Throws conflict for an id that is in use. */
  async add(input: Parsed<'dataset.add'>): Promise<DatasetInfo> {
    const id = input.kind === 'fashion-mnist' ? input.kind : (input.id ?? (input.kind === 'path' ? suggestId(input.path) : ''));
    await this.requireFree(id, input.kind);
    const work = this.addNow(id, input);
    this.working.add(work);
    try {
      return await work;
    } finally {
      this.working.delete(work);
      this.adding.delete(id);
      this.options.bus.emit({ name: 'dataset.changed', payload: { id } });
    }
  }

  underWay(): DatasetProgress[] {
    return [...this.adding.values()].map(({ progress }) => progress);
  }

  async cancel(id: string): Promise<{ id: string }> {
    const adding = this.adding.get(id);
    if (!adding) throw new LatheError('not-found', `data set ${id} is not being added by this Lathe`);
    adding.cancel();
    return { id };
  }

  async inspect(input: Parsed<'dataset.inspect'>): Promise<Output<'dataset.inspect'>> {
    return contract['dataset.inspect'].output.parse(await this.options.requests.ask('dataset.inspect', input));
  }

  async samples({ id, label, count }: Parsed<'dataset.samples'>): Promise<Output<'dataset.samples'>> {
    const record = await this.require(id);
    if (label >= record.classes)
      throw new LatheError('bad-input', `data set ${id}: class ${label}: there are ${record.classes}, 0 to ${record.classes - 1}`);
    const { dataDir, requests } = this.options;
    return contract['dataset.samples'].output.parse(await requests.ask('dataset.samples', { record, dataDir, label, count }));
  }

  /** In an engine of its own: images that the cache has no longer are decoded again first. */
  async sheet({ id, perClass }: Parsed<'dataset.sheet'>): Promise<Output<'dataset.sheet'>> {
    const { launchEngine, dataDir } = this.options;
    const task = new EngineTask(launchEngine, 'dataset.sheet', { record: await this.require(id), dataDir, perClass }, (progress) => {
      this.options.bus.emit({ name: 'dataset.progress', payload: progress });
    });
    return contract['dataset.sheet'].output.parse(await task.result);
  }

  async cache({ limitBytes }: Parsed<'dataset.cache'>): Promise<Output<'dataset.cache'>> {
    const cache = new ImageCache(this.options.dataDir);
    if (limitBytes !== undefined) await cache.setLimit(limitBytes);
    return await cache.info();
  }

  /** Throws conflict while a run that uses the set is at work or waits. */
  async remove(id: string): Promise<{ id: string }> {
    const { store, dataDir, bus } = this.options;
    const record = await this.show(id);
    if (id === generatedRecord.id) throw new LatheError('conflict', 'the generated data set takes no space and is always there');
    const user = (await store.listRuns()).find((run) => run.dataset === id && (run.status === 'running' || run.status === 'queued'));
    if (user)
      throw new LatheError('conflict', `data set ${id} is used by run ${user.id}, which is ${user.status}; cancel it or wait for its end`);
    await store.removeDataset(id);
    // Fashion-MNIST is Lathe's own copy, decoded images are too; the user's files are the user's.
    if (id === 'fashion-mnist') await rm(join(dataDir, 'datasets', id), { recursive: true, force: true });
    await this.forgetImages(record);
    bus.emit({ name: 'dataset.changed', payload: { id } });
    return { id };
  }

  /** Stops what is being added; nothing of it stays. */
  async close(): Promise<void> {
    for (const { cancel } of this.adding.values()) cancel();
    await Promise.allSettled(this.working);
  }

  private async requireFree(id: string, kind: Parsed<'dataset.add'>['kind']): Promise<void> {
    if (kind !== 'fashion-mnist' && builtInDatasetIds.includes(id)) {
      throw new LatheError('bad-input', `${id} is the id of a data set that comes with Lathe; choose another`);
    }
    if (this.adding.has(id)) throw new LatheError('conflict', `data set ${id} is being added already`);
    if (kind === 'fashion-mnist') return;
    const existing = await this.options.store.getDataset(id);
    // One whose files are gone may be added again from where they are now.
    if (existing && (await describeDataset(existing, this.options.dataDir)).available) {
      throw new LatheError('conflict', `there is a data set ${id} already; remove it first, or choose another id`);
    }
  }

  private async addNow(id: string, input: Parsed<'dataset.add'>): Promise<DatasetInfo> {
    const { store, dataDir } = this.options;
    const record = input.kind === 'fashion-mnist' ? await this.fetchFashionMnist(id) : await this.addOwn(id, input);
    await store.putDataset(record);
    return await describeDataset(record, dataDir);
  }

  private async fetchFashionMnist(id: string): Promise<DatasetRecord> {
    const stop = new AbortController();
    this.begin(id, () => stop.abort());
    const { dataDir, log } = this.options;
    return await addFashionMnist({ dataDir, log, signal: stop.signal });
  }

  private async addOwn(id: string, input: Exclude<Parsed<'dataset.add'>, { kind: 'fashion-mnist' }>): Promise<DatasetRecord> {
    const { id: _id, ...rest } = input;
    const { launchEngine, dataDir } = this.options;
    const task = new EngineTask(launchEngine, 'dataset.add', { id, dataDir, input: rest }, (progress) => this.told(progress));
    this.begin(id, () => task.cancel());
    try {
      return datasetRecordSchema.parse(await task.result);
    } finally {
      await new ImageCache(dataDir).sweep(); // an engine that died cleaned nothing up
    }
  }

  private begin(id: string, cancel: () => void): void {
    const progress = { id, phase: 'looking', done: 0, total: 0, broken: 0, ratePerSecond: null, etaSeconds: null } as const;
    this.adding.set(id, { progress, cancel });
    this.told(progress);
  }

  private told(progress: DatasetProgress): void {
    const adding = this.adding.get(progress.id);
    if (!adding) return;
    adding.progress = progress;
    this.options.bus.emit({ name: 'dataset.progress', payload: progress });
  }

  /** Deletes decoded images that no other data set has as well. */
  private async forgetImages({ id, packed }: DatasetRecord): Promise<void> {
    if (!packed) return;
    const others = (await this.options.store.listDatasets()).filter((other) => other.id !== id);
    const kept = new Set(others.flatMap((other) => Object.values(other.packed ?? {})));
    const cache = new ImageCache(this.options.dataDir);
    for (const sha256 of Object.values(packed)) if (!kept.has(sha256)) await cache.remove(sha256);
  }
}
