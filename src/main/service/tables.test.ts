/** Latency tables through the contract: imported, exported, asked, made into targets. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, type TestService } from '../../../test/support/service.ts';

let test: TestService;
beforeAll(async () => {
  test = await openService(await makeDataDir());
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
});

const network = { id: 'mobilenet-v1', width: 0.25, inputSize: 32, classes: 10 };

/** A table of every operator that the network needs, each of 1 ms, but for some. */
async function tableOf(without: (key: string) => boolean = () => false): Promise<string> {
  const seed = 'linear-input:7-output:7-bits:float';
  await test.service.call('table.import', { text: `${seed}: {mean: 1}`, name: 'seed.yaml', replace: true });
  const { missing } = await test.service.call('table.coverage', { id: 'seed', networks: [network] });
  return missing
    .filter((key) => !without(key))
    .map((key) => `${key}: {count: 3, mean: 1, std: 0.1}\n`)
    .join('');
}

describe('latency tables through the contract', () => {
  it('are refused where something is not right, and then nothing is there', async () => {
    const call = test.service.call.bind(test.service);
    await expect(call('table.import', { name: 'x.yaml' })).rejects.toThrow('table.import: expected either a path or a text');
    await expect(call('table.import', { path: '/nowhere/x.yaml' })).rejects.toThrow(/^\/nowhere\/x\.yaml cannot be read/);
    await expect(call('table.import', { text: 'a: 1', name: 'x.txt' })).rejects.toThrow(/expected a file that ends in \.csv, /);
    await expect(call('table.import', { text: 'a: {mean: 1}', name: 'x.yaml' })).rejects.toThrow(/^x\.yaml: key a: unknown type/);
    expect(await call('table.list', {})).toEqual([]);
    await expect(call('table.show', { id: 'x' })).rejects.toThrow(/^there is no latency table x; there are none yet: table import FILE/);
    for (const method of ['table.entries', 'table.remove', 'table.fit'] as const)
      await expect(call(method, { id: 'x' })).rejects.toThrow(/^there is no latency table x/);
    await expect(call('table.export', { id: 'x', format: 'csv' })).rejects.toThrow(/^there is no latency table x/);
    await expect(call('table.predict', { target: 'bismo-cloud', network })).rejects.toThrow(/^target bismo-cloud is simulated/);
  });

  it('are kept, listed, browsed, exported and removed', async () => {
    const path = join(test.dataDir, 'My Phone.csv');
    await writeFile(
      path,
      'key,count,mean,var\nConv-input:224x224x3-output:112x112x32,982,4.5,0.25\nLogits-input:7x7x1280-output:1000,982,0.5,0.01\n',
    );
    const info = await test.service.call('table.import', { path, device: { phone: 'Pixel 1' }, threads: 1 });
    expect(info).toMatchObject({ id: 'my-phone', entries: 2, origin: 'imported', scheme: 'proxylessnas', device: { phone: 'Pixel 1' } });
    await expect(test.service.call('table.import', { path })).rejects.toThrow(
      'there is a table my-phone already; choose another id, or replace it',
    );
    const again = await test.service.call('table.import', { path, replace: true });
    expect(again.sha256).toBe(info.sha256);
    expect((await test.service.call('table.list', {})).map(({ id }) => id)).toContain('my-phone');
    const { total, entries } = await test.service.call('table.entries', { id: 'my-phone', filter: 'Logits' });
    expect(total).toBe(1);
    expect(entries[0]).toMatchObject({ meanMs: 0.5, variance: 0.01, stdMs: null });
    const { fileName, text } = await test.service.call('table.export', { id: 'my-phone', format: 'json' });
    expect(fileName).toBe('my-phone.json');
    const copy = await test.service.call('table.import', { text, name: fileName, id: 'copy' });
    expect(copy.sha256).toBe(info.sha256); // the hash is of the entries
    for (const id of ['my-phone', 'copy']) await test.service.call('table.remove', { id });
    expect(test.events.filter((event) => event.name === 'table.changed').length).toBeGreaterThanOrEqual(5);
    expect((await test.service.call('table.list', {})).some(({ id }) => id === 'my-phone')).toBe(false);
  });

  it('price a network, name what they lack, and fill it in only where that is asked for', async () => {
    const whole = await test.service.call('table.import', { text: await tableOf(), name: 'whole.yaml' });
    const full = await test.service.call('table.predict', { table: 'whole', network });
    expect(full.missing).toEqual([]);
    expect(full.latencyMs).toBe(full.parts.length); // each operator takes 1 ms
    expect(whole.entries).toBeLessThan(full.parts.length); // some operators are alike
    const isLast = (key: string): boolean => key.startsWith('linear');
    await test.service.call('table.import', { text: await tableOf(isLast), name: 'part.yaml' });
    const part = await test.service.call('table.predict', { table: 'part', network });
    expect(part.latencyMs).toBeNull();
    expect(part.missing).toEqual([full.parts.at(-1)?.key]);
    const filled = await test.service.call('table.predict', { table: 'whole', network: { ...network, width: 0.5 }, filling: 'fit' });
    expect(filled.latencyMs).not.toBeNull();
    expect(filled.parts.filter(({ origin }) => origin === 'fitted').length).toBeGreaterThan(20);
    const covered = await test.service.call('table.coverage', { id: 'part', networks: [network, { ...network, classes: 11 }] });
    expect(covered.networks.map(({ missing }) => missing.length)).toEqual([1, 1]);
    expect(covered).toMatchObject({ needed: whole.entries + 1, covered: whole.entries - 1 });
    const model = await test.service.call('table.fit', { id: 'whole' });
    expect(model.classes.map((one) => one.class)).toEqual(['conv', 'depthwise', 'pointwise', 'linear', 'pool']);
    expect(model.points).toHaveLength(whole.entries);
  });

  it('become targets that carry their latencies, for float networks alone', async () => {
    const info = await test.service.call('table.target', { id: 'whole', target: 'my-device' });
    expect(info.target).toMatchObject({ law: 'table', calibration: 'imported', scheme: 'operators' });
    await expect(test.service.call('table.target', { id: 'whole', target: 'my-device' })).rejects.toThrow(
      /there is a target my-device already/,
    );
    await test.service.call('table.remove', { id: 'whole' });
    const priced = await test.service.call('table.predict', { target: 'my-device', network });
    expect(priced.latencyMs).toBe(priced.parts.length); // the table is gone, the target is as it was
    await expect(test.service.call('simulate', { network, target: 'my-device' })).rejects.toThrow(
      'target my-device is a latency table of float networks: it has no cycles to simulate; choose a simulated target, as bismo-cloud',
    );
    await expect(
      test.service.call('run.preview', { network: { id: 'mobilenet-v1', width: 0.25 }, dataset: 'generated', target: 'my-device' }),
    ).rejects.toThrow(/is a latency table of float networks: it has no costs at chosen bits/);
  });
});
