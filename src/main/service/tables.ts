/** Latency tables: imported, exported, looked at, and made into targets. */
import { basename, extname, resolve } from 'node:path';
import { z } from 'zod';
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import {
  coverageSchema,
  latencyEntrySchema,
  operatorModelSchema,
  predictionSchema,
  tableIdSchema,
  tableSchemeSchema,
  type Coverage,
  type FittedModel,
  type LatencyTableInfo,
  type Prediction,
  type TableAccuracy,
} from '../../shared/latency-table.ts';
import type { NetworkRef } from '../../shared/network.ts';
import { suggest } from '../../shared/nearest.ts';
import type { TableTarget, TargetInfo } from '../../shared/target.ts';
import type { EngineRequests } from '../engine/host.ts';
import type { TableQuestion } from '../engine/table-requests.ts';
import type { SubjectQuestion } from '../engine/table-subjects.ts';
import { agreement } from '../hardware/tables/accuracy.ts';
import { graphSha256 } from '../network/graph-form.ts';
import type { Store } from '../store/types.ts';
import type { Datasets } from './datasets.ts';
import type { EventBus } from './event-bus.ts';
import type { FoundNetwork, OwnNetworks } from './own-networks.ts';
import type { Spaces } from './spaces.ts';
import { toTableTarget } from './table-target.ts';
import type { Targets } from './targets.ts';

export interface TablesOptions {
  readonly store: Store;
  readonly requests: EngineRequests;
  readonly bus: EventBus;
  readonly targets: Targets;
  readonly datasets: Datasets;
  readonly own: OwnNetworks;
  readonly spaces: Spaces;
}

export interface KeyedSubjects {
  readonly networks: readonly FoundNetwork[];
  readonly subjects: SubjectQuestion[];
}

export class Tables {
  private readonly options: TablesOptions;

  constructor(options: TablesOptions) {
    this.options = options;
  }

  async list(): Promise<LatencyTableInfo[]> {
    return await this.options.store.listTables();
  }

  async show(id: string): Promise<Output<'table.show'>> {
    const table = await this.require(id);
    return { table, measured: await this.options.store.listMeasuredNetworks(id) };
  }

  /** Throws not-found with the ids there are. */
  async require(id: string): Promise<LatencyTableInfo> {
    const table = await this.options.store.getTable(id);
    if (table) return table;
    const ids = (await this.list()).map((one) => one.id);
    const known = ids.length === 0 ? 'there are none yet: table import FILE, or table build NETWORK --target TARGET' : suggest(id, ids);
    throw new LatheError('not-found', `there is no latency table ${id}; ${known}`);
  }

  async entries({ id, filter, offset, limit }: Parsed<'table.entries'>): Promise<Output<'table.entries'>> {
    await this.require(id);
    const all = (await this.options.store.listTableEntries(id)).filter(({ key }) => key.includes(filter));
    return { total: all.length, entries: all.slice(offset, offset + limit) };
  }

  async import(input: Parsed<'table.import'>): Promise<LatencyTableInfo> {
    const name = input.path === undefined ? (input.name ?? 'the text') : resolve(input.path);
    const { unit, format, batch, device, title, threads } = input;
    const id = input.id ?? idOf(name);
    if (!input.replace && (await this.options.store.getTable(id)))
      throw new LatheError('conflict', `there is a table ${id} already; choose another id, or replace it`);
    const answer = await this.options.requests.ask('table.read', { path: input.path && name, text: input.text, name, format, unit });
    const read = z.object({ scheme: tableSchemeSchema, entries: z.array(latencyEntrySchema) }).parse(answer);
    const table = {
      id,
      title: title ?? basename(name),
      scheme: read.scheme,
      origin: 'imported' as const,
      source: basename(name),
      unit,
      batch,
      threads: threads ?? null,
      device,
      atMs: Date.now(),
    };
    const info = await this.options.store.putTable(table, read.entries, input.replace ? 'replace' : 'create');
    this.changed(id);
    return info;
  }

  async export({ id, format }: Parsed<'table.export'>): Promise<Output<'table.export'>> {
    await this.require(id);
    const entries = await this.options.store.listTableEntries(id);
    const text = z.string().parse(await this.options.requests.ask('table.write', { entries, format }));
    return { fileName: `${id}.${format}`, text };
  }

  async remove(id: string): Promise<{ id: string }> {
    await this.require(id);
    await this.options.store.removeTable(id);
    this.changed(id);
    return { id };
  }

  async makeTarget({ id, target, title, replace }: Parsed<'table.target'>): Promise<TargetInfo> {
    const table = await this.require(id);
    const made = toTableTarget(table, await this.options.store.listTableEntries(id), target, title);
    return this.options.targets.add({ target: made, replace });
  }

  async coverage({ id, ...input }: Parsed<'table.coverage'>): Promise<Coverage> {
    const table = await this.question(await this.require(id));
    const { subjects } = await this.subjects(input);
    const question = { table, subjects, weightBits: 8, activationBits: 8 };
    return coverageSchema.parse(await this.options.requests.ask('table.coverage', question));
  }

  async predict(input: Parsed<'table.predict'>): Promise<Prediction> {
    const { filling, weightBits, activationBits } = input;
    const table =
      input.table === undefined ? this.questionOfTarget(input.target ?? '') : await this.question(await this.require(input.table));
    const network = await this.network(input.network, input.dataset);
    const question = { table, network: network.question, filling, weightBits, activationBits };
    const predicted = predictionSchema.omit({ measured: true }).parse(await this.options.requests.ask('table.predict', question));
    const sha256 = graphSha256(network.graph);
    const tableId = input.table ?? this.targetOf(input.target ?? '').table.id;
    const measured = (await this.options.store.listMeasuredNetworks(tableId)).find(({ graph }) => graph === sha256) ?? null;
    return { ...predicted, measured };
  }

  /** The sums over the table beside every whole network that was timed on its device. */
  async accuracy(id: string): Promise<TableAccuracy> {
    const { measured } = await this.show(id);
    const points: TableAccuracy['points'] = [];
    for (const { network, label, graph, medianMs, minMs, noisy } of measured) {
      const predictedMs = network === undefined ? null : await this.sumOf(id, network, graph);
      points.push({ network: label, measuredMs: medianMs, measuredMinMs: minMs, noisy, predictedMs });
    }
    return { table: id, points, ...agreement(points) };
  }

  /** Null where keys are missing, or a network of the user's is gone or another one by now. */
  private async sumOf(table: string, network: NetworkRef, graph: string): Promise<number | null> {
    try {
      const found = await this.network(network, undefined);
      if (graphSha256(found.graph) !== graph) return null;
      return (await this.predict({ table, network, filling: 'none', weightBits: 8, activationBits: 8 })).latencyMs;
    } catch (error) {
      if (error instanceof LatheError && error.code === 'not-found') return null;
      throw error;
    }
  }

  async fit(id: string): Promise<FittedModel> {
    const table = await this.question(await this.require(id));
    return operatorModelSchema.parse(await this.options.requests.ask('table.fit', { table }));
  }

  /** What a reference means, fitted to a data set where one is named. */
  async network(ref: Parsed<'simulate'>['network'], dataset: string | undefined): Promise<FoundNetwork> {
    const { datasets, own } = this.options;
    return await own.find(ref, dataset === undefined ? undefined : await datasets.show(dataset));
  }

  /** Networks and search spaces as the engine is asked about their keys, in this order. */
  async subjects({ networks, spaces, dataset }: Omit<Parsed<'table.coverage'>, 'id'>): Promise<KeyedSubjects> {
    const found = await Promise.all(networks.map((network) => this.network(network, dataset)));
    const fitted = await Promise.all(spaces.map((space) => this.options.spaces.fitted(space, dataset)));
    return { networks: found, subjects: [...found.map(({ question }) => question), ...fitted] };
  }

  private async question({ id, scheme, batch, threads }: LatencyTableInfo): Promise<TableQuestion> {
    const entries = await this.options.store.listTableEntries(id);
    return {
      id,
      scheme,
      batch,
      threads,
      entries: entries.map(({ key, meanMs, medianMs, stdMs }) => ({ key, meanMs, medianMs, stdMs })),
    };
  }

  private questionOfTarget(id: string): TableQuestion {
    const { scheme, defaultBatch, threads, latencyMs } = this.targetOf(id);
    const entries = Object.entries(latencyMs).map(([key, meanMs]) => ({ key, meanMs, medianMs: null, stdMs: null }));
    return { id, scheme, batch: defaultBatch, threads, entries };
  }

  private targetOf(id: string): TableTarget {
    const { target } = this.options.targets.find(id);
    if (target.law === 'table') return target;
    throw new LatheError('bad-input', `target ${id} is simulated and has no latency table; ask for its simulation`);
  }

  private changed(id: string): void {
    this.options.bus.emit({ name: 'table.changed', payload: { id } });
  }
}

/** A table's id from a file's name. */
function idOf(name: string): string {
  const stem = basename(name, extname(name))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64);
  return tableIdSchema.parse(stem === '' ? 'table' : stem);
}
