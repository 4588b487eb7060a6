/** Proves that the lint refuses imports against the layers, and lets the others pass: the rule itself is under test. */
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { layers } = (await import(join(root, 'eslint.config.js'))) as { readonly layers: Readonly<Record<string, readonly string[]>> };
const names = Object.keys(layers);
const folder = (layer: string): string => join('src', ['shared', 'preload', 'renderer'].includes(layer) ? layer : join('main', layer));

// The rule about layers alone, on text that is in no file: types are not looked at.
const eslint = new ESLint({
  cwd: root,
  ruleFilter: ({ ruleId }) => ruleId.startsWith('boundaries/'),
  overrideConfig: [{ files: ['**/*.{ts,svelte}'], languageOptions: { parserOptions: { projectService: false } } }],
});

/** The rules that a text breaks, were it a new file in this folder of the project. */
async function broken(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: join(root, file) });
  const messages = result?.messages ?? [];
  expect(messages.filter(({ fatal }) => fatal)).toEqual([]);
  return messages.map(({ ruleId }) => ruleId ?? '');
}

/** Some module of a layer, as imported from a file in another one. */
function moduleOf(layer: string, from: string): string {
  const files = readdirSync(join(root, folder(layer)), { recursive: true, encoding: 'utf8' }).sort();
  const file = files.find((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && path !== 'blobs.ts');
  if (file === undefined) throw new Error(`no module in ${folder(layer)}`);
  const path = relative(join(root, from), join(root, folder(layer), file)).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
}

const importing = (module: string): string => `import { thing } from '${module}';\nexport const own = thing;\n`;
const dependencies = ['boundaries/dependencies'];

describe('the layers', () => {
  const arrows = names.flatMap((from) => names.map((to) => ({ from, to, allowed: from === to || (layers[from] ?? []).includes(to) })));

  it.each(arrows.filter(({ allowed }) => !allowed))('$from must not import $to', async ({ from, to }) => {
    expect(await broken(join(folder(from), 'new-file.ts'), importing(moduleOf(to, folder(from))))).toEqual(dependencies);
  });

  it.each(arrows.filter(({ allowed }) => allowed))('$from may import $to', async ({ from, to }) => {
    expect(await broken(join(folder(from), 'new-file.ts'), importing(moduleOf(to, folder(from))))).toEqual([]);
  });

  it('go one way: no two of them import each other', () => {
    const both = arrows.filter(({ from, to, allowed }) => allowed && from !== to && (layers[to] ?? []).includes(from));
    expect(both).toEqual([]);
  });

  it('are the ones of the house: the store and the renderer import the shared layer alone', () => {
    expect([layers['store'], layers['renderer'], layers['preload'], layers['shared']]).toEqual([['shared'], ['shared'], ['shared'], []]);
  });

  it.each([
    ['a type', (module: string) => `import type { Thing } from '${module}';\nexport type Own = Thing;\n`],
    ['a type in place', (module: string) => `export type Own = import('${module}').Thing;\n`],
    ['a re-export', (module: string) => `export { thing } from '${module}';\n`],
    ['a re-export of all', (module: string) => `export * from '${module}';\n`],
    ['an import at run time', (module: string) => `export const own = await import('${module}');\n`],
  ])('hold for %s too', async (_what, code) => {
    expect(await broken('src/main/compute/new-file.ts', code(moduleOf('search', 'src/main/compute')))).toEqual(dependencies);
    expect(await broken('src/main/search/new-file.ts', code(moduleOf('compute', 'src/main/search')))).toEqual([]);
  });

  it('hold in Svelte files', async () => {
    const script = (module: string): string => `<script lang="ts">\n  import { thing } from '${module}';\n  thing();\n</script>\n`;
    expect(await broken('src/renderer/New.svelte', script(moduleOf('compute', 'src/renderer')))).toEqual(dependencies);
    expect(await broken('src/renderer/New.svelte', script(moduleOf('shared', 'src/renderer')))).toEqual([]);
  });

  it('hold in tests beside the code', async () => {
    expect(await broken('src/main/compute/new.test.ts', importing(moduleOf('search', 'src/main/compute')))).toEqual(dependencies);
  });

  it("let the engine see the store's blobs and nothing else of it", async () => {
    expect(await broken('src/main/engine/new-file.ts', importing('../store/blobs.ts'))).toEqual([]);
    expect(await broken('src/main/search/new-file.ts', importing('../store/blobs.ts'))).toEqual(dependencies);
  });

  it('cover every folder: a new one must be given its place', async () => {
    expect(await broken('src/main/elsewhere/new-file.ts', 'export const own = 1;\n')).toEqual(['boundaries/no-unknown-files']);
    const folders = readdirSync(join(root, 'src', 'main'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(names).toEqual(expect.arrayContaining(folders.map(({ name }) => name)));
  });

  it('refuse a module that is not there', async () => {
    expect(await broken('src/main/engine/new-file.ts', importing('../search/not-there.ts'))).toContain(
      'boundaries/no-unknown-dependencies',
    );
  });
});

describe('packages with one home', () => {
  const homes: readonly (readonly [string, readonly string[]])[] = [
    ['electron', ['app', 'preload']],
    ['electron/main', ['app', 'preload']],
    ['better-sqlite3', ['store']],
    ['node:sqlite', ['store']],
    ['node:fs', names.filter((name) => !['shared', 'preload', 'renderer'].includes(name))],
    ['fs', names.filter((name) => !['shared', 'preload', 'renderer'].includes(name))],
    ['zod', names],
  ];
  const cases = homes.flatMap(([module, allowed]) => names.map((layer) => ({ module, layer, allowed: allowed.includes(layer) })));

  it.each(cases.filter(({ allowed }) => !allowed))('$module is refused in $layer', async ({ module, layer }) => {
    expect(await broken(join(folder(layer), 'new-file.ts'), importing(module))).toEqual(dependencies);
  });

  it.each(cases.filter(({ allowed }) => allowed))('$module passes in $layer', async ({ module, layer }) => {
    expect(await broken(join(folder(layer), 'new-file.ts'), importing(module))).toEqual([]);
  });
});
