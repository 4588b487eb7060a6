/** Measuring on this machine: what is refused, what is told, and that more work takes longer. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveNetwork } from '../../network/zoo.ts';
import { parseKey, type OperatorKey } from '../tables/keys.ts';
import { operatorKey, sessionKey } from '../tables/parts.ts';
import { unitsOf } from '../tables/units.ts';
import { EnergyMeter } from './energy.ts';
import { measureNetwork, measureOperators, type MeasureOptions } from './measure.ts';
import { operatorGraph } from './operator-graph.ts';
import { quieter, summarize } from './statistics.ts';

const options: MeasureOptions = { threads: 1, batch: 1, warmup: 1, repeats: 5, signal: new AbortController().signal };

describe('timings', () => {
  it('tell mean, deviation, least and median', () => {
    expect(() => summarize([])).toThrow('expected at least one sample, found none');
    expect(summarize([4, 2, 3, 3])).toMatchObject({ count: 4, meanMs: 3, minMs: 2, medianMs: 3 });
    expect(summarize([4, 2, 3, 3]).stdMs).toBeCloseTo(Math.sqrt(2 / 3), 12);
  });

  it('are noisy when the median lies far above the least, or moves; not for a few microseconds', () => {
    expect(summarize([10, 10.2, 10.1, 10.3, 10, 10.2]).noisy).toBe(false);
    expect(summarize([10, 14, 14, 15, 14, 13]).noisy).toBe(true);
    expect(summarize([10, 10, 10, 10, 11.2, 11.2, 11.2, 11.2]).noisy).toBe(true);
    expect(summarize([0.004, 0.008, 0.008, 0.009, 0.008, 0.007]).noisy).toBe(false);
    const [quiet, loud] = [summarize([12, 12, 12, 12]), summarize([8, 11, 11, 14])];
    expect(quieter(quiet, loud)).toBe(quiet);
    expect(quieter(loud, quiet)).toBe(quiet);
  });
});

describe('operators on this machine', () => {
  it('are refused by name where they are no operators of their own', async () => {
    const block = 'expanded_conv-input:8x8x8-output:8x8x8-expand:3-kernel:3-stride:1-idskip:1';
    await expect(measureOperators([block], options)).rejects.toThrow(`${block}: this machine is measured operator by operator in float`);
    const huge = 'relu-input:4096x4096x16-output:4096x4096x16-bits:float';
    await expect(measureOperators([huge], options)).rejects.toThrow(/^relu-input:.* is too large to be measured here/);
    const stopped = AbortSignal.abort();
    await expect(measureOperators([sessionKey], { ...options, signal: stopped })).rejects.toThrow('measuring was stopped on request');
  });

  it('have an entry each, in the order of the keys, and one of sixteen times the work takes longer', async () => {
    const small = 'conv-input:28x28x16-output:28x28x16-kernel:3x3-stride:1x1-groups:1-activation:relu-bits:float';
    const large = 'conv-input:28x28x64-output:28x28x64-kernel:3x3-stride:1x1-groups:1-activation:relu-bits:float';
    const entries = await measureOperators([small, sessionKey, large], options);
    expect(entries.map(({ key }) => key)).toEqual([small, sessionKey, large]);
    for (const { meanMs, minMs, count } of entries) {
      expect(count).toBe(5);
      expect(minMs).toBeGreaterThanOrEqual(0);
      expect(meanMs).toBeGreaterThanOrEqual(minMs ?? Number.NaN);
    }
    expect(entries[2]?.minMs).toBeGreaterThan(3 * (entries[0]?.minMs ?? Number.NaN));
  });

  it('of every zoo network have a small network around them whose operator has their shapes', () => {
    const keys = ['mobilenet-v2', 'mobilenet-v3-small', 'resnet-18', 'squeezenet-1.1', 'nasnet-a-mobile', 'vgg-16'].flatMap((id) =>
      unitsOf(resolveNetwork({ id, inputSize: 96 }).graph).flatMap((unit) => operatorKey(unit) ?? []),
    );
    expect(keys.length).toBeGreaterThan(300);
    for (const key of keys) {
      const { nodes } = operatorGraph(key);
      const last = nodes.findLast(({ spec }) => spec.name.startsWith('measured'));
      expect(last?.outputShape).toEqual(key.output);
      const core = nodes.find(({ spec }) => spec.name === 'measured');
      expect(core?.inputShapes.map((shape) => shape.at(-1))).toEqual(key.inputs.map((shape) => shape.at(-1)));
    }
  });

  it('keep their window where it is even, and have a tensor added where that is fused', () => {
    const text = 'conv-input:9x9x8-output:5x5x8-kernel:2x4-stride:2x2-groups:1-sum:1-activation:relu-bits:float';
    const { nodes } = operatorGraph(parseKey(text) as OperatorKey);
    expect(nodes.find(({ spec }) => spec.name === 'measured')?.spec).toMatchObject({ kernel: [2, 4], padding: [0, 1, 1, 2] });
    expect(nodes.map(({ spec }) => spec.name)).toEqual(['other', 'measured', 'measured_sum', 'measured_activation', 'pooled', 'end']);
  });
});

describe('a whole network on this machine', () => {
  it('is timed, and its energy is told only where the machine has a counter', async () => {
    const { graph } = resolveNetwork({ id: 'mobilenet-v1', width: 0.25, inputSize: 32, classes: 10 });
    const { count, minMs, medianMs, energyMj } = await measureNetwork(graph, { ...options, batch: 2 });
    expect(count).toBe(5);
    expect(medianMs).toBeGreaterThanOrEqual(minMs);
    expect(minMs).toBeGreaterThan(0);
    if ((await EnergyMeter.open()) === null) expect(energyMj).toBeNull();
    else expect(energyMj).toBeGreaterThan(0);
  });

  it('has its energy from all packages, also over the counters’ turn', async () => {
    const root = await mkdtemp(join(tmpdir(), 'lathe-rapl-'));
    expect(await EnergyMeter.open(root)).toBeNull();
    for (const [name, energy] of [
      ['intel-rapl:0', '900'],
      ['intel-rapl:1', '5000'],
      ['intel-rapl:0:0', '1'], // a part of a package
    ] as const) {
      await mkdir(join(root, name));
      await writeFile(join(root, name, 'energy_uj'), `${energy}\n`);
      await writeFile(join(root, name, 'max_energy_range_uj'), '1000000\n');
    }
    const meter = await EnergyMeter.open(root);
    const before = (await meter?.read()) ?? [];
    expect(before).toEqual([900, 5000]);
    await writeFile(join(root, 'intel-rapl:0', 'energy_uj'), '400\n'); // over its range
    await writeFile(join(root, 'intel-rapl:1', 'energy_uj'), '7000\n');
    expect(meter?.between(before, await meter.read())).toBeCloseTo((1_000_000 - 500 + 2000) / 1000, 9);
    await rm(root, { recursive: true });
  });
});
