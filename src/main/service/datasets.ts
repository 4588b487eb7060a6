/** Data sets: those that come with Lathe, and the user's; what is there, and how what is not comes here. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Parsed } from '../../shared/contract.ts';
import type { DatasetInfo, DatasetRecord } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { suggest } from '../../shared/nearest.ts';
import { addIdx, builtInDatasetIds, describeDataset, describeDatasets, generatedRecord } from '../data/datasets.ts';
import { addFashionMnist } from '../data/fashion-mnist.ts';
import type { Store } from '../store/types.ts';

export class Datasets {
  private readonly store: Store;
  private readonly dataDir: string;
  private readonly log: (text: string) => void;

  constructor(store: Store, dataDir: string, log: (text: string) => void) {
    this.store = store;
    this.dataDir = dataDir;
    this.log = log;
  }

  async list(): Promise<DatasetInfo[]> {
    return await describeDatasets(await this.store.listDatasets(), this.dataDir);
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

  async add(input: Parsed<'dataset.add'>): Promise<DatasetInfo> {
    const { log, dataDir } = this;
    const record = input.kind === 'fashion-mnist' ? await addFashionMnist({ dataDir, log }) : await this.addOwn(input);
    await this.store.putDataset(record);
    return await describeDataset(record);
  }

  async remove(id: string): Promise<{ id: string }> {
    await this.show(id);
    if (id === generatedRecord.id) throw new LatheError('conflict', 'the generated data set takes no space and is always there');
    await this.store.removeDataset(id);
    // Fashion-MNIST is Lathe's own copy; the user's files are the user's.
    if (id === 'fashion-mnist') await rm(join(this.dataDir, 'datasets', id), { recursive: true, force: true });
    return { id };
  }

  private async addOwn(input: Extract<Parsed<'dataset.add'>, { kind: 'idx' }>): Promise<DatasetRecord> {
    const { classes, kind: _kind, ...files } = input;
    const existing = await this.store.getDataset(input.id);
    // One whose files are gone may be added again from where they are now.
    if (existing && !builtInDatasetIds.includes(input.id) && (await describeDataset(existing)).available) {
      throw new LatheError('conflict', `there is a data set ${input.id} already; remove it first, or choose another id`);
    }
    return await addIdx({ ...files, ...(classes === undefined ? {} : { classes }), log: this.log });
  }
}
