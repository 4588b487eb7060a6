/** What a comparison says of runs, on made-up runs whose differences are known. */
import { describe, expect, it } from 'vitest';
import { quantizeManifest, runDetail, solution, trainManifest, trial } from '../../test/support/store-samples.ts';
import { bestPlaces, configRows, flattenManifest, policySections, resultRows } from './compare.ts';
import { weigh, trialCandidates } from './objectives.ts';

describe('configurations side by side', () => {
  it('are flat, with budgets as a person says them and lists of values in one', () => {
    const flat = flattenManifest(quantizeManifest);
    expect(flat.get('budgets.latency')).toBe('latency ≤ 50 %');
    expect(flat.get('training.batchSize')).toBe(64);
    expect([...flat.keys()].filter((key) => key.includes('[') || key.startsWith('budgets.0'))).toEqual([]);
  });

  it('mark what differs, also what one run does not have at all', () => {
    if (quantizeManifest.method !== 'quantize') throw new Error('the sample is a search of bits');
    const other = { ...quantizeManifest, seed: 8, search: { ...quantizeManifest.search, trials: 400 } };
    const differing = configRows([quantizeManifest, other]).filter(({ differs }) => differs);
    expect(differing).toEqual([
      { key: 'seed', values: [7, 8], differs: true },
      { key: 'search.trials', values: [200, 400], differs: true },
    ]);
    const row = configRows([trainManifest, quantizeManifest]).find(({ key }) => key === 'target');
    expect(row).toEqual({ key: 'target', values: [undefined, 'bismo-cloud'], differs: true });
    expect(configRows([quantizeManifest, quantizeManifest]).some(({ differs }) => differs)).toBe(false);
  });
});

describe('results side by side', () => {
  it('leave out what no run knows, and mark the best where there is one', () => {
    const rows = resultRows([
      runDetail('a', { solutions: [solution('best', 'found', { testAccuracy: 0.9, latencyMs: 12 })] }),
      runDetail('b', { solutions: [solution('best', 'found', { testAccuracy: 0.88, latencyMs: 10 })] }),
    ]);
    const row = (id: string) => rows.find((one) => one.id === id);
    expect(row('testAccuracy')?.values).toEqual([0.9, 0.88]);
    expect(rows.map(bestPlaces)[0]).toEqual([0]);
    expect(bestPlaces(row('latencyMs') ?? { values: [], better: null })).toEqual([1]);
    expect(row('params')).toBeUndefined();
    expect(bestPlaces({ values: [1, 1], better: 'less' })).toEqual([]);
    expect(bestPlaces({ values: [1, null], better: 'less' })).toEqual([]);
  });
});

describe('policies side by side', () => {
  it('are matched by the names of layers, and differ where one run has no such layer', () => {
    const bits = (weightBits: number): ReturnType<typeof solution> =>
      solution('best', 'found', { policy: { kind: 'quantize', layers: [{ name: 'conv1', weightBits, activationBits: 8 }] } });
    const [weights, activations] = policySections([
      { detail: runDetail('a', { solutions: [bits(4)] }), trial: null },
      { detail: runDetail('b', { solutions: [bits(6)] }), trial: null },
    ]);
    expect(weights?.rows).toEqual([{ layer: 'conv1', values: [4, 6], differs: true }]);
    expect(activations?.rows).toEqual([{ layer: 'conv1', values: [8, 8], differs: false }]);
    const ofTrial = policySections([{ detail: runDetail('a', {}), trial: trial(3, { weightBits: [3] }) }]);
    expect(ofTrial[0]?.rows[0]).toEqual({ layer: 'conv1', values: [3], differs: false });
  });
});

describe('weighing trials', () => {
  const candidates = trialCandidates('a', [
    trial(0, { accuracy: 0.9, latencyMs: 20 }),
    trial(1, { accuracy: 0.8, latencyMs: 10 }),
    trial(2, { accuracy: 0.7, latencyMs: 15 }),
    trial(3, { accuracy: 0.95, latencyMs: null }),
  ]);

  it('keeps limits, and leaves out what does not know an objective', () => {
    expect(weigh(candidates, ['latencyMs', 'accuracy'], {})).toMatchObject({ feasible: [0, 1, 2], front: [1, 0] });
    expect(weigh(candidates, ['latencyMs', 'accuracy'], { latencyMs: 15 })).toMatchObject({ feasible: [1, 2], front: [1], knee: null });
    expect(weigh(candidates, ['latencyMs', 'accuracy'], { accuracy: 0.75, latencyMs: 9 }).feasible).toEqual([]);
    expect(weigh(candidates, ['accuracy'], {}).front).toEqual([3]);
  });
});
