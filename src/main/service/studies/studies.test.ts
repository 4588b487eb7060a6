/** Studies through the contract: refused, started, reused, their tables; and the agent of one run in another. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallPruning } from '../../../../test/support/prunings.ts';
import { makeDataDir, openService, removeDataDir, smallSearch, waitForStatus, type TestService } from '../../../../test/support/service.ts';
import { meanAndSpread } from './definition.ts';

let test: TestService;
beforeAll(async () => {
  test = await openService(await makeDataDir());
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
});

const completionMs = 240_000;

describe('a mean over seeds', () => {
  it('leaves out what is not known, and has no spread of one value', () => {
    expect(meanAndSpread([null, undefined])).toEqual({ mean: null, spread: null });
    expect(meanAndSpread([0.5, null])).toEqual({ mean: 0.5, spread: null });
    expect(meanAndSpread([1, 2, 3])).toEqual({ mean: 2, spread: 1 });
  });
});

describe('studies', () => {
  it('are refused by a name that there is not, and where their data set is not there yet, with nothing kept', async () => {
    await expect(test.service.call('study.run', { kind: 'table-99' })).rejects.toThrow(
      /expected one of table-1, table-2, table-3, table-4, table-5, table-6, table-7, figure-2/,
    );
    await expect(test.service.call('study.show', { id: 'st-none' })).rejects.toThrow(/^study st-none: there is no such study/);
    await expect(test.service.call('study.run', { kind: 'table-6' })).rejects.toThrow(/fashion-mnist/);
    const compared = { request: smallPruning(2), methods: ['magnitude', 'integer-program'], seeds: [1] };
    await expect(test.service.call('study.compare', compared)).rejects.toThrow(
      /^method integer-program: prune has no such method; expected one of ddpg, random/,
    );
    const { definitions, studies } = await test.service.call('study.list', {});
    expect(definitions.map(({ id }) => id)).toEqual(expect.arrayContaining(['table-5', 'table-6', 'table-7', 'figure-3', 'figure-4']));
    expect(studies).toEqual([]);
  });

  it(
    'stop with all their runs, and go on with them',
    async () => {
      const request = smallSearch(14, 11);
      const { id, cells } = await test.service.call('study.compare', { request, methods: ['ddpg', 'random'], seeds: [11] });
      await test.service.call('study.cancel', { id });
      for (const { run } of cells) await waitForStatus(test.service, run, ['cancelled'], completionMs);
      const resumed = await test.service.call('study.resume', { id });
      expect(resumed.cells.every(({ status }) => status === 'queued' || status === 'running')).toBe(true);
      await test.service.call('study.cancel', { id });
      for (const { run } of cells) await waitForStatus(test.service, run, ['cancelled'], completionMs);
      expect((await test.service.call('study.show', { id })).study.done).toBe(0);
    },
    completionMs,
  );

  it(
    'compare methods on the same weights, take over runs that are there, and lend an agent',
    async () => {
      const request = smallSearch(14);
      const started = await test.service.call('study.compare', { request, methods: ['ddpg', 'random'], seeds: [7] });
      expect(started.cells.map(({ labels }) => labels['method'])).toEqual(['ddpg', 'random']);
      for (const { run } of started.cells) await waitForStatus(test.service, run, ['completed'], completionMs);
      const { study, tables } = await test.service.call('study.show', { id: started.id });
      expect(study.done).toBe(2);
      expect(tables[0]?.rows.map(([name, runs]) => [name, runs])).toEqual([
        ['ddpg', 1],
        ['random', 1],
        ['best uniform', 1],
      ]);
      const [ddpg, random] = await Promise.all(started.cells.map(({ run }) => test.service.call('run.show', { id: run })));
      expect(tables[0]?.rows[0]?.[2]).toBe(ddpg?.solutions.find(({ role }) => role === 'best')?.testAccuracy);
      const weightsOf = (detail: typeof ddpg): unknown => detail?.solutions.find(({ role }) => role === 'float')?.weights;
      expect(weightsOf(random)).toBe(weightsOf(ddpg)); // trained once
      const trials = await test.service.call('run.trials', { id: started.cells[1]?.run ?? '' });
      expect(trials).toHaveLength(14);
      expect(trials.at(-1)?.origin).toBe('random');

      const again = await test.service.call('study.compare', { request, methods: ['random'], seeds: [7] });
      expect(again).toMatchObject({ done: 1, cells: [{ run: started.cells[1]?.run }] });

      const transfer = { ...request, search: { ...request.search, method: 'transfer' as const, trials: 3 } };
      await expect(test.service.call('run.create', transfer)).rejects.toThrow(/name the run whose agent decides/);
      const foreign = { ...transfer, agentRun: started.cells[1]?.run ?? '' };
      await expect(test.service.call('run.create', foreign)).rejects.toThrow(/has no agent/);
      const agents = await test.service.call('run.agents', { method: 'quantize' });
      expect(agents.map(({ id }) => id)).toEqual([started.cells[0]?.run]); // the random search has none
      expect(await test.service.call('run.agents', { method: 'prune' })).toEqual([]);
      const lent = await test.service.call('run.create', { ...transfer, agentRun: started.cells[0]?.run ?? '' });
      await waitForStatus(test.service, lent.id, ['completed'], completionMs);
      const decided = await test.service.call('run.trials', { id: lent.id });
      expect(decided.map(({ origin, noise }) => [origin, noise])).toEqual([
        ['transfer', null],
        ['transfer', 0.05],
        ['transfer', 0.05],
      ]);
    },
    2 * completionMs,
  );
});
