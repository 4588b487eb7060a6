/** A Chromium of the machine for browser tests: headless, with a profile of its own, and no traffic of its own. */
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

export const chromiumPath = process.env['LATHE_CHROMIUM'] ?? '/usr/bin/chromium';

/** Why browser tests cannot run here, or null. */
export const noChromium = existsSync(chromiumPath) ? null : `there is no Chromium at ${chromiumPath}`;

export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
