/**
 * A network's run on a target at a policy's bits, layer by layer, and one layer's way through the pipeline, tile by tile. The
 * counting is in C++; the laws are in docs/algorithms.
 */
import { LatheError } from '../../shared/errors.ts';
import { suggest } from '../../shared/nearest.ts';
import {
  loopOrders,
  type EnergyParts,
  type LayerSimulation,
  type Simulation,
  type Tiling,
  type Timeline,
  type Traffic,
} from '../../shared/simulation.ts';
import { memoryBitsPerCycle, requireSimulated, type SimulatedTarget, type Target } from '../../shared/target.ts';
import type { NativeCosts } from '../compute/addon.ts';
import { quantizableLayers } from '../network/graph.ts';
import type { Graph, QuantizableLayer } from '../network/graph.ts';
import { checkLengths, cyclesToMs, energyMjAt, quantizedSizeBytes, simulateLayers } from './cost-table.ts';
import type { PolicyBits } from './cost-table.ts';
import { simulatorOf, toNativeLayers } from './native.ts';

export interface SimulateOptions {
  readonly graph: Graph;
  readonly title: string; // of the network, for a person
  readonly target: Target;
  readonly batch: number; // images at once, 1 to 4096
  readonly bits: PolicyBits;
}

/**
 * Cycles, latency, traffic, energy and utilization of every quantizable layer and of all of them; everything but `macs` is of
 * the whole batch. `computeCycles` are those in which the array executes, `stallCycles` the rest (fetching, filling, draining).
 * `utilization` is of the array's multiply-accumulates at these bits, padding counted as idle.
 */
export function simulate({ graph, title, target: anyTarget, batch, bits }: SimulateOptions): Simulation {
  const target = requireSimulated(anyTarget, 'cycles to simulate');
  const quantizable = quantizableLayers(graph);
  checkLengths(bits, quantizable.length);
  const rows = quantizable.map((_, layer) => ({
    layer,
    weightBits: bits.weightBits[layer] ?? 0,
    activationBits: bits.activationBits[layer] ?? 0,
  }));
  const costs = simulateLayers(target, quantizable, rows, batch);
  const layers = quantizable.map((layer, row) => {
    const { weightBits = 0, activationBits = 0 } = rows[row] ?? {};
    return layerSimulation(target, layer, costs, row, { weightBits, activationBits, batch });
  });
  const energy = sumParts(layers.map((layer) => layer.energy));
  const cycles = sum(layers.map((layer) => layer.cycles));
  return {
    network: title,
    target: target.id,
    calibration: target.calibration,
    batch,
    clockMhz: target.clockMhz,
    dramBitsPerCycle: memoryBitsPerCycle(target),
    areaMm2: target.area?.mm2 ?? null,
    cycles,
    computeCycles: sum(layers.map((layer) => layer.computeCycles)),
    stallCycles: sum(layers.map((layer) => layer.stallCycles)),
    latencyMs: cyclesToMs(cycles, target),
    // Summed as a policy's cost is, layer by layer, so that the two agree to the last digit.
    energyMj: energy === null ? null : sum(layers.map((layer) => layer.energyMj ?? 0)),
    energy,
    dramBits: sum(layers.map((layer) => layer.dramBits)),
    traffic: sumTraffic(layers.map((layer) => layer.traffic)),
    sizeBytes: quantizedSizeBytes(graph, quantizable, bits.weightBits),
    layers,
  };
}

interface At {
  readonly weightBits: number;
  readonly activationBits: number;
  readonly batch: number;
}

function layerSimulation(target: SimulatedTarget, layer: QuantizableLayer, costs: NativeCosts, row: number, at: At): LayerSimulation {
  const { name, kind, macs } = layer;
  const { weightBits, activationBits, batch } = at;
  const cycles = costs.cycles[row] ?? 0;
  const computeCycles = costs.computeCycles[row] ?? 0;
  const stallCycles = cycles - computeCycles;
  const traffic = trafficAt(costs, row);
  const dramBits = traffic.weights + traffic.inputs + traffic.partials + traffic.outputs;
  const share = dramBits === 0 ? 0 : stallCycles / dramBits;
  // The published cloud table charges a linear layer once, whatever the batch.
  const batchMacs = macs * (target.law === 'bismo' && kind === 'linear' ? 1 : batch);
  const peakMacsPerCycle = costs.peakMacsPerCycle[row] ?? 0;
  const energy = energyAt(costs, row);
  return {
    name,
    kind,
    weightBits,
    activationBits,
    macs,
    batchMacs,
    cycles,
    computeCycles,
    stallCycles,
    stalls: {
      weights: share * traffic.weights,
      inputs: share * traffic.inputs,
      partials: share * traffic.partials,
      outputs: share * traffic.outputs,
    },
    latencyMs: cyclesToMs(cycles, target),
    dramBits,
    traffic,
    energyMj: energy === null ? null : energyMjAt(costs, row),
    energy,
    utilization: batchMacs / (cycles * peakMacsPerCycle),
    peakMacsPerCycle,
    tiling: tilingAt(costs, row),
  };
}

function trafficAt(costs: NativeCosts, row: number): Traffic {
  return {
    weights: costs.weightBits[row] ?? 0,
    inputs: costs.inputBits[row] ?? 0,
    partials: costs.partialBits[row] ?? 0,
    outputs: costs.outputBits[row] ?? 0,
  };
}

function energyAt(costs: NativeCosts, row: number): EnergyParts | null {
  const mj = (column: Float64Array): number => (column[row] ?? Number.NaN) / 1e9;
  const parts = { computeMj: mj(costs.computePj), buffersMj: mj(costs.bufferPj), dramMj: mj(costs.dramPj) };
  return Object.values(parts).some(Number.isNaN) ? null : parts;
}

function tilingAt(costs: NativeCosts, row: number): Tiling | null {
  const tiles = costs.tiles[row] ?? 0;
  if (tiles === 0) return null;
  const [groups = 1, images = 1, rows = 1, columns = 1, inputs = 1, outputs = 1, order = 0] = costs.tilings.subarray(7 * row, 7 * row + 7);
  return { tiles, order: loopOrders[order] ?? 'POI', groups, images, rows, columns, inputs, outputs };
}

export interface TimelineOptions {
  readonly graph: Graph;
  readonly target: Target;
  readonly batch: number;
  readonly layer: string; // name
  readonly weightBits: number;
  readonly activationBits: number;
  readonly fromTile: number;
  readonly tiles: number; // at most
}

/** Tiles of one layer through load, compute and store. Throws LatheError not-found for a name that no quantizable layer has, and bad-input for a target without tiles. */
export function timeline(options: TimelineOptions): Timeline {
  const { graph, batch, weightBits, activationBits } = options;
  const target = requireSimulated(options.target, 'tiles to show');
  const layers = quantizableLayers(graph);
  const index = layers.findIndex((layer) => layer.name === options.layer);
  if (index < 0) {
    const names = layers.map((layer) => layer.name);
    throw new LatheError('not-found', `the network has no layer ${options.layer} with weights; ${suggest(options.layer, names)}`);
  }
  const simulator = simulatorOf(target);
  const native = toNativeLayers(layers);
  const row = { layer: Uint32Array.of(index), weightBits: Uint8Array.of(weightBits), activationBits: Uint8Array.of(activationBits) };
  const tiling = tilingAt(simulator.run(native, row, batch), 0);
  const found = simulator.timeline(native, row, batch, options.fromTile, options.tiles);
  if (tiling === null) throw new LatheError('bad-input', `target ${target.id} has no tiles to show`);
  const at = (column: Float64Array, i: number): number => column[i] ?? 0;
  return {
    layer: options.layer,
    cycles: found.cycles,
    tiles: found.steps,
    tiling,
    steps: Array.from(found.step, (tile, i) => ({
      tile,
      loadBegin: at(found.loadBegin, i),
      weightLoad: at(found.weightLoad, i),
      inputLoad: at(found.inputLoad, i),
      partialLoad: at(found.partialLoad, i),
      computeBegin: at(found.computeBegin, i),
      computeEnd: at(found.computeEnd, i),
      storeBegin: at(found.storeBegin, i),
      storeEnd: at(found.storeEnd, i),
      complete: at(found.complete, i) === 1,
      macs: at(found.macs, i),
    })),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function sumTraffic(all: readonly Traffic[]): Traffic {
  return {
    weights: sum(all.map((traffic) => traffic.weights)),
    inputs: sum(all.map((traffic) => traffic.inputs)),
    partials: sum(all.map((traffic) => traffic.partials)),
    outputs: sum(all.map((traffic) => traffic.outputs)),
  };
}

/** Null as soon as one layer's is unknown. */
function sumParts(all: readonly (EnergyParts | null)[]): EnergyParts | null {
  const known = all.filter((parts) => parts !== null);
  if (known.length < all.length) return null;
  return {
    computeMj: sum(known.map((parts) => parts.computeMj)),
    buffersMj: sum(known.map((parts) => parts.buffersMj)),
    dramMj: sum(known.map((parts) => parts.dramMj)),
  };
}
