/// <reference lib="dom" />
/**
 * How quick the window is with ten thousand runs: first paint of their table, filter, sort, scrolling, a key until its frame. In
 * Chromium on the web face, which is the slower of the two: rows cross a socket.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { launchNodeEngine } from '../src/main/engine/launcher.ts';
import { rendererDir, startServer } from '../src/main/serve/index.ts';
import { createService } from '../src/main/service/index.ts';
import { launchChromium, noChromium } from '../test/support/chromium.ts';
import { makeDatabase } from './workbench-database.ts';

export interface Measured {
  readonly work: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
}

const seed = 20260101;
const size = { runs: 10_000, pointsPerRun: 100 };

/** Why it cannot be measured here, or null. */
export const noWorkbench = noChromium;

export async function measureWorkbench(log: (text: string) => void): Promise<Measured[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'lathe-bench-'));
  try {
    log(`workbench: making ${String(size.runs)} runs with ${String(size.runs * size.pointsPerRun)} points ...`);
    await makeDatabase(dataDir, seed, size);
    const service = await createService({ dataDir, launchEngine: launchNodeEngine, log: () => undefined });
    const server = await startServer({ service, rendererDir: rendererDir(), port: 0, log: () => undefined });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      page.setDefaultTimeout(60_000);
      return await measurePage(page, server.url, log);
    } finally {
      await browser.close();
      await server.close();
      await service.close();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measurePage(page: Page, url: string, log: (text: string) => void): Promise<Measured[]> {
  await page.goto(url);
  await page.getByText('10,000 runs').or(page.getByText('10 000 runs')).first().waitFor(); // the token is taken, the server is warm
  const paints: number[] = [];
  for (let i = 0; i < 5; i++) {
    await allThere(page);
    paints.push(await firstPaint(page));
  }
  await allThere(page);
  const filters: number[] = [];
  const inputs: number[] = [];
  for (const text of [
    'method = quantize and star',
    'latencyMs < 20 or tag = paper',
    'not (target ~ bismo) and accuracy > 80%',
    'resnet seed in (1, 2)',
  ]) {
    inputs.push(await typed(page, 's'));
    filters.push(await typed(page, text));
    await typed(page, '');
  }
  const sorts: number[] = [];
  for (const column of ['Latency', 'Test', 'Name', 'Created']) sorts.push(await sorted(page, column));
  log('workbench: scrolling ...');
  const fps = await scrolled(page);
  return [
    { work: 'workbench: first paint of the runs table', value: median(paints), unit: 'ms', goal: 'below 300' },
    { work: 'workbench: filter 10,000 runs', value: Math.max(...filters), unit: 'ms', goal: 'below 150' },
    { work: 'workbench: sort 10,000 runs', value: Math.max(...sorts), unit: 'ms', goal: 'below 150' },
    { work: 'workbench: a key until the next frame', value: Math.max(...inputs), unit: 'ms', goal: 'below 100' },
    { work: 'workbench: scrolling', value: fps, unit: 'frames/s', goal: '60' },
  ];
}

/** From the start of the navigation until rows are on the screen. */
async function firstPaint(page: Page): Promise<number> {
  await page.reload({ waitUntil: 'commit' });
  const handle = await page.waitForFunction(
    () => (document.querySelectorAll('[role="grid"] .row').length > 10 ? performance.now() : null),
    undefined,
    { polling: 'raf' },
  );
  return Number(await handle.jsonValue());
}

async function allThere(page: Page): Promise<void> {
  await page.waitForFunction(() => Number(document.querySelector('[role="grid"]')?.getAttribute('aria-rowcount')) > 10_000);
}

/** From the input's event until the frame behind the one that it changed. */
async function typed(page: Page, text: string): Promise<number> {
  return await page.evaluate(async (value) => {
    const input = document.querySelector('input[type="search"]');
    if (!(input instanceof HTMLInputElement)) throw new Error('there is no filter');
    const begun = performance.now();
    input.value = value;
    input.dispatchEvent(new InputEvent('input', { bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - begun;
  }, text);
}

async function sorted(page: Page, column: string): Promise<number> {
  return await page.evaluate(async (label) => {
    const button = [...document.querySelectorAll<HTMLButtonElement>('[role="columnheader"] button')].find((one) =>
      one.textContent.trim().startsWith(label),
    );
    if (!button) throw new Error(`there is no column ${label}`);
    const begun = performance.now();
    button.click();
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - begun;
  }, column);
}

/** Frames a second while the table scrolls by 60 pixels a frame for two seconds. */
async function scrolled(page: Page): Promise<number> {
  return await page.evaluate(async () => {
    const grid = document.querySelector('[role="grid"]');
    if (!grid) throw new Error('there is no table');
    const begun = performance.now();
    let frames = 0;
    while (performance.now() - begun < 2000) {
      grid.scrollTop += 60;
      await new Promise((resolve) => requestAnimationFrame(resolve));
      frames += 1;
    }
    return (1000 * frames) / (performance.now() - begun);
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
