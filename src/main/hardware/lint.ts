/** What a target does badly with a network, each finding with the figure that says so. */
import { fixed } from '../../shared/format.ts';
import { maximumBits, minimumBits } from '../../shared/policy.ts';
import { roofline } from '../../shared/roofline.ts';
import type { Finding, LayerSimulation, Simulation } from '../../shared/simulation.ts';
import { requireSimulated, type SimulatedTarget, type Target } from '../../shared/target.ts';
import type { NativeCosts } from '../compute/addon.ts';
import { quantizableLayers, type Graph } from '../network/graph.ts';
import { simulateLayers, type LayerAtBits } from './cost-table.ts';

/** Said of a layer that waits for the memory in at least this part of its cycles. */
export const waitingFrom = 0.25;
/** Said of a layer that leaves at least half of the array idle while it works. */
export const filledBelow = 0.5;
/** A change of latency below this is none. */
export const nothing = 0.01;

/** The findings of a simulated network, by layer in network order. `graph`, `target` and batch are those of the simulation. */
export function lint(graph: Graph, target: Target, simulation: Simulation): Finding[] {
  const widthCosts = simulateWidths(graph, requireSimulated(target, 'array to check'), simulation);
  const points = roofline(simulation).points;
  return simulation.layers.flatMap((layer, index) => {
    const share = layer.cycles / simulation.cycles;
    const point = points[index];
    return [
      ...(point === undefined ? [] : memoryBound(layer, point.intensity, point.ridge, share)),
      ...arrayNotFilled(layer, share),
      ...bitsBuyNothing(layer, 'weight', widthCosts.weight[index] ?? [], share),
      ...bitsBuyNothing(layer, 'activation', widthCosts.activation[index] ?? [], share),
    ];
  });
}

function memoryBound(layer: LayerSimulation, intensity: number, ridge: number, share: number): Finding[] {
  const waits = layer.stallCycles / layer.cycles;
  if (intensity >= ridge || waits < waitingFrom) return [];
  const figures = { macsPerByte: intensity, ridgeMacsPerByte: ridge, waitingShare: waits };
  const message =
    `${layer.kind} at w${String(layer.weightBits)}a${String(layer.activationBits)} is memory bound: ${fixed(intensity, 1)} MACs a byte, the array needs ` +
    `${fixed(ridge, 1)} to be busy; it waits in ${fixed(100 * waits, 0)} % of the layer's cycles`;
  return [{ layer: layer.name, rule: 'memory-bound', share, figures, message }];
}

function arrayNotFilled(layer: LayerSimulation, share: number): Finding[] {
  const filled = layer.batchMacs / (layer.computeCycles * layer.peakMacsPerCycle);
  if (filled >= filledBelow) return [];
  const message = `${layer.kind} fills ${fixed(100 * filled, filled < 0.1 ? 1 : 0)} % of the array while it works: its channels do not map onto the array's sides`;
  return [{ layer: layer.name, rule: 'array-not-filled', share, figures: { filledShare: filled }, message }];
}

/** Cycles of a layer with one operand at every width, 1 to 8 bits, and the other as it is. */
function bitsBuyNothing(layer: LayerSimulation, operand: 'weight' | 'activation', cycles: readonly number[], share: number): Finding[] {
  const bits = operand === 'weight' ? layer.weightBits : layer.activationBits;
  const at = (width: number): number => cycles[width - minimumBits] ?? Number.NaN;
  let free = bits; // widest that costs no more
  while (free < maximumBits && at(free + 1) <= at(bits) * (1 + nothing)) free++;
  if (free > bits) {
    const message = `${operand}s at ${String(bits)} bits take as long as at ${String(free)}: on this array the ${String(free - bits)} saved bits buy no latency`;
    return [{ layer: layer.name, rule: 'bits-buy-nothing', share, figures: { bits, sameLatencyAtBits: free }, message }];
  }
  const fastest = Math.min(...cycles);
  if (bits === minimumBits || fastest < at(bits) * (1 - nothing)) return [];
  const message = `no width of the ${operand}s below ${String(bits)} bits is faster: their bits buy no latency here`;
  return [{ layer: layer.name, rule: 'bits-buy-nothing', share, figures: { bits, sameLatencyAtBits: minimumBits }, message }];
}

interface WidthCosts {
  readonly weight: readonly (readonly number[])[];
  readonly activation: readonly (readonly number[])[];
}

function simulateWidths(graph: Graph, target: SimulatedTarget, simulation: Simulation): WidthCosts {
  const widths = Array.from({ length: maximumBits - minimumBits + 1 }, (_, index) => minimumBits + index);
  const rows = simulation.layers.flatMap((at, layer): LayerAtBits[] => [
    ...widths.map((weightBits) => ({ layer, weightBits, activationBits: at.activationBits })),
    ...widths.map((activationBits) => ({ layer, weightBits: at.weightBits, activationBits })),
  ]);
  const { cycles }: NativeCosts = simulateLayers(target, quantizableLayers(graph), rows, simulation.batch);
  const slice = (layer: number, half: number): number[] => {
    const begin = (2 * layer + half) * widths.length;
    return [...cycles.subarray(begin, begin + widths.length)];
  };
  return { weight: simulation.layers.map((_, i) => slice(i, 0)), activation: simulation.layers.map((_, i) => slice(i, 1)) };
}
