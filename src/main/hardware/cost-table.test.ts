/** The cost of policies: the table against the simulation, sizes counted by hand, and what goes into a total. */
import { describe, expect, it } from 'vitest';
import { simulationSchema } from '../../shared/simulation.ts';
import { Random } from '../../shared/random.ts';
import { createGraph, inputName } from '../network/graph.ts';
import { resolveNetwork } from '../network/zoo.ts';
import { costTable } from './cost-table.ts';
import { simulate } from './simulate.ts';
import { findTarget, listTargets } from './targets.ts';

const { target } = findTarget('bismo-cloud');
const { graph } = resolveNetwork({ id: 'mobilenet-v1-0.25' }, { shape: [28, 28, 1], classes: 10 });
const table = costTable(graph, target, 16);
const uniform = (weightBits: number, activationBits: number): { weightBits: number[]; activationBits: number[] } => ({
  weightBits: table.layers.map(() => weightBits),
  activationBits: table.layers.map(() => activationBits),
});

describe('costTable, misuse', () => {
  it('refuses bits outside 1..8 and policies of another length', () => {
    expect(() => table.cyclesOf(0, 0, 4)).toThrow('conv1: weightBits must be from 1 to 8, found 0');
    expect(() => table.cyclesOf(0, 4, 9)).toThrow('conv1: activationBits must be from 1 to 8, found 9');
    expect(() => table.cyclesOf(28, 4, 4)).toThrow('layer must be from 0 to 27, found 28');
    expect(() => table.costOf({ weightBits: [4], activationBits: [4] })).toThrow(
      'weightBits must have one entry for each of 28 layers, found 1',
    );
    expect(() => table.costOf({ ...uniform(4, 4), activationBits: table.layers.map(() => 2.5) })).toThrow(
      /activationBits must be from 1 to 8, found 2.5/,
    );
  });
});

describe('costTable', () => {
  it('agrees with the simulation at mixed bits', () => {
    const random = Random.fromSeed(5);
    for (let i = 0; i < 20; i++) {
      const bits = {
        weightBits: table.layers.map(() => random.uniformInt(1, 8)),
        activationBits: table.layers.map(() => random.uniformInt(1, 8)),
      };
      const simulation = simulationSchema.parse(simulate({ graph, title: 'x', target, batch: 16, bits }));
      const cost = table.costOf(bits);
      expect(cost).toEqual({ latencyMs: simulation.latencyMs, energyMj: null, sizeBytes: simulation.sizeBytes, macs: graph.macs });
      expect(
        simulation.layers.map((layer, index) => layer.cycles === table.cyclesOf(index, layer.weightBits, layer.activationBits)),
      ).not.toContain(false);
      expect(simulation.cycles).toBe(simulation.layers.reduce((sum, layer) => sum + layer.cycles, 0));
    }
  });

  it('tells weight bits from activation bits', () => {
    // A 1 x 1 layer of few outputs and many pixels streams activations: their bits cost more than the weights'.
    const pointwise = table.layers.findIndex((layer) => layer.name === 'conv2_pw');
    expect(table.cyclesOf(pointwise, 1, 8)).toBeGreaterThan(table.cyclesOf(pointwise, 8, 1));
  });

  it('counts bytes: weights at their bits, the rest in 32-bit floats', () => {
    const small = createGraph(
      [4, 4, 3],
      [
        {
          kind: 'conv',
          name: 'a',
          input: inputName,
          outChannels: 5,
          kernel: [3, 3],
          stride: [1, 1],
          padding: [1, 1, 1, 1],
          dilation: [1, 1],
          groups: 1,
          bias: true,
        },
        { kind: 'batchNorm', name: 'b', input: 'a', epsilon: 1e-5, momentum: 0.1 },
        { kind: 'globalAveragePool', name: 'c', input: 'b' },
        { kind: 'linear', name: 'd', input: 'c', outFeatures: 2, bias: true },
      ],
    );
    // 135 weights at 3 bits and 10 at 7 bits are 475 bits, 60 bytes begun; 5 biases, 10 of batch norm, 2 biases: 17 floats.
    expect(costTable(small, target, 1).costOf({ weightBits: [3, 7], activationBits: [1, 8] }).sizeBytes).toBe(60 + 68);
  });

  it('makes a size budget meaningful: 8 bits is a quarter of the weights in floats', () => {
    const weights = table.layers.reduce((sum, layer) => sum + layer.weights, 0);
    expect(table.costOf(uniform(8, 8)).sizeBytes).toBe(weights + 4 * (graph.params - weights));
    expect(table.costOf(uniform(2, 8)).sizeBytes).toBe(weights / 4 + 4 * (graph.params - weights));
  });

  it.each(listTargets().map((info) => info.target.id))(
    'prices latency, and energy where it is known, on %s as the simulation does',
    (id) => {
      const other = findTarget(id).target;
      const { costOf, energyMjOf } = costTable(graph, other, 4);
      const random = Random.fromSeed(9);
      const bits = {
        weightBits: table.layers.map(() => random.uniformInt(1, 8)),
        activationBits: table.layers.map(() => random.uniformInt(1, 8)),
      };
      const simulation = simulate({ graph, title: 'x', target: other, batch: 4, bits });
      expect(costOf(bits)).toEqual({
        latencyMs: simulation.latencyMs,
        energyMj: simulation.energyMj,
        sizeBytes: simulation.sizeBytes,
        macs: graph.macs,
      });
      expect(energyMjOf(0, 8, 8) === null).toBe(other.energy === null);
    },
  );

  it('prices a MobileNet-V2 in a few milliseconds', () => {
    const large = resolveNetwork({ id: 'mobilenet-v2' }).graph;
    const begun = performance.now();
    costTable(large, target, 16);
    expect(performance.now() - begun).toBeLessThan(500); // about 10 on an idle machine
  });
});

describe('simulate', () => {
  it('splits cycles into executing and stalled ones, and keeps utilization within 0..1 for any batch', () => {
    for (const batch of [1, 16, 4096]) {
      const simulation = simulate({ graph, title: 'x', target, batch, bits: uniform(3, 5) });
      for (const layer of simulation.layers) {
        expect(layer.stallCycles).toBe(layer.cycles - layer.computeCycles);
        expect(layer.stallCycles).toBeGreaterThanOrEqual(0);
        expect(layer.utilization > 0 && layer.utilization <= 1).toBe(true);
        expect(layer.dramBits % 256).toBe(0); // whole words
      }
    }
  });

  it('counts useful work over all that the array could do', () => {
    // The classifier at w8a8: 256 x 10 MACs of 64 binary operations each; a cycle has room for 65,536.
    const fc = simulate({ graph, title: 'x', target, batch: 16, bits: uniform(8, 8) }).layers.at(-1);
    expect(fc?.macs).toBe(2560);
    expect(fc?.utilization).toBe((2560 * 64) / ((fc?.cycles ?? 0) * 65_536));
  });
});
