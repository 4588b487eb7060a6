/// <reference lib="dom" />
/** The list of runs by keyboard alone: filtered, chosen, tagged, put away and brought back, grouped, kept as a view. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rendererDir } from '../../src/main/serve/index.ts';
import { startServer, type LatheServer } from '../../src/main/serve/server.ts';
import { openStore } from '../../src/main/store/store.ts';
import { launchChromium, noChromium } from '../support/chromium.ts';
import { lookAt } from '../support/look.ts';
import { makeDataDir, openService, removeDataDir, type TestService } from '../support/service.ts';
import { newRun, quantizeManifest } from '../support/store-samples.ts';

if (noChromium !== null) process.stderr.write(`skipped: the list of runs, in a browser, for ${noChromium}\n`);

describe.skipIf(noChromium !== null)('the list of runs, in a browser', () => {
  let dataDir: string;
  let test: TestService;
  let server: LatheServer;
  let browser: Browser;
  let page: Page;
  const consoleErrors: string[] = [];

  beforeAll(async () => {
    dataDir = await makeDataDir();
    const store = await openStore({ dataDir });
    for (let seed = 1; seed <= 6; seed++) {
      const id = `q-${String(seed)}`;
      await store.createRun(newRun(id, { manifest: { ...quantizeManifest, seed }, atMs: 1e12 + seed }));
      await store.finishRun(id, 'cancelled', null, 1e12 + 60_000);
    }
    await store.close();
    test = await openService(dataDir);
    server = await startServer({ service: test.service, rendererDir: rendererDir(), port: 0, log: () => undefined });
    browser = await launchChromium();
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' });
    page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') consoleErrors.push(message.text());
    });
    page.on('pageerror', (error) => consoleErrors.push(String(error)));
    page.setDefaultTimeout(60_000);
    await page.goto(server.url);
    await page.getByRole('grid', { name: 'Runs' }).waitFor();
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
    await test.service.close();
    await removeDataDir(dataDir);
  });

  const boxes = () => page.getByRole('grid', { name: 'Runs' }).getByRole('checkbox');
  const shown = async (count: number): Promise<void> => expect.poll(() => boxes().count()).toBe(count + 1); // and the header's
  const tagsOf = async (id: string): Promise<readonly string[]> => (await test.service.call('run.show', { id })).summary.tags;

  it('is filtered as it is typed: an error points at its place, a field is offered, what is hidden is said', async () => {
    await shown(6);
    await page.keyboard.press('/');
    await page.keyboard.type('sead = 1');
    await page.getByRole('alert').getByText('Character 1: there is no field sead; did you mean seed?').waitFor();
    await lookAt(page, 'runs-filter-wrong');
    for (let i = 0; i < 8; i++) await page.keyboard.press('Backspace');
    await page.keyboard.type('see');
    await page.getByRole('listbox').getByRole('option', { name: /^seed/ }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByLabel('Filter runs').inputValue()).toBe('seed');
    await page.keyboard.type(' in (2, 4, 5) and not star');
    await page.getByText('Filter active: 3 hidden').waitFor();
    await shown(3);
  });

  it('has runs chosen by keys, tagged in the table, put into the trash and brought back', async () => {
    await page.keyboard.press('Escape'); // what is offered for “star”
    await page.keyboard.press('ArrowDown'); // from the filter into the table
    await page.keyboard.press('ArrowDown'); // the first row: the newest
    await page.keyboard.press('Space');
    await page.keyboard.press('Shift+ArrowDown');
    await page.getByRole('toolbar').getByText('2 runs chosen').waitFor();
    await page.keyboard.press('t');
    await page.getByLabel('Tags of run q-4').and(page.getByRole('textbox')).waitFor();
    await page.keyboard.type('paper');
    await page.keyboard.press('Enter');
    await expect.poll(() => tagsOf('q-4')).toEqual(['paper']);
    await page.keyboard.press('Control+a');
    await page.getByRole('toolbar').getByText('3 runs chosen').waitFor();
    await page.getByRole('button', { name: 'Trash', exact: true }).press('Enter');
    await shown(0);
    await page.getByRole('button', { name: 'Trash 3' }).press('Enter');
    await shown(3);
    await page.getByLabel('Choose all runs that are shown').press('Space');
    await page.getByRole('button', { name: 'Bring back' }).press('Enter');
    await shown(0);
    await page.getByRole('group', { name: 'Where runs are kept' }).getByRole('button', { name: 'Runs' }).press('Enter');
    await shown(3);
  });

  it('is grouped by all but the seed, and keeps that as a view over a reload', async () => {
    await page.getByRole('button', { name: 'Clear' }).first().press('Enter');
    await shown(6);
    await page.getByLabel('Group by').selectOption('seedless');
    await shown(1);
    await page.getByLabel('Keep this view').press('Enter');
    await page.getByLabel('Name of the new view').fill('Seeds');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByLabel('View', { exact: true }).inputValue()).toBe('seeds');
    await page.reload();
    await shown(1);
    await page.getByRole('button', { name: /^run q-6/ }).press('Enter');
    await shown(7);
    await lookAt(page, 'runs-grouped');
    expect(await test.service.call('view.list', {})).toContainEqual(
      expect.objectContaining({ id: 'seeds', groupBy: ['seedless'] }) as unknown,
    );
  });

  it('left the console clean', () => {
    expect(consoleErrors).toEqual([]);
  });
});
