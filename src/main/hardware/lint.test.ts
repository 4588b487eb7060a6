/** Findings and the roofline: what is said, with which figure, and what is not said. */
import { describe, expect, it } from 'vitest';
import { roofline } from '../../shared/roofline.ts';
import { quantizableLayers } from '../network/graph.ts';
import { resolveNetwork } from '../network/zoo.ts';
import { lint } from './lint.ts';
import { simulate, timeline } from './simulate.ts';
import { findTarget, listTargets } from './targets.ts';

const { graph } = resolveNetwork({ id: 'mobilenet-v1-0.25' }, { shape: [28, 28, 1], classes: 10 });
const layers = quantizableLayers(graph);

function simulateAt(targetId: string, weightBits: number, activationBits: number): ReturnType<typeof simulate> {
  const { target } = findTarget(targetId);
  const bits = { weightBits: layers.map(() => weightBits), activationBits: layers.map(() => activationBits) };
  return simulate({ graph, title: 'x', target, batch: 4, bits });
}

describe('lint', () => {
  it('names memory-bound depthwise layers on BitFusion, with intensity below the ridge', () => {
    const { target } = findTarget('bitfusion');
    const found = lint(graph, target, simulateAt('bitfusion', 8, 8)).filter((finding) => finding.rule === 'memory-bound');
    const depthwise = found.filter((finding) => finding.layer.endsWith('_dw'));
    expect(depthwise.length).toBeGreaterThan(3);
    for (const { figures, message } of depthwise) {
      expect(figures['macsPerByte']).toBeLessThan(figures['ridgeMacsPerByte'] ?? 0);
      expect(message).toMatch(/^depthwise at w8a8 is memory bound: /);
    }
  });

  it('says that depthwise fills 1 / 32 x 9 / 32 of a weight-stationary 32 x 32 array at most', () => {
    const { target } = findTarget('systolic-32x32-ws');
    const finding = lint(graph, target, simulateAt('systolic-32x32-ws', 8, 8)).find(
      (candidate) => candidate.rule === 'array-not-filled' && candidate.layer === 'conv2_dw',
    );
    expect(finding?.figures['filledShare']).toBeLessThan(9 / 1024);
    expect(finding?.figures['filledShare']).toBeGreaterThan(0.001);
  });

  it('says that bits buy nothing on a V100, and which width would take as long', () => {
    const pointwise = layers.findLastIndex((layer) => layer.kind === 'pointwise');
    const name = layers[pointwise]?.name;
    const v100 = findTarget('v100-roofline').target;
    const findings = lint(graph, v100, simulateAt('v100-roofline', 4, 4)).filter((finding) => finding.rule === 'bits-buy-nothing');
    expect(findings).toHaveLength(2 * layers.length); // weights and activations of every layer
    expect(findings.find((finding) => finding.layer === name)?.figures).toEqual({ bits: 4, sameLatencyAtBits: 8 });
  });

  it('finds fewer bits without use on a bit-serial array than on one that fuses, and fewer there than on fixed multipliers', () => {
    const useless = (id: string): number =>
      lint(graph, findTarget(id).target, simulateAt(id, 5, 5)).filter((finding) => finding.rule === 'bits-buy-nothing').length;
    expect(useless('bismo-cloud')).toBeLessThan(useless('bitfusion'));
    expect(useless('bitfusion')).toBeLessThan(useless('tpu-like'));
  });
});

describe('roofline', () => {
  it.each(listTargets().map(({ target }) => target.id))('no layer is above the roof of %s', (id) => {
    for (const bits of [2, 5, 8]) {
      const roof = roofline(simulateAt(id, bits, bits));
      expect(roof.points).toHaveLength(layers.length);
      for (const point of roof.points) expect(point.attained).toBeLessThanOrEqual(point.roof * (1 + 1e-9));
    }
  });
});

describe('simulate, on every target', () => {
  it.each(listTargets().map(({ target }) => target.id))('parts sum to their totals on %s', (id) => {
    const simulation = simulateAt(id, 6, 3);
    for (const layer of simulation.layers) {
      expect(layer.computeCycles + layer.stallCycles).toBe(layer.cycles);
      const { weights, inputs, partials, outputs } = layer.stalls;
      expect(weights + inputs + partials + outputs).toBeCloseTo(layer.stallCycles, 3);
      expect(layer.traffic.weights + layer.traffic.inputs + layer.traffic.partials + layer.traffic.outputs).toBe(layer.dramBits);
      expect(layer.utilization > 0 && layer.utilization <= 1).toBe(true);
      if (layer.energy === null) expect(layer.energyMj).toBeNull();
      else expect(layer.energy.computeMj + layer.energy.buffersMj + layer.energy.dramMj).toBeCloseTo(layer.energyMj ?? Number.NaN, 12);
    }
    expect(simulation.cycles).toBe(simulation.layers.reduce((sum, layer) => sum + layer.cycles, 0));
    expect(simulation.energyMj === null).toBe(findTarget(id).target.energy === null); // unknown is null, never 0
    if (simulation.energyMj !== null) expect(simulation.energyMj).toBeGreaterThan(0);
  });
});

describe('timeline', () => {
  const options = { graph, batch: 4, layer: 'conv2_pw', weightBits: 8, activationBits: 8, fromTile: 0, tiles: 50 };

  it('refuses a layer that is not there and a target without tiles', () => {
    const { target } = findTarget('bitfusion');
    expect(() => timeline({ ...options, target, layer: 'conv2_pv' })).toThrow(/no layer conv2_pv with weights; .*did you mean conv2_pw\?$/);
    expect(() => timeline({ ...options, target: findTarget('bismo-cloud').target })).toThrow(
      "layer conv2_pw: this target's law is a closed form: it has no tiles",
    );
  });

  it('ends when the layer does, loads before it computes, computes before it stores, one tile after the other', () => {
    const { target } = findTarget('bitfusion');
    const { layers: simulated } = simulateAt('bitfusion', 8, 8);
    const found = timeline({ ...options, target, tiles: 2000 });
    expect(found.cycles).toBe(simulated.find((layer) => layer.name === 'conv2_pw')?.cycles);
    expect(found.steps).toHaveLength(found.tiles);
    expect(found.steps.at(-1)?.storeEnd).toBe(found.cycles);
    found.steps.forEach((step, index) => {
      const loaded = step.loadBegin + step.weightLoad + step.inputLoad + step.partialLoad;
      expect(step.computeBegin).toBeGreaterThanOrEqual(Math.max(loaded, found.steps[index - 1]?.computeEnd ?? 0));
      expect(step.storeBegin).toBeGreaterThanOrEqual(step.computeEnd);
      expect(step.loadBegin).toBeGreaterThanOrEqual(found.steps[index - 2]?.computeEnd ?? 0); // a half of the buffers is free
    });
  });
});
