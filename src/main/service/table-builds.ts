/** Building latency tables: piece by piece in an engine of their own; what a piece brought is kept, so that a build that stopped goes on. */
import { z } from 'zod';
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import {
  latencyEntrySchema,
  measuredNetworkSchema,
  type LatencyEntry,
  type LatencyTable,
  type LatencyTableInfo,
  type TableProgress,
} from '../../shared/latency-table.ts';
import type { TargetInfo } from '../../shared/target.ts';
import { EngineRequests } from '../engine/host.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import { hostTargetId, isHostTarget } from '../hardware/targets.ts';
import { graphSha256 } from '../network/graph-form.ts';
import type { Store } from '../store/types.ts';
import type { EventBus } from './event-bus.ts';
import type { FoundNetwork } from './own-networks.ts';
import { toTableTarget } from './table-target.ts';
import type { KeyedSubjects } from './tables.ts';
import type { Targets } from './targets.ts';

export interface TableBuildsOptions {
  readonly store: Store;
  readonly launchEngine: EngineLauncher;
  readonly bus: EventBus;
  readonly targets: Targets;
  readonly subjects: (request: Parsed<'table.build'>) => Promise<KeyedSubjects>;
}

type Request = Parsed<'table.build'>;
type Result = Output<'table.build'>;

const keysAtOnce = 12; // measured and stored together: some seconds
const warmup = 3;

interface Build {
  progress: TableProgress;
  readonly startMs: number;
  readonly engine: EngineRequests;
  cancelled: boolean;
}

export class TableBuilds {
  private readonly options: TableBuildsOptions;
  private readonly builds = new Map<string, Build>();
  private readonly working = new Set<Promise<unknown>>();

  constructor(options: TableBuildsOptions) {
    this.options = options;
  }

  underWay(): TableProgress[] {
    return [...this.builds.values()].map(({ progress }) => progress);
  }

  cancel(id: string): { id: string } {
    const build = this.builds.get(id);
    if (!build) throw new LatheError('not-found', `table ${id} is not being built by this Lathe`);
    build.cancelled = true;
    build.engine.close(); // what is stored stays
    return { id };
  }

  async close(): Promise<void> {
    for (const id of this.builds.keys()) this.cancel(id);
    await Promise.allSettled(this.working);
  }

  /** Throws conflict where the table is being built, or was made on another machine or with another version of the target. */
  async build(request: Request): Promise<Result> {
    const id = tableIdOf(request);
    // An id that says threads or batch stands for the machine itself.
    const target = isHostTarget(request.target) ? null : this.options.targets.find(request.target);
    if (this.builds.has(id)) throw new LatheError('conflict', `table ${id} is being built; wait for it, or cancel it`);
    const progress: TableProgress = { id, phase: 'operators', done: 0, total: 0, ratePerSecond: null, etaSeconds: null };
    const engine = new EngineRequests(this.options.launchEngine);
    const build: Build = { progress, startMs: Date.now(), engine, cancelled: false };
    this.builds.set(id, build);
    const work = target === null ? this.measure(build, request) : this.simulate(build, request, target);
    this.working.add(work);
    try {
      return await work;
    } catch (error) {
      if (build.cancelled)
        throw new LatheError(
          'cancelled',
          `building table ${id} was stopped on request; what is measured stays, and building goes on from it`,
        );
      throw error;
    } finally {
      engine.close();
      this.working.delete(work);
      this.builds.delete(id);
      this.options.bus.emit({ name: 'table.changed', payload: { id } });
    }
  }

  private async measure(build: Build, request: Request): Promise<Result> {
    const { store } = this.options;
    const { id } = build.progress;
    const { threads, repeats, batch = 1 } = request;
    const device = z.record(z.string(), z.string()).parse(await build.engine.ask('host.describe', {}));
    const title = `This machine, ${String(threads)} ${threads === 1 ? 'thread' : 'threads'}${batch === 1 ? '' : `, batch ${String(batch)}`}`;
    const facts = {
      title,
      scheme: 'operators',
      origin: 'measured',
      source: 'measured on this machine by ONNX Runtime',
      batch,
      threads,
    } as const;
    const table: LatencyTable = { ...facts, id, unit: 'ms', device, atMs: Date.now() };
    await this.begin(table, request.again);
    const { networks, subjects } = await this.options.subjects(request);
    const keys = z
      .string()
      .array()
      .parse(await build.engine.ask('table.keys', { subjects, scheme: 'operators' }));
    const there = new Set((await store.listTableEntries(id)).map(({ key }) => key));
    const missing = keys.filter((key) => !there.has(key));
    const host = { threads, batch, warmup, repeats };
    for (let done = 0; done < missing.length; done += keysAtOnce) {
      this.report(build, 'operators', done, missing.length);
      const some = missing.slice(done, done + keysAtOnce);
      const entries = latencyEntrySchema.array().parse(await build.engine.ask('host.operators', { ...host, keys: some }));
      await this.keep({ ...table, atMs: Date.now() }, entries);
    }
    await this.measureNetworks(build, networks, host);
    const info = await this.require(id);
    this.options.targets.keepMeasured(toTableTarget(info, await store.listTableEntries(id), id, undefined));
    return { table: info, added: missing.length, reused: keys.length - missing.length, target: id };
  }

  /** Whole networks, for a look at how far the sum of the operators is from them. */
  private async measureNetworks(build: Build, networks: readonly FoundNetwork[], host: object): Promise<void> {
    const { store } = this.options;
    const { id } = build.progress;
    const measured = new Set((await store.listMeasuredNetworks(id)).filter(({ noisy }) => !noisy).map(({ graph }) => graph));
    const left = networks.filter(({ graph }) => !measured.has(graphSha256(graph)));
    for (const [done, { ref, question }] of left.entries()) {
      this.report(build, 'networks', done, left.length);
      const timing = measuredNetworkSchema.parse(await build.engine.ask('host.network', { ...host, network: question }));
      await store.putMeasuredNetwork(id, { ...timing, network: ref });
    }
    this.report(build, 'networks', left.length, left.length);
  }

  private async simulate(build: Build, request: Request, { target, sha256 }: TargetInfo): Promise<Result> {
    const { id } = build.progress;
    const { batch = target.defaultBatch, weightBits, activationBits } = request;
    if (target.law === 'table')
      throw new LatheError('bad-input', `target ${target.id} is a latency table itself: there is nothing to simulate`);
    const table: LatencyTable = {
      id,
      title: `${target.title}, batch ${String(batch)}`,
      scheme: 'layers',
      origin: 'simulated',
      source: `simulated on target ${target.id}`,
      unit: 'ms',
      batch,
      threads: null,
      device: { target: target.id, 'target sha256': sha256 },
      atMs: Date.now(),
    };
    await this.begin(table, request.again);
    const before = (await this.require(id)).entries;
    const { subjects } = await this.options.subjects(request);
    const steps = subjects.flatMap((subject) => weightBits.map((bits) => ({ subject, weightBits: [bits] })));
    let found = 0;
    for (const [done, step] of steps.entries()) {
      this.report(build, 'simulating', done, steps.length);
      const answer = await build.engine.ask('table.simulate', { ...step, target, batch, activationBits });
      const entries = latencyEntrySchema.array().parse(answer);
      found += entries.length;
      await this.keep(table, entries);
    }
    this.report(build, 'simulating', steps.length, steps.length);
    const info = await this.require(id);
    return { table: info, added: info.entries - before, reused: found - (info.entries - before), target: target.id };
  }

  /** The table with its facts. One that was made under other facts is not mixed with new entries. */
  private async begin(table: LatencyTable, again: boolean): Promise<void> {
    const { store } = this.options;
    const there = await store.getTable(table.id);
    if (there && !again) {
      const differs = there.origin !== table.origin || JSON.stringify(there.device) !== JSON.stringify(table.device);
      if (differs)
        throw new LatheError(
          'conflict',
          `table ${table.id} was ${there.origin} elsewhere or otherwise (${Object.values(there.device).join(', ')}), now it is ${Object.values(table.device).join(', ')}; begin anew with again (--again), or keep it under another id first`,
        );
    }
    if (there && again) await store.removeTable(table.id);
    await store.putTable(table, [], there && !again ? 'merge' : 'create');
  }

  private async keep(table: LatencyTable, entries: readonly LatencyEntry[]): Promise<void> {
    await this.options.store.putTable(table, entries, 'merge');
  }

  private async require(id: string): Promise<LatencyTableInfo> {
    const info = await this.options.store.getTable(id);
    if (!info) throw new LatheError('conflict', `table ${id} was removed while it was built`);
    return info;
  }

  private report(build: Build, phase: TableProgress['phase'], done: number, total: number): void {
    if (build.cancelled) throw new LatheError('cancelled', 'stopped on request');
    const seconds = (Date.now() - build.startMs) / 1000;
    const rate = done > 0 && seconds > 0 ? done / seconds : null;
    build.progress = {
      ...{ id: build.progress.id, phase, done, total },
      ratePerSecond: rate,
      etaSeconds: rate === null ? null : (total - done) / rate,
    };
    this.options.bus.emit({ name: 'table.progress', payload: build.progress });
  }
}

/** Of this machine: a table for each number of threads and each batch. */
function tableIdOf({ target, threads, batch = 1 }: Request): string {
  if (!isHostTarget(target)) return target;
  const id = `${hostTargetId}${threads === 1 ? '' : `-${String(threads)}-threads`}${batch === 1 ? '' : `-batch-${String(batch)}`}`;
  if (target !== hostTargetId && target !== id)
    throw new LatheError(
      'bad-input',
      `target ${target}: with ${String(threads)} threads and batch ${String(batch)} it is ${id}; name host-cpu, with --threads and --batch`,
    );
  return id;
}
