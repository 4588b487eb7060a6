/** What a run has measured of each layer alone, from its series `sensitivity/accuracy/SIDE/LAYER`, a point a width. */
import type { Series } from '../../lib/state/run.svelte.ts';

export interface SensitivityCell {
  readonly layer: string;
  readonly side: 'weights' | 'activations';
  readonly bits: number;
  readonly points: number; // of accuracy lost
}

export interface SensitivityMap {
  readonly layers: readonly string[]; // in network order
  readonly columns: readonly string[]; // 'w2', 'w3', ..., 'a2', ...
  readonly cells: readonly SensitivityCell[];
}

const prefix = 'sensitivity/accuracy/';

export function isSensitivity(series: string): boolean {
  return series.startsWith(prefix);
}

/** Null where nothing was measured. */
export function sensitivityOf(metrics: ReadonlyMap<string, Series>, order: readonly string[]): SensitivityMap | null {
  const cells: SensitivityCell[] = [];
  for (const [name, { steps, values }] of metrics) {
    if (!isSensitivity(name)) continue;
    const [side = '', ...rest] = name.slice(prefix.length).split('/');
    if (side !== 'weights' && side !== 'activations') continue;
    steps.forEach((bits, index) => cells.push({ layer: rest.join('/'), side, bits, points: 100 * (values[index] ?? 0) }));
  }
  if (cells.length === 0) return null;
  const widths = [...new Set(cells.map((cell) => cell.bits))].sort((a, b) => a - b);
  const measured = new Set(cells.map((cell) => cell.layer));
  return {
    layers: order.filter((layer) => measured.has(layer)),
    columns: ['w', 'a'].flatMap((side) => widths.map((bits) => `${side}${String(bits)}`)),
    cells,
  };
}
