/// <reference lib="dom" />
/**
 * The largest network of the zoo in a real browser: its layer table scrolls and its graph moves with no frame over 50 ms. The figures
 * are the machine's when nothing else runs.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rendererDir } from '../../src/main/serve/index.ts';
import { startServer, type LatheServer } from '../../src/main/serve/server.ts';
import { launchChromium, noChromium } from '../support/chromium.ts';
import { makeDataDir, openService, removeDataDir, type TestService } from '../support/service.ts';

if (noChromium !== null) process.stderr.write(`skipped: frames of large networks, for ${noChromium}\n`);

describe.skipIf(noChromium !== null)('NASNet-A, 843 operators', () => {
  let dataDir: string;
  let test: TestService;
  let server: LatheServer;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    dataDir = await makeDataDir();
    test = await openService(dataDir);
    server = await startServer({ service: test.service, rendererDir: rendererDir(), port: 0, log: () => undefined });
    browser = await launchChromium();
    page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
    page.setDefaultTimeout(120_000);
    await page.goto(server.url);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await test.service.close();
    await removeDataDir(dataDir);
  });

  /** Milliseconds between one frame and the next while something is done, longest first. */
  async function framesOf(action: () => Promise<void>): Promise<number[]> {
    await page.evaluate(() => {
      const gaps: number[] = [];
      let [last, on] = [performance.now(), true];
      const tick = (now: number): void => {
        gaps.push(now - last);
        last = now;
        if (on) requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
      Object.assign(window, {
        stopFrames: () => {
          on = false;
          return gaps.slice(1);
        },
      });
    });
    await action();
    const gaps = await page.evaluate(() => (window as unknown as { stopFrames: () => number[] }).stopFrames());
    return gaps.sort((a, b) => b - a);
  }
  const told = (gaps: readonly number[]): string =>
    `${gaps.length} frames, the longest ${gaps
      .slice(0, 3)
      .map((ms) => ms.toFixed(0))
      .join(', ')} ms`;

  it('scrolls its layer table with no frame over 50 ms', async () => {
    await page.goto(`${new URL(server.url).origin}/#/networks/nasnet-a-mobile`);
    const table = page.getByRole('grid', { name: 'Layers' });
    await table.getByText('conv0').first().waitFor();
    await table.hover();
    const gaps = await framesOf(async () => {
      for (let step = 0; step < 120; step += 1) await page.mouse.wheel(0, step < 60 ? 400 : -400);
    });
    console.log(`layer table: ${told(gaps)}`);
    expect(gaps[0]).toBeLessThan(50);
  });

  it('places its graph off the page, and moves and zooms it with no frame over 50 ms', async () => {
    const placing = await framesOf(async () => {
      await page.getByRole('tab', { name: 'Graph' }).click();
      await page.getByText('0 shows all').waitFor();
    });
    const canvas = page.getByLabel(/^Graph of 843 operators/);
    const box = await canvas.boundingBox();
    if (!box) throw new Error('the graph has no place');
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const moving = await framesOf(async () => {
      await page.mouse.move(x, y);
      await page.mouse.down();
      for (let step = 0; step < 60; step += 1) await page.mouse.move(x + 4 * step, y - 5 * step);
      await page.mouse.up();
    });
    const zooming = await framesOf(async () => {
      await page.getByRole('button', { name: 'Show all' }).click();
      for (let step = 0; step < 60; step += 1) await page.mouse.wheel(0, step < 30 ? -100 : 100);
    });
    console.log(`graph: while it is placed ${told(placing)}; dragged ${told(moving)}; zoomed ${told(zooming)}`);
    expect(placing[0]).toBeLessThan(50);
    expect(moving[0]).toBeLessThan(50);
    expect(zooming[0]).toBeLessThan(50);
  });
});
