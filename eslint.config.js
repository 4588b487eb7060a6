/**
 * What the code may look like. The layers of the house are here as data (`layers`): an import against them fails the lint,
 * and test/lint/layers.test.ts proves that it does.
 */
import js from '@eslint/js';
import boundaries from 'eslint-plugin-boundaries';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import tseslint from 'typescript-eslint';
import { defineConfig, globalIgnores } from 'eslint/config';

/**
 * Each layer with the layers that it may import; a layer may always import itself. Top to bottom, each row may import the
 * rows below it and nothing beside it, with these exceptions, on purpose:
 *   - `cli` starts the web face (`lathe serve`), so it may import `serve`;
 *   - `hardware` costs a network, so it may import `network`; `data` stands alone beside them;
 *   - `store` imports `shared` alone, and `engine` and `queue` see of it only store/blobs.ts, which is files and no SQL.
 */
export const layers = {
  app: ['service', 'queue', 'engine', 'store', 'search', 'hardware', 'network', 'data', 'compute', 'shared'],
  cli: ['serve', 'service', 'queue', 'engine', 'store', 'search', 'hardware', 'network', 'data', 'compute', 'shared'],
  serve: ['service', 'queue', 'engine', 'store', 'search', 'hardware', 'network', 'data', 'compute', 'shared'],
  service: ['queue', 'engine', 'store', 'search', 'hardware', 'network', 'data', 'compute', 'shared'],
  queue: ['engine', 'search', 'hardware', 'network', 'data', 'compute', 'shared'],
  engine: ['search', 'hardware', 'network', 'data', 'compute', 'shared'],
  store: ['shared'],
  search: ['hardware', 'network', 'data', 'compute', 'shared'],
  hardware: ['network', 'compute', 'shared'],
  network: ['compute', 'shared'],
  data: ['compute', 'shared'],
  compute: ['shared'],
  shared: [],
  preload: ['shared'],
  renderer: ['shared'],
};

const layerFolder = { shared: 'src/shared', preload: 'src/preload', renderer: 'src/renderer' };
const everything = ['**/*.{js,mjs,ts,svelte}', '**/*.svelte.ts'];
const typeChecked = ['src/**/*.{ts,svelte}', 'test/**/*.ts', 'bench/**/*.ts', '*.config.ts'];

export default defineConfig(
  globalIgnores(['out/', 'dist/', 'coverage/', 'test-results/', 'native/build/', 'test/fixtures/']),
  { files: everything, extends: [js.configs.recommended], languageOptions: { globals: globals.node } },
  {
    files: typeChecked,
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname, extraFileExtensions: ['.svelte'] },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/require-await': 'off', // an asynchronous contract may have a synchronous answer
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Export by name: a default export has a different name in every file.' },
        {
          selector: 'ExportSpecifier[exported.name="default"]',
          message: 'Export by name: a default export has a different name in every file.',
        },
      ],
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/renderer/**/*.{ts,svelte}'],
    extends: [svelte.configs.recommended],
    languageOptions: { globals: globals.browser },
  },
  {
    files: ['src/renderer/**/*.{svelte,svelte.ts}'],
    languageOptions: {
      parserOptions: {
        parser: tseslint.parser,
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.svelte'],
      },
    },
    rules: {
      'svelte/no-at-html-tags': 'error',
      'svelte/prefer-svelte-reactivity': 'off', // the house's way is `$state.raw` with whole new values
      '@typescript-eslint/no-confusing-void-expression': 'off', // event handlers are one-line expressions
      '@typescript-eslint/no-meaningless-void-operator': 'off', // `void value;` makes an effect depend on it
    },
  },
  {
    // The linter cannot see the types of snippets and of props of generic components; svelte-check can, and is as strict.
    files: ['src/renderer/**/*.svelte'],
    rules: Object.fromEntries(
      ['argument', 'assignment', 'call', 'member-access', 'return'].map((kind) => [`@typescript-eslint/no-unsafe-${kind}`, 'off']),
    ),
  },
  { files: ['*.config.{js,ts}', '**/*.svelte'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: ['src/**/*.{ts,svelte}'],
    plugins: { boundaries },
    settings: {
      'boundaries/root-path': import.meta.dirname,
      'boundaries/include': ['src/**/*'],
      'boundaries/legacy-templates': false,
      'boundaries/dependency-nodes': ['import', 'dynamic-import', 'export', 'require'],
      'boundaries/additional-dependency-nodes': [{ selector: 'TSImportType > Literal', kind: 'type', name: 'import-type' }],
      'boundaries/elements': Object.keys(layers).map((type) => ({ type, pattern: layerFolder[type] ?? `src/main/${type}` })),
      'boundaries/files': [
        { category: 'blobs', pattern: 'src/main/store/blobs.ts' },
        { category: 'test', pattern: 'src/**/*.test.ts' },
      ],
    },
    rules: {
      'boundaries/no-unknown-files': 'error',
      'boundaries/no-unknown-dependencies': 'error',
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          checkAllOrigins: true, // packages and Node's own modules too
          message:
            'an import against the layers (eslint.config.js lists the arrows): {{from.element.types}} may not import {{dependency.source}}',
          policies: [
            ...Object.entries(layers).map(([type, below]) => ({
              from: { element: { type } },
              allow: { to: { element: { types: { anyOf: [type, ...below] } } } },
            })),
            { from: { element: { types: { anyOf: ['engine', 'queue'] } } }, allow: { to: { file: { categories: 'blobs' } } } },
            { allow: { to: { module: { origin: ['external', 'core'] } } } },
            {
              from: { element: { types: { noneOf: ['app', 'preload'] } } },
              disallow: { to: { module: { source: ['electron', 'electron/**'] } } },
            },
            {
              from: { element: { types: { noneOf: ['store'] } } },
              disallow: { to: { module: { source: ['better-sqlite3', 'node:sqlite'] } } },
            },
            {
              from: { element: { types: { anyOf: ['renderer', 'shared', 'preload'] } } },
              disallow: { to: { module: { origin: 'core' } } },
            },
            { from: { file: { categories: 'test' } }, allow: { to: { module: { origin: 'core' } } } },
          ],
        },
      ],
    },
  },
  {
    // A test may look deep into what it tests.
    files: ['**/*.test.ts', 'test/**/*.ts'],
    rules: {
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      'boundaries/no-unknown-dependencies': 'off',
    },
  },
);
