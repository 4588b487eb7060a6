/** The files that a run needs on another machine, and where they lie here: blobs, decoded images, the files of a data set. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { DatasetRecord } from '../../shared/dataset.ts';
import type { Job } from '../../shared/engine-messages.ts';
import { LatheError } from '../../shared/errors.ts';
import { ImageCache } from '../data/image-cache.ts';
import type { NeededFile } from '../queue/protocol.ts';
import { blobsOf } from '../queue/references.ts';
import { blobPath, hasBlob } from '../store/blobs.ts';
import type { Store } from '../store/types.ts';
import type { Datasets } from './datasets.ts';

export class QueueFiles {
  private readonly dataDir: string;
  private readonly store: Store;
  private readonly datasets: Datasets;
  private readonly cache: ImageCache;

  constructor(dataDir: string, store: Store, datasets: Datasets) {
    this.dataDir = dataDir;
    this.store = store;
    this.datasets = datasets;
    this.cache = new ImageCache(dataDir);
  }

  /** Throws LatheError unavailable where decoded images are not in the cache. */
  async neededBy(job: Job): Promise<NeededFile[]> {
    const { dataset, ...rest } = job;
    const blobs = await blobsOf(this.dataDir, rest, job.checkpoint?.sha256 ?? null);
    const images = Object.values(dataset.packed ?? {});
    for (const sha256 of images) {
      if (await this.cache.has(sha256)) continue;
      throw new LatheError(
        'unavailable',
        `data set ${dataset.id}: its decoded images are not in the cache at present; "dataset preview ${dataset.id}" decodes them again, then resume`,
      );
    }
    return [
      ...[...blobs, ...dataset.files.map(({ sha256 }) => sha256)].map((sha256) => ({ sha256, kind: 'blob' as const })),
      ...images.map((sha256) => ({ sha256, kind: 'images' as const })),
    ];
  }

  /** The bytes that hash to this; null where there are none. */
  async open(sha256: string): Promise<Readable | null> {
    if (await hasBlob(this.dataDir, sha256)) return createReadStream(blobPath(this.dataDir, sha256));
    if (await this.cache.has(sha256)) return createReadStream(this.cache.path(sha256));
    const path = await this.findDatasetFile(sha256);
    if (path === null) return null;
    const source = createReadStream(path);
    if (!(await isGzip(path))) return source;
    const unpacked = createGunzip(); // the hash of a data set's file is that of its unpacked content
    source.on('error', (error) => unpacked.destroy(error));
    return source.pipe(unpacked);
  }

  private async findDatasetFile(sha256: string): Promise<string | null> {
    const records: DatasetRecord[] = [...(await this.store.listDatasets()), ...(await this.datasets.list())];
    for (const { files } of records) {
      const file = files.find((candidate) => candidate.sha256 === sha256);
      if (file && (await isThere(file.path))) return file.path;
    }
    return null;
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}
