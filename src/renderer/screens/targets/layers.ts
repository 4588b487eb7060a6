/** Columns and chart data of a simulated network's layers, shared by the tabs. */
import type { LayerSimulation, Simulation } from '../../../shared/simulation.ts';
import type { Tabular } from '../../lib/charts/export.ts';

/** Where a layer's cycles go, each in cycles. */
export const cycleParts = [
  { id: 'compute', label: 'array works', color: 'green' },
  { id: 'weights', label: 'waits: weights', color: 'purple' },
  { id: 'inputs', label: 'inputs', color: 'sky' },
  { id: 'partials', label: 'partial sums', color: 'red' },
  { id: 'outputs', label: 'outputs', color: 'orange' },
] as const;
export type CyclePart = (typeof cycleParts)[number]['id'];

export function cyclesOf(layer: LayerSimulation, part: CyclePart): number {
  return part === 'compute' ? layer.computeCycles : layer.stalls[part];
}

export const energyParts = [
  { id: 'computeMj', label: 'array', color: 'green' },
  { id: 'buffersMj', label: 'buffers', color: 'sky' },
  { id: 'dramMj', label: 'DRAM', color: 'orange' },
] as const;

export function tabularOf(simulation: Simulation): Tabular {
  const column = (id: string, label: string, unit = ''): Tabular['columns'][number] => ({ id, label, unit });
  return {
    columns: [
      column('layer', 'layer'),
      ...cycleParts.map((part) => column(part.id, part.label, 'cycles')),
      ...energyParts.map((part) => column(part.id, part.label, 'mJ')),
    ],
    rows: simulation.layers.map((layer) => [
      layer.name,
      ...cycleParts.map((part) => cyclesOf(layer, part.id)),
      ...energyParts.map((part) => layer.energy?.[part.id] ?? null),
    ]),
  };
}
