/**
 * What layers of any size cost on a target, remembered by their sizes: for a search that changes channels, which asks for the same
 * layers again and again. Every layer at the same bits.
 */
import type { SimulatedTarget } from '../../shared/target.ts';
import type { QuantizableLayer } from '../network/graph.ts';
import { cyclesToMs, energyMjAt, simulateLayers } from './cost-table.ts';

export interface LayersPrice {
  readonly latencyMs: number; // of the whole batch, over all layers
  readonly energyMj: number | null; // null: the target has no model for it
}

/** Throws LatheError bad-input naming the layer that the target cannot compute. */
export type LayerPricer = (layers: readonly QuantizableLayer[]) => LayersPrice;

/** Prices on a simulated target for `batch` images at once, weights and activations at `bits`. */
export function layerPricer(target: SimulatedTarget, batch: number, bits = 8): LayerPricer {
  const known = new Map<string, { readonly cycles: number; readonly energyMj: number }>();
  return (layers) => {
    const missing = new Map(layers.map((layer) => [keyOf(layer), layer] as const).filter(([key]) => !known.has(key)));
    if (missing.size > 0) {
      const wanted = [...missing.values()];
      const rows = wanted.map((_, layer) => ({ layer, weightBits: bits, activationBits: bits }));
      const costs = simulateLayers(target, wanted, rows, batch);
      [...missing.keys()].forEach((key, row) =>
        known.set(key, { cycles: costs.cycles[row] ?? Number.NaN, energyMj: energyMjAt(costs, row) }),
      );
    }
    let [cycles, energyMj] = [0, 0];
    for (const layer of layers) {
      const price = known.get(keyOf(layer));
      cycles += price?.cycles ?? Number.NaN;
      energyMj += price?.energyMj ?? Number.NaN;
    }
    return { latencyMs: cyclesToMs(cycles, target), energyMj: Number.isNaN(energyMj) ? null : energyMj };
  };
}

function keyOf({ name, inChannels, outChannels }: QuantizableLayer): string {
  return `${name}\n${inChannels}\n${outChannels}`;
}
