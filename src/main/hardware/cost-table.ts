/**
 * What every quantizable layer of a network costs on a target at every pair of bit-widths, and from that what a policy costs.
 * Made once by the simulator; asking for a policy's cost is then a sum, cheap enough for a search's inner loop.
 */
import type { Cost } from '../../shared/policy.ts';
import { maximumBits, minimumBits } from '../../shared/policy.ts';
import { requireSimulated, type SimulatedTarget, type Target } from '../../shared/target.ts';
import type { NativeCosts } from '../compute/addon.ts';
import { quantizableLayers } from '../network/graph.ts';
import type { Graph, QuantizableLayer } from '../network/graph.ts';
import { simulatorOf, toNativeLayers } from './native.ts';

/** Bits of every quantizable layer, in network order. */
export interface PolicyBits {
  readonly weightBits: ArrayLike<number>;
  readonly activationBits: ArrayLike<number>;
}

export interface CostTable {
  readonly target: Target;
  readonly batch: number; // images at once
  readonly layers: readonly QuantizableLayer[];
  /** Cycles of one layer for the whole batch. */
  readonly cyclesOf: (layer: number, weightBits: number, activationBits: number) => number;
  /** Energy of one layer for the whole batch; null: the target has no model for it. */
  readonly energyMjOf: (layer: number, weightBits: number, activationBits: number) => number | null;
  /**
   * A policy's cost: latency and energy of the whole batch over all layers (energy null: the target has no model for it),
   * multiply-accumulates of one image, and the size of the quantized network (`quantizedSizeBytes`).
   */
  readonly costOf: (bits: PolicyBits) => Cost;
}

const widths = maximumBits - minimumBits + 1;

/** The table of a network on a target, for `batch` images at once (1 to 4096). Throws LatheError bad-input for a target that is a latency table: it knows no bits. */
export function costTable(graph: Graph, anyTarget: Target, batch: number): CostTable {
  const target = requireSimulated(anyTarget, 'costs at chosen bits');
  const layers = quantizableLayers(graph);
  const pairs = layers.flatMap((_, layer) =>
    Array.from({ length: widths * widths }, (_, pair) => ({
      layer,
      weightBits: minimumBits + Math.floor(pair / widths),
      activationBits: minimumBits + (pair % widths),
    })),
  );
  const costs = simulateLayers(target, layers, pairs, batch);
  const { cycles } = costs;
  const energyMj = Float64Array.from(cycles, (_, row) => energyMjAt(costs, row));
  const hasEnergy = energyMj.every((mj) => !Number.isNaN(mj));
  const at = (column: Float64Array, layer: number, weightBits: number, activationBits: number): number => {
    checkBits(layers[layer]?.name ?? `layer ${layer}`, 'weightBits', weightBits);
    checkBits(layers[layer]?.name ?? `layer ${layer}`, 'activationBits', activationBits);
    const found = column[(layer * widths + weightBits - minimumBits) * widths + activationBits - minimumBits];
    if (found === undefined) throw new RangeError(`layer must be from 0 to ${layers.length - 1}, found ${layer}`);
    return found;
  };
  const total = (column: Float64Array, bits: PolicyBits): number => {
    let sum = 0;
    for (let layer = 0; layer < layers.length; layer++)
      sum += at(column, layer, bits.weightBits[layer] ?? 0, bits.activationBits[layer] ?? 0);
    return sum;
  };
  const costOf = (bits: PolicyBits): Cost => {
    checkLengths(bits, layers.length);
    return {
      latencyMs: cyclesToMs(total(cycles, bits), target),
      energyMj: hasEnergy ? total(energyMj, bits) : null,
      sizeBytes: quantizedSizeBytes(graph, layers, bits.weightBits),
      macs: graph.macs,
    };
  };
  return {
    target,
    batch,
    layers,
    cyclesOf: (layer, weightBits, activationBits) => at(cycles, layer, weightBits, activationBits),
    energyMjOf: (layer, weightBits, activationBits) => (hasEnergy ? at(energyMj, layer, weightBits, activationBits) : null),
    costOf,
  };
}

/** One row for the simulator: a layer of the network at two bit-widths. */
export interface LayerAtBits {
  readonly layer: number;
  readonly weightBits: number;
  readonly activationBits: number;
}

/** Simulates rows in one call of the addon; results are in the order of the rows. Throws LatheError bad-input naming the layer. */
export function simulateLayers(
  target: Target,
  layers: readonly QuantizableLayer[],
  rows: readonly LayerAtBits[],
  batch: number,
): NativeCosts {
  return simulatorOf(target).run(
    toNativeLayers(layers),
    {
      layer: Uint32Array.from(rows, (row) => row.layer),
      weightBits: Uint8Array.from(rows, (row) => row.weightBits),
      activationBits: Uint8Array.from(rows, (row) => row.activationBits),
    },
    batch,
  );
}

/** Energy of a row of a simulation; NaN: unknown. */
export function energyMjAt(costs: NativeCosts, row: number): number {
  const pj = (costs.computePj[row] ?? Number.NaN) + (costs.bufferPj[row] ?? Number.NaN) + (costs.dramPj[row] ?? Number.NaN);
  return pj / 1e9;
}

/**
 * Bytes of a quantized network: each quantizable layer's weights at their bits, packed without gaps, and in 32-bit floats
 * its bias and two values (scale and shift, as gamma and beta) for each batch-norm channel. Running statistics are not counted:
 * they fold into scale and shift.
 */
export function quantizedSizeBytes(graph: Graph, layers: readonly QuantizableLayer[], weightBits: ArrayLike<number>): number {
  let weights = 0;
  let bits = 0;
  for (const [index, layer] of layers.entries()) {
    weights += layer.weights;
    bits += layer.weights * (weightBits[index] ?? 0);
  }
  return Math.ceil(bits / 8) + 4 * (graph.params - weights);
}

/** Milliseconds of a number of clock cycles. */
export function cyclesToMs(cycles: number, target: SimulatedTarget): number {
  return cycles / (target.clockMhz * 1000);
}

/** Throws a RangeError unless there is one entry a layer. Callers that take bits from outside check them by schema before. */
export function checkLengths(bits: PolicyBits, layers: number): void {
  for (const name of ['weightBits', 'activationBits'] as const) {
    if (bits[name].length !== layers)
      throw new RangeError(`${name} must have one entry for each of ${layers} layers, found ${bits[name].length}`);
  }
}

function checkBits(layer: string, name: string, bits: number): void {
  if (!Number.isInteger(bits) || bits < minimumBits || bits > maximumBits) {
    throw new RangeError(`${layer}: ${name} must be from ${minimumBits} to ${maximumBits}, found ${bits}`);
  }
}
