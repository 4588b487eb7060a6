/// <reference lib="dom" />
/** Latency tables in a real browser on the real service: imported, asked, built, made into a target. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rendererDir } from '../../src/main/serve/index.ts';
import { startServer, type LatheServer } from '../../src/main/serve/server.ts';
import { launchChromium, noChromium } from '../support/chromium.ts';
import { lookAt } from '../support/look.ts';
import { makeDataDir, openService, removeDataDir, type TestService } from '../support/service.ts';

if (noChromium !== null) process.stderr.write(`skipped: latency tables in a browser, for ${noChromium}\n`);

describe.skipIf(noChromium !== null)('latency tables, in a browser', () => {
  let dataDir: string;
  let test: TestService;
  let server: LatheServer;
  let browser: Browser;
  let page: Page;
  const pageErrors: string[] = [];

  beforeAll(async () => {
    dataDir = await makeDataDir();
    test = await openService(dataDir);
    server = await startServer({ service: test.service, rendererDir: rendererDir(), port: 0, log: () => undefined });
    browser = await launchChromium();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' });
    page = await context.newPage();
    page.on('pageerror', (error) => pageErrors.push(String(error)));
    page.setDefaultTimeout(120_000);
    await page.goto(server.url);
    await page.goto(`${new URL(server.url).origin}/#/tables`);
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
    await test.service.close();
    await removeDataDir(dataDir);
  });

  const drop = async (name: string, text: string): Promise<void> => {
    await page.locator('input[type="file"]').setInputFiles({ name, mimeType: 'text/yaml', buffer: Buffer.from(text) });
  };
  const button = (name: string) => page.getByRole('button', { name, exact: true });

  it('offer the first step, and refuse a file by the key that is wrong', async () => {
    await page.getByText('There is no latency table yet.').waitFor();
    await lookAt(page, 'tables-empty');
    await drop('wrong.yaml', 'Conv-input:224x224-output:112x112x32: {mean: 4}');
    await page.getByText(/wrong\.yaml: key Conv-input:224x224-output:112x112x32: input: expected HxWxC/).waitFor();
    expect(await test.service.call('table.list', {})).toEqual([]);
  });

  it('import a file, name what a network lacks, fill it in where that is chosen, and become a target', async () => {
    const network = { id: 'mobilenet-v1' };
    await drop('seed.yaml', 'linear-input:7-output:7-bits:float: {mean: 1}');
    await page.getByRole('link', { name: /^seed/ }).waitFor();
    const { missing } = await test.service.call('table.coverage', { id: 'seed', networks: [network] });
    const kept = missing.filter((key) => !key.includes('1024x1024') && !key.includes('7x7x1024-output:7x7x1024'));
    await drop('device.yaml', kept.map((key, at) => `${key}: {count: 5, mean: ${String(1 + at / 10)}, std: 0.05}\n`).join(''));
    await page.getByRole('link', { name: /^device/ }).waitFor();
    await page
      .getByRole('region', { name: 'Entries' })
      .getByText(/^linear-input:1024/)
      .waitFor();
    await lookAt(page, 'tables-entries');
    await page.getByRole('tab', { name: 'A network by it' }).click();
    await page.getByText(/The table lacks \d+ keys/).waitFor();
    await page.getByLabel('missing keys').selectOption('fit');
    await page.getByText(/from the model/).waitFor();
    await lookAt(page, 'tables-network');
    await page.getByRole('tab', { name: 'Coverage' }).click();
    await page.getByText(`${String(kept.length)} of ${String(missing.length)}`).waitFor();
    await page.getByRole('combobox', { name: /^for\b/ }).selectOption('space:tiny');
    await page.getByRole('region', { name: 'Missing keys' }).waitFor();
    await lookAt(page, 'tables-coverage');
    await page.getByRole('tab', { name: 'Predicted and measured' }).click();
    await page.getByRole('region', { name: 'Coefficients' }).waitFor();
    await lookAt(page, 'tables-accuracy');
    await page.getByRole('tab', { name: 'Entries' }).click();
    await button('Make a target of it').click();
    await page.getByText('float networks: no bits, no energy').waitFor();
    await lookAt(page, 'tables-target');
    expect((await test.service.call('target.show', { id: 'device' })).target.law).toBe('table');
  });

  it('build a table by simulating, and remove it', async () => {
    await page.goto(`${new URL(server.url).origin}/#/tables`);
    await button('Build a table').click();
    const choices = page.getByRole('form', { name: 'Build a table' }).locator('select');
    await choices.nth(0).selectOption('bismo-cloud');
    await choices.nth(1).selectOption('mobilenet-v1');
    await lookAt(page, 'tables-build');
    await button('Build').click();
    const link = page.getByRole('link', { name: /^bismo-cloud/ });
    await link.waitFor();
    const { table } = await test.service.call('table.show', { id: 'bismo-cloud' });
    expect(table).toMatchObject({ origin: 'simulated', scheme: 'layers' });
    await link.click();
    await button('Remove').click();
    await button('Remove it').click();
    await link.waitFor({ state: 'detached' });
    expect((await test.service.call('table.list', {})).some(({ id }) => id === 'bismo-cloud')).toBe(false);
    expect(pageErrors).toEqual([]);
  });
});
