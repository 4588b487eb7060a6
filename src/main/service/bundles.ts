/** Bundles: a run with all that it refers to in one file, and back. Opening one twice changes nothing. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { readBundleSchema, type BundleContent } from '../../shared/bundle.ts';
import { resultOf } from '../../shared/compare.ts';
import type { Output, Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import type { NetworkRecord } from '../../shared/network.ts';
import type { Manifest, RunDetail } from '../../shared/run.ts';
import { fileStem } from '../../shared/tabular.ts';
import type { Target } from '../../shared/target.ts';
import { sha256OfJson } from '../compute/hash.ts';
import { latheVersion } from '../engine/build.ts';
import type { EngineRequests } from '../engine/host.ts';
import { trainingKey } from '../engine/training-key.ts';
import type { Store } from '../store/types.ts';
import type { EventBus } from './event-bus.ts';
import type { OwnNetworks } from './own-networks.ts';
import type { RunRecord } from './run-record.ts';
import type { Targets } from './targets.ts';

export interface BundlesOptions {
  readonly store: Store;
  readonly dataDir: string;
  readonly requests: EngineRequests;
  readonly runs: Pick<RunRecord, 'show'>;
  readonly targets: Targets;
  readonly own: OwnNetworks;
  readonly bus: EventBus;
}

/** Larger ones are written on the command line: a page takes them whole. */
const largestForPage = 64 * 1024 * 1024;

type Single = Exclude<Manifest, { method: 'pipeline' }>;

export class Bundles {
  private readonly options: BundlesOptions;

  constructor(options: BundlesOptions) {
    this.options = options;
  }

  /** To a file of the user's, or as base64 for a page. Throws LatheError conflict while the run is at work. */
  async write({ id, path }: Parsed<'run.bundle'>): Promise<Output<'run.bundle'>> {
    const detail = await this.options.runs.show(id);
    const { summary, manifest } = detail;
    if (summary.status === 'running' || summary.status === 'queued')
      throw new LatheError(
        'conflict',
        `run ${id} is ${summary.status}: a bundle is of a run that has ended; wait for it, or cancel it first`,
      );
    if (manifest.method === 'pipeline') throw new LatheError('bad-input', `run ${id} is a pipeline; make a bundle of each of its stages`);
    const fileName = `${fileStem(summary.name, id)}.lathe`;
    const folder = path === undefined ? await mkdtemp(join(tmpdir(), 'lathe-bundle-')) : null;
    try {
      const file = folder === null ? resolve(path ?? fileName) : join(folder, fileName);
      const { content, blobs } = await this.gather(detail, manifest);
      const answer = await this.options.requests.ask('bundle.write', {
        ...{ dataDir: this.options.dataDir, path: file, lathe: latheVersion, createdAtMs: Date.now(), content, blobs },
        policy: resultOf(detail)?.policy ?? null,
      });
      const { sizeBytes } = z.object({ sizeBytes: z.number() }).parse(answer);
      if (folder === null) return { fileName: basename(file), sizeBytes, base64: null };
      if (sizeBytes > largestForPage)
        throw new LatheError(
          'bad-input',
          `run ${id}: its bundle has ${String(sizeBytes)} bytes, too many for a page; write it on the command line: lathe run bundle ${id} --out FILE`,
        );
      return { fileName, sizeBytes, base64: (await readFile(file)).toString('base64') };
    } finally {
      if (folder !== null) await rm(folder, { recursive: true, force: true });
    }
  }

  /** Takes the run with its targets and networks; what is here already stays as it is, and is named where it differs. */
  async open({ path, upload }: Parsed<'bundle.open'>): Promise<Output<'bundle.open'>> {
    const { own, requests, dataDir, store, bus } = this.options;
    const uploaded = upload === undefined ? null : await own.finishedUpload(upload);
    try {
      const file = uploaded?.path ?? resolve(path ?? '');
      const answer = await requests.ask('bundle.read', { dataDir, path: file, name: uploaded?.name ?? basename(file) });
      const content = readBundleSchema.parse(answer);
      const { summary, added } = await store.importRun(content.run);
      const notes = [...content.targets.flatMap((target) => this.takeTarget(target)), ...(await this.takeNetworks(content.networks))];
      if (added) bus.emit({ name: 'run.changed', payload: summary });
      return { run: summary, added, newBlobs: content.newBlobs, notes };
    } finally {
      if (upload !== undefined) await own.dropUpload(upload);
    }
  }

  private async gather(detail: RunDetail, manifest: Single): Promise<{ content: BundleContent; blobs: string[] }> {
    const { store } = this.options;
    const { id } = detail.summary;
    const networks = await this.networksOf(detail, manifest);
    const weights = await store.findWeights(trainingKey(manifest));
    const blobs = new Set<string>(networks.flatMap(({ graph, weights: of }) => [graph, of]));
    for (const { weights: of, prune, architecture } of detail.solutions) {
      for (const blob of [of, prune?.graph, architecture?.graph]) if (blob) blobs.add(blob);
    }
    for (const blob of [manifest.network.graph, manifest.initialWeights, weights?.sha256]) if (blob) blobs.add(blob);
    const content: BundleContent = {
      run: {
        detail: { ...detail, checkpoint: null },
        trials: await store.listTrials(id, 0, Number.MAX_SAFE_INTEGER),
        metrics: await store.listMetrics(id, 0),
        log: (await store.listLog(id, 0, Number.MAX_SAFE_INTEGER)).map(({ atMs, level, text }) => ({ atMs, level, text })),
        weights,
      },
      targets: this.targetsOf(manifest),
      networks,
    };
    return { content, blobs: [...blobs] };
  }

  /** The run's targets as it was made with; one that has changed since is left out. */
  private targetsOf(manifest: Single): Target[] {
    if (manifest.method === 'train') return [];
    const wanted = [
      { target: manifest.target, targetSha256: manifest.targetSha256 },
      ...(manifest.method === 'specialize' ? manifest.also : []),
    ];
    const known = new Map(this.options.targets.list().map((info) => [info.target.id, info]));
    return wanted.flatMap(({ target, targetSha256 }) => {
      const info = target === null ? undefined : known.get(target);
      return info?.sha256 === targetSha256 ? [info.target] : [];
    });
  }

  private async networksOf(detail: RunDetail, manifest: Single): Promise<NetworkRecord[]> {
    const ids = new Set<string>(manifest.network.graph === undefined ? [] : [manifest.network.id]);
    for (const { prune, architecture } of detail.solutions) {
      for (const id of [prune?.network, architecture?.network]) if (id) ids.add(id);
    }
    const records = await Promise.all([...ids].map(async (id) => await this.options.store.getNetwork(id)));
    return records.flatMap((record) => record ?? []);
  }

  private takeTarget(target: Target): string[] {
    const { targets } = this.options;
    const here = targets.list().find((info) => info.target.id === target.id);
    if (!here) {
      targets.add({ target, replace: false });
      return [];
    }
    return here.sha256 === sha256OfJson(target) ? [] : [`target ${target.id} is here already with other figures; it was left as it is`];
  }

  private async takeNetworks(networks: readonly NetworkRecord[]): Promise<string[]> {
    const { store } = this.options;
    const notes: string[] = [];
    for (const network of networks) {
      const here = await store.getNetwork(network.id);
      if (!here) await store.addNetwork(network);
      else if (here.graph !== network.graph) notes.push(`network ${network.id} is here already in another form; it was left as it is`);
    }
    return notes;
  }
}
