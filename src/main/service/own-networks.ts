/**
 * The user's own networks: imported from ONNX, kept in the store, referred to by id wherever a network is asked for. Reading and
 * writing files is the engine's work; here is what they are called, and what a reference means.
 */
import { randomUUID } from 'node:crypto';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import {
  importReportSchema,
  networkExportSchema,
  networkIdSchema,
  networkInfoSchema,
  networkRecordSchema,
  type ImportReport,
  type NetworkInfo,
  type NetworkRecord,
  type NetworkRef,
  type NetworkSummary,
  type ResolvedNetworkRef,
} from '../../shared/network.ts';
import type { Manifest } from '../../shared/run.ts';
import { latheVersion } from '../engine/build.ts';
import type { EngineRequests } from '../engine/host.ts';
import type { ShowQuestion } from '../engine/network-requests.ts';
import { ownNetworkRef } from '../network/describe.ts';
import { graphFromJson, graphToJson } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { describeShape } from '../network/shape.ts';
import { networkIds, requireZooNetwork, resolveNetwork, type DatasetShape } from '../network/zoo.ts';
import { deleteBlob, readBlob } from '../store/blobs.ts';
import type { Store } from '../store/types.ts';
import type { Datasets } from './datasets.ts';

/** What a reference means. */
export interface FoundNetwork {
  readonly graph: Graph;
  readonly ref: ResolvedNetworkRef;
  /** For a question to the engine, which has no store: the reference with the graph where the zoo does not have it. */
  readonly question: ResolvedNetworkRef & { readonly graphJson?: unknown };
  readonly initialWeights: string | null; // SHA-256 of the blob, of an imported network
}

const largestUploadBytes = 256 * 1024 * 1024;
const largestUploads = 4; // at once; a fifth ends the oldest

interface Upload {
  readonly path: string;
  readonly folder: string;
  readonly name: string;
  bytes: number;
  work: Promise<void>;
}

export class OwnNetworks {
  private readonly store: Store;
  private readonly requests: EngineRequests;
  private readonly datasets: Datasets;
  private readonly dataDir: string;
  private readonly uploads = new Map<string, Upload>();

  constructor(options: {
    readonly store: Store;
    readonly requests: EngineRequests;
    readonly datasets: Datasets;
    readonly dataDir: string;
  }) {
    this.store = options.store;
    this.requests = options.requests;
    this.datasets = options.datasets;
    this.dataDir = options.dataDir;
  }

  /**
   * The network that a reference means: one of the user's, one of the zoo's, or a file. Throws LatheError not-found, or bad-input
   * where it does not fit the data set.
   */
  async find(ref: NetworkRef, dataset?: DatasetShape): Promise<FoundNetwork> {
    const found = await this.findOwn(ref, dataset);
    if (found) return found;
    const resolved = resolveNetwork(ref, dataset);
    return { ...resolved, question: resolved.ref, initialWeights: null };
  }

  /** As `find`; null where the reference is to one that the zoo has. */
  async findOwn(ref: NetworkRef, dataset?: DatasetShape): Promise<FoundNetwork | null> {
    if (isFile(ref.id)) {
      const { graph } = await this.readFile(ref);
      return own(basename(ref.id), graphFromJson(graph), null, dataset);
    }
    const record = await this.store.getNetwork(ref.id);
    if (!record) return await this.notOwn(ref.id);
    if (ref.graph === undefined) refuseVariant(ref); // one that was resolved before says what the network is
    return own(record.id, graphFromJson(await this.graphJson(record.graph)), record.weights, dataset);
  }

  /** As `find`, of what a run may start from: a file must be imported first. */
  async findForRun(ref: NetworkRef, dataset: DatasetShape): Promise<FoundNetwork> {
    if (isFile(ref.id)) {
      throw new LatheError(
        'bad-input',
        `${ref.id}: a run needs a network that Lathe keeps; import the file first: lathe network import ${ref.id}`,
      );
    }
    return await this.find(ref, dataset);
  }

  async list(): Promise<NetworkSummary[]> {
    return (await this.store.listNetworks()).map((record) => ({
      id: record.id,
      title: `${record.id}, ${describeShape(record.inputShape)}, ${record.classes} classes`,
      source: `imported from ${record.source}`,
      macs: record.macs,
      params: record.params,
      inputShape: [...record.inputShape],
      classes: record.classes,
      scalable: false,
    }));
  }

  /** What the engine is asked for the table of a network of the user's or of a file; null where the reference is the zoo's. */
  async showQuestion(ref: NetworkRef): Promise<ShowQuestion | null> {
    if (isFile(ref.id)) {
      const { graph, report } = await this.readFile(ref);
      return { kind: 'own', id: basename(ref.id), graphJson: graph, source: ref.id, report };
    }
    const record = await this.store.getNetwork(ref.id);
    if (!record) return await this.notOwn(ref.id);
    refuseVariant(ref);
    return await this.recordQuestion(record);
  }

  /** Null where the zoo has it; else throws LatheError not-found that names what may have been meant. */
  private async notOwn(id: string): Promise<null> {
    const own = (await this.store.listNetworks()).map((record) => record.id);
    requireZooNetwork(id, own);
    return null;
  }

  async import(input: Parsed<'network.import'>): Promise<NetworkInfo> {
    const upload = input.upload === undefined ? null : await this.finishedUpload(input.upload);
    try {
      const path = upload?.path ?? resolve(input.path ?? '');
      const source = upload?.name ?? basename(path);
      const id = await this.freeId(input.name, source);
      const options = {
        ...(input.inputSize ? { inputSize: input.inputSize } : {}),
        ...(input.output === undefined ? {} : { output: input.output }),
      };
      const answer = await this.requests.ask('network.import', { dataDir: this.dataDir, id, path, source, options });
      const record = networkRecordSchema.parse(answer);
      await this.store.addNetwork(record);
      return networkInfoSchema.parse(await this.requests.ask('network.show', await this.recordQuestion(record)));
    } finally {
      if (input.upload !== undefined) await this.dropUpload(input.upload);
    }
  }

  async remove(id: string): Promise<{ id: string }> {
    if (!(await this.store.getNetwork(id)) && networkIds.includes(id)) {
      throw new LatheError('conflict', `${id} comes with Lathe and takes no space; only networks of your own are removed`);
    }
    for (const sha256 of await this.store.removeNetwork(id)) await deleteBlob(this.dataDir, sha256);
    return { id };
  }

  async export(input: Parsed<'network.export'>): Promise<Output<'network.export'>> {
    const run = input.weights === undefined || isSha256(input.weights) ? null : await this.trainedRun(input.weights);
    const { graph, ref, question, initialWeights } = run
      ? await this.networkOfRun(run.manifest, input.network)
      : await this.find(input.network);
    const dataset = run ? await this.datasets.require(run.manifest.dataset) : null;
    const record = await this.store.getNetwork(ref.id);
    const classNames = dataset?.classes === graph.classes ? dataset.classNames : (record?.classNames ?? null);
    const answer = await this.requests.ask('network.export', {
      dataDir: this.dataDir,
      network: question,
      weights: run?.weights ?? input.weights ?? initialWeights,
      quantized: input.found ? foundOf(run, input) : null,
      path: resolve(input.path),
      policy: input.policy ?? null,
      trained: run && dataset ? { dataset, manifest: run.manifest } : null,
      metadata: {
        'lathe.network': ref.id,
        ...(classNames ? { 'lathe.classes': JSON.stringify(classNames) } : {}),
        ...(run ? { 'lathe.run': run.id, 'lathe.dataset': run.manifest.dataset } : {}),
      },
      version: latheVersion,
    });
    return networkExportSchema.parse(answer);
  }

  /** Takes a file in pieces, for a face that has no paths. */
  async beginUpload(name: string): Promise<{ upload: string }> {
    const [oldest] = this.uploads.keys();
    if (this.uploads.size >= largestUploads && oldest !== undefined) await this.dropUpload(oldest);
    const folder = await mkdtemp(join(tmpdir(), 'lathe-upload-'));
    const upload = randomUUID();
    this.uploads.set(upload, { path: join(folder, 'network.onnx'), folder, name: basename(name), bytes: 0, work: Promise.resolve() });
    return { upload };
  }

  /** Pieces come in order; returns the bytes so far. Throws LatheError bad-input beyond the limit. */
  async continueUpload(id: string, base64: string): Promise<{ bytes: number }> {
    const upload = this.requireUpload(id);
    const bytes = Buffer.from(base64, 'base64');
    if (upload.bytes + bytes.length > largestUploadBytes) {
      await this.dropUpload(id);
      throw new LatheError(
        'bad-input',
        `${upload.name}: files of up to ${largestUploadBytes / 2 ** 20} MiB can be uploaded; open it on the command line (lathe network import FILE, lathe run open FILE)`,
      );
    }
    upload.bytes += bytes.length;
    upload.work = upload.work.then(() => appendFile(upload.path, bytes, { mode: 0o600 }));
    await upload.work;
    return { bytes: upload.bytes };
  }

  async close(): Promise<void> {
    for (const id of this.uploads.keys()) await this.dropUpload(id);
  }

  private requireUpload(id: string): Upload {
    const upload = this.uploads.get(id);
    if (!upload) throw new LatheError('not-found', 'this upload is not known any more; choose the file again');
    return upload;
  }

  /** Where all pieces lie. Throws LatheError not-found, or bad-input for an empty file. */
  async finishedUpload(id: string): Promise<Upload> {
    const upload = this.requireUpload(id);
    await upload.work;
    if (upload.bytes === 0) throw new LatheError('bad-input', `${upload.name}: the file is empty`);
    return upload;
  }

  async dropUpload(id: string): Promise<void> {
    const upload = this.uploads.get(id);
    this.uploads.delete(id);
    if (upload) await rm(upload.folder, { recursive: true, force: true });
  }

  private async recordQuestion({ id, source, report, graph }: NetworkRecord): Promise<ShowQuestion> {
    return { kind: 'own', id, graphJson: await this.graphJson(graph), source: `imported from ${source}`, report };
  }

  private async graphJson(sha256: string): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode(await readBlob(this.dataDir, sha256)));
  }

  private async readFile(ref: NetworkRef): Promise<{ graph: unknown; report: ImportReport }> {
    const { id, inputSize, ...rest } = ref;
    refuseVariant({ id, ...rest });
    const options = inputSize === undefined ? {} : { inputSize: [inputSize, inputSize] };
    const answer = await this.requests.ask('network.read', { path: resolve(id), options });
    return z.object({ graph: z.unknown(), report: importReportSchema }).parse(answer);
  }

  /** The name that is asked for, or the file's, made free by a number. */
  private async freeId(name: string | undefined, source: string): Promise<string> {
    const taken = new Set([...networkIds, ...(await this.store.listNetworks()).map(({ id }) => id)]);
    const isZoo = (id: string): boolean =>
      networkIds.some((known) => id === known || new RegExp(`^${known.replaceAll('.', '\\.')}-[0-9.]+$`).test(id));
    if (name !== undefined) {
      if (isZoo(name)) throw new LatheError('conflict', `${name} is the name of a network that comes with Lathe; choose another`);
      if (taken.has(name)) throw new LatheError('conflict', `there is a network ${name} already; choose another name, or remove it first`);
      return networkIdSchema.parse(name);
    }
    const stem =
      basename(source, extname(source))
        .toLowerCase()
        .replace(/[^a-z0-9._-]+/g, '-')
        .replace(/^[^a-z0-9]+/, '')
        .slice(0, 90) || 'network';
    let id = isZoo(stem) ? `${stem}-imported` : stem;
    for (let count = 2; taken.has(id); count += 1) id = `${stem}-${count}`;
    return id;
  }

  private async trainedRun(id: string): Promise<TrainedRun> {
    const detail = await this.store.getRun(id);
    if (!detail)
      throw new LatheError('not-found', `--weights ${id}: there is no such run, and it is no SHA-256 of weights; run list shows the runs`);
    const weights =
      detail.solutions.find((solution) => solution.role === 'float')?.weights ??
      detail.solutions.find((solution) => solution.weights !== null)?.weights;
    if (!weights) throw new LatheError('conflict', `run ${id} has no trained weights yet (it is ${detail.summary.status})`);
    const quantized = detail.solutions.find(({ role }) => role === 'best')?.quantized ?? null;
    return { id, manifest: detail.manifest, weights, quantized };
  }

  /** The network that the run was made with; a different one by name is a mistake. */
  async networkOfRun(manifest: Manifest, asked: NetworkRef): Promise<FoundNetwork> {
    const { network } = manifest;
    const family = asked.id === network.id || asked.id.startsWith(`${network.id}-`);
    if (!family) throw new LatheError('bad-input', `the run was made with ${network.id}, not with ${asked.id}`);
    if (network.graph === undefined) {
      const found = resolveNetwork(network);
      return { ...found, question: found.ref, initialWeights: null };
    }
    const graph = graphFromJson(await this.graphJson(network.graph));
    return own(network.id, graph, null);
  }
}

interface TrainedRun {
  readonly id: string;
  readonly manifest: Manifest;
  readonly weights: string;
  readonly quantized: string | null;
}

/** The quantized network that is asked for. */
function foundOf(run: TrainedRun | null, { weights, policy }: Parsed<'network.export'>): string {
  if (policy !== undefined) throw new LatheError('bad-input', 'the found network has its own bits; give --policy or --found, not both');
  if (run === null) throw new LatheError('bad-input', `--found: expected --weights with the id of a run, found ${weights ?? 'none'}`);
  if (run.quantized === null) {
    throw new LatheError(
      'not-found',
      `run ${run.id} has kept no quantized network (it is no completed search of bits, or of an older version); export with --policy, or search again`,
    );
  }
  return run.quantized;
}

function isFile(id: string): boolean {
  return id.toLowerCase().endsWith('.onnx');
}

function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function refuseVariant({ id, width, inputSize, inputChannels, classes, stem }: NetworkRef): void {
  const given = { width, inputSize, inputChannels, classes, stem };
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined) throw new LatheError('bad-input', `network ${id}: it came from a file and has one form; leave out its ${name}`);
}

function own(id: string, graph: Graph, initialWeights: string | null, dataset?: DatasetShape): FoundNetwork {
  if (dataset) checkFit(id, graph, dataset);
  const ref = ownNetworkRef(id, graph);
  return { graph, ref, question: { ...ref, graphJson: graphToJson(graph) }, initialWeights };
}

function checkFit(id: string, graph: Graph, { shape, classes }: DatasetShape): void {
  const [height, width, channels] = graph.inputShape;
  if (channels !== shape[2]) {
    throw new LatheError('bad-input', `network ${id}: its input has ${channels} channels, the data set's images have ${shape[2]}`);
  }
  if (height < shape[0] || width < shape[1]) {
    throw new LatheError(
      'bad-input',
      `network ${id}: the data set's images of ${shape[0]} x ${shape[1]} do not fit into its input of ${height} x ${width}; import it again with --input-size`,
    );
  }
  if (graph.classes < classes) {
    throw new LatheError('bad-input', `network ${id}: it tells ${graph.classes} classes apart, the data set has ${classes}`);
  }
}
