/** Keeping runs, through the contract: filtered, organised, ordered, deleted, made again. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, type TestService } from '../../../test/support/service.ts';

let dataDir: string;
let lathe: TestService;

beforeAll(async () => {
  dataDir = await makeDataDir();
  lathe = await openService(dataDir);
});
afterAll(async () => {
  await lathe.service.close();
  await removeDataDir(dataDir);
});

describe('runs that are kept', () => {
  it('name the place of what is wrong with a filter', async () => {
    await expect(lathe.service.call('run.list', { filter: 'star and sead = 1' })).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('filter, character 10: there is no field sead') as unknown,
      details: { offset: 9, length: 4 },
    });
    await expect(lathe.service.call('view.put', { id: 'v', name: 'V', filter: '(' })).rejects.toThrow('filter, character 2');
    expect(await lathe.service.call('view.list', {})).toEqual([]);
  });

  it('keep views and settings, and start new runs with the threads that were set', async () => {
    const { service, events } = lathe;
    await service.call('view.put', { id: 'v', name: 'V', filter: 'star' });
    expect(await service.call('view.list', {})).toMatchObject([{ id: 'v', place: 'list', sort: { id: 'created', desc: true } }]);
    await service.call('view.remove', { id: 'v' });
    expect(events.filter(({ name }) => name === 'view.changed')).toHaveLength(2);
    await service.call('settings.change', { threads: 1 });
    expect(await service.call('settings.show', {})).toEqual({ threads: 1 });
  });

  it('are made again from their manifest, until what it names has changed; wait in their order; and are deleted from the trash', async () => {
    const { service, events } = lathe;
    const { target } = await service.call('target.show', { id: 'bismo-cloud' });
    await service.call('target.add', { target: { ...target, id: 'mine' } });
    const { threads: _threads, ...request } = smallSearch(500);
    const first = await service.call('run.create', { ...request, target: 'mine' });
    const second = await service.call('run.reproduce', { id: first.id });
    const third = await service.call('run.reproduce', { id: second.id });
    expect(new Set([first, second, third].map(({ configHash }) => configHash)).size).toBe(1);
    expect(second.note).toBe(`reproduces ${first.id}`);
    expect((await service.call('run.show', { id: first.id })).manifest.threads).toBe(1);
    await service.call('target.add', { target: { ...target, id: 'mine', title: 'Another' }, replace: true });
    await expect(service.call('run.reproduce', { id: first.id })).rejects.toThrow('with another targetSha256');

    await service.call('run.reorder', { ids: [third.id, second.id] });
    await service.call('run.cancel', { id: first.id });
    await waitForStatus(service, first.id, ['cancelled']);
    await waitForStatus(service, third.id, ['running']);
    expect((await service.call('run.list', { filter: 'status = queued' })).map(({ id }) => id)).toEqual([second.id]);
    await service.call('run.cancel', { id: second.id });
    await service.call('run.cancel', { id: third.id });
    await waitForStatus(service, third.id, ['cancelled']);

    const ids = [first.id, second.id];
    await expect(service.call('run.purge', { ids })).rejects.toThrow('is not in the trash');
    await service.call('run.organize', { ids, place: 'trash', addTags: ['old'] });
    expect((await service.call('run.list', { filter: 'tag = old', place: 'trash' })).map(({ id }) => id)).toHaveLength(2);
    expect(await service.call('run.purge', { ids })).toMatchObject({ ids });
    expect(events).toContainEqual({ name: 'run.removed', payload: { ids } });
    await expect(service.call('run.show', { id: first.id })).rejects.toMatchObject({ code: 'not-found' });
  });
});
