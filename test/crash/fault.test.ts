/** A fault in an engine hurts its run and nothing else: the run says so, a report is left, everything else answers, and it goes on. */
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus } from '../support/service.ts';

afterEach(() => {
  delete process.env['LATHE_FAULT'];
});

it.each([
  ['abort', /signal SIGABRT/],
  ['segv', /signal SIGSEGV/],
  ['throw', /exit code 1/],
])('%s', async (fault, how) => {
  const dataDir = await makeDataDir();
  const { service } = await openService(dataDir);
  try {
    process.env['LATHE_FAULT'] = fault; // of engines that work on a run, not of those that answer questions
    const { id } = await service.call('run.create', smallSearch(4));
    const { error } = await waitForStatus(service, id, ['interrupted']);
    expect(error).toMatch(how);
    const report = /a report is at (.*) and stays on this machine unless you send it$/.exec(error ?? '')?.[1] ?? '';
    expect(existsSync(report)).toBe(true);
    const text = readFileSync(report, 'utf8');
    expect(JSON.parse(text)).toMatchObject({ what: 'engine', run: id, how: expect.stringMatching(how) as unknown });
    delete process.env['LATHE_FAULT'];
    expect(await service.call('run.list', {})).toHaveLength(1);
    if (fault !== 'abort') return;
    await service.call('run.resume', { id });
    await waitForStatus(service, id, ['completed']);
  } finally {
    await service.close();
    await removeDataDir(dataDir);
  }
});
