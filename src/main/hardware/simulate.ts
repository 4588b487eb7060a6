/** A network's run on a target at a policy's bits, layer by layer. The counting is in C++; the law is in docs/algorithms/bismo.md. */
import type { LayerSimulation, Simulation, Target } from '../../shared/network.ts';
import { quantizableLayers } from '../network/graph.ts';
import type { Graph } from '../network/graph.ts';
import { checkLengths, cyclesToMs, quantizedSizeBytes, simulateLayers } from './cost-table.ts';
import type { PolicyBits } from './cost-table.ts';

export interface SimulateOptions {
  readonly graph: Graph;
  readonly title: string; // of the network, for a person
  readonly target: Target;
  readonly batch: number; // images at once, 1 to 4096
  readonly bits: PolicyBits;
}

/**
 * Cycles, latency, traffic and utilization of every quantizable layer and of all of them; everything but `macs` is of the
 * whole batch. `computeCycles` are those in which the array executes, `stallCycles` the rest (fetching, filling, draining).
 * `utilization` is of the array's binary multiply-accumulates at these bits, padding counted as idle.
 */
export function simulate({ graph, title, target, batch, bits }: SimulateOptions): Simulation {
  const quantizable = quantizableLayers(graph);
  checkLengths(bits, quantizable.length);
  const rows = quantizable.map((_, layer) => ({
    layer,
    weightBits: bits.weightBits[layer] ?? 0,
    activationBits: bits.activationBits[layer] ?? 0,
  }));
  const result = simulateLayers(target, quantizable, rows, batch);
  const { rows: arrayRows, columns, wordBits } = target.array;
  const layers = quantizable.map(({ name, kind, macs }, index): LayerSimulation => {
    const { weightBits = 0, activationBits = 0 } = rows[index] ?? {};
    const cycles = result.cycles[index] ?? 0;
    const computeCycles = result.computeCycles[index] ?? 0;
    const images = kind === 'linear' ? 1 : batch; // a linear layer's cost is of one matrix product, whatever the batch
    return {
      name,
      kind,
      weightBits,
      activationBits,
      macs,
      cycles,
      computeCycles,
      stallCycles: cycles - computeCycles,
      latencyMs: cyclesToMs(cycles, target),
      dramBits: result.dramBits[index] ?? 0,
      energyMj: target.energy,
      utilization: (macs * images * weightBits * activationBits) / (cycles * arrayRows * columns * wordBits),
    };
  });
  const cycles = sum(layers.map((layer) => layer.cycles));
  return {
    network: title,
    target: target.id,
    batch,
    cycles,
    latencyMs: cyclesToMs(cycles, target),
    energyMj: target.energy,
    dramBits: sum(layers.map((layer) => layer.dramBits)),
    sizeBytes: quantizedSizeBytes(graph, quantizable, bits.weightBits),
    layers,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
