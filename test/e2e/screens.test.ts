/// <reference lib="dom" />
/**
 * What a user brings and takes away, in a real browser on the real service: a dropped .onnx file, a folder of images, a target of
 * one's own, a training.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rendererDir } from '../../src/main/serve/index.ts';
import { startServer, type LatheServer } from '../../src/main/serve/server.ts';
import { launchChromium, noChromium } from '../support/chromium.ts';
import { writeImageFolder } from '../support/image-folder.ts';
import { lookAt } from '../support/look.ts';
import { makeDataDir, openService, removeDataDir, waitForStatus, type TestService } from '../support/service.ts';

if (noChromium !== null) process.stderr.write(`skipped: what a user brings, in a browser, for ${noChromium}\n`);

const classifier = 'ch_ppocr_mobile_v2.0_cls_infer';
const models = join(import.meta.dirname, '..', '..', 'node_modules', '@gutenye', 'ocr-models', 'assets');

describe.skipIf(noChromium !== null)('what a user brings, in a browser', () => {
  let dataDir: string;
  let images: string;
  let test: TestService;
  let server: LatheServer;
  let browser: Browser;
  let page: Page;
  const consoleErrors: string[] = [];

  beforeAll(async () => {
    dataDir = await makeDataDir();
    images = await mkdtemp(join(tmpdir(), 'lathe-images-'));
    await writeImageFolder(join(images, 'shapes'), { perClass: 60, side: 24 });
    test = await openService(dataDir);
    server = await startServer({ service: test.service, rendererDir: rendererDir(), port: 0, log: () => undefined });
    browser = await launchChromium();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' });
    page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') consoleErrors.push(message.text());
    });
    page.on('pageerror', (error) => consoleErrors.push(String(error)));
    page.setDefaultTimeout(120_000);
    await page.goto(server.url);
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
    await test.service.close();
    await removeDataDir(dataDir);
    await rm(images, { recursive: true, force: true });
  });

  const open = async (place: string): Promise<void> => {
    await page.goto(`${new URL(server.url).origin}/#/${place}`);
  };
  const button = (name: string) => page.getByRole('button', { name, exact: true });

  async function drop(name: string, base64: string): Promise<void> {
    const files = await page.evaluateHandle(
      ([fileName, text]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob(text ?? ''), (c) => c.charCodeAt(0))], fileName ?? ''));
        return transfer;
      },
      [name, base64],
    );
    await page.getByRole('region', { name: /dropped here/ }).dispatchEvent('drop', { dataTransfer: files });
  }

  it('refuses a dropped file that is no network, and takes one that is', async () => {
    await open('networks');
    await drop('broken.onnx', btoa('not a network'));
    await page.getByRole('alert').getByText('broken.onnx').waitFor();
    expect((await test.service.call('network.list', {})).some(({ id }) => id === 'broken')).toBe(false);
    await drop(`${classifier}.onnx`, (await readFile(join(models, `${classifier}.onnx`))).toString('base64'));
    await page.getByRole('heading', { name: classifier }).waitFor();
    await page.getByText('158 operators').waitFor();
    expect(await page.getByText('width ×').count()).toBe(0); // a file has one form
    const shown = {
      Graph: page.getByText('0 shows all'),
      'Coupled channels': page.getByText('groups can be pruned'),
      Published: page.getByText('Counted here'),
      Compare: page
        .getByText('operators')
        .or(page.getByText(/ added, /))
        .first(),
    };
    for (const [tab, content] of Object.entries(shown)) {
      await page.getByRole('tab', { name: tab }).click();
      await content.waitFor();
    }
    await lookAt(page, 'network-compare');
  });

  it('adds a folder of images; cancelled, nothing of it stays; removed, it is gone', async () => {
    const ids = async (): Promise<string[]> => (await test.service.call('dataset.list', {})).map(({ id }) => id);
    const form = page.getByRole('form', { name: 'Add a data set' });
    const look = async (name: string, side: string): Promise<void> => {
      await form.getByLabel('Path', { exact: true }).fill(images);
      await form.getByRole('button', { name: 'Browse' }).click();
      await form.getByRole('button', { name: 'Folder shapes' }).click();
      await form.getByText(join(images, 'shapes'), { exact: true }).waitFor();
      await form.getByRole('button', { name: 'Choose this folder' }).click();
      await form.getByText('600 images, to be split into parts').waitFor();
      await form.getByLabel('Name', { exact: true }).fill(name);
      await form.getByLabel('Image size').fill(side);
    };
    await open('datasets');
    await drop('flowers', '');
    await page.getByRole('alert').getByText('A browser does not tell where flowers lies').waitFor();
    await look('large', '1024'); // long enough to be cancelled
    await form.getByRole('button', { name: 'Add' }).click();
    await form.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Stopped; nothing of it was kept.').waitFor();
    await form.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' });
    expect(await ids()).not.toContain('large');
    expect((await test.service.call('dataset.cache', {})).entries).toBe(0);

    await look('small', '');
    await form.getByRole('button', { name: 'Add' }).click();
    const row = page.getByRole('row', { name: /small/ });
    await row.waitFor();
    await page.getByRole('heading', { name: 'small' }).waitFor();
    await page
      .getByAltText(/training images of class/)
      .first()
      .waitFor();
    expect((await test.service.call('dataset.show', { id: 'small' })).train).toBe(540);
    await lookAt(page, 'dataset-own');
    await row.getByRole('button', { name: 'Remove' }).click();
    await row.getByRole('button', { name: 'Remove it' }).click();
    await row.waitFor({ state: 'detached' });
    expect(await ids()).not.toContain('small');
  });

  it('copies a target, refuses a figure that cannot be, keeps the copy and compares it', async () => {
    await open('targets/bismo-cloud?tab=figures');
    await button('Copy and edit').click();
    await page.getByLabel('Id', { exact: true }).fill('own-array');
    const clock = page.getByLabel('Clock', { exact: true });
    await clock.fill('-5');
    await page.getByText(/figures? (is|are) not valid/).waitFor();
    await expect.poll(() => button('Save').isDisabled()).toBe(true);
    await lookAt(page, 'target-refused');
    await clock.fill('400');
    await expect.poll(() => button('Save').isEnabled()).toBe(true);
    await button('Save').click();
    await page.getByRole('link', { name: 'own-array' }).waitFor();
    expect((await test.service.call('target.show', { id: 'own-array' })).target).toMatchObject({ clockMhz: 400 });
    await page.getByRole('tab', { name: 'Compare' }).click();
    await page.getByRole('region', { name: 'Totals' }).waitFor();
  });

  it('starts a training from the form', async () => {
    await open('new');
    await page.getByRole('radio', { name: /^Train/ }).check();
    await expect.poll(() => button('Start').isEnabled()).toBe(true);
    await button('Start').click();
    await page.getByRole('tab', { name: /^Log/ }).waitFor();
    const [run, ...others] = await test.service.call('run.list', {});
    expect([run?.method, others]).toEqual(['train', []]);
    await button('Cancel').click();
    await waitForStatus(test.service, run?.id ?? '', ['cancelled']);
  });

  it('left the console clean', () => {
    expect(consoleErrors).toEqual([]);
  });
});
