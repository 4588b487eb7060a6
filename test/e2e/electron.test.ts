/**
 * The window itself, in the real Electron: only where its runtime and a display are. Elsewhere this says that it was skipped;
 * what the main process asks of Electron is then tested against a fake one (src/main/app), and the page in Chromium.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron, type ElectronApplication, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The Electron program, without the download that asking the package would start. */
function electronProgram(): string | null {
  const folder = join(root, 'node_modules', 'electron');
  const name = existsSync(join(folder, 'path.txt')) ? readFileSync(join(folder, 'path.txt'), 'utf8').trim() : 'electron';
  const program = join(process.env['ELECTRON_OVERRIDE_DIST_PATH'] ?? join(folder, 'dist'), name);
  return existsSync(program) ? program : null;
}

const program = electronProgram();
const hasDisplay = process.platform !== 'linux' || Boolean(process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY']);
const reason = program === null ? 'the Electron runtime is not installed' : hasDisplay ? null : 'there is no display';
if (reason !== null) process.stderr.write(`skipped: the tests of the Electron window, for ${reason} here\n`);

describe.skipIf(reason !== null)(`the Electron window${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  let dataDir = '';
  let electron: ElectronApplication;
  let page: Page;

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'lathe-electron-'));
    const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : []; // Chromium refuses to be sandboxed as root
    electron = await _electron.launch({ executablePath: program ?? '', args: [root, `--data-dir=${dataDir}`, ...sandbox] });
    page = await electron.firstWindow();
    await page.waitForLoadState('domcontentloaded');
  });
  afterAll(async () => {
    await electron.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("shows the page from the app's own address", () => {
    expect(page.url()).toMatch(/^app:\/\/lathe\//);
  });

  it('gives the page two functions and nothing of Node or Electron', async () => {
    const found = await page.evaluate('({ lathe: Object.keys(window.lathe).sort(), require: typeof require, process: typeof process })');
    expect(found).toEqual({ lathe: ['call', 'subscribe'], require: 'undefined', process: 'undefined' });
  });

  it('answers a call from the real service', async () => {
    expect(await page.evaluate("window.lathe.call('run.list', {})")).toEqual({ ok: true, output: [] });
  });

  it('reaches no network and runs no inline script', async () => {
    expect(await page.evaluate("fetch('https://example.com/').then(() => 'reached', () => 'refused')")).toBe('refused');
    expect(await page.evaluate("fetch('file:///etc/hostname').then(() => 'reached', () => 'refused')")).toBe('refused');
    const ran = await page.evaluate(
      "new Promise((resolve) => { const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.head.append(s); setTimeout(() => resolve(window.ran === true), 100); })",
    );
    expect(ran).toBe(false);
  });

  it('goes nowhere and opens nothing', async () => {
    await page.evaluate("window.location.href = 'https://example.com/'");
    await page.evaluate("void window.open('https://example.com/')");
    await page.waitForTimeout(300);
    expect(page.url()).toMatch(/^app:\/\/lathe\//);
    expect(electron.windows()).toHaveLength(1);
  });
});
