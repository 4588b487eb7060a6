/**
 * How the three bundles are made. Everything on the main side lies flat in out/main, so that `import.meta.dirname` means the
 * same folder in an entry and in a shared chunk (the engine and the store's worker are started by file name from there).
 */
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'electron-vite';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  main: {
    build: {
      outDir: 'out/main',
      sourcemap: true,
      minify: false,
      rolldownOptions: {
        input: {
          index: at('src/main/app/index.ts'),
          cli: at('src/main/cli/main.ts'),
          engine: at('src/main/engine/process.ts'),
          'highs-worker': at('src/main/search/rivals/highs-worker.ts'),
          'store-worker': at('src/main/store/worker.ts'),
          'upkeep-worker': at('src/main/store/upkeep-worker.ts'),
        },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunk-[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      outDir: 'out/preload',
      minify: false,
      externalizeDeps: false, // a sandboxed preload can require nothing but electron
      isolatedEntries: true,
      rolldownOptions: {
        input: { index: at('src/preload/index.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: at('src/renderer'),
    build: {
      outDir: at('out/renderer'),
      sourcemap: true,
      minify: true, // electron-vite leaves it off; the browser of the web face reads all of it at the first visit
      assetsInlineLimit: 0, // fonts and images as files: the content security policy allows no data: fonts
      rolldownOptions: { input: at('src/renderer/index.html') },
    },
    plugins: [svelte()],
  },
});
