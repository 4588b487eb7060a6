import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir } from '../../../test/support/service.ts';
import { newRun } from '../../../test/support/store-samples.ts';
import { openStore } from '../store/store.ts';
import { doUpkeep } from '../store/upkeep.ts';
import { Backups } from './backups.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await makeDataDir();
});
afterEach(() => removeDataDir(dataDir));

/** A run that nobody works on. */
async function addRun(id: string): Promise<void> {
  const store = await openStore({ dataDir });
  await store.createRun(newRun(id));
  await store.finishRun(id, 'cancelled', null, 2);
  await store.close();
}

describe('backups behind the contract', () => {
  it('are made, listed, checked and put in place at the next start; nobody may have the database open then', async () => {
    await addRun('q-before');
    const first = await openService(dataDir);
    const { service } = first;
    await expect(service.call('backup.restore', { path: join(dataDir, 'nowhere') })).rejects.toMatchObject({ code: 'not-found' });
    expect(await service.call('backup.list', {})).toMatchObject({
      backups: [],
      recoveries: [],
      pending: null,
      wasClean: true,
      automatic: false,
    });
    expect((await service.call('system.doctor', {})).checks).toContainEqual(
      expect.objectContaining({ name: 'backups', status: 'warning' }),
    );
    const made = await service.call('backup.make', {});
    expect(await service.call('backup.check', {})).toMatchObject({ findings: [], orphans: 0 });
    expect(await service.call('backup.sweep', {})).toEqual({ blobs: 0, bytes: 0, kept: 0, dryRun: false });
    expect((await service.call('backup.list', {})).backups).toEqual([made]);
    await addRun('q-behind');
    await expect(doUpkeep(dataDir, { kind: 'restore', path: made.path })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is open in another Lathe') as unknown,
    });
    expect(await service.call('backup.restore', { path: made.path })).toEqual({ pending: made.path });
    expect(await service.call('backup.restore', { path: null })).toEqual({ pending: null });
    await service.call('backup.restore', { path: made.path });
    await service.close();

    const second = await openService(dataDir);
    expect((await second.service.call('run.list', {})).map(({ id }) => id)).toEqual(['q-before']);
    const listed = await second.service.call('backup.list', {});
    expect(listed).toMatchObject({ pending: null, recoveries: [{ kind: 'restore', backup: made.path }] });
    expect(existsSync(listed.recoveries[0]?.setAside ?? '')).toBe(true);
    await second.service.close();
  });

  it('that are gone when the next start should put them in place change nothing', async () => {
    await addRun('q-1');
    const { path } = await doUpkeep(dataDir, { kind: 'backup', folder: null, automatic: false, lathe: '9' });
    const first = await openService(dataDir);
    await first.service.call('backup.restore', { path });
    await first.service.close();
    rmSync(path, { recursive: true });
    const warnings: string[] = [];
    const warned = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', warned);
    const store = await openStore({ dataDir });
    expect((await store.listRuns()).map(({ id }) => id)).toEqual(['q-1']);
    expect(store.recoveries).toEqual([]);
    await store.close();
    process.off('warning', warned);
    expect(readdirSync(dataDir).filter((name) => name.startsWith('restore-request'))).toEqual(['restore-request.json.failed']);
  });

  it('are made by themselves: one when there is none for a day, and one at the end when anything has changed', async () => {
    await addRun('q-1');
    const store = await openStore({ dataDir });
    const logged: string[] = [];
    const open = (): Backups => new Backups({ store, dataDir, log: (text) => logged.push(text), automatic: true });
    await open().close();
    const kinds = async () => (await open().list()).backups.map(({ kind }) => kind);
    expect(await kinds()).toEqual(['automatic']); // the one at the end had nothing new to keep
    await open().close();
    expect(await kinds()).toHaveLength(1);
    await store.annotateRun('q-1', { note: 'changed' });
    await open().close();
    expect(await kinds()).toEqual(['automatic', 'automatic']);
    await store.close();
    expect(logged).toEqual([]);
  });
});
