/** The choices of a quantize run, through the contract and a real engine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, smallSearch, type TestService } from '../../../test/support/service.ts';

let test: TestService;
beforeAll(async () => {
  test = await openService(await makeDataDir());
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
});

describe('a quantize run', () => {
  it('is refused by a rival that has too few trials, before anything is kept', async () => {
    const request = smallSearch(20);
    await expect(test.service.call('run.create', { ...request, search: { ...request.search, method: 'integer-program' } })).rejects.toThrow(
      /trials 20: method integer-program measures the sensitivity of 52 decisions first; give at least 86/,
    );
    expect(await test.service.call('run.list', {})).toEqual([]);
  });
});
