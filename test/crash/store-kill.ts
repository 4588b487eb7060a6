/** Writes in a process that is killed, looks at what is left, and lets the next one go on. Used by the short and the long test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { expect } from 'vitest';
import { isOwnerAlive } from '../../src/main/store/owner.ts';
import { openStore } from '../../src/main/store/store.ts';
import { readBlob } from '../../src/main/store/blobs.ts';
import type { RunDetail, Trial } from '../../src/shared/run.ts';

const writer = fileURLToPath(new URL('store-writer.ts', import.meta.url));

export interface Acknowledged {
  readonly from: number; // the step at which the process began
  readonly step: number; // the last step whose batch was acknowledged; from - 1 for none
  readonly saved: number; // of the last checkpoint that was acknowledged
}

/** Kills the writer so long after its first line, or waits until it kills itself at a failpoint. */
export async function writeUntilKilled(
  dataDir: string,
  id: string,
  end: { afterMs: number } | { failpoint: string },
): Promise<Acknowledged> {
  const env = { ...process.env, ...('failpoint' in end ? { LATHE_FAILPOINT: end.failpoint } : {}) };
  const child = spawn(process.execPath, [writer, dataDir, id], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  if ('afterMs' in end) {
    await Promise.race([once(child.stdout, 'data'), closed]);
    await new Promise((resolve) => setTimeout(resolve, end.afterMs));
    child.kill('SIGKILL');
  }
  const [code, signal] = await closed;
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself with code ${String(code)}: ${complaints}`);
  const lines = output
    .split('\n')
    .slice(0, -1)
    .map((text) => JSON.parse(text) as Partial<Acknowledged>);
  const from = lines[0]?.from ?? 0;
  const last = lines.length > 1 ? lines.at(-1) : undefined;
  return { from, step: last?.step ?? from - 1, saved: last?.saved ?? from };
}

export interface Left {
  readonly integrity: unknown;
  readonly detail: RunDetail;
  readonly trials: readonly Trial[];
  readonly lossSteps: readonly number[];
  readonly logged: readonly string[];
}

/** Opens what a killed writer left, as the next start of Lathe does. The last checkpoint's blob is read, and so checked. */
export async function openWhatIsLeft(dataDir: string, id: string): Promise<Left> {
  const store = await openStore({ dataDir });
  try {
    const interrupted = await store.interruptOrphans(isOwnerAlive, 2);
    const detail = await store.getRun(id);
    if (!detail || interrupted[0]?.id !== id) throw new Error(`expected run ${id} to be interrupted, found ${JSON.stringify(interrupted)}`);
    if (detail.checkpoint) await readBlob(dataDir, detail.checkpoint.sha256);
    const db = new Database(store.path, { readonly: true });
    const integrity = db.pragma('integrity_check', { simple: true });
    db.close();
    return {
      integrity,
      detail,
      trials: await store.listTrials(id, 0, 1_000_000),
      lossSteps: (await store.listMetrics(id, 0, 'train/loss')).map(({ step }) => step),
      logged: (await store.listLog(id, 0, 1_000_000)).map(({ text }) => text),
    };
  } finally {
    await store.close();
  }
}

/** Everything acknowledged is there; one batch more may be, for it can be on disk before it was acknowledged. Never half of one. */
export function expectWhole({ step, saved }: Acknowledged, { integrity, detail, trials, lossSteps, logged }: Left): void {
  expect(integrity).toBe('ok');
  expect(trials.length - (step + 1)).toBeGreaterThanOrEqual(0);
  expect(trials.length - (step + 1)).toBeLessThanOrEqual(1);
  const steps = Array.from({ length: trials.length }, (_, i) => i);
  expect(trials.map((trial) => trial.step)).toEqual(steps);
  expect(lossSteps).toEqual(steps);
  const lines = new Set(logged);
  expect(steps.filter((one) => !lines.has(`step ${one}`))).toEqual([]);
  expect(detail.summary).toMatchObject({ status: 'interrupted', trials: steps.length });
  if (steps.length > 0) expect(detail.summary.bestAccuracy).toBe(steps.length - 1);
  const checkpointStep = detail.checkpoint?.step ?? 0;
  expect([saved, saved + 5]).toContain(checkpointStep);
  expect(checkpointStep).toBeLessThanOrEqual(steps.length);
}
