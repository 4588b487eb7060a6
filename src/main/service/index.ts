/**
 * What the application can do, behind the contract: every face holds one of these, and so does a test. Inputs are checked
 * by the contract's schemas here, whichever way they came.
 */
import { mkdir } from 'node:fs/promises';
import envPaths from 'env-paths';
import { contract, contractVersion, type Input, type LatheClient, type Method, type Output, type Parsed } from '../../shared/contract.ts';
import { describeZodError, LatheError } from '../../shared/errors.ts';
import { pruneParametersSchema } from '../../shared/prune.ts';
import { quantizeParametersSchema, trainingParametersSchema, type Where, type RunSummary } from '../../shared/run.ts';
import { specializeParametersSchema } from '../../shared/specialize.ts';
import type { Target, TargetInfo } from '../../shared/target.ts';
import { latheVersion } from '../engine/build.ts';
import { EngineRequests } from '../engine/host.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import { parseQueueAddress } from '../queue/address.ts';
import { openStore } from '../store/store.ts';
import type { Store } from '../store/types.ts';
import { describeRecovery } from '../store/upkeep.ts';
import { Backups } from './backups.ts';
import { Bundles } from './bundles.ts';
import { listCrashReports, removeCrashReport, showCrashReport } from './crash-reports.ts';
import { Datasets } from './datasets.ts';
import { Evaluations } from './evaluations.ts';
import { EventBus } from './event-bus.ts';
import { listFolder } from './files.ts';
import { ManifestMaker } from './manifests.ts';
import { Networks } from './networks.ts';
import { OwnNetworks } from './own-networks.ts';
import { networkCost, type NetworkCost } from './pipelines.ts';
import { Prunings } from './prunings.ts';
import { readQueueConfig, writeQueueConfig, type QueueConfig } from './queue-config.ts';
import { QueueFiles } from './queue-files.ts';
import { QueueRuns } from './queue-runs.ts';
import { Reports } from './reports/reports.ts';
import { RunCosts } from './run-costs.ts';
import { RunRecord } from './run-record.ts';
import { Runs } from './runs.ts';
import { Studies } from './studies/index.ts';
import { Trainings } from './trainings.ts';
import { Machine } from './machine.ts';
import { TableBuilds } from './table-builds.ts';
import { Tables } from './tables.ts';
import { Spaces } from './spaces.ts';
import { Targets } from './targets.ts';
import { requireFilter, Views } from './views.ts';

export interface ServiceOptions {
  readonly dataDir: string;
  readonly launchEngine: EngineLauncher;
  readonly log: (text: string) => void; // for the person who waits
  readonly debug?: (text: string) => void; // for the person who looks for a defect: slow queries and the like
  /** Start runs that wait in the store: the window and the web face do, a single command does not. */
  readonly adoptQueued?: boolean;
  /** Repair a damaged database and keep copies of the data folder by itself: as `adoptQueued`. */
  readonly guardData?: boolean;
  /** The queue to use instead of the data folder's own, and whether runs go there unless they say otherwise. */
  readonly queue?: QueueConfig & { readonly where: Where };
}

export interface Service extends LatheClient {
  /** Is a run at work or waiting in this process? */
  readonly busy: boolean;
  /** Stops the active run with a checkpoint and closes the store. */
  close(): Promise<void>;
}

/** The platform's application-data folder. */
export function defaultDataDir(): string {
  return process.env['LATHE_DATA_DIR'] ?? envPaths('lathe', { suffix: '' }).data;
}

export async function createService(options: ServiceOptions): Promise<Service> {
  await makeDataDir(options.dataDir);
  const store = await openStore({
    dataDir: options.dataDir,
    repair: options.guardData === true,
    ...(options.debug ? { log: options.debug } : {}),
  });
  for (const recovery of store.recoveries) options.log(describeRecovery(recovery));
  const backups = new Backups({ store, dataDir: options.dataDir, log: options.log, automatic: options.guardData === true });
  const requests = new EngineRequests(options.launchEngine);
  const bus = new EventBus();
  try {
    const datasets = new Datasets({ ...options, store, requests, bus });
    const own = new OwnNetworks({ store, requests, datasets, dataDir: options.dataDir });
    const networks = new Networks(requests, datasets, own);
    const targets = new Targets(options.dataDir, requests, datasets, own);
    const spaces = new Spaces(requests, datasets, targets, own);
    const tables = new Tables({ store, requests, bus, targets, datasets, own, spaces });
    const tableBuilds = new TableBuilds({
      ...{ store, bus, targets, launchEngine: options.launchEngine },
      subjects: (request) => tables.subjects(request),
    });
    const trainings = new Trainings({ requests, datasets, own, dataDir: options.dataDir });
    const prunings = new Prunings({ requests, datasets, own, targets });
    const costOf = networkCost(targets, prunings);
    const machine = new Machine({ requests, store, datasets, targets, backups });
    const manifests = new ManifestMaker({
      dataset: (id) => datasets.require(id),
      network: (ref, dataset) => own.findForRun(ref, dataset),
      target: (id) => targets.find(id),
      preview: (input) => targets.preview(input),
      prunePreview: (input) => prunings.preview(input),
      machine: async () => {
        const [described, settings] = await Promise.all([machine.describe(), store.getSettings()]);
        return { ...described, cores: settings.threads ?? described.cores };
      },
      findSpace: (space, dataset) => spaces.find(space, dataset),
      spacePreview: (input) => spaces.preview(input),
      costOf,
    });
    const evaluations = new Evaluations({
      store,
      dataDir: options.dataDir,
      launchEngine: options.launchEngine,
      datasets,
      network: (ref, dataset) => own.findForRun(ref, dataset),
      cores: async () => (await machine.describe()).cores,
    });
    const record = new RunRecord({ store, dataDir: options.dataDir, datasets, bus });
    const queue = new QueueRuns(
      {
        ...{ store, dataDir: options.dataDir, record, log: options.log },
        files: new QueueFiles(options.dataDir, store, datasets),
        ownTarget: (id) => ownTarget(targets.find(id)),
        addonInfo: () => machine.addonInfo(),
      },
      options.queue ?? (await readQueueConfig(options.dataDir)),
    );
    const runs = await Runs.open(
      {
        ...{ store, dataDir: options.dataDir, launchEngine: options.launchEngine, manifests, record, costOf, bus, queue, log: options.log },
        where: options.queue?.where ?? 'here',
      },
      options.adoptQueued === true,
    );
    if (options.adoptQueued === true) queue.receive();
    const studies = new Studies({
      store,
      record,
      runs,
      world: {
        preview: (input) => targets.preview(input),
        simulate: (input) => targets.simulate(contract.simulate.input.parse(input)),
        spacePreview: (input) => spaces.preview(input),
      },
    });
    const bundles = new Bundles({ store, dataDir: options.dataDir, requests, runs: record, targets, own, bus });
    const reports = new Reports({ store, runs: record, studies, targets });
    const runCosts = new RunCosts({ runs: record, targets, tables });
    return new LocalService(
      makeHandlers({
        options,
        store,
        datasets,
        networks,
        own,
        targets,
        tables,
        tableBuilds,
        spaces,
        trainings,
        prunings,
        costOf,
        machine,
        evaluations,
        record,
        queue,
        runs,
        runCosts,
        reports,
        bundles,
        studies,
        views: new Views(store, bus),
        backups,
      }),
      bus,
      runs,
      async () => {
        await tableBuilds.close();
        await datasets.close();
        await queue.close();
        await runs.close();
        requests.close();
        await own.close();
        await backups.close();
        await store.close();
      },
    );
  } catch (error) {
    requests.close();
    await store.close();
    throw error;
  }
}

type Handlers = { readonly [M in Method]: (input: Parsed<M>) => Promise<Output<M>> };

interface Parts {
  readonly options: ServiceOptions;
  readonly store: Store;
  readonly datasets: Datasets;
  readonly networks: Networks;
  readonly own: OwnNetworks;
  readonly targets: Targets;
  readonly tables: Tables;
  readonly spaces: Spaces;
  readonly tableBuilds: TableBuilds;
  readonly trainings: Trainings;
  readonly prunings: Prunings;
  readonly costOf: NetworkCost;
  readonly machine: Machine;
  readonly evaluations: Evaluations;
  readonly record: RunRecord;
  readonly queue: QueueRuns;
  readonly runs: Runs;
  readonly runCosts: RunCosts;
  readonly reports: Reports;
  readonly bundles: Bundles;
  readonly studies: Studies;
  readonly views: Views;
  readonly backups: Backups;
}

function makeHandlers({
  options,
  store,
  datasets,
  networks,
  own,
  targets,
  tables,
  spaces,
  tableBuilds,
  trainings,
  prunings,
  costOf,
  machine,
  evaluations,
  record,
  queue,
  runs,
  runCosts,
  reports,
  bundles,
  studies,
  views,
  backups,
}: Parts): Handlers {
  return {
    'system.info': async () => ({
      version: latheVersion,
      contractVersion,
      dataDir: options.dataDir,
      cores: (await machine.describe()).cores,
      defaults: {
        training: trainingParametersSchema.parse({}),
        quantize: quantizeParametersSchema.parse({}),
        prune: pruneParametersSchema.parse({}),
        specialize: specializeParametersSchema.parse({}),
      },
    }),
    'system.doctor': () => machine.doctor(),
    'crash.list': () => listCrashReports(options.dataDir),
    'crash.show': ({ id }) => showCrashReport(options.dataDir, id),
    'crash.remove': ({ id }) => removeCrashReport(options.dataDir, id),
    'backup.list': () => backups.list(),
    'backup.make': (input) => backups.make(input),
    'backup.restore': ({ path }) => backups.restore(path),
    'backup.check': () => backups.check(),
    'backup.sweep': ({ dryRun }) => backups.sweep(dryRun),
    'network.list': () => networks.list(),
    'network.show': (input) => networks.show(input),
    'network.import': (input) => own.import(input),
    'network.export': (input) => own.export(input),
    'network.remove': ({ id }) => own.remove(id),
    'upload.begin': ({ name }) => own.beginUpload(name),
    'upload.continue': ({ upload, base64 }) => own.continueUpload(upload, base64),
    'network.structure': (input) => networks.structure(input),
    'network.text': (input) => networks.text(input),
    'network.diff': (input) => networks.diff(input),
    'target.list': async () => targets.list(),
    'target.show': async ({ id }) => targets.find(id),
    'target.add': async (input) => targets.add(input),
    'target.validate': async ({ text }) => targets.validate(text),
    'target.remove': async ({ id }) => targets.remove(id),
    'table.list': () => tables.list(),
    'table.show': ({ id }) => tables.show(id),
    'table.entries': (input) => tables.entries(input),
    'table.import': (input) => tables.import(input),
    'table.export': (input) => tables.export(input),
    'table.remove': ({ id }) => tables.remove(id),
    'table.target': (input) => tables.makeTarget(input),
    'table.coverage': (input) => tables.coverage(input),
    'table.predict': (input) => tables.predict(input),
    'table.accuracy': ({ id }) => tables.accuracy(id),
    'table.build': (input) => tableBuilds.build(input),
    'table.building': async () => tableBuilds.underWay(),
    'table.cancel': async ({ id }) => tableBuilds.cancel(id),
    'table.fit': ({ id }) => tables.fit(id),
    'dataset.list': () => datasets.list(),
    'dataset.show': ({ id }) => datasets.show(id),
    'dataset.add': (input) => datasets.add(input),
    'files.list': ({ path }) => listFolder(path),
    'dataset.inspect': (input) => datasets.inspect(input),
    'dataset.adding': async () => datasets.underWay(),
    'dataset.cancel': ({ id }) => datasets.cancel(id),
    'dataset.samples': (input) => datasets.samples(input),
    'dataset.sheet': (input) => datasets.sheet(input),
    'dataset.cache': (input) => datasets.cache(input),
    'dataset.remove': ({ id }) => datasets.remove(id),
    simulate: (input) => targets.simulate(input),
    'simulate.lint': (input) => targets.lint(input),
    'simulate.timeline': (input) => targets.timeline(input),
    evaluate: (input) => evaluations.evaluate(input),
    'run.preview': (input) => targets.preview(input),
    'prune.compatible': (input) => prunings.compatible(input),
    'prune.preview': (input) => prunings.preview(input),
    'pipeline.preview': async ({ network, dataset, target, batch = targets.find(target).target.defaultBatch }) => ({
      batch,
      reference: await costOf(network, { dataset, target, batch }),
    }),
    'space.list': async () => spaces.list(),
    'space.preview': (input) => spaces.preview(input),
    'training.preview': (input) => trainings.preview(input),
    'run.create': (input) => runs.create(input),
    'run.list': ({ filter, place, limit, offset }) =>
      store.listRuns({
        filter: requireFilter(filter),
        ...(place === undefined ? {} : { place }),
        ...(limit === undefined ? {} : { limit }),
        offset,
      }),
    'run.show': ({ id }) => record.show(id),
    'run.agents': ({ method }) => store.listAgents(method),
    'run.trials': async ({ id, fromStep, limit }) => {
      await record.require(id);
      return await store.listTrials(id, fromStep, limit);
    },
    'run.metrics': async ({ id, fromStep, series }) => {
      await record.require(id);
      return await store.listMetrics(id, fromStep, series);
    },
    'run.log': async ({ id, afterSeq, limit }) => {
      await record.require(id);
      return await store.listLog(id, afterSeq, limit);
    },
    'run.weights': async ({ id, form }) => trainings.weights(await record.show(id), form),
    'run.cost': (input) => runCosts.cost(input),
    'run.cancel': ({ id }) => runs.stop(id, 'cancel'),
    'run.pause': ({ id }) => runs.stop(id, 'pause'),
    'run.resume': ({ id, where }) => runs.resume(id, where),
    'run.annotate': (input) => runs.annotate(input),
    'run.organize': (input) => runs.organize(input),
    'run.purge': ({ ids }) => runs.purge(ids),
    'run.reorder': ({ ids }) => runs.reorder(ids),
    'run.reproduce': ({ id }) => runs.reproduce(id),
    'view.list': () => store.listViews(),
    'view.put': (input) => views.put(input),
    'view.remove': ({ id }) => views.remove(id),
    'settings.show': () => store.getSettings(),
    'settings.change': (input) => views.changeSettings(input),
    'run.bundle': (input) => bundles.write(input),
    'bundle.open': (input) => bundles.open(input),
    'report.make': (input) => reports.make(input),
    'study.list': () => studies.list(),
    'study.run': (input) => studies.run(input),
    'study.compare': (input) => studies.compare(input),
    'study.show': ({ id }) => studies.show(id),
    'study.resume': ({ id, where }) => studies.resume(id, where),
    'study.cancel': ({ id }) => studies.cancel(id),
    'queue.status': () => queue.status(),
    'queue.use': async ({ url, ...rest }) => {
      const config = url === null ? null : { url, ...rest };
      if (config) parseQueueAddress(config.url);
      await writeQueueConfig(options.dataDir, config);
      await queue.use(config);
      if (options.adoptQueued === true) queue.receive();
      return await queue.status();
    },
    'queue.submit': async ({ runs: ids }) => {
      const summaries: RunSummary[] = [];
      for (const id of ids) summaries.push(await runs.submit(id));
      return summaries;
    },
    'run.export': async ({ id }) => ({
      run: await record.show(id),
      trials: await store.listTrials(id, 0, Number.MAX_SAFE_INTEGER),
      metrics: await store.listMetrics(id, 0),
    }),
  };
}

class LocalService implements Service {
  private readonly handlers: Handlers;
  private readonly bus: EventBus;
  private readonly runs: Runs;
  private readonly closeParts: () => Promise<void>;
  private closed: Promise<void> | null = null;

  constructor(handlers: Handlers, bus: EventBus, runs: Runs, closeParts: () => Promise<void>) {
    this.handlers = handlers;
    this.bus = bus;
    this.runs = runs;
    this.closeParts = closeParts;
  }

  get busy(): boolean {
    return this.runs.busy;
  }

  async call<M extends Method>(method: M, input: Input<M>): Promise<Output<M>> {
    const parsed = contract[method].input.safeParse(input);
    if (!parsed.success) throw new LatheError('bad-input', `${method}: ${describeZodError(parsed.error)}`);
    return await this.handlers[method](parsed.data as Parsed<M>);
  }

  subscribe(listener: Parameters<LatheClient['subscribe']>[0]): () => void {
    return this.bus.subscribe(listener);
  }

  async close(): Promise<void> {
    this.closed ??= this.closeParts();
    await this.closed;
  }
}

/** Null for one that every Lathe has. */
function ownTarget({ target, builtIn }: TargetInfo): Target | null {
  return builtIn ? null : target;
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new LatheError(
      'unavailable',
      `data folder ${dataDir} cannot be made (${error instanceof Error ? error.message : String(error)}); choose another with --data-dir`,
    );
  }
}
