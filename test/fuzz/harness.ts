/** Feeds an importer with changed files and holds it to what an importer must do: read, or refuse in one sentence, soon and in little memory. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { LatheError, longestMessage } from '../../src/shared/errors.ts';
import type { Importer } from './importers.ts';

export const most = { secondsEach: 5, residentBytes: 1.5 * 2 ** 30 } as const;

export interface Outcomes {
  readonly read: number;
  readonly refused: number;
  readonly slowestSeconds: number; // of the processor, of one file
  readonly residentBytes: number; // the most of the process so far
}

/** Throws an Error that holds the file, as base64, and what it did. `onFile` hears of each before it is read. */
export async function fuzz(
  { files, read, refusals }: Importer,
  options: { readonly folder: string; readonly runs: number; readonly seed: number; readonly onFile?: (bytes: Uint8Array) => void },
): Promise<Outcomes> {
  const { folder, runs, seed, onFile } = options;
  const work = join(folder, 'work');
  const counts = { read: 0, refused: 0, slowestSeconds: 0 };
  const property = fc.asyncProperty(await files(folder), async (bytes) => {
    onFile?.(bytes);
    const before = process.cpuUsage(); // not the clock: others may have the processor meanwhile
    try {
      await read(bytes, work);
      counts.read += 1;
    } catch (error) {
      requireRefusal(error, refusals);
      counts.refused += 1;
    }
    const { user, system } = process.cpuUsage(before);
    counts.slowestSeconds = Math.max(counts.slowestSeconds, (user + system) / 1e6);
    if (counts.slowestSeconds > most.secondsEach) throw new Error(`it took ${counts.slowestSeconds.toFixed(1)} s of the processor`);
    const { rss } = process.memoryUsage();
    if (rss > most.residentBytes) throw new Error(`the process holds ${Math.round(rss / 2 ** 20)} MiB`);
    if ((counts.read + counts.refused) % 500 === 0) empty(work);
  });
  await fc.assert(property, {
    numRuns: runs,
    seed,
    reporter: ({ failed, counterexample, errorInstance }) => {
      if (!failed) return;
      const file = Buffer.from(counterexample?.[0] ?? []).toString('base64');
      throw new Error(`${String(errorInstance instanceof Error ? errorInstance.stack : errorInstance)}\nthe file, base64: ${file}`);
    },
  });
  return { ...counts, residentBytes: process.resourceUsage().maxRSS * 1024 };
}

/** Of the kinds that this importer has, and one sentence that can be shown. */
export function requireRefusal(error: unknown, refusals: Importer['refusals']): asserts error is LatheError {
  if (!(error instanceof LatheError)) throw error;
  if (!refusals.includes(error.code)) throw new Error(`refused as ${error.code}: ${error.message}`);
  if (error.message === '' || error.message.length > longestMessage || /[\n\r\0]/.test(error.message))
    throw new Error(`no sentence for a person: ${JSON.stringify(error.message.slice(0, 500))}`);
}

/** What the reader kept of files that it took. */
function empty(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
}
