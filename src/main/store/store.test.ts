import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../shared/canonical.ts';
import { runStatusSchema, type Metric, type Solution, type Trial } from '../../shared/run.ts';
import {
  checkpoint,
  dataset,
  digest,
  line,
  metric,
  newRun,
  owner,
  quantizeManifest,
  solution,
  trainManifest,
  trial,
  weights,
} from '../../../test/support/store-samples.ts';
import { blobPath, writeBlob } from './blobs.ts';
import { openDatabase, write } from './database.ts';
import { RunRepository } from './repositories/runs.ts';
import { migrations } from './migrations/index.ts';
import { openStore } from './store.ts';
import type { CheckpointRecord, RunBatch, Store } from './types.ts';

let dataDir: string;
let store: Store;
let logged: string[];
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'lathe-store-'));
  logged = [];
  store = await openStore({ dataDir, log: (text) => logged.push(text) });
});
afterEach(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const me = owner();

/** A run that is running under `me`, with these batches. */
async function runningRun(id: string, ...batches: Omit<RunBatch, 'id'>[]): Promise<string> {
  await store.createRun(newRun(id));
  await store.claimRun(id, me, 1100);
  for (const batch of batches) await store.applyBatch({ id, ...batch });
  return id;
}

/** A checkpoint whose blob is there. */
async function wholeCheckpoint(step: number, content = `state ${step}`): Promise<CheckpointRecord> {
  const { sha256 } = await writeBlob(dataDir, new TextEncoder().encode(content));
  return checkpoint(step, sha256);
}

/** Changes the database behind the store's back. */
function tamper(sql: string): void {
  const db = new Database(store.path);
  db.pragma('ignore_check_constraints = ON');
  db.exec(sql);
  db.close();
}

describe('misuse', () => {
  it('names the run that does not exist', async () => {
    const calls = [
      store.listTrials('q-none', 0, 10),
      store.listMetrics('q-none', 0),
      store.listLog('q-none', 0, 10),
      store.claimRun('q-none', me, 1),
      store.applyBatch({ id: 'q-none' }),
      store.rewindToCheckpoint('q-none', 1),
      store.finishRun('q-none', 'completed', null, 1),
      store.annotateRun('q-none', { star: true }),
      store.requestStop('q-none', 'cancel'),
    ];
    for (const call of calls)
      await expect(call).rejects.toMatchObject({
        code: 'not-found',
        message: expect.stringContaining('run q-none: there is no such run') as unknown,
      });
    expect(await store.getRun('q-none')).toBeNull();
    expect(await store.getSummary('q-none')).toBeNull();
  });

  it('refuses an id twice', async () => {
    await store.createRun(newRun('q-1'));
    await expect(store.createRun(newRun('q-1'))).rejects.toMatchObject({
      code: 'conflict',
      message: 'run q-1 exists already: choose another id',
    });
    expect(await store.listRuns()).toHaveLength(1);
  });

  it.each<[string, Omit<RunBatch, 'id'>, string]>([
    ['a figure that is not a number', { metrics: [metric('train/loss', 0, 1), metric('train/loss', 1, NaN)] }, 'metrics.1.value'],
    ['an infinite reward', { trials: [trial(0, { reward: -Infinity })] }, 'trials.0.reward'],
    ['a step before the first', { trials: [trial(-1)] }, 'trials.0.step'],
    ['half a step', { metrics: [metric('train/loss', 0.5, 1)] }, 'metrics.0.step'],
    ['a checkpoint without a blob', { checkpoint: checkpoint(1, 'abc') }, 'checkpoint.sha256'],
    ['a negative size', { solutions: [solution('best', 'found', { sizeBytes: -1 })] }, 'solutions.0.sizeBytes'],
  ])('refuses %s and writes nothing of that batch', async (_, bad, place) => {
    await runningRun('q-1', { trials: [trial(0)] });
    const before = await store.getSummary('q-1');
    await expect(store.applyBatch({ id: 'q-1', log: [line('with it')], ...bad })).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining(`run q-1: ${place}: `) as unknown,
    });
    expect(await store.getSummary('q-1')).toEqual(before);
    expect(await store.listLog('q-1', 0, 10)).toEqual([]);
  });

  it('refuses everything after close, and closes twice', async () => {
    await store.close();
    await store.close();
    await expect(store.listRuns()).rejects.toMatchObject({ code: 'internal', message: 'the store cannot do listRunColumns: it is closed' });
  });

  it('answers what was asked before close', async () => {
    const asked = [store.createRun(newRun('q-1')), store.listRuns()] as const;
    await store.close();
    expect((await asked[0]).id).toBe('q-1');
    expect(await asked[1]).toHaveLength(1);
  });
});

describe('a run', () => {
  it('begins queued, with the hash of its manifest', async () => {
    const summary = await store.createRun(newRun('q-1', { note: 'first' }));
    expect(summary).toEqual({
      id: 'q-1',
      name: 'run q-1',
      method: 'quantize',
      status: 'queued',
      network: 'mobilenet-v1 x0.25 @32',
      dataset: 'fashion-mnist',
      target: 'bismo-cloud',
      budgets: [{ resource: 'latency', kind: 'fraction', value: 0.5 }],
      budgetLimits: [],
      seed: 7,
      note: 'first',
      star: false,
      tags: [],
      place: 'list',
      queueOrder: null,
      progress: { phase: 'waiting', done: 0, total: 0, ratePerSecond: null, etaSeconds: null },
      trials: 0,
      bestReward: null,
      bestAccuracy: null,
      bestTestAccuracy: null,
      bestLatencyMs: null,
      bestEnergyMj: null,
      bestSizeBytes: null,
      baselineAccuracy: null,
      baselineTestAccuracy: null,
      createdAtMs: 1000,
      startedAtMs: null,
      finishedAtMs: null,
      error: null,
      configHash: createHash('sha256').update(canonicalJson(quantizeManifest)).digest('hex'),
      seedlessHash: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      pipelines: [],
      revision: 1,
    });
    expect(await store.getRun('q-1')).toEqual({
      summary,
      manifest: quantizeManifest,
      layers: newRun('q-1').layers,
      solutions: [],
      checkpoint: null,
      stages: [],
    });
  });

  it('of training has no target and no budget', async () => {
    expect(await store.createRun(newRun('t-1', { manifest: trainManifest }))).toMatchObject({ method: 'train', target: null, budgets: [] });
  });

  it('comes back as it was written, all of it', async () => {
    const trials = [trial(0, { energyMj: 1.25, noise: null, isBest: true }), trial(1, { criticLoss: 0.1 + 0.2 })];
    const metrics = [metric('b/two', 3, -1e-300), metric('a/one', 0, 0.1), metric('a/one', 4_000_000_000, 1e300)];
    const solutions = [
      solution('best', 'found', { testAccuracy: 0.9 }),
      solution('float', 'float32'),
      solution('baseline', 'w4a4', { weights: null, energyMj: 2 }),
    ];
    const limits = [{ resource: 'latency', kind: 'absolute', value: 12.5 } as const];
    const progress = { phase: 'searching', done: 2, total: 200, ratePerSecond: 1.5, etaSeconds: 132 } as const;
    await runningRun('q-1');
    const { summary, log } = await store.applyBatch({
      id: 'q-1',
      trials,
      metrics,
      solutions,
      budgetLimits: limits,
      progress,
      log: [line('one'), line('two', 'warn')],
    });
    expect(await store.listTrials('q-1', 0, 10)).toEqual(trials);
    expect(await store.listMetrics('q-1', 0)).toEqual([metrics[1], metrics[2], metrics[0]]);
    expect((await store.getRun('q-1'))?.solutions).toEqual([solutions[1], solutions[2], solutions[0]]);
    expect(summary).toMatchObject({ budgetLimits: limits, progress, trials: 2 });
    expect(log).toEqual([
      { seq: 1, ...line('one') },
      { seq: 2, ...line('two', 'warn') },
    ]);
    expect((await store.applyBatch({ id: 'q-1', log: [line('three')] })).log).toEqual([{ seq: 3, ...line('three') }]);
  });

  it('is read from where the reader already is', async () => {
    await runningRun('q-1', {
      trials: [0, 1, 2, 3, 4].map((step) => trial(step)),
      metrics: ['a', 'b', 'c'].flatMap((series) => [0, 1, 2].map((step) => metric(series, step, step))),
      log: ['1', '2', '3'].map((text) => line(text)),
    });
    expect((await store.listTrials('q-1', 2, 2)).map(({ step }) => step)).toEqual([2, 3]);
    expect((await store.listMetrics('q-1', 2)).map(({ series, step }) => `${series}${step}`)).toEqual(['a2', 'b2', 'c2']);
    expect((await store.listMetrics('q-1', 1, 'b')).map(({ series, step }) => `${series}${step}`)).toEqual(['b1', 'b2']);
    expect(await store.listMetrics('q-1', 0, 'none')).toEqual([]);
    expect((await store.listLog('q-1', 1, 1)).map(({ text }) => text)).toEqual(['2']);
  });

  it('has one trial a step and one value a step of a series: the last one written', async () => {
    await runningRun(
      'q-1',
      { trials: [trial(0), trial(1)], metrics: [metric('a', 0, 1)] },
      { trials: [trial(1, { reward: 5 })], metrics: [metric('a', 0, 2)] },
    );
    expect((await store.getSummary('q-1'))?.trials).toBe(2);
    expect((await store.listTrials('q-1', 1, 10))[0]?.reward).toBe(5);
    expect(await store.listMetrics('q-1', 0)).toEqual([metric('a', 0, 2)]);
  });

  it('can be named, noted and starred, each alone', async () => {
    await store.createRun(newRun('q-1', { note: 'old' }));
    expect(await store.annotateRun('q-1', { star: true })).toMatchObject({ name: 'run q-1', note: 'old', star: true });
    expect(await store.annotateRun('q-1', { note: '' })).toMatchObject({ name: 'run q-1', note: '', star: true });
    expect(await store.annotateRun('q-1', { name: 'new', star: false })).toMatchObject({ name: 'new', note: '', star: false });
  });

  it('is listed, the newest first', async () => {
    await store.createRun(newRun('q-1', { atMs: 5 }));
    await store.createRun(newRun('q-2', { atMs: 9 }));
    await store.createRun(newRun('q-3', { atMs: 5 }));
    expect((await store.listRuns()).map(({ id }) => id)).toEqual(['q-2', 'q-3', 'q-1']);
  });

  it('counts its changes and never counts back', async () => {
    await store.createRun(newRun('q-1'));
    const revisions = [
      await store.getSummary('q-1'),
      await store.annotateRun('q-1', { star: true }),
      await store.claimRun('q-1', me, 2),
      (await store.applyBatch({ id: 'q-1', trials: [trial(0)] })).summary,
      await store.requestStop('q-1', 'cancel'),
      (await store.rewindToCheckpoint('q-1', 3)).summary,
      await store.finishRun('q-1', 'cancelled', null, 4),
    ].map((summary) => summary?.revision ?? 0);
    expect(revisions).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('the states of a run', () => {
  const ends = ['paused', 'interrupted', 'failed', 'cancelled', 'completed'] as const;

  it('may be claimed from every state but running and completed', async () => {
    for (const status of ends) {
      const id = await runningRun(`q-${status}`);
      await store.finishRun(id, status, status === 'failed' ? 'no memory' : null, 1200);
      const claim = store.claimRun(id, me, 1300);
      if (status === 'completed')
        await expect(claim).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('is completed') as unknown });
      else expect(await claim).toMatchObject({ status: 'running', startedAtMs: 1100, finishedAtMs: null, error: null });
    }
  });

  it('go back in line from where they stopped, and from nowhere else', async () => {
    for (const status of ends) {
      const id = await runningRun(`q-${status}`);
      await expect(store.requeueRun(id)).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('is running') as unknown,
      });
      await store.finishRun(id, status, 'because', 1200);
      const requeued = store.requeueRun(id);
      if (status === 'completed') {
        await expect(requeued).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('is completed') as unknown });
        continue;
      }
      expect(await requeued).toMatchObject({ status: 'queued', startedAtMs: 1100, finishedAtMs: null, error: null });
      await expect(store.requeueRun(id)).rejects.toMatchObject({ code: 'conflict' });
      expect(await store.claimRun(id, me, 1300)).toMatchObject({ status: 'running' });
    }
  });

  it('cannot be claimed twice, and says who has it', async () => {
    const id = await runningRun('q-1');
    await expect(store.claimRun(id, owner(5), 1)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('running already, in process 4242') as unknown,
    });
  });

  it('end with their reason and without time left', async () => {
    const progress = { phase: 'searching', done: 2, total: 9, ratePerSecond: 2, etaSeconds: 60 } as const;
    for (const status of ends) {
      const id = await runningRun(`q-${status}`, { progress });
      expect(await store.finishRun(id, status, 'because', 1200)).toMatchObject({
        status,
        error: 'because',
        finishedAtMs: 1200,
        progress: { phase: status === 'completed' ? 'done' : 'searching', done: 2, total: 9, ratePerSecond: null, etaSeconds: null },
      });
    }
  });

  it('let a waiting run be called off, but not be completed', async () => {
    await store.createRun(newRun('q-1'));
    await expect(store.finishRun('q-1', 'completed', null, 1)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is queued') as unknown,
    });
    expect(await store.finishRun('q-1', 'cancelled', null, 1)).toMatchObject({ status: 'cancelled', startedAtMs: null });
    await expect(store.finishRun('q-1', 'cancelled', null, 1)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('take points only while running', async () => {
    await store.createRun(newRun('q-1'));
    await expect(store.applyBatch({ id: 'q-1', trials: [trial(0)] })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is queued: only a running run') as unknown,
    });
    await store.claimRun('q-1', me, 1);
    await store.finishRun('q-1', 'interrupted', null, 2);
    await expect(store.applyBatch({ id: 'q-1', trials: [trial(0)] })).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.listTrials('q-1', 0, 10)).toEqual([]);
  });

  it('end as interrupted when the owner is gone, and only then', async () => {
    await runningRun('q-1');
    await store.createRun(newRun('q-2'));
    await store.claimRun('q-2', owner(77), 1);
    await store.createRun(newRun('q-3'));
    expect(await store.interruptOrphans(() => true, 1500)).toEqual([]);
    const asked: number[] = [];
    const interrupted = await store.interruptOrphans((one) => {
      asked.push(one.pid);
      return Promise.resolve(one.pid !== 77);
    }, 1500);
    expect(new Set(asked)).toEqual(new Set([77, 4242]));
    expect(interrupted).toMatchObject([
      { id: 'q-2', status: 'interrupted', finishedAtMs: 1500, error: expect.stringContaining('(process 77) has ended') as unknown },
    ]);
    expect((await store.listRuns()).map(({ id, status }) => `${id} ${status}`)).toEqual(['q-3 queued', 'q-2 interrupted', 'q-1 running']);
    expect(await store.listLog('q-2', 0, 9)).toMatchObject([{ level: 'warn', text: expect.stringContaining('process 77') as unknown }]);
    await store.applyBatch({ id: 'q-1', trials: [trial(0)] }); // still ours
  });
});

describe('requests between processes', () => {
  it('reach the owner alone, stand until the run ends, and do not follow it into its next life', async () => {
    await runningRun('q-1');
    await store.createRun(newRun('q-2'));
    await expect(store.requestStop('q-2', 'cancel')).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('q-2 is queued') as unknown,
    });
    expect(await store.takeRequests(me)).toEqual([]);
    await store.requestStop('q-1', 'cancel');
    expect(await store.takeRequests(owner(5))).toEqual([]);
    expect(await store.takeRequests({ ...me, startedAt: 'later' })).toEqual([]);
    expect(await store.takeRequests(me)).toEqual([{ id: 'q-1', request: 'cancel' }]);
    expect(await store.takeRequests(me)).toEqual([{ id: 'q-1', request: 'cancel' }]);
    await store.requestStop('q-1', 'pause'); // the last word counts
    expect(await store.takeRequests(me)).toEqual([{ id: 'q-1', request: 'pause' }]);
    await store.requestStop('q-1', 'cancel');
    expect(await store.takeRequests(me)).toEqual([{ id: 'q-1', request: 'cancel' }]);
    await store.requestStop('q-1', 'pause');
    await store.finishRun('q-1', 'paused', null, 1);
    expect(await store.takeRequests(me)).toEqual([]);
    await store.claimRun('q-1', me, 2);
    expect(await store.takeRequests(me)).toEqual([]);
  });
});

describe('the figures of a list', () => {
  it('show the best trial until there is a best solution, whose figures then stand together', async () => {
    await runningRun('q-1', {
      trials: [
        trial(0, { isBest: true, reward: 1, accuracy: 0.7 }),
        trial(1),
        trial(2, { isBest: true, reward: 2, accuracy: 0.8 }),
        trial(3),
      ],
    });
    expect(await store.getSummary('q-1')).toMatchObject({
      bestReward: 2,
      bestAccuracy: 0.8,
      bestLatencyMs: 12,
      bestSizeBytes: 100_002,
      bestTestAccuracy: null,
    });
    const found = solution('best', 'found', { validationAccuracy: 0.75, latencyMs: 6, sizeBytes: 60_000, energyMj: 3 });
    await store.applyBatch({ id: 'q-1', solutions: [found] });
    expect(await store.getSummary('q-1')).toMatchObject({
      bestReward: 2,
      bestAccuracy: 0.75,
      bestLatencyMs: 6,
      bestSizeBytes: 60_000,
      bestEnergyMj: 3,
      bestTestAccuracy: null,
    });
    await store.applyBatch({ id: 'q-1', solutions: [{ ...found, testAccuracy: 0.74 }] });
    expect(await store.getSummary('q-1')).toMatchObject({ bestAccuracy: 0.75, bestTestAccuracy: 0.74 });
  });

  it('show the most accurate baseline within the budget, with the test accuracy of that same one', async () => {
    await runningRun('q-1', {
      solutions: [
        solution('baseline', 'w8a8', { withinBudget: false, validationAccuracy: 0.95, testAccuracy: 0.94 }),
        solution('baseline', 'w5a5', { validationAccuracy: 0.9, testAccuracy: 0.85 }),
        solution('baseline', 'w4a4', { validationAccuracy: 0.8, testAccuracy: 0.89 }),
        solution('baseline', 'w2a2'),
      ],
    });
    expect(await store.getSummary('q-1')).toMatchObject({ baselineAccuracy: 0.9, baselineTestAccuracy: 0.85, bestAccuracy: null });
  });

  it('of training: the last validation accuracy, and the test accuracy of the float network', async () => {
    await store.createRun(newRun('t-1', { manifest: trainManifest }));
    await store.claimRun('t-1', me, 1);
    await store.applyBatch({
      id: 't-1',
      metrics: [metric('validation/accuracy', 2, 0.6), metric('validation/accuracy', 1, 0.9), metric('train/accuracy', 3, 1)],
    });
    expect(await store.getSummary('t-1')).toMatchObject({ bestAccuracy: 0.6, bestTestAccuracy: null });
    await store.applyBatch({ id: 't-1', solutions: [solution('float', 'float32', { testAccuracy: 0.58, validationAccuracy: 0.6 })] });
    expect(await store.getSummary('t-1')).toMatchObject({ bestAccuracy: 0.6, bestTestAccuracy: 0.58 });
  });
});

describe('going back to a checkpoint', () => {
  it('drops what was written later, keeps what was written with it, and says so in the log', async () => {
    const id = await runningRun(
      'q-1',
      { trials: [trial(0, { isBest: true })], metrics: [metric('a', 0, 1)], solutions: [solution('baseline', 'w4a4')], log: [line('one')] },
      { trials: [trial(1)], metrics: [metric('a', 1, 1)], checkpoint: await wholeCheckpoint(2) },
      {
        trials: [trial(2, { isBest: true, reward: 9 }), trial(3)],
        metrics: [metric('a', 2, 1)],
        solutions: [solution('best', 'found')],
        log: [line('two')],
      },
    );
    const { checkpoint: found, summary } = await store.rewindToCheckpoint(id, 4000);
    expect(found).toEqual(await wholeCheckpoint(2));
    expect(summary).toMatchObject({ trials: 2, bestReward: -1, bestLatencyMs: 10, status: 'running' });
    expect((await store.listTrials(id, 0, 10)).map(({ step }) => step)).toEqual([0, 1]);
    expect((await store.listMetrics(id, 0)).map(({ step }) => step)).toEqual([0, 1]);
    expect((await store.getRun(id))?.solutions.map(({ label }) => label)).toEqual(['w4a4']);
    expect((await store.listLog(id, 0, 10)).map(({ text }) => text)).toEqual([
      'one',
      'two',
      'goes back to the checkpoint of step 2 (searching): 2 trials, 1 points and 1 solutions behind it were dropped',
    ]);
  });

  it('without a checkpoint drops everything but the log', async () => {
    const limits = [{ resource: 'latency', kind: 'absolute', value: 1 } as const];
    const id = await runningRun('q-1', {
      trials: [trial(0, { isBest: true })],
      metrics: [metric('a', 0, 1)],
      solutions: [solution('best', 'found')],
      budgetLimits: limits,
      log: [line('one')],
    });
    const { checkpoint: found, summary } = await store.rewindToCheckpoint(id, 4000);
    expect(found).toBeNull();
    expect(summary).toMatchObject({ trials: 0, bestReward: null, bestLatencyMs: null, budgetLimits: [] });
    expect(await store.listTrials(id, 0, 10)).toEqual([]);
    expect(await store.listMetrics(id, 0)).toEqual([]);
    expect((await store.listLog(id, 0, 10)).map(({ text }) => text)).toEqual([
      'one',
      'goes back to the beginning, for there is no checkpoint: 1 trials, 1 points and 1 solutions behind it were dropped',
    ]);
  });

  it('leaves no trace at the first start of a run', async () => {
    const id = await runningRun('q-1');
    expect((await store.rewindToCheckpoint(id, 1)).checkpoint).toBeNull();
    expect(await store.listLog(id, 0, 10)).toEqual([]);
  });

  it('passes over a checkpoint whose blob is damaged, and takes the one before', async () => {
    const [first, second] = [await wholeCheckpoint(1), await wholeCheckpoint(2)];
    const id = await runningRun('q-1', { trials: [trial(0)], checkpoint: first }, { trials: [trial(1)], checkpoint: second });
    writeFileSync(blobPath(dataDir, second.sha256), 'state X');
    expect(await store.rewindToCheckpoint(id, 4000)).toMatchObject({ checkpoint: first, summary: { trials: 1 } });
    expect((await store.getRun(id))?.checkpoint).toEqual(first);
    expect((await store.listLog(id, 0, 10)).map(({ level, text }) => `${level} ${text}`)).toEqual([
      expect.stringMatching(/^warn a checkpoint was passed over: .* is damaged/),
      expect.stringContaining('info goes back to the checkpoint of step 1'),
    ]);
  });

  it('refuses, and drops nothing, when no checkpoint is whole', async () => {
    const id = await runningRun('q-1', { trials: [trial(0)], checkpoint: checkpoint(1, digest('1')) }, { trials: [trial(1)] });
    await expect(store.rewindToCheckpoint(id, 1)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringMatching(/run q-1 cannot go on, no checkpoint is whole: .*1{64} is missing/) as unknown,
    });
    expect(await store.listTrials(id, 0, 10)).toHaveLength(2);
  });

  it('needs the run to be claimed', async () => {
    const id = await runningRun('q-1', { trials: [trial(0)] });
    await store.finishRun(id, 'interrupted', null, 1);
    await expect(store.rewindToCheckpoint(id, 1)).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.listTrials(id, 0, 10)).toHaveLength(1);
  });
});

describe('checkpoints', () => {
  it('are kept two a run; the blobs of older ones come back to be deleted, unless something still refers to them', async () => {
    const id = await runningRun(
      'q-1',
      { checkpoint: checkpoint(1, digest('1')) },
      { checkpoint: checkpoint(2, digest('2')), weights: weights(digest('9'), digest('2')) },
    );
    await runningRun('q-2', { checkpoint: checkpoint(1, digest('3')) });
    const dropped: string[][] = [];
    for (const [step, digit] of [
      [3, '3'],
      [4, '4'],
      [5, '5'],
      [6, '4'],
      [7, '6'],
    ] as const) {
      dropped.push((await store.applyBatch({ id, checkpoint: checkpoint(step, digest(digit)) })).dropped);
    }
    // 1 is free; 2 is also trained weights; 3 is also the other run's; 4 is also the newer checkpoint of step 6.
    expect(dropped).toEqual([[digest('1')], [], [], [], [digest('5')]]);
    expect((await store.getRun(id))?.checkpoint).toEqual(checkpoint(7, digest('6')));
  });
});

describe('weights and data sets', () => {
  it('finds weights by their training key, as long as their blob is there', async () => {
    const { sha256 } = await writeBlob(dataDir, Uint8Array.of(1, 2, 3));
    const record = weights(digest('7'), sha256);
    await runningRun('q-1', { weights: record });
    expect(await store.findWeights(digest('8'))).toBeNull();
    expect(await store.findWeights(digest('7'))).toEqual(record);
    rmSync(blobPath(dataDir, sha256));
    expect(await store.findWeights(digest('7'))).toBeNull();
  });

  it('keeps data sets by id', async () => {
    await store.putDataset(dataset('b'));
    await store.putDataset(dataset('a'));
    await store.putDataset({ ...dataset('b'), title: 'second' });
    expect((await store.listDatasets()).map(({ id, title }) => `${id}: ${title}`)).toEqual(['a: set a', 'b: second']);
    expect(await store.getDataset('a')).toEqual(dataset('a'));
    expect(await store.getDataset('c')).toBeNull();
    expect([await store.removeDataset('a'), await store.removeDataset('a')]).toEqual([true, false]);
    await expect(store.putDataset({ ...dataset('a'), classes: 1 })).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('data set a: classes') as unknown,
    });
  });
});

describe('a row that is damaged', () => {
  beforeEach(async () => {
    await runningRun('q-1', { trials: [trial(3)], solutions: [solution('best', 'found')], log: [line('x')] });
    await store.putDataset(dataset('a'));
  });

  it.each<[string, string, string, () => Promise<unknown>]>([
    ['run', "UPDATE run SET budgets = '[{'", 'table run, row q-1', () => store.listRuns()],
    ['run', "UPDATE run SET status = 'asleep'", 'table run, row q-1', () => store.getSummary('q-1')],
    ['trial', 'UPDATE trial SET weightBits = \'[8, "x"]\'', 'table trial, row q-1 step 3', () => store.listTrials('q-1', 0, 9)],
    ['solution', "UPDATE solution SET policy = '{}'", 'table solution, row q-1 best found', () => store.getRun('q-1')],
    ['log', "UPDATE log SET level = 'loud'", 'table log, row q-1 line 1', () => store.listLog('q-1', 0, 9)],
    ['dataset', "UPDATE dataset SET record = 'null'", 'table dataset, row a', () => store.getDataset('a')],
    ['manifest', "UPDATE manifest SET manifest = replace(manifest, '0.25', '0.75')", 'table manifest, row q-1', () => store.getRun('q-1')],
    ['manifest', "UPDATE manifest SET layers = '[1]'", 'table manifest, row q-1', () => store.getRun('q-1')],
  ])('of %s is named (%s)', async (table, sql, place, call) => {
    tamper(sql);
    await expect(call()).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining(`${place} is damaged`) as unknown,
      details: { table },
    });
  });
});

describe('several on one database', () => {
  let other: Store;
  beforeEach(async () => {
    other = await openStore({ dataDir });
  });
  afterEach(() => other.close());

  it('see what each other wrote, and are told within a second', async () => {
    let told = 0;
    let toldMyself = 0;
    const stopOther = other.onExternalChange(() => (told += 1));
    const stop = store.onExternalChange(() => (toldMyself += 1));
    await store.createRun(newRun('q-1'));
    await expect.poll(() => told, { timeout: 30_000 }).toBe(1);
    expect(await other.getSummary('q-1')).toEqual(await store.getSummary('q-1'));
    stopOther();
    stop();
    await store.annotateRun('q-1', { star: true });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect([told, toldMyself]).toEqual([1, 0]); // not after stopping, and never of one's own changes
  });

  it('never work on the same run', async () => {
    await store.createRun(newRun('q-1'));
    const claims = await Promise.allSettled([store.claimRun('q-1', owner(1), 1), other.claimRun('q-1', owner(2), 1)]);
    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [winner, loser] = claims[0].status === 'fulfilled' ? [store, other] : [other, store];
    await winner.applyBatch({ id: 'q-1', trials: [trial(0)] });
    const message = expect.stringMatching(/worked on by another Lathe \(process [12]\)/) as unknown;
    await expect(loser.applyBatch({ id: 'q-1', trials: [trial(1)] })).rejects.toMatchObject({ code: 'conflict', message });
    await expect(loser.finishRun('q-1', 'cancelled', null, 1)).rejects.toMatchObject({ code: 'conflict', message });
    await expect(loser.rewindToCheckpoint('q-1', 1)).rejects.toMatchObject({ code: 'conflict', message });
    expect((await winner.finishRun('q-1', 'completed', null, 1)).trials).toBe(1);
  });

  it('the former owner cannot write into a run that was taken over', async () => {
    await runningRun('q-1', { trials: [trial(0)] });
    await other.interruptOrphans(() => false, 1);
    await other.claimRun('q-1', owner(2), 2);
    await expect(store.applyBatch({ id: 'q-1', trials: [trial(1)] })).rejects.toMatchObject({ code: 'conflict' });
    expect(await other.listTrials('q-1', 0, 9)).toHaveLength(1);
  });

  it('lose nothing when both write at once', async () => {
    await runningRun('q-1');
    await other.createRun(newRun('q-2'));
    await other.claimRun('q-2', owner(2), 1);
    const steps = Array.from({ length: 60 }, (_, step) => step);
    await Promise.all([
      ...steps.map((step) => store.applyBatch({ id: 'q-1', trials: [trial(step)], metrics: [metric('a', step, step)] })),
      ...steps.map((step) => other.applyBatch({ id: 'q-2', trials: [trial(step)], metrics: [metric('a', step, step)] })),
    ]);
    for (const id of ['q-1', 'q-2']) {
      expect((await store.listTrials(id, 0, 100)).map(({ step }) => step)).toEqual(steps);
      expect(await other.getSummary(id)).toMatchObject({ trials: 60, revision: 62 });
    }
  });

  it('stop writing when a newer Lathe has migrated the database meanwhile', async () => {
    await store.createRun(newRun('q-1'));
    tamper(`PRAGMA user_version = ${String(migrations.length + 1)}`);
    await expect(store.annotateRun('q-1', { star: true })).rejects.toMatchObject({ code: 'newer-version' });
  });

  it('can make a new database at the same moment', async () => {
    const folder = join(dataDir, 'new');
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ dataDir: folder })));
    await Promise.all(stores.map((one, i) => one.createRun(newRun(`q-${i}`))));
    expect(await Promise.all(stores.map(async (one) => (await one.listRuns()).length))).toEqual([4, 4, 4, 4]);
    for (const one of stores) await one.close();
    expect(readdirSync(folder)).toEqual(['lathe.lock', 'lathe.sqlite']);
  });
});

/** Rows with what tells them apart. */
function keyed(written: {
  trials: readonly Trial[];
  metrics: readonly Metric[];
  solutions: readonly Solution[];
}): [string, Trial | Metric | Solution][] {
  return [
    ...written.trials.map((one): [string, Trial] => [`trial ${one.step}`, one]),
    ...written.metrics.map((one): [string, Metric] => [`metric ${one.series} ${one.step}`, one]),
    ...written.solutions.map((one): [string, Solution] => [`solution ${one.role} ${one.label}`, one]),
  ];
}

/** The figures of a list by their definitions, from whole lists. */
function figuresOf(method: 'train' | 'quantize', trials: readonly Trial[], metrics: readonly Metric[], solutions: readonly Solution[]) {
  const best = solutions.find(({ role }) => role === 'best');
  const float = solutions.find(({ role }) => role === 'float');
  const bestTrials = trials.filter(({ isBest }) => isBest).sort((a, b) => b.step - a.step);
  const shown = best ?? bestTrials[0];
  const accuracies = metrics.filter(({ series }) => series === 'validation/accuracy').sort((a, b) => b.step - a.step);
  const baselines = solutions
    .filter(({ role, withinBudget }) => role === 'baseline' && withinBudget)
    .sort((a, b) => (b.validationAccuracy ?? -1) - (a.validationAccuracy ?? -1) || (a.label < b.label ? -1 : 1));
  return {
    trials: trials.length,
    bestReward: bestTrials[0]?.reward ?? null,
    bestAccuracy:
      method === 'train'
        ? (float?.validationAccuracy ?? accuracies[0]?.value ?? null)
        : best
          ? best.validationAccuracy
          : (bestTrials[0]?.accuracy ?? null),
    bestTestAccuracy: (method === 'train' ? float : best)?.testAccuracy ?? null,
    bestLatencyMs: shown?.latencyMs ?? null,
    bestEnergyMj: shown?.energyMj ?? null,
    bestSizeBytes: shown?.sizeBytes ?? null,
    baselineAccuracy: baselines[0]?.validationAccuracy ?? null,
    baselineTestAccuracy: baselines[0]?.testAccuracy ?? null,
  };
}

describe('any sequence of batches, checkpoints and rewinds', () => {
  const fraction = fc.option(fc.integer({ min: 0, max: 20 }).map((n) => n / 20));
  const step = fc.integer({ min: 0, max: 12 });
  const aTrial = fc.record({
    step,
    reward: fc.double({ min: -9, max: 9, noNaN: true }).map((value) => value + 0),
    isBest: fc.boolean(),
    latencyMs: fc.integer({ min: 0, max: 50 }),
  });
  const aMetric = fc.record({
    series: fc.constantFrom('validation/accuracy', 'train/loss', 'validation'),
    step,
    value: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0), // SQLite keeps -0 as 0
  });
  const aSolution = fc.record({
    name: fc.constantFrom(['float', 'float32'], ['baseline', 'w4a4'], ['baseline', 'w8a8'], ['baseline', 'w2a2'], [
      'best',
      'found',
    ] as const),
    validationAccuracy: fraction,
    testAccuracy: fraction,
    withinBudget: fc.boolean(),
  });
  const action = fc.record({
    kind: fc.constantFrom(
      'batch' as const,
      'batch' as const,
      'batch' as const,
      'checkpoint' as const,
      'rewind' as const,
      'damage' as const,
    ),
    trials: fc.array(aTrial, { maxLength: 4 }),
    metrics: fc.array(aMetric, { maxLength: 4 }),
    solutions: fc.array(aSolution, { maxLength: 3 }),
  });

  it('leaves the rows of a simple model, and a summary that a recomputation from the rows gives too', async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('train' as const, 'quantize' as const),
        fc.array(action, { maxLength: 12 }),
        async (method, actions) => {
          const id = `x-${(count += 1)}`;
          await store.createRun(newRun(id, { manifest: method === 'train' ? trainManifest : quantizeManifest }));
          await store.claimRun(id, me, 1);
          // What the rows should be, and a whole copy of it at each of the last two checkpoints.
          let rows = new Map<string, Trial | Metric | Solution>();
          let saved: { sha256: string; rows: typeof rows }[] = [];
          for (const [index, { kind, ...batch }] of actions.entries()) {
            if (kind === 'rewind' || kind === 'damage') {
              const newest = saved[0];
              if (kind === 'damage' && newest && saved.length > 1) {
                rmSync(blobPath(dataDir, newest.sha256));
                saved = saved.slice(1);
              }
              await store.rewindToCheckpoint(id, 1);
              rows = new Map(saved[0]?.rows);
              continue;
            }
            const trials = batch.trials.map((one) => trial(one.step, one));
            const solutions = batch.solutions.map(({ name: [role, label], ...rest }) => solution(role, label, rest));
            const written = { trials, metrics: batch.metrics, solutions };
            const point = kind === 'checkpoint' ? await wholeCheckpoint(index, `${id} ${index}`) : null;
            await store.applyBatch({ id, ...written, ...(point ? { checkpoint: point } : {}) });
            for (const [key, row] of keyed(written)) rows.set(key, row);
            if (point) saved = [{ sha256: point.sha256, rows: new Map(rows) }, ...saved].slice(0, 2);
          }
          const trials = await store.listTrials(id, 0, 1000);
          const metrics = await store.listMetrics(id, 0);
          const detail = await store.getRun(id);
          const solutions = detail?.solutions ?? [];
          expect(new Map(keyed({ trials, metrics, solutions }))).toEqual(rows);
          expect(trials).toEqual(trials.toSorted((a, b) => a.step - b.step));
          expect(detail?.summary).toMatchObject(figuresOf(method, trials, metrics, solutions));
        },
      ),
      { numRuns: 80, seed: 20_251_124 },
    );
  }, 300_000);
});

/** Processor time of all threads of this process, in ms: what a call costs, whatever else the machine does meanwhile. */
async function costMs(work: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

describe('speed', () => {
  it('lists ten thousand runs in less than 300 ms', async () => {
    const db = await openDatabase(dataDir);
    const runs = new RunRepository(db);
    write(db, () => {
      for (let i = 0; i < 10_000; i++) {
        runs.insert(newRun(`q-${i}`, { atMs: i }), { phase: 'waiting', done: 0, total: 0, ratePerSecond: null, etaSeconds: null });
      }
    });
    db.close();
    const costs: number[] = [];
    // The least of many: what a neighbour does to the caches can only add.
    for (let i = 0; i < 20 && Math.min(...costs) >= 300; i++)
      costs.push(await costMs(async () => expect(await store.listRuns()).toHaveLength(10_000)));
    expect(Math.min(...costs)).toBeLessThan(300);
  });

  it('logs a request that took long', async () => {
    const id = await runningRun('q-1');
    await store.applyBatch({ id, metrics: Array.from({ length: 100_000 }, (_, step) => metric('a', step, step)) });
    await expect.poll(() => logged).toContainEqual(expect.stringMatching(/^store: applyBatch took \d{2,} ms$/));
  });

  it('writes a hundred thousand points in less than 5 s and lists them in less than 300 ms', async () => {
    const id = await runningRun('q-1');
    const writing = await costMs(async () => {
      for (let batch = 0; batch < 100; batch++) {
        const metrics = Array.from({ length: 1000 }, (_, i) =>
          metric(i % 2 === 0 ? 'train/loss' : 'train/rate', batch * 500 + (i >> 1), i),
        );
        await store.applyBatch({ id, metrics });
      }
    });
    let metrics: Metric[] = [];
    const listing: number[] = [];
    for (let i = 0; i < 10 && Math.min(...listing) >= 300; i++)
      listing.push(await costMs(async () => (metrics = await store.listMetrics(id, 0))));
    expect(metrics).toHaveLength(100_000);
    expect(metrics[50_001]).toEqual(metric('train/rate', 1, 3));
    expect(writing).toBeLessThan(5000);
    expect(Math.min(...listing)).toBeLessThan(300);
  }, 300_000);
});

describe('the table of runs', () => {
  it('takes every status that the schema knows, with an owner exactly when it is running', async () => {
    await store.createRun(newRun('q-1'));
    for (const status of runStatusSchema.options) {
      const owned = status === 'running' ? "1, ownerStartedAt = '1', ownerBootId = '1'" : 'NULL, ownerStartedAt = NULL, ownerBootId = NULL';
      const db = await openDatabase(dataDir);
      db.exec(`UPDATE run SET status = '${status}', ownerPid = ${owned}`);
      expect(() => db.exec('UPDATE run SET ownerPid = iif(ownerPid IS NULL, 1, NULL)')).toThrow(/CHECK/);
      db.close();
      expect(await store.getSummary('q-1')).toMatchObject({ status });
    }
  });
});
