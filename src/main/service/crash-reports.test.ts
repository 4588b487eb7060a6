/** Crash reports behind the contract: listed, shown, deleted; nothing else in their folder, and nothing outside of it. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir } from '../../../test/support/service.ts';
import { writeCrashReport } from './crash-reports.ts';

it('crash reports are listed with the newest first, shown as they are kept, and deleted', async () => {
  const dataDir = await makeDataDir();
  const { service } = await openService(dataDir);
  try {
    expect(await service.call('crash.list', {})).toEqual([]);
    await writeCrashReport(dataDir, { what: 'window', how: 'crashed, exit code 139' }, 1_700_000_000_000);
    const path = await writeCrashReport(
      dataDir,
      { what: 'engine', how: 'signal SIGSEGV', run: 'q-1', log: ['trial 3'] },
      1_700_000_001_000,
    );
    const folder = join(dataDir, 'crash-reports');
    writeFileSync(join(folder, '2024-01-01T00-00-00-000Z-engine.json'), '{"at": "yesterday"}'); // not one that Lathe wrote
    writeFileSync(join(folder, 'notes.json'), '{}');
    mkdirSync(join(folder, '2024-01-02T00-00-00-000Z-engine.json'));
    writeFileSync(join(dataDir, 'secret.json'), '{}');

    const listed = await service.call('crash.list', {});
    expect(listed.map(({ what, how, run, atMs }) => ({ what, how, run, atMs }))).toEqual([
      { what: 'engine', how: 'signal SIGSEGV', run: 'q-1', atMs: 1_700_000_001_000 },
      { what: 'window', how: 'crashed, exit code 139', run: null, atMs: 1_700_000_000_000 },
    ]);
    const [{ id, path: listedPath } = { id: '', path: '' }] = listed;
    expect(listedPath).toBe(path);
    const { fileName, text } = await service.call('crash.show', { id });
    expect(fileName).toBe(`lathe-crash-${id}.json`);
    expect(JSON.parse(text)).toMatchObject({ run: 'q-1', log: ['trial 3'], machine: { node: process.versions.node } });

    for (const outside of ['../secret', 'notes', '2024-01-01T00-00-00-000Z-engine/../../secret'])
      await expect(service.call('crash.show', { id: outside })).rejects.toMatchObject({ code: 'bad-input' });
    await expect(service.call('crash.show', { id: '2024-01-01T00-00-00-000Z-engine' })).rejects.toMatchObject({ code: 'corrupt' });
    await expect(service.call('crash.remove', { id: '2031-01-01T00-00-00-000Z-engine' })).rejects.toMatchObject({ code: 'not-found' });
    await service.call('crash.remove', { id });
    expect(existsSync(listedPath)).toBe(false);
    expect(await service.call('crash.list', {})).toHaveLength(1);
    expect(existsSync(join(dataDir, 'secret.json'))).toBe(true);
  } finally {
    await service.close();
    await removeDataDir(dataDir);
  }
});
