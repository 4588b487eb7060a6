import { describe, expect, it } from 'vitest';
import { quantizableLayerInfos } from '../../network/describe.ts';
import { resolveNetwork } from '../../network/zoo.ts';
import { LayerStates, stateSize } from './state.ts';

describe("what the agent sees of MobileNet-V1's layers", () => {
  const layers = quantizableLayerInfos(resolveNetwork({ id: 'mobilenet-v1' }).graph);
  const states = new LayerStates(layers);

  it('is ten numbers between 0 and 1 for each decision', () => {
    for (let layer = 0; layer < layers.length; layer += 1) {
      const state = states.observe(layer, 'weights', 0.5);
      expect(state).toHaveLength(stateSize);
      for (const value of state) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      }
    }
  });

  it('scales every column over the network: index 0 to 1, and 1 for the most weights, those of the last pointwise layer', () => {
    const first = states.observe(0, 'weights', 1);
    const last = states.observe(layers.length - 1, 'weights', 1);
    expect([first[7], last[7]]).toEqual([0, 1]);
    expect(states.observe(layers.length - 2, 'weights', 1)[5]).toBe(1); // 1024 x 1024
    expect(first[1]).toBe(0); // 3 input channels, the fewest
  });

  it('tells depthwise layers, and activation from weight decisions', () => {
    expect(layers[1]?.kind).toBe('depthwise');
    expect(states.observe(1, 'weights', 0)[0]).toBe(1);
    expect(states.observe(2, 'weights', 0)[0]).toBe(0);
    expect([states.observe(1, 'weights', 0)[9], states.observe(1, 'activations', 0)[9]]).toEqual([0, 1]);
  });

  it('carries the action before, without changing what is seen later', () => {
    expect(states.observe(3, 'weights', 0.25)[8]).toBe(0.25);
    expect(states.observe(3, 'weights', 1)[8]).toBe(1);
  });

  it('says nothing in a column that is the same everywhere', () => {
    const same = new LayerStates([layers[2], layers[2]].filter((layer) => layer !== undefined));
    expect([...same.observe(1, 'weights', 0)].slice(0, 7)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });
});
