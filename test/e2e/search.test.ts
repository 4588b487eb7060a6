/// <reference lib="dom" />
/**
 * The main job in a real browser, on the real engine, addon and database: start a search, watch its curve grow, cancel it,
 * resume it, read the policy. Leaves screenshots of each screen, light and dark, in test-results/screens.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer, type LatheServer } from '../../src/main/serve/server.ts';
import { rendererDir } from '../../src/main/serve/index.ts';
import { launchChromium, noChromium } from '../support/chromium.ts';
import { lookAt } from '../support/look.ts';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, waitUntil, type TestService } from '../support/service.ts';

if (noChromium !== null) process.stderr.write(`skipped: the application in a browser, for ${noChromium}\n`);

const viewport = { width: 1440, height: 900 };

describe.skipIf(noChromium !== null)('the application in a browser', () => {
  let dataDir: string;
  let test: TestService;
  let server: LatheServer;
  let browser: Browser;
  let page: Page;
  const consoleErrors: string[] = [];

  beforeAll(async () => {
    dataDir = await makeDataDir();
    test = await openService(dataDir);
    server = await startServer({ service: test.service, rendererDir: rendererDir(), port: 0, log: () => undefined });
    browser = await launchChromium();
    const context = await browser.newContext({ viewport, colorScheme: 'light', reducedMotion: 'reduce' });
    page = await context.newPage();
    page.setDefaultTimeout(120_000);
    page.on('console', (message) => {
      if (message.type() === 'error') consoleErrors.push(message.text());
    });
    page.on('pageerror', (error) => consoleErrors.push(String(error)));
    // Long tasks of the page, from its first moment on.
    await page.addInitScript(() => {
      const list: number[] = [];
      Object.assign(window, { longTasks: list });
      new PerformanceObserver((entries) => {
        for (const entry of entries.getEntries()) list.push(entry.duration);
      }).observe({ type: 'longtask', buffered: true });
    });
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
    await test.service.close();
    await removeDataDir(dataDir);
  });

  const look = (name: string): Promise<void> => lookAt(page, name);

  it('paints an idle window within a second, and an empty home offers the first step', async () => {
    // The least of six at most: what else the machine does can only add.
    const firstPaintMs: number[] = [];
    for (let load = 0; load < 6 && !firstPaintMs.some((ms) => ms < 1000); load += 1) {
      await page.goto(server.url);
      await page.getByRole('button', { name: 'Start this search' }).waitFor();
      firstPaintMs.push(
        await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.POSITIVE_INFINITY),
      );
    }
    console.log(`first contentful paint: ${firstPaintMs.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    expect(Math.min(...firstPaintMs)).toBeLessThan(1000);
    await look('runs-empty');
  });

  it('sets up a search with the budget in view, and refuses one that no policy can meet before anything runs', async () => {
    await page.goto(`${new URL(server.url).origin}/#/new`);
    await page.getByText('w4a4').first().waitFor();
    await look('new-run');
    const fraction = page.getByLabel('latency: per cent of the 8-bit form');
    await fraction.fill('5');
    await fraction.press('Tab');
    await page
      .getByText(/least possible/i)
      .first()
      .waitFor();
    await expect.poll(() => page.getByRole('button', { name: 'Start', exact: true }).isDisabled()).toBe(true);
    expect(await test.service.call('run.list', {})).toEqual([]);
    await look('new-run-refused');
  });

  it('shows the curve growing, cancels, resumes, and shows the policy that was found', async () => {
    const trials = 150;
    const run = await test.service.call('run.create', smallSearch(trials));
    await page.goto(`${new URL(server.url).origin}/#/runs/${run.id}`);
    const trialsTab = page.getByRole('tab', { name: /^Trials/ });
    await expect
      .poll(async () => Number(/\d+/.exec((await trialsTab.textContent()) ?? '')?.[0] ?? 0), { timeout: 180_000 })
      .toBeGreaterThan(3);

    await page.getByRole('button', { name: 'Cancel' }).click();
    const cancelled = await waitForStatus(test.service, run.id, ['cancelled']);
    expect(cancelled.trials).toBeGreaterThan(3);
    expect(cancelled.trials).toBeLessThan(trials);
    await page.getByRole('button', { name: 'Resume' }).click();
    // The page asks for it after the click has returned: until then the run is still cancelled.
    await waitUntil(async () => (await test.service.call('run.show', { id: run.id })).summary.status !== 'cancelled', 'the run to go on');

    await look('run-searching');

    // With nothing but the search going on, the page is never busy for long.
    await page.evaluate(() => {
      (window as unknown as { longTasks: number[] }).longTasks.length = 0;
    });
    await page.waitForTimeout(3000);
    const longTasks = await page.evaluate(() => (window as unknown as { longTasks: number[] }).longTasks);
    console.log(
      `tasks of the page over 50 ms during three seconds of a search: ${longTasks.map((ms) => `${ms.toFixed(0)} ms`).join(', ') || 'none'}`,
    );
    await waitForStatus(test.service, run.id, ['completed']);

    await expect.poll(async () => (await trialsTab.textContent()) ?? '').toContain(String(trials));
    const { solutions } = await test.service.call('run.show', { id: run.id });
    const found = solutions.find((solution) => solution.role === 'best');
    await page
      .getByText(/completed/i)
      .first()
      .waitFor();
    await page
      .getByText(((found?.testAccuracy ?? 0) * 100).toFixed(2))
      .first()
      .waitFor();
    await look('run-completed');
    for (const tab of ['Trials', 'Log', 'Manifest']) {
      await page.getByRole('tab', { name: new RegExp(`^${tab}`) }).click();
      await look(`run-${tab.toLowerCase()}`);
    }
  }, 600_000);

  it('lists runs, networks, targets, data sets and what the machine has', async () => {
    for (const screen of ['runs', 'networks', 'targets', 'datasets', 'system']) {
      await page.goto(`${new URL(server.url).origin}/#/${screen}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForTimeout(500);
      await look(screen);
    }
  }, 240_000);

  it('left the console clean', () => {
    expect(consoleErrors).toEqual([]);
  });
});
