/** For tests: a data folder with runs, checkpoints, weights, a network, a data set and a target of one's own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpoint, dataset, line, metric, newRun, owner, solution, trial, weights } from '../../../../test/support/store-samples.ts';
import { writeBlob } from '../blobs.ts';
import { createHandlers } from '../calls.ts';
import { openDatabase } from '../database.ts';
import type { Handlers } from '../protocol.ts';

export interface Sample {
  readonly checkpoints: readonly string[]; // of each run the last one's blob
  readonly inner: string; // a blob that a checkpoint alone mentions
}

/** The store's operations without its thread. */
export async function withHandlers<T>(dataDir: string, work: (handlers: Handlers) => T | Promise<T>): Promise<T> {
  const db = await openDatabase(dataDir);
  try {
    return await work(createHandlers(db, dataDir));
  } finally {
    db.close();
  }
}

/** Fills a new data folder. */
export async function fillSample(dataDir: string, runs: number): Promise<Sample> {
  const inner = await writeBlob(dataDir, Buffer.from('weights that a checkpoint names'));
  const trained = await writeBlob(dataDir, Buffer.alloc(5000, 'trained'));
  const checkpoints: string[] = [];
  await withHandlers(dataDir, async (handlers) => {
    await handlers.putDataset(dataset('own'));
    for (let i = 0; i < runs; i++) {
      const id = `q-${i}`;
      await handlers.createRun(newRun(id));
      await handlers.claimRun(id, owner(), 1);
      const blob = await writeBlob(dataDir, Buffer.concat([Buffer.alloc(3000, `state ${i}`), Buffer.from(`"@${inner.sha256}`)]));
      checkpoints.push(blob.sha256);
      await handlers.applyBatch({
        id,
        trials: [0, 1, 2, 3].map((step) => trial(step)),
        metrics: Array.from({ length: 50 }, (_, step) => metric('train/loss', step, 1 / (step + 1))),
        log: [line(`run ${i} began`)],
        solutions: [solution('best', 'found', { weights: trained.sha256, validationAccuracy: 0.5 + i / 1000 })],
        checkpoint: { ...checkpoint(4, blob.sha256), sizeBytes: blob.sizeBytes },
        weights: weights(`key-${i}`, trained.sha256),
      });
      await handlers.finishRun(id, 'completed', null, 9);
    }
  });
  mkdirSync(join(dataDir, 'targets'));
  writeFileSync(join(dataDir, 'targets', 'mine.json'), '{"id":"mine"}\n');
  return { checkpoints, inner: inner.sha256 };
}
