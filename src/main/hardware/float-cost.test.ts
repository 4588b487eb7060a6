/** What a float graph costs on any target: the interface of searches over channels and operators. */
import { describe, expect, it } from 'vitest';
import { quantizableLayers } from '../network/graph.ts';
import { resolveNetwork } from '../network/zoo.ts';
import type { TableTarget } from '../../shared/target.ts';
import { costTable } from './cost-table.ts';
import { floatCost, floatPricer } from './float-cost.ts';
import { partsOf, sessionKey } from './tables/parts.ts';
import { parseKey } from './tables/keys.ts';
import { workOf } from './tables/work.ts';
import { findTarget } from './targets.ts';

const graphAt = (width: number) => resolveNetwork({ id: 'mobilenet-v1', width, inputSize: 64 }).graph;

/** A device whose operators take 0.01 ms and 1 ns for 10 multiply-accumulates. */
function device(): TableTarget {
  const law = (key: string): number => 0.01 + 1e-7 * workOf(parseKey(key)).macs;
  const latencies = partsOf(graphAt(0.5), 'operators').map(({ key }) => [key, law(key)] as const);
  return {
    ...{ formatVersion: 1, id: 'device', title: 'A device', source: 'made up', calibration: 'measured', defaultBatch: 1 },
    ...{ law: 'table', scheme: 'operators', threads: 1, table: { id: 'device', sha256: '' }, energy: null },
    latencyMs: Object.fromEntries([...latencies, [sessionKey, 0.5]]),
  };
}

describe('a float graph', () => {
  it('is refused by a table of another batch, of no latencies, and without rows of a class', () => {
    expect(() => floatPricer(device(), { batch: 16 })).toThrow('target device is a latency table of batch 1: it says nothing of batch 16');
    expect(() => floatPricer({ ...device(), latencyMs: {} })).toThrow('target device has no latencies yet: made up');
    const latencyMs = Object.fromEntries(Object.entries(device().latencyMs).filter(([key]) => !key.startsWith('linear')));
    expect(() => floatCost(graphAt(0.5), { ...device(), latencyMs })).toThrow(
      /^fc: target device has neither the key linear-input:512-output:1000/,
    );
  });

  it('is the sum over a table, with what a run takes', () => {
    const graph = graphAt(0.5);
    const { latencyMs } = device();
    const expected = partsOf(graph, 'operators').reduce((sum, { key }) => sum + (latencyMs[key] ?? Number.NaN), 0.5);
    expect(floatCost(graph, device())).toEqual({ latencyMs: expected, energyMj: null, fittedParts: 0 });
  });

  it('with other channels is priced by the model that its rows give, close to the law behind them', () => {
    const graph = graphAt(0.75);
    const cost = floatCost(graph, device());
    const law = partsOf(graph, 'operators').reduce((sum, { key }) => sum + 0.01 + 1e-7 * workOf(parseKey(key)).macs, 0.5);
    expect(cost.fittedParts).toBeGreaterThan(25);
    expect(Math.abs(cost.latencyMs / law - 1)).toBeLessThan(0.02);
  });

  it('is simulated at one pair of bits on a simulated target, as a uniform policy is', () => {
    const graph = graphAt(0.5);
    const { target } = findTarget('bitfusion');
    const layers = quantizableLayers(graph);
    const uniform = (bits: number) => ({ weightBits: layers.map(() => bits), activationBits: layers.map(() => bits) });
    const { costOf } = costTable(graph, target, 4);
    for (const bits of [8, 4]) {
      const { latencyMs, energyMj } = costOf(uniform(bits));
      const cost = floatCost(graph, target, { batch: 4, bits });
      expect(cost.latencyMs).toBeCloseTo(latencyMs, 9);
      expect(cost.energyMj).toBeCloseTo(energyMj ?? Number.NaN, 9);
    }
    expect(floatCost(graph, findTarget('bismo-cloud').target).energyMj).toBeNull();
  });
});
