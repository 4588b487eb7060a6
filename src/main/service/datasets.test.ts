/** Data sets through the whole service: what is refused, adding with progress and cancel, looking, and removing. */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeImageFolder } from '../../../test/support/image-folder.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, type TestService } from '../../../test/support/service.ts';

let test: TestService;
let images = '';
beforeAll(async () => {
  test = await openService(await makeDataDir());
  images = join(test.dataDir, 'source', 'Three Shapes');
  await mkdir(images, { recursive: true });
  await writeImageFolder(images, { perClass: 60, side: 32, format: 'png', classes: 3 });
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
});

describe('data sets, misuse', () => {
  it('refuses ids that are in use or not there, and classes that are not there', async () => {
    const { service } = test;
    await expect(service.call('dataset.add', { kind: 'path', path: images, id: 'generated' })).rejects.toMatchObject({ code: 'bad-input' });
    await expect(service.call('dataset.add', { kind: 'path', path: join(images, 'none') })).rejects.toMatchObject({
      code: 'not-found',
      message: `${join(images, 'none')}: there is no such file`,
    });
    await expect(service.call('dataset.cancel', { id: 'mine' })).rejects.toThrow('data set mine is not being added by this Lathe');
    await expect(service.call('dataset.samples', { id: 'generated', label: 10 })).rejects.toThrow('class 10: there are 10, 0 to 9');
    await expect(service.call('dataset.remove', { id: 'generated' })).rejects.toMatchObject({ code: 'conflict' });
    expect(await service.call('dataset.adding', {})).toEqual([]);
  });

  it('leaves nothing behind when it is cancelled, or when the process that adds dies', async () => {
    const { service, engines, events, dataDir } = test;
    for (const stop of [() => service.call('dataset.cancel', { id: 'three-shapes' }), async () => engines.at(-1)?.kill()]) {
      const before = events.length;
      const adding = service.call('dataset.add', { kind: 'path', path: images });
      const failed = expect(adding).rejects.toMatchObject({ code: expect.stringMatching(/^(cancelled|unavailable)$/) as string });
      while (!events.slice(before).some((event) => event.name === 'dataset.progress'))
        await new Promise((resolve) => setTimeout(resolve, 1));
      await stop();
      await failed;
      expect(await readdir(join(dataDir, 'cache', 'images')).catch(() => [])).toEqual([]);
    }
    expect((await service.call('dataset.list', {})).map(({ id }) => id)).toEqual(['fashion-mnist', 'generated']);
  });
});

describe('data sets', () => {
  it('are looked at, added, shown in pictures, trained on, kept while a run needs them, and removed', async () => {
    const { service, dataDir } = test;
    expect(await service.call('dataset.inspect', { path: images })).toMatchObject({
      kind: 'folder',
      suggestedId: 'three-shapes',
      imageSize: [32, 32],
    });
    const added = await service.call('dataset.add', { kind: 'path', path: images });
    expect(added).toMatchObject({ id: 'three-shapes', classNames: ['disc', 'half disc', 'ring'], train: 162, test: 18, available: true });
    await expect(service.call('dataset.add', { kind: 'path', path: images })).rejects.toMatchObject({ code: 'conflict' });
    const strip = await service.call('dataset.samples', { id: added.id, label: 1, count: 5 });
    expect(strip.indices.every((index) => index >= 54 && index < 108)).toBe(true); // half discs are the second third
    const { width, height } = await sharp(Buffer.from(strip.png, 'base64')).metadata();
    expect([width, height]).toEqual([5 * 64 + 4 * 4, 64]);
    const sheet = await service.call('dataset.sheet', { id: added.id, perClass: 4 });
    expect((await sharp(Buffer.from(sheet.png, 'base64')).metadata()).width).toBe(sheet.width);

    const run = await service.call('run.create', {
      method: 'train',
      network: { id: 'mobilenet-v1', width: 0.125 },
      dataset: added.id,
      training: { epochs: 1, warmupSteps: 2 },
      threads: 1,
    });
    await expect(service.call('dataset.remove', { id: added.id })).rejects.toThrow(`data set three-shapes is used by run ${run.id}`);
    await waitForStatus(service, run.id, ['completed']);
    const { manifest } = await service.call('run.show', { id: run.id });
    expect(manifest).toMatchObject({
      datasetSha256: added.sha256,
      datasetListingSha256: added.origin?.listingSha256,
      validation: { images: 16 },
    });

    expect((await service.call('dataset.cache', {})).entries).toBe(4);
    expect((await service.call('dataset.cache', { limitBytes: 5_000_000 })).limitBytes).toBe(5_000_000);
    await service.call('dataset.remove', { id: added.id });
    expect(await readdir(join(dataDir, 'cache', 'images'))).toEqual([]);
    expect(await readdir(images)).toHaveLength(3); // the user's own files stay
  });
});
