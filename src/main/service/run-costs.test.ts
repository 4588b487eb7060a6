/** What is asked of simulator and tables for a run's result on another target. */
import { describe, expect, it } from 'vitest';
import { digest, runDetail, solution, trainManifest } from '../../../test/support/store-samples.ts';
import { contract } from '../../shared/contract.ts';
import type { RunDetail } from '../../shared/run.ts';
import { findTarget } from '../hardware/targets.ts';
import { RunCosts, type RunCostsOptions } from './run-costs.ts';

/** Costs over a simulator and tables that tell what they were asked. */
function costs(detail: RunDetail, missing: readonly string[] = []): { costs: RunCosts; asked: unknown[] } {
  const asked: unknown[] = [];
  const { target, ...info } = findTarget('bismo-edge');
  const table = { ...target, id: 'phone', law: 'table' };
  const options = {
    runs: { show: () => Promise.resolve(detail) },
    targets: {
      find: (id: string) => (id === 'phone' ? { ...info, target: table } : { ...info, target }),
      simulate: (input: { batch?: number }) => {
        asked.push(input);
        return Promise.resolve({ latencyMs: 7, energyMj: null, batch: input.batch ?? 1 });
      },
    },
    tables: {
      predict: (input: unknown) => {
        asked.push(input);
        return Promise.resolve({ latencyMs: missing.length > 0 ? null : 5, batch: 1, missing });
      },
    },
  };
  return { costs: new RunCosts(options as unknown as RunCostsOptions), asked };
}

describe('the cost of a result elsewhere', () => {
  it('is refused where nothing was found and where a table lacks keys', async () => {
    await expect(costs(runDetail('a')).costs.cost({ id: 'a', target: 'bismo-edge' })).rejects.toThrow('run a has found nothing yet');
    const trained = runDetail('t', { manifest: trainManifest, solutions: [solution('best', 'found', { policy: null })] });
    await expect(costs(trained, ['Conv|3x3']).costs.cost({ id: 't', target: 'phone' })).rejects.toThrow('lacks 1 keys, the first Conv|3x3');
  });

  it('is the policy’s on the images that it was made for, at the other target’s batch', async () => {
    const found = solution('best', 'found');
    const detail = runDetail('a', { solutions: [found] });
    const { costs: other, asked } = costs(detail);
    const cost = await other.cost({ id: 'a', target: 'bismo-edge' });
    expect(contract['run.cost'].output.parse(cost)).toMatchObject({
      run: 'a',
      target: 'bismo-edge',
      latencyMs: 7,
      bits: 'policy',
      origin: 'simulated',
    });
    expect(asked).toEqual([expect.objectContaining({ policy: found.policy, dataset: 'fashion-mnist', target: 'bismo-edge' })]);
    expect(asked[0]).not.toHaveProperty('batch');
    const own = costs(detail);
    expect((await own.costs.cost({ id: 'a', target: 'bismo-cloud' })).batch).toBe(16);
  });

  it('is a table’s sum in float for a network without bits', async () => {
    const { costs: of, asked } = costs(runDetail('t', { solutions: [solution('best', 'found', { policy: null, weights: digest('2') })] }));
    expect(await of.cost({ id: 't', target: 'phone' })).toMatchObject({ latencyMs: 5, origin: 'table', bits: 'float', energyMj: null });
    expect(asked[0]).toMatchObject({ filling: 'none', target: 'phone' });
  });
});
