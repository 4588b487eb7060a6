/** Has every Node that the tests start, and those that they start, load `steady-wasm.cjs` first. For the configurations of Vitest. */
import { fileURLToPath } from 'node:url';

const preload = fileURLToPath(new URL('steady-wasm.cjs', import.meta.url)).replaceAll('\\', '\\\\');
const option = `--require "${preload}"`;
const given = process.env['NODE_OPTIONS'] ?? '';
// A configuration is read once for each project.
if (!given.includes(option)) process.env['NODE_OPTIONS'] = `${given} ${option}`.trim();
