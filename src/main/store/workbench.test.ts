/** Runs as things that are kept: filtered in SQL, tagged, put away, deleted, ordered; views and settings. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { anyFilter } from '../../../test/support/filters.ts';
import { checkpoint, newRun, owner, quantizeManifest, solution, weights } from '../../../test/support/store-samples.ts';
import { predicateOf } from '../../shared/filter/predicate.ts';
import { parseFilter } from '../../shared/filter/parse.ts';
import { runStatusSchema, type RunSummary } from '../../shared/run.ts';
import { runViewSchema } from '../../shared/view.ts';
import { writeBlob } from './blobs.ts';
import { openDatabase } from './database.ts';
import { migrations } from './migrations/index.ts';
import { openStore } from './store.ts';
import { runsOf } from './repositories/run-columns.ts';
import { RunRepository } from './repositories/runs.ts';
import type { Store } from './types.ts';

let dataDir: string;
let store: Store;
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'lathe-store-'));
  store = await openStore({ dataDir });
});
afterEach(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const blob = async (text: string): Promise<string> => (await writeBlob(dataDir, new TextEncoder().encode(text))).sha256;

async function finishedRun(id: string, batch: Parameters<Store['applyBatch']>[0] = { id }): Promise<void> {
  await store.createRun(newRun(id));
  await store.claimRun(id, owner(), 1100);
  await store.applyBatch(batch);
  await store.finishRun(id, 'completed', null, 2000);
}

/** The columns that a filter reads, at random; the rest as it is. */
const figures = {
  name: fc.constantFrom('quantize A', 'Ärger', 'x'),
  status: fc.constantFrom(...runStatusSchema.options.filter((status) => status !== 'running')),
  target: fc.constantFrom('bismo-cloud', 'edge', null),
  note: fc.string({ maxLength: 6, unit: 'grapheme' }),
  star: fc.constantFrom(0, 1),
  tags: fc.uniqueArray(fc.constantFrom('paper', 'Best', '90%'), { maxLength: 2 }).map((tags) => JSON.stringify(tags)),
  place: fc.constantFrom('list', 'archive', 'trash'),
  seed: fc.integer({ min: 0, max: 3 }),
  trials: fc.integer({ min: 0, max: 300 }),
  bestReward: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  bestAccuracy: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  bestTestAccuracy: fc.option(fc.constantFrom(0.5, 0.9)),
  baselineAccuracy: fc.option(fc.constantFrom(0.5, 0.8)),
  baselineTestAccuracy: fc.option(fc.constantFrom(0.4, 0.9)),
  bestLatencyMs: fc.option(fc.double({ min: 0, max: 100, noNaN: true })),
  startedAtMs: fc.option(fc.integer({ min: 0, max: 2e12 })),
  finishedAtMs: fc.option(fc.integer({ min: 0, max: 2e12 })),
};

describe('filters', () => {
  it('mean in SQL what they mean to the plain predicate, on random runs', async () => {
    await store.close();
    const db = await openDatabase(dataDir);
    db.pragma('synchronous = OFF'); // thousands of updates that need not survive
    const runs = new RunRepository(db);
    const progress = { phase: 'waiting', done: 0, total: 0, ratePerSecond: null, etaSeconds: null } as const;
    for (let i = 0; i < 12; i++) runs.insert(newRun(`q-${String(i)}`, { atMs: 1e12 + i }), progress);
    const assignments = Object.keys(figures).map((name) => `${name} = @${name}`);
    const update = db.prepare(`UPDATE run SET ${assignments.join(', ')} WHERE id = @id`);
    let kept = 0;
    fc.assert(
      fc.property(fc.array(fc.record(figures), { minLength: 12, maxLength: 12 }), anyFilter, (rows, filter) => {
        rows.forEach((row, i) => update.run({ ...row, id: `q-${String(i)}` }));
        const expected = runsOf(runs.columns()).filter(predicateOf(filter));
        kept += expected.length;
        expect(runs.columns({ filter }).id).toEqual(expected.map(({ id }) => id));
      }),
      { numRuns: 300 },
    );
    expect(kept).toBeGreaterThan(300); // neither all nor nothing
    expect(kept).toBeLessThan(300 * 11);
    db.close();
    store = await openStore({ dataDir });
  });

  it('go with a place and with pages', async () => {
    for (const [id, seed] of [
      ['q-1', 1],
      ['q-2', 2],
      ['q-3', 1],
    ] as const) {
      await store.createRun(newRun(id, { manifest: { ...quantizeManifest, seed }, atMs: seed * 1000 }));
    }
    await store.organizeRuns(['q-3'], { place: 'archive' });
    const ids = async (query: Parameters<Store['listRuns']>[0]): Promise<string[]> => (await store.listRuns(query)).map(({ id }) => id);
    expect(await ids({ filter: parseFilter('seed = 1') })).toEqual(['q-3', 'q-1']);
    expect(await ids({ filter: parseFilter('seed = 1'), place: 'list' })).toEqual(['q-1']);
    expect(await ids({ limit: 1, offset: 1 })).toEqual(['q-3']);
  });
});

describe('runs that are kept', () => {
  it('change together or not at all', async () => {
    await finishedRun('q-1');
    await store.createRun(newRun('q-2'));
    await expect(store.organizeRuns(['q-1', 'q-2'], { place: 'trash' })).rejects.toThrow('run q-2 is queued: cancel it before');
    await expect(store.organizeRuns(['q-1', 'q-none'], { star: true })).rejects.toMatchObject({ code: 'not-found' });
    expect(await store.getSummary('q-1')).toMatchObject({ place: 'list', star: false, tags: [] });
    await store.organizeRuns(['q-1', 'q-2'], { addTags: ['paper', 'best'], star: true });
    const [first] = await store.organizeRuns(['q-1'], { removeTags: ['paper'], addTags: ['best'] });
    expect(first).toMatchObject({ tags: ['best'], star: true });
    expect(await store.getSummary('q-2')).toMatchObject({ tags: ['best', 'paper'] });
  });

  it('are deleted only from the trash, with the blobs that were theirs alone', async () => {
    const [mine, shared, trained] = [await blob('mine'), await blob('shared'), await blob('trained')];
    await finishedRun('q-1', {
      id: 'q-1',
      checkpoint: checkpoint(1, mine),
      solutions: [solution('best', 'found', { weights: shared }), solution('float', 'float', { weights: trained })],
      weights: weights('key', trained),
    });
    await finishedRun('q-2', { id: 'q-2', solutions: [solution('best', 'found', { weights: shared })] });
    await expect(store.purgeRuns(['q-1'])).rejects.toThrow('run q-1 is not in the trash');
    await store.organizeRuns(['q-1'], { place: 'trash' });
    expect((await store.purgeRuns(['q-1'])).sort()).toEqual([mine, trained].sort());
    expect(await store.getRun('q-1')).toBeNull();
    expect(await store.findWeights('key')).toBeNull();
    expect((await store.getRun('q-2'))?.solutions).toHaveLength(1);
  });

  it('wait in the order that they were given, until they start', async () => {
    for (const id of ['q-1', 'q-2', 'q-3']) await store.createRun(newRun(id));
    expect((await store.orderQueue(['q-3', 'q-1'])).map(({ queueOrder }) => queueOrder)).toEqual([1, 2]);
    await store.claimRun('q-3', owner(), 1);
    expect(await store.getSummary('q-3')).toMatchObject({ queueOrder: null });
    await expect(store.orderQueue(['q-2', 'q-3'])).rejects.toThrow('run q-3 is running: only waiting runs');
    expect(await store.getSummary('q-2')).toMatchObject({ queueOrder: null });
  });

  it('share a hash when they differ in the seed alone, also those of an older database', async () => {
    const other = { ...quantizeManifest, seed: 99, versions: { lathe: 'later' } };
    await store.createRun(newRun('q-1'));
    await store.createRun(newRun('q-2', { manifest: other }));
    await store.createRun(newRun('q-3', { manifest: { ...other, threads: 7 } }));
    const hashes = (rows: readonly RunSummary[]): string[] => rows.map(({ seedlessHash }) => seedlessHash).sort();
    const before = hashes(await store.listRuns());
    expect(new Set(before).size).toBe(2);
    await store.close();
    const folder = join(dataDir, 'older');
    const version = migrations.findIndex(({ up }) => up.toString().includes('seedlessHash'));
    const older = await openDatabase(folder, { migrations: migrations.slice(0, version) });
    older.exec(`ATTACH '${join(dataDir, 'lathe.sqlite')}' AS later`);
    for (const table of ['run', 'manifest']) {
      const columns = (older.pragma(`main.table_info(${table})`) as { name: string }[]).map(({ name }) => name).join(', ');
      older.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM later.${table}`);
    }
    older.close();
    store = await openStore({ dataDir: folder });
    expect(hashes(await store.listRuns())).toEqual(before);
  });
});

describe('views and settings', () => {
  it('are kept over a restart, replaced and removed', async () => {
    const view = runViewSchema.parse({ id: 'best', name: 'The best', filter: 'star', groupBy: ['seed'], widths: { name: 300 } });
    await store.putView(view);
    await store.putView({ ...view, name: 'Stars' });
    await expect(store.removeView('none')).rejects.toMatchObject({ code: 'not-found' });
    await expect(store.putSettings({ threads: 0 })).rejects.toMatchObject({ code: 'bad-input' });
    expect(await store.getSettings()).toEqual({ threads: null });
    await store.putSettings({ threads: 3 });
    await store.close();
    store = await openStore({ dataDir });
    expect(await store.listViews()).toEqual([{ ...view, name: 'Stars' }]);
    expect(await store.getSettings()).toEqual({ threads: 3 });
    await store.removeView('best');
    expect(await store.listViews()).toEqual([]);
  });
});
