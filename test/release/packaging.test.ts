/** What is handed out: the packaging says what the application needs, and the lists that go with it can be made. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { linkScheme, openedExtensions } from '../../src/main/app/launch-targets.ts';

const root = join(import.meta.dirname, '..', '..');
const require = createRequire(import.meta.url);

interface Packaging {
  readonly files: readonly string[];
  readonly asarUnpack: readonly string[];
  readonly npmRebuild: boolean;
  readonly publish: unknown;
  readonly electronFuses: Readonly<Record<string, boolean>>;
  readonly fileAssociations: readonly { readonly ext: string }[];
  readonly protocols: readonly { readonly schemes: readonly string[] }[];
  readonly linux: { readonly target: readonly string[] };
  readonly mac: { readonly target: readonly string[] };
  readonly win: { readonly target: readonly string[] };
}

/** The configuration as it is with this environment. */
function packaging(forTests: boolean): Packaging {
  const path = join(root, 'electron-builder.config.cjs');
  Reflect.deleteProperty(require.cache, path);
  if (forTests) process.env['LATHE_E2E_BUILD'] = '1';
  else delete process.env['LATHE_E2E_BUILD'];
  return require(path) as Packaging;
}
afterEach(() => {
  delete process.env['LATHE_E2E_BUILD'];
});

interface PackageJson {
  readonly version: string;
  readonly main: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson;

describe('a package', () => {
  it('turns off every fuse that lets others into the application, but for one in a build for tests', () => {
    const closed = {
      runAsNode: false,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      grantFileProtocolExtraPrivileges: false,
      enableCookieEncryption: true,
      loadBrowserProcessSpecificV8Snapshot: false,
    };
    expect(packaging(false).electronFuses).toEqual(closed);
    expect(packaging(true).electronFuses).toEqual({ ...closed, enableNodeCliInspectArguments: true });
  });

  it('holds the addon outside of the archive, built once and never again, and uploads nothing', () => {
    const { files, asarUnpack, npmRebuild, publish } = packaging(false);
    expect(files).toContain('native/build/Release/lathe.node');
    expect(asarUnpack).toContain('**/*.node');
    expect([npmRebuild, publish]).toEqual([false, null]);
  });

  it('is for three systems, and opens the files and links that the application takes, no other', () => {
    const { linux, mac, win, fileAssociations, protocols } = packaging(false);
    expect([linux.target, mac.target, win.target]).toEqual([['AppImage', 'deb'], ['dmg'], ['nsis']]);
    expect(fileAssociations.map(({ ext }) => `.${ext}`)).toEqual([...openedExtensions]);
    expect(protocols.flatMap(({ schemes }) => schemes)).toEqual([linkScheme]);
  });

  it('is of an Electron that is named exactly, as every other package is', () => {
    expect(Number(packageJson.devDependencies['electron']?.split('.')[0])).toBeGreaterThanOrEqual(45);
    for (const [name, version] of Object.entries({ ...packageJson.dependencies, ...packageJson.devDependencies }))
      expect(`${name} ${version}`).toMatch(/ \d+\.\d+\.\d+(-[\w.]+)?$/);
  });

  it('has its version in the change log', () => {
    expect(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')).toContain(`## ${packageJson.version}`);
  });
});

describe('the workflow', () => {
  it('runs the tests on three systems and only reads the repository', () => {
    const workflow = parse(readFileSync(join(root, '.github', 'workflows', 'ci.yml'), 'utf8')) as {
      permissions: unknown;
      jobs: { test: { strategy: { matrix: { os: string[] } }; steps: { run?: string }[] } };
    };
    expect(workflow.permissions).toEqual({ contents: 'read' });
    expect(workflow.jobs.test.strategy.matrix.os.map((os) => os.split('-')[0])).toEqual(['ubuntu', 'macos', 'windows']);
    const commands = workflow.jobs.test.steps.map(({ run }) => run ?? '').join('\n');
    for (const script of [...commands.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name ?? ''))
      expect(packageJson.scripts).toHaveProperty([script]);
    expect(commands).toContain('npm test');
  });
});
