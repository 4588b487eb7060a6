/** Folders and tables of images: everything that can be wrong with them, then splits, sizes, links, the cache, and the way back. */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { addPathSchema, datasetRecordSchema, type AddPath, type DatasetRecord } from '../../shared/dataset.ts';
import type { LatheError } from '../../shared/errors.ts';
import { addPath, inspectPath, restorePacked } from './add-path.ts';
import { describeDataset, openTestSplit, openTrainSplit } from './datasets.ts';
import { maximumPixels } from './decode.ts';
import { ImageCache } from './image-cache.ts';
import { readImages } from './images.ts';
import { recogniseKind, suggestId } from './recognise.ts';
import { imageBytes, withFolder, writeFiles } from './testing.ts';

let jpeg: Buffer;
let png: Buffer;
let webp: Buffer;
beforeAll(async () => {
  [jpeg, png, webp] = await Promise.all([imageBytes(8, 6, 'jpeg'), imageBytes(8, 6, 'png'), imageBytes(8, 6, 'webp')]);
});

const { signal } = new AbortController();

/** `count` images for each class. */
function classes(names: readonly string[], count: number, prefix = ''): Record<string, Uint8Array> {
  const formats = [jpeg, png, webp];
  return Object.fromEntries(
    names.flatMap((name) =>
      Array.from(
        { length: count },
        (_, i) => [`${prefix}${name}/${String(i)}.${['jpg', 'png', 'webp'][i % 3] ?? ''}`, formats[i % 3] ?? jpeg] as const,
      ),
    ),
  );
}

interface Place {
  readonly root: string; // the images
  readonly dataDir: string;
  readonly cache: ImageCache;
  readonly add: (change?: Partial<AddPath>, path?: string) => Promise<DatasetRecord>;
}

async function withImages(files: Readonly<Record<string, Uint8Array | string>>, action: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const root = join(folder, 'set');
    await mkdir(root);
    await writeFiles(root, files);
    const dataDir = join(folder, 'data');
    const cache = new ImageCache(dataDir);
    const add = (change: Partial<AddPath> = {}, path = root): Promise<DatasetRecord> =>
      addPath(addPathSchema.parse({ kind: 'path', path, ...change }), 'mine', { cache, signal, onProgress: () => undefined });
    await action({ root, dataDir, cache, add });
  });
}

/** The sentence of a refusal, with the folder's name as ROOT; and nothing may be left in the cache. */
async function refusal({ root, cache, add }: Place, change: Partial<AddPath> = {}, path = root): Promise<string> {
  const error = await add(change, path).then(
    () => expect.fail('it was accepted'),
    (reason: unknown) => reason as LatheError,
  );
  expect(['bad-input', 'not-found']).toContain(error.code);
  expect((await cache.info()).entries).toBe(0);
  expect(await readdir((await cache.info()).path).catch(() => [])).toEqual([]);
  return error.message.replaceAll(root, 'ROOT');
}

describe('a folder of images, misuse', () => {
  it.each<[string, () => Record<string, Uint8Array | string>, string | RegExp]>([
    ['an empty folder', () => ({}), 'ROOT: it has no folders; expected one for each class, with its images'],
    [
      'images without a folder for each class',
      () => ({ 'a.jpg': jpeg }),
      'ROOT: it has no folders; expected one for each class, with its images',
    ],
    ['one class only', () => classes(['cat'], 4), 'ROOT: a data set needs at least 2 classes, found only cat'],
    [
      'a class without images',
      () => ({ ...classes(['cat', 'dog'], 4), 'eel/readme.txt': 'none' }),
      'ROOT/eel: it has no images (JPEG, PNG or WebP); add some, or take the folder away',
    ],
    [
      'names that differ in case alone',
      () => classes(['Cat', 'cat'], 3),
      'ROOT: the classes "Cat" and "cat" have the same name but for case or spaces; rename one',
    ],
    [
      'names that differ in the form of an accent alone',
      () => classes(['\u00e9', 'e\u0301'], 3),
      /have the same name but for case or spaces/,
    ],
    [
      'a class that training does not know',
      () => ({ ...classes(['cat', 'dog'], 3, 'train/'), ...classes(['Cat'], 1, 'test/') }),
      'ROOT/test/Cat: class Cat is not among those of train/ (cat, dog)',
    ],
    [
      'two folders for one part',
      () => ({ ...classes(['a', 'b'], 3, 'train/'), ...classes(['a'], 1, 'val/'), ...classes(['a'], 1, 'valid/') }),
      /two folders are for validation images/,
    ],
    [
      'a truncated JPEG',
      () => ({ ...classes(['cat', 'dog'], 4), 'dog/bad.jpg': jpeg.subarray(0, jpeg.length - 40) }),
      /^dog\/bad\.jpg: it is truncated \(.*\); repair or remove what is broken, or say that broken images are to be skipped \(--skip-broken\)$/,
    ],
    [
      'a text file that is called .jpg',
      () => ({ ...classes(['cat', 'dog'], 4), 'cat/notes.jpg': 'to do' }),
      /^cat\/notes\.jpg: it is no JPEG, PNG or WebP image; repair/,
    ],
    [
      'an SVG that is called .png',
      () => ({ ...classes(['cat', 'dog'], 4), 'cat/x.png': '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>' }),
      /it is no JPEG, PNG or WebP image/,
    ],
    [
      'two broken images',
      () => ({ ...classes(['cat', 'dog'], 4), 'cat/x.jpg': '', 'dog/y.webp': 'RIFF' }),
      /^2 of 10 images cannot be decoded: .*cat\/x\.jpg \(.*\), dog\/y\.webp \(/,
    ],
    ['too few images to split', () => classes(['cat', 'dog'], 1), /class \w+ has no training images/],
  ])('refuses %s, and leaves nothing behind', async (_, files, sentence) => {
    await withImages(files(), async (place) => {
      const found = await refusal(place);
      if (typeof sentence === 'string') expect(found).toBe(sentence);
      else expect(found).toMatch(sentence);
    });
  });

  it('refuses an image that unpacks to more pixels than are decoded', async () => {
    const side = Math.sqrt(maximumPixels) + 64;
    const bomb = await sharp({ create: { width: side, height: side, channels: 3, background: '#000' }, limitInputPixels: false })
      .toColourspace('b-w')
      .png({ compressionLevel: 1 })
      .toBuffer();
    expect(bomb.length).toBeLessThan(1_000_000); // a small file
    await withImages({ ...classes(['cat', 'dog'], 4), 'cat/bomb.png': bomb }, async (place) => {
      expect(await refusal(place, { imageSize: 8 })).toMatch(
        /^cat\/bomb\.png: it has more than the 67,108,864 pixels that Lathe decodes; repair/,
      );
    });
  });

  it('refuses images of several sizes without a size to bring them to, and a path that is not there or is an archive', async () => {
    await withImages({ ...classes(['cat', 'dog'], 4), 'dog/wide.png': await imageBytes(20, 6, 'png') }, async (place) => {
      expect(await refusal(place)).toBe(
        'ROOT: the images differ in size (6 x 8, 6 x 20); say to which size they are to be brought (--image-size, such as 64 or 224)',
      );
      expect(await refusal(place, {}, join(place.root, 'none'))).toBe('ROOT/none: there is no such file');
      expect(await refusal(place, {}, join(place.root, 'dog', '0.jpg'))).toMatch(
        /^ROOT\/dog\/0\.jpg: expected a folder, or a CSV table that begins with path,label; unpack/,
      );
    });
  });

  it('refuses more decoded bytes than the cache may hold, before it decodes any', async () => {
    await withImages(classes(['cat', 'dog'], 40), async (place) => {
      await place.cache.setLimit(1_000_000);
      expect(await refusal(place, { imageSize: 200 })).toMatch(
        /^decoded, the images take 9\.60 MB, more than the image cache's bound of 1\.00 MB; ask for smaller images, or raise the bound/,
      );
    });
  });
});

describe('a folder of images', () => {
  it('is added with its classes in order, splits by seed in proportion, and every image where its label is', async () => {
    const colours = { red: '#ff0000', green: '#00ff00', blue: '#0000ff' } as const;
    const files: Record<string, Uint8Array> = {};
    for (const [name, colour] of Object.entries(colours)) {
      for (let i = 0; i < 20; i++) files[`${name}/${i < 10 ? '' : 'more/'}${String(i)}.png`] = await imageBytes(8, 6, 'png', colour);
    }
    await withImages({ ...files, 'red/.DS_Store': 'x', 'red/list.txt': 'x' }, async ({ add, dataDir, root }) => {
      const record = datasetRecordSchema.parse(await add({ seed: 5, test: 0.25, validation: 0.2 }));
      expect(record).toMatchObject({
        kind: 'folder',
        classNames: ['blue', 'green', 'red'],
        train: 45,
        test: 15,
        shape: [6, 8, 3],
        classCounts: { train: [15, 15, 15], test: [5, 5, 5] },
        validation: { images: 9, given: false, seed: 5 },
        origin: {
          path: root,
          testSplit: { fraction: 0.25, seed: 5 },
          notes: ["1 file has no image's extension and was passed over, such as red/list.txt"],
        },
      });
      for (const set of [await openTrainSplit(record, { dataDir }), await openTestSplit(record, { dataDir })]) {
        for (const [index, label] of set.labels.entries()) {
          const [r = 0, g = 0, b = 0] = await readImages(set, index, 1);
          expect([b, g, r].indexOf(255)).toBe(label);
        }
      }
      expect((await add({ seed: 5, test: 0.25, validation: 0.2 })).sha256).toBe(record.sha256);
      expect((await add({ seed: 6, test: 0.25, validation: 0.2 })).sha256).not.toBe(record.sha256);
    });
  });

  it('with train, val and test folders keeps them: the validation images are the last training ones', async () => {
    const files = { ...classes(['a', 'b'], 6, 'train/'), ...classes(['a', 'b'], 2, 'val/'), ...classes(['a', 'b'], 3, 'Test/') };
    await withImages(files, async ({ add }) => {
      const record = await add();
      expect(record).toMatchObject({ train: 16, test: 6, validation: { images: 4, given: true }, origin: { testSplit: null } });
    });
  });

  it('skips broken images only when told to, counted and listed, and refuses a class that becomes empty', async () => {
    const files = { ...classes(['cat', 'dog'], 10), 'dog/bad.jpg': jpeg.subarray(0, 100), 'cat/x.png': 'no' };
    await withImages(files, async ({ add, root }) => {
      const record = await add({ skipBroken: true, test: 0.2 });
      expect(record.train + record.test).toBe(20);
      expect(record.origin?.broken.map(({ path }) => path).sort()).toEqual(['cat/x.png', 'dog/bad.jpg']);
      await writeFiles(root, { 'eel/1.jpg': 'x', 'eel/2.jpg': 'y' });
      await expect(add({ skipBroken: true, imageSize: 8 })).rejects.toThrow('class eel has no training image that can be decoded');
    });
  });

  it('brings images of any size to one: cut from the middle, fitted on black, or stretched; in colour or grey', async () => {
    // White with a red stripe at the left: cut away in the middle, kept small by fitting.
    const wide = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#ffffff' } })
      .composite([{ input: { create: { width: 6, height: 20, channels: 3, background: '#ff0000' } }, left: 0, top: 0 }])
      .png()
      .toBuffer();
    const clear = await sharp({ create: { width: 20, height: 20, channels: 4, background: { r: 255, g: 255, b: 255, alpha: 0 } } })
      .png()
      .toBuffer();
    const files = { 'a/1.png': wide, 'a/2.png': wide, 'a/3.png': wide, 'b/1.png': clear, 'b/2.png': clear, 'b/3.png': clear };
    await withImages(files, async ({ add, dataDir }) => {
      const first = async (change: Partial<AddPath>): Promise<(row: number, column: number) => number[]> => {
        const record = await add({ imageSize: 20, ...change });
        const set = await openTrainSplit(record, { dataDir });
        const channels = record.shape[2];
        const bytes = await readImages(set, 0, 1);
        return (row, column) => [...bytes.subarray((row * 20 + column) * channels, (row * 20 + column + 1) * channels)];
      };
      const centre = await first({ crop: 'centre' });
      expect(centre(10, 0)).toEqual([255, 255, 255]);
      const none = await first({ crop: 'none' });
      expect([none(1, 10), none(10, 10)]).toEqual([
        [0, 0, 0],
        [255, 255, 255],
      ]);
      const stretch = await first({ crop: 'stretch' });
      expect([stretch(10, 0), stretch(10, 19)]).toEqual([
        [255, 1, 1], // the filter reaches over the edge
        [255, 255, 255],
      ]);
      const grey = await first({ crop: 'stretch', channels: 1 });
      expect([grey(10, 0)[0], grey(10, 19)]).toEqual([127, [255]]); // its lightness
      const record = await add({ imageSize: 20 });
      const set = await openTrainSplit(record, { dataDir });
      expect(new Set(await readImages(set, set.labels.indexOf(1), 1))).toEqual(new Set([0])); // transparency lies on black
    });
  });

  it('follows links to files inside and takes those that lead out for broken; folders behind links are none', async () => {
    await withImages(classes(['cat', 'dog'], 6), async (place) => {
      const { root, add } = place;
      await writeFile(join(root, '..', 'secret.jpg'), jpeg);
      await symlink(join(root, 'cat', '0.jpg'), join(root, 'dog', 'link.jpg'));
      expect((await add()).train).toBe(12); // 13 images, 1 of them for test
      await place.cache.setLimit(1_000_000);
      await rm(join(root, '..', 'data'), { recursive: true });
      await symlink('..', join(root, 'loop'));
      await symlink(join(root, '..', 'secret.jpg'), join(root, 'dog', 'out.jpg'));
      expect(await refusal(place)).toMatch(/^dog\/out\.jpg: it is a link that leads out of the folder; repair/);
    });
  });

  it('stops when asked to and leaves nothing behind; adding again works', async () => {
    await withImages(classes(['cat', 'dog'], 60), async ({ root, cache, add }) => {
      const stop = new AbortController();
      let told = 0;
      const stopped = addPath(addPathSchema.parse({ kind: 'path', path: root }), 'mine', {
        cache,
        signal: stop.signal,
        onProgress: ({ phase, done, total }) => {
          told = done;
          if (phase === 'decoding' && total === 120 && done === 30) stop.abort();
        },
      });
      await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
      expect(told).toBeLessThan(120);
      expect(await readdir((await cache.info()).path)).toEqual([]);
      expect((await add()).train).toBe(108);
    });
  });
});

describe('a table of images', () => {
  const rows = (lines: readonly string[], header = 'path,label'): string => [header, ...lines].join('\n');
  const six = ['a', 'b'].flatMap((label) => [0, 1, 2].map((i) => `${label}/${String(i)}.${['jpg', 'png', 'webp'][i] ?? ''},${label}`));

  it.each<[string, string, string | RegExp]>([
    [
      'an unknown column',
      rows(['a/0.jpg,a,1'], 'path,label,size'),
      'ROOT/list.csv: the column "size" is unknown; expected the header path,label or path,label,split, found path,label,size',
    ],
    ['a column that is there twice', rows(['a/0.jpg,a,b'], 'path,label,label'), /a column is there twice/],
    ['no rows', 'path,label\n', 'ROOT/list.csv: it has no rows below its header'],
    [
      'a path outside',
      rows([...six, '../secret.jpg,a']),
      "ROOT/list.csv: line 8: ../secret.jpg lies outside the table's folder; put the images beside the table",
    ],
    ['an absolute path outside', rows([...six, '/etc/passwd,a']), /line 8: \/etc\/passwd lies outside the table's folder/],
    ['a missing file', rows([...six, 'a/none.jpg,a']), /^a\/none\.jpg: there is no such file \(line 8\); repair or remove/],
    ['a file that is there twice', rows([...six, './a/0.jpg,b']), 'ROOT/list.csv: line 8: a/0.jpg is there twice, first on line 2'],
    ['an unknown part', rows(['a/0.jpg,a,dev'], 'path,label,split'), 'ROOT/list.csv: line 2: split "dev"; expected train, val or test'],
    ['an empty label', rows(['a/0.jpg,']), 'ROOT/list.csv: line 2: the label is empty'],
    ['one class only', rows(['a/0.jpg,a', 'b/0.jpg,a']), 'ROOT/list.csv: a data set needs at least 2 classes, found only a'],
    ['rows of different lengths', rows(['a/0.jpg,a,b']), /list\.csv: invalid Record Length/],
    ['an open quote', rows(['"a/0.jpg,a']), /list\.csv: quote Not Closed/],
  ])('refuses %s', async (_, table, sentence) => {
    await withImages({ ...classes(['a', 'b'], 3), 'list.csv': table }, async (place) => {
      await writeFile(join(place.root, '..', 'secret.jpg'), jpeg);
      const found = await refusal(place, {}, join(place.root, 'list.csv'));
      if (typeof sentence === 'string') expect(found).toBe(sentence);
      else expect(found).toMatch(sentence);
    });
  });

  it('is read with its parts, a byte-order mark and quotes, and classes that are numbers in their order', async () => {
    const lines = Array.from(
      { length: 12 },
      (_, i) =>
        `"${['a', 'b'][i % 2] ?? ''}/${String(Math.floor(i / 2))}.${['jpg', 'png', 'webp'][Math.floor(i / 2) % 3] ?? ''}",${i % 2 === 0 ? '10' : '9'},${i < 6 ? 'train' : i < 8 ? 'val' : 'test'}`,
    );
    await withImages(
      { ...classes(['a', 'b'], 6), 'list.csv': `\uFEFFPath,Label,Split\r\n${lines.join('\r\n')}\r\n` },
      async ({ add, root }) => {
        expect(await recogniseKind(join(root, 'list.csv'))).toBe('csv');
        const record = await add({}, join(root, 'list.csv'));
        expect(record).toMatchObject({ kind: 'csv', classNames: ['9', '10'], train: 8, test: 4, validation: { images: 2, given: true } });
      },
    );
  });
});

describe('inspectPath', () => {
  it('tells kind, classes, parts and size without decoding', async () => {
    const files = { ...classes(['cat', 'dog'], 6, 'train/'), ...classes(['cat'], 2, 'test/') };
    await withImages(files, async ({ root, cache }) => {
      expect(await inspectPath(root, 'auto', signal)).toEqual({
        path: root,
        kind: 'folder',
        suggestedId: 'set',
        classNames: ['cat', 'dog'],
        images: { train: 12, validation: null, test: 2 },
        imageSize: [6, 8],
        notes: [],
      });
      expect((await cache.info()).entries).toBe(0);
    });
    expect([suggestId('/data/My Cats (2026)'), suggestId('/x/Käfer.csv'), suggestId('/x/猫')]).toEqual([
      'my-cats-2026',
      'ka-fer',
      'images',
    ]);
  });
});

describe('the cache of decoded images', () => {
  it('is filled again from the source when its files were evicted or damaged, to the same bytes', async () => {
    await withImages(classes(['cat', 'dog'], 10), async ({ add, dataDir, cache }) => {
      const record = await add();
      const before = await readImages(await openTrainSplit(record, { dataDir }), 0, record.train);
      await writeFile(cache.path(record.packed?.['train-images'] ?? ''), 'damaged');
      await cache.remove(record.packed?.['test-labels'] ?? '');
      expect((await describeDataset(record, dataDir)).available).toBe(true);
      await expect(openTrainSplit(record, { dataDir, restore: false })).rejects.toMatchObject({ code: 'unavailable' });
      const phases = new Set<string>();
      const train = await openTrainSplit(record, { dataDir, onProgress: ({ phase }) => phases.add(phase) });
      expect(await readImages(train, 0, record.train)).toEqual(before);
      expect(phases).toContain('decoding');
      expect((await openTestSplit(record, { dataDir })).count).toBe(2);
    });
  });

  it('says when the source has changed since, or is gone', async () => {
    await withImages(classes(['cat', 'dog'], 10), async ({ add, dataDir, cache, root }) => {
      const record = await add();
      const work = { cache, signal, onProgress: () => undefined };
      await rm(join(dataDir, 'cache'), { recursive: true });
      await writeFiles(root, { 'cat/new.jpg': jpeg });
      await expect(restorePacked(record, work)).rejects.toMatchObject({
        code: 'corrupt',
        message: `data set mine: ${root}: files were added, removed or exchanged since it was added; remove the data set and add it again`,
      });
      await rm(join(root, 'cat', 'new.jpg'));
      // Another image of the same name and length
      const other = Buffer.from(png);
      const same = await imageBytes(8, 6, 'png', '#4080c1');
      expect(same.length).toBe(other.length);
      await writeFile(join(root, 'cat', '1.png'), same);
      await expect(restorePacked(record, work)).rejects.toThrow(
        /its (train|test)-images are no longer those that were added: expected SHA-256/,
      );
      await rm(root, { recursive: true });
      await expect(openTrainSplit(record, { dataDir })).rejects.toMatchObject({ code: 'unavailable' });
      await rm(join(dataDir, 'cache'), { recursive: true });
      expect((await describeDataset(record, dataDir)).available).toBe(false);
    });
  });

  it('lets go of what was used longest ago beyond its bound, and of what a dead process left', async () => {
    await withImages(classes(['cat', 'dog'], 40), async ({ add, dataDir, cache }) => {
      const first = await add({ imageSize: 60 });
      const second = await add({ imageSize: 61 });
      await openTrainSplit(first, { dataDir }); // used last
      const folder = (await cache.info()).path;
      await mkdir(join(folder, '.adding-999999999-x'));
      await cache.setLimit(1_000_000);
      const has = async (record: DatasetRecord): Promise<boolean> => await cache.has(record.packed?.['train-images'] ?? '');
      expect([await has(first), await has(second)]).toEqual([true, false]);
      expect((await cache.info()).usedBytes).toBeLessThanOrEqual(1_000_000);
      await add({ imageSize: 20 });
      expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
    });
  });
});
