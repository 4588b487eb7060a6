/**
 * A process for crash tests: `store-writer.ts DATA-DIR RUN` claims the run, goes back to its last checkpoint and writes
 * batches for ever, a trial and two points each and a checkpoint every fifth. It prints one line of JSON a batch, after the
 * store has acknowledged it: the last step that must be there from then on, and that of the last checkpoint.
 */
import { writeSync } from 'node:fs';
import { deleteBlob, writeBlob } from '../../src/main/store/blobs.ts';
import { currentOwner } from '../../src/main/store/owner.ts';
import { openStore } from '../../src/main/store/store.ts';
import { checkpoint, line, metric, newRun, solution, trial } from '../support/store-samples.ts';

const [dataDir = '', id = ''] = process.argv.slice(2);
const store = await openStore({ dataDir });
if (!(await store.getSummary(id))) await store.createRun(newRun(id));
await store.claimRun(id, await currentOwner(), 1);
const { checkpoint: found } = await store.rewindToCheckpoint(id, 1);
let saved = found?.step ?? 0;
writeSync(1, `${JSON.stringify({ from: saved })}\n`);
for (let step = saved; ; step++) {
  const full = (step + 1) % 5 === 0;
  const state = full ? await writeBlob(dataDir, Buffer.alloc(20_000, `state of step ${step + 1}`)) : null;
  const { dropped } = await store.applyBatch({
    id,
    trials: [trial(step, { isBest: step % 7 === 0 })],
    metrics: [metric('train/loss', step, 1 / (step + 1)), metric('train/rate', step, step)],
    solutions: [solution('best', 'found', { validationAccuracy: step })],
    log: [line(`step ${step}`)],
    ...(state ? { checkpoint: { ...checkpoint(step + 1, state.sha256), sizeBytes: state.sizeBytes } } : {}),
  });
  if (full) saved = step + 1;
  writeSync(1, `${JSON.stringify({ step, saved })}\n`);
  for (const sha256 of dropped) await deleteBlob(dataDir, sha256);
}
