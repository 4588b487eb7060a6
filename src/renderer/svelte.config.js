/** Read by svelte-check and the editor; the build takes the same options from electron.vite.config.ts. */
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default { preprocess: vitePreprocess() };
