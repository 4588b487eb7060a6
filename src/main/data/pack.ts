/** From a source to the cache: the decoded bytes and labels of both parts, each a file named by its SHA-256. */
import type { BrokenImage, DatasetProgress } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import type { CacheFile, CacheWork, ImageCache } from './image-cache.ts';
import type { PartRole } from './records.ts';
import type { Source, SourcePart } from './source.ts';

/** Without leave to skip, this many broken images are looked for before it is said which they are. */
const brokenNamed = 20;

export interface PackOptions {
  readonly cache: ImageCache;
  readonly skipBroken: boolean;
  readonly signal: AbortSignal;
  /** Looks at the hashes before anything is kept; what it throws keeps it all away. */
  readonly check?: (parts: Readonly<Record<PartRole, string>>) => void;
  readonly onProgress: (progress: Pick<DatasetProgress, 'phase' | 'done' | 'total' | 'broken'>) => void;
}

export interface Packed {
  readonly parts: Readonly<Record<PartRole, string>>; // SHA-256
  readonly trainLabels: Uint8Array;
  readonly testLabels: Uint8Array;
  readonly givenValidation: number; // the last training images, without those that were skipped
  readonly broken: readonly BrokenImage[];
}

/**
 * Decodes a source into the cache. Either all of it is there afterwards or nothing is. Throws LatheError: bad-input with the
 * broken images unless they may be skipped, and where skipping empties a class; cancelled; disk-full.
 */
export async function packSource(source: Source, options: PackOptions): Promise<Packed> {
  const { cache, signal } = options;
  const [height, width, channels] = source.shape;
  const total = source.train.labels.length + source.test.labels.length;
  await cache.requireRoom(total * height * width * channels);
  const work = await cache.begin();
  try {
    const packer = new Packer(options, total);
    const train = await packer.pack(work, 'train', source.train);
    const test = await packer.pack(work, 'test', source.test);
    packer.requireAllWhole();
    requireClasses(source, train.labels, packer.broken);
    options.onProgress({ phase: 'finishing', done: total, total, broken: packer.broken.length });
    const parts = {
      'train-images': (await train.images.finish()).sha256,
      'train-labels': (await train.labelFile.finish()).sha256,
      'test-images': (await test.images.finish()).sha256,
      'test-labels': (await test.labelFile.finish()).sha256,
    };
    if (signal.aborted) throw new LatheError('cancelled', 'adding the data set was stopped on request');
    options.check?.(parts);
    await work.commit();
    await cache.evict(new Set(Object.values(parts)));
    const firstValidation = source.train.labels.length - source.givenValidation;
    return {
      parts,
      trainLabels: train.labels,
      testLabels: test.labels,
      givenValidation: train.kept.filter((index) => index >= firstValidation).length,
      broken: packer.broken,
    };
  } finally {
    await work.discard();
  }
}

interface PackedPart {
  readonly images: CacheFile;
  readonly labelFile: CacheFile;
  readonly labels: Uint8Array;
  readonly kept: Uint32Array; // places in the source
}

class Packer {
  readonly broken: BrokenImage[] = [];
  readonly #options: PackOptions;
  readonly #total: number;
  #done = 0;

  constructor(options: PackOptions, total: number) {
    this.#options = options;
    this.#total = total;
  }

  async pack(work: CacheWork, name: 'train' | 'test', part: SourcePart): Promise<PackedPart> {
    const images = await work.create(`${name}-images`);
    const labelFile = await work.create(`${name}-labels`);
    const labels = new Uint8Array(part.labels.length);
    const kept = new Uint32Array(part.labels.length);
    let count = 0;
    let index = 0;
    for await (const image of part.images(this.#options.signal)) {
      if ('bytes' in image) {
        await images.write(image.bytes);
        labels[count] = part.labels[index] ?? 0;
        kept[count++] = index;
      } else {
        this.broken.push(image.broken);
        if (!this.#options.skipBroken && this.broken.length >= brokenNamed) this.requireAllWhole();
      }
      index++;
      this.#done++;
      this.#options.onProgress({ phase: 'decoding', done: this.#done, total: this.#total, broken: this.broken.length });
    }
    if (count === 0) this.requireAllWhole();
    if (count === 0)
      throw new LatheError(
        'bad-input',
        `none of the ${part.labels.length} ${name === 'train' ? 'training' : 'test'} images can be decoded: ${this.#named()}`,
      );
    await labelFile.write(labels.subarray(0, count));
    return { images, labelFile, labels: labels.subarray(0, count), kept: kept.subarray(0, count) };
  }

  requireAllWhole(): void {
    if (this.broken.length === 0 || this.#options.skipBroken) return;
    const [first] = this.broken;
    if (!first) return;
    const more = this.#done < this.#total ? 'at least ' : '';
    const what =
      this.broken.length === 1 && more === ''
        ? `${first.path}: ${first.reason}`
        : `${more}${String(this.broken.length)} of ${String(this.#total)} images cannot be decoded: ${this.#named()}`;
    throw new LatheError(
      'bad-input',
      `${what}; repair or remove what is broken, or say that broken images are to be skipped (--skip-broken)`,
      {
        broken: this.broken,
      },
    );
  }

  #named(): string {
    const named = this.broken.slice(0, brokenNamed).map(({ path, reason }) => `${path} (${reason})`);
    return this.broken.length > named.length
      ? `${named.join(', ')} and ${String(this.broken.length - named.length)} more`
      : named.join(', ');
  }
}

function requireClasses(source: Source, labels: Uint8Array, broken: readonly BrokenImage[]): void {
  if (broken.length === 0) return; // the source has images of every class
  for (const [label, name] of source.classNames.entries()) {
    if (!labels.includes(label))
      throw new LatheError('bad-input', `class ${name} has no training image that can be decoded; repair some, or take the class away`);
  }
}
