/// <reference lib="dom" />
/** Looking at a page in a browser test: screenshots in test-results/screens, and what axe finds. */
import { AxeBuilder } from '@axe-core/playwright';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const screens = join(import.meta.dirname, '..', '..', 'test-results', 'screens');

/** A screenshot in light and in dark, and no accessibility violation in either. */
export async function lookAt(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await painted(page);
    await page.screenshot({ path: join(screens, `${name}-${colorScheme}.png`) });
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(
      violations.map(
        (violation) => `${name} ${colorScheme}: ${violation.id} ${violation.nodes.map((node) => node.target.join(' ')).join('; ')}`,
      ),
    ).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/** Resolves when what changed has been drawn. */
async function painted(page: Page): Promise<void> {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}
