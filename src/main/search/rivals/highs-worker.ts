/** HiGHS in a thread of its own: a solve blocks its thread for up to a few seconds. One program in, one answer out, in order. */
import { parentPort } from 'node:worker_threads';
import loadHighs from 'highs';
import type { HighsAnswer, HighsQuestion } from './highs.ts';

const port = parentPort;
if (!port) throw new Error('highs-worker runs as a worker thread');
const highs = await loadHighs();
port.on('message', ({ id, program, relativeGap }: HighsQuestion) => {
  try {
    const { Status, Columns } = highs.solve(program, { output_flag: false, parallel: 'off', mip_rel_gap: relativeGap });
    const columns: readonly (readonly [string, { readonly Primal?: number }])[] = Object.entries(Columns);
    const values = Object.fromEntries(columns.map(([name, { Primal }]) => [name, Primal ?? 0]));
    port.postMessage({ id, status: Status, values } satisfies HighsAnswer);
  } catch (error) {
    port.postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies HighsAnswer);
  }
});
