/**
 * The roofline (Williams, Waterman and Patterson, CACM 2009) of a simulated network: for each layer its operation intensity, what it
 * attains and the roof above it. Operations are multiply-accumulates, traffic is what the simulation moved.
 */
import type { LayerKind } from './network.ts';
import type { Simulation } from './simulation.ts';

export interface RooflinePoint {
  readonly name: string;
  readonly kind: LayerKind;
  readonly weightBits: number;
  readonly activationBits: number;
  readonly intensity: number; // MACs per byte of traffic
  readonly attained: number; // MACs a second
  readonly peak: number; // MACs a second, of the array at these bits
  readonly roof: number; // MACs a second: the lower of the peak and intensity x bandwidth
  readonly ridge: number; // MACs per byte at which the peak is reached
  readonly bound: 'memory' | 'compute';
  readonly share: number; // of the network's cycles
}

export interface Roofline {
  readonly bandwidth: number; // bytes a second
  readonly peaks: readonly number[]; // MACs a second, one for each that a layer has, ascending
  readonly points: readonly RooflinePoint[];
  readonly whole: Pick<RooflinePoint, 'intensity' | 'attained'>; // the network as one
}

export function roofline(simulation: Simulation): Roofline {
  const hz = simulation.clockMhz * 1e6;
  const bandwidth = (simulation.dramBitsPerCycle * hz) / 8;
  const points = simulation.layers.map((layer): RooflinePoint => {
    const { name, kind, weightBits, activationBits } = layer;
    const intensity = layer.batchMacs / (layer.dramBits / 8);
    const peak = layer.peakMacsPerCycle * hz;
    const ridge = peak / bandwidth;
    return {
      name,
      kind,
      weightBits,
      activationBits,
      intensity,
      attained: (layer.batchMacs / layer.cycles) * hz,
      peak,
      roof: Math.min(peak, intensity * bandwidth),
      ridge,
      bound: intensity < ridge ? 'memory' : 'compute',
      share: layer.cycles / simulation.cycles,
    };
  });
  const macs = simulation.layers.reduce((sum, layer) => sum + layer.batchMacs, 0);
  return {
    bandwidth,
    peaks: [...new Set(points.map((point) => point.peak))].sort((a, b) => a - b),
    points,
    whole: { intensity: macs / (simulation.dramBits / 8), attained: (macs / simulation.cycles) * hz },
  };
}
