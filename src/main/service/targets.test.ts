/** Targets through the contract: kept, checked, simulated on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, type TestService } from '../../../test/support/service.ts';
import { requireSimulated } from '../../shared/target.ts';
import { findTarget } from '../hardware/targets.ts';

let test: TestService;
beforeAll(async () => {
  test = await openService(await makeDataDir());
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
});

const mine = { ...requireSimulated(findTarget('bitfusion').target, 'clock'), id: 'mine', title: 'Mine' };
const network = { network: { id: 'mobilenet-v1', width: 0.25, inputSize: 32 } };

describe('targets through the contract', () => {
  it('are refused with the figure that is wrong', async () => {
    await expect(test.service.call('target.add', { target: { ...mine, clockMhz: 0 } })).rejects.toThrow(/^target\.add: target\.clockMhz: /);
    await expect(test.service.call('target.add', { target: { ...mine, id: 'bitfusion' } })).rejects.toThrow(
      /comes with Lathe and stays as it is/,
    );
    await expect(test.service.call('target.remove', { id: 'nowhere' })).rejects.toThrow(/^there is no target nowhere; known: /);
    const text = JSON.stringify({ ...mine, array: { rows: 'many' } });
    const found = await test.service.call('target.validate', { text });
    expect(found.valid).toBe(false);
    expect(found.problems.some((problem) => problem.startsWith('array.rows: '))).toBe(true);
    expect(await test.service.call('target.validate', { text: '{' })).toMatchObject({
      valid: false,
      problems: [expect.stringMatching(/^not JSON: /)],
    });
    await expect(test.service.call('simulate', { ...network, target: 'mine' })).rejects.toThrow(/^there is no target mine; /);
  });

  it('are kept once, replaced where that is asked for, simulated on and removed', async () => {
    const kept = await test.service.call('target.add', { target: mine });
    expect(kept.builtIn).toBe(false);
    await expect(test.service.call('target.add', { target: mine })).rejects.toThrow(
      'there is a target mine already; choose another id, or replace it',
    );
    const fast = await test.service.call('target.add', { target: { ...mine, clockMhz: 1000 }, replace: true });
    expect(fast.sha256).not.toBe(kept.sha256);
    const [own, original] = [
      await test.service.call('simulate', { ...network, target: 'mine' }),
      await test.service.call('simulate', { ...network, target: 'bitfusion' }),
    ];
    expect(own.latencyMs).toBeCloseTo(original.latencyMs / 2, 9); // twice the clock
    expect(own.energyMj).toBe(original.energyMj);
    expect(await test.service.call('target.remove', { id: 'mine' })).toEqual({ id: 'mine' });
    expect((await test.service.call('target.list', {})).some((info) => info.target.id === 'mine')).toBe(false);
  });

  it('answer with findings and with the tiles of a layer', async () => {
    const findings = await test.service.call('simulate.lint', { ...network, target: 'systolic-32x32-ws' });
    expect(findings.some((finding) => finding.rule === 'array-not-filled' && finding.layer.endsWith('_dw'))).toBe(true);
    const timeline = await test.service.call('simulate.timeline', { ...network, target: 'bitfusion', layer: 'conv2_pw', tiles: 3 });
    expect(timeline.steps.length).toBeLessThanOrEqual(3);
    expect(timeline.steps[0]?.loadBegin).toBe(0);
    await expect(test.service.call('simulate.timeline', { ...network, target: 'bitfusion', layer: 'nowhere' })).rejects.toThrow(
      /no layer nowhere with weights/,
    );
  });
});
