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

describe('the keys of a search space', () => {
  const tiny = { space: 'tiny', classes: 10 };
  const few = {
    classes: 10,
    space: {
      ...{ id: 'few', title: 'Few', source: 'this test', inputSize: 32 },
      ...{ stem: { channels: 8, stride: 2 as const }, first: { channels: 8 }, last: { channels: 16 } },
      stages: [{ channels: 8, blocks: 1, stride: 2 as const }],
      candidates: ['k3e3', 'k5e3'],
    },
  };
  beforeAll(async () => {
    await test.service.call('table.import', { text: 'linear-input:7-output:7-bits:float: {mean: 1}', name: 'seed.yaml', replace: true });
  });

  it('are refused where there is nothing to ask about, no such space, or an input that the data set does not fit', async () => {
    const call = test.service.call.bind(test.service);
    await expect(call('table.coverage', { id: 'seed' })).rejects.toThrow('table.coverage: expected at least one network or search space');
    await expect(call('table.build', { target: 'host-cpu' })).rejects.toThrow('table.build: expected at least one network or search space');
    await expect(call('table.coverage', { id: 'seed', spaces: [{ space: 'tony' }] })).rejects.toThrow(
      /^there is no search space tony; .*tiny/,
    );
    await expect(call('table.coverage', { id: 'seed', spaces: [{ space: '/nowhere/own.json' }] })).rejects.toThrow(
      '/nowhere/own.json: there is no such file',
    );
    await expect(call('table.coverage', { id: 'seed', spaces: [{ ...tiny, classes: 5 }], dataset: 'generated' })).rejects.toThrow(
      /^space tiny: at 32 x 32 x 3 with 5 classes it does not fit the data set, which has images of /,
    );
  });

  it('are those that its price on a target of the table needs: with all of them nothing is fitted, without one its candidates are', async () => {
    const call = test.service.call.bind(test.service);
    const asked = { spaces: [{ space: 'tiny' }], dataset: 'generated' };
    const { missing } = await call('table.coverage', { id: 'seed', ...asked });
    const fittedWithout = async (absent: string | null): Promise<string[]> => {
      const text = missing.filter((key) => key !== absent).map((key) => `${key}: {mean: 1}\n`);
      await call('table.import', { text: text.join(''), name: 'space.yaml', replace: true });
      await call('table.target', { id: 'space', target: 'space-device', replace: true });
      const { blocks } = await call('space.preview', { space: 'tiny', dataset: 'generated', target: 'space-device' });
      return blocks.flatMap(({ name, candidates }) => candidates.flatMap((one) => (one.fitted ? [`${name}_${one.candidate}`] : [])));
    };
    expect(await fittedWithout(null)).toEqual([]);
    const whole = await call('table.coverage', { id: 'space', ...asked });
    expect(whole).toMatchObject({ needed: missing.length, covered: missing.length, unused: [] });
    const depthwise = missing.filter((key) => key.includes('-kernel:5x5-'));
    expect(depthwise).toHaveLength(4); // each of the four blocks has another input or stride
    expect(await fittedWithout(depthwise[0] ?? '')).toHaveLength(1);
    const { networks } = await call('table.coverage', { id: 'space', ...asked, networks: [network] });
    expect(networks.map((row) => row.network)).toEqual([expect.stringContaining('MobileNet'), 'space tiny at 32 x 32 x 3, 10 classes']);
    expect(networks[1]?.missing).toEqual([{ key: depthwise[0], uses: 1 }]);
  });

  it('are built by simulating and by measuring, and then the table lacks none', async () => {
    const call = test.service.call.bind(test.service);
    const simulated = await call('table.build', { spaces: [tiny], target: 'bismo-edge', weightBits: [4, 8] });
    expect(simulated.reused).toBe(0);
    const covered = await call('table.coverage', { id: 'bismo-edge', spaces: [tiny] });
    expect(covered).toMatchObject({ missing: [], needed: simulated.added / 2 }); // the other half is of 4 bits
    const again = await call('table.build', { spaces: [tiny], target: 'bismo-edge', weightBits: [4, 8] });
    expect(again).toMatchObject({ added: 0, reused: simulated.added });
    const measured = await call('table.build', {
      spaces: [few],
      target: 'host-cpu',
      threads: 1,
      batch: 2,
      repeats: 5,
    });
    expect(measured).toMatchObject({ target: 'host-cpu-batch-2', reused: 0 });
    const there = await call('table.coverage', { id: 'host-cpu-batch-2', spaces: [few] });
    expect(there).toMatchObject({ missing: [], unused: [], needed: measured.added - 1 }); // and what a run itself takes
  });
});

describe('building a table', () => {
  const small = { id: 'mobilenet-v1', width: 0.125, inputSize: 32, classes: 10 };

  it('of this machine measures what is missing, keeps it, times the network as a whole and makes the target', async () => {
    const call = test.service.call.bind(test.service);
    await expect(call('table.build', { networks: [small], target: 'nowhere' })).rejects.toThrow(/^there is no target nowhere/);
    await expect(call('table.build', { networks: [small], target: 'host-cpu-2-threads' })).rejects.toThrow(
      /with 1 threads and batch 1 it is host-cpu/,
    );
    await expect(call('table.build', { networks: [small], target: 'my-device' })).rejects.toThrow(/is a latency table itself/);
    await expect(call('table.cancel', { id: 'host-cpu' })).rejects.toThrow('table host-cpu is not being built by this Lathe');
    const empty = await call('table.predict', { target: 'host-cpu', network: small });
    expect(empty.missing.length).toBeGreaterThan(15);
    const built = await call('table.build', { networks: [small], target: 'host-cpu', repeats: 5 });
    expect(built).toMatchObject({ target: 'host-cpu', reused: 0, table: { origin: 'measured', threads: 1, batch: 1 } });
    expect(built.table.device['runtime']).toMatch(/^ONNX Runtime 1\./);
    const predicted = await call('table.predict', { target: 'host-cpu', network: small });
    expect(predicted.missing).toEqual([]);
    expect(predicted.measured?.medianMs).toBeGreaterThan(0);
    const progress = test.events.flatMap((event) => (event.name === 'table.progress' ? [event.payload] : []));
    expect(progress.some(({ phase, total }) => phase === 'operators' && total === built.added)).toBe(true);
    expect(await call('table.building', {})).toEqual([]);
    const again = await call('table.build', { networks: [small, { ...small, classes: 11 }], target: 'host-cpu', repeats: 5 });
    expect(again).toMatchObject({ added: 1, reused: built.added }); // the last layer is another
    const { measured } = await call('table.show', { id: 'host-cpu' });
    expect(measured).toHaveLength(2);
    const accuracy = await call('table.accuracy', { id: 'host-cpu' });
    expect(accuracy.points.map(({ predictedMs }) => predictedMs)).toContain(
      (await call('table.predict', { table: 'host-cpu', network: small })).latencyMs,
    );
    expect(accuracy.spearman).toBeNull(); // of two networks
    expect(accuracy.meanError).toBeGreaterThanOrEqual(0);
    const { target } = await call('target.show', { id: 'host-cpu' });
    await expect(call('target.add', { target })).rejects.toThrow(/is this machine: it is measured, not written/);
  });

  it('that is stopped keeps what it has, and goes on from it', async () => {
    const request = { networks: [{ id: 'mobilenet-v2', inputSize: 32 }], target: 'host-cpu', repeats: 5, threads: 2 };
    const building = test.service.call('table.build', request);
    const stopped = expect(building).rejects.toThrow(/was stopped on request; what is measured stays/);
    await new Promise<void>((resolve) => {
      const unsubscribe = test.service.subscribe((event) => {
        if (event.name !== 'table.progress' || event.payload.id !== 'host-cpu-2-threads' || event.payload.done === 0) return;
        unsubscribe();
        void test.service.call('table.cancel', { id: 'host-cpu-2-threads' }).then(() => resolve());
      });
    });
    await stopped;
    const kept = (await test.service.call('table.show', { id: 'host-cpu-2-threads' })).table.entries;
    expect(kept).toBeGreaterThan(0);
    const whole = await test.service.call('table.build', request);
    expect(whole.reused).toBe(kept);
    expect(whole.table.entries).toBe(kept + whole.added);
  });

  it('of a simulated target holds what the target simulates at every pair of bits', async () => {
    const built = await test.service.call('table.build', {
      networks: [small],
      target: 'bismo-cloud',
      weightBits: [4, 8],
      activationBits: [2, 8],
    });
    expect(built.table).toMatchObject({ scheme: 'layers', origin: 'simulated', batch: 16 });
    for (const [weightBits, activationBits] of [
      [4, 2],
      [8, 8],
    ] as const) {
      const bits = { network: small, weightBits, activationBits };
      const { latencyMs } = await test.service.call('simulate', { ...bits, target: 'bismo-cloud' });
      expect((await test.service.call('table.predict', { ...bits, table: 'bismo-cloud' })).latencyMs).toBeCloseTo(latencyMs, 9);
    }
    const other = await test.service.call('table.predict', { table: 'bismo-cloud', network: small, weightBits: 3 });
    expect(other.latencyMs).toBeNull(); // 3 bits were not simulated
    await expect(test.service.call('table.target', { id: 'bismo-cloud', target: 'copy' })).rejects.toThrow(/use that target itself/);
  });
});
