/**
 * Sensitivity of each layer at each width: how much accuracy is lost, and how much cross-entropy gained, when one side of one
 * layer alone is lowered and everything else has the most bits.
 */
import type { Metric } from '../../../shared/run.ts';
import type { BitVector } from './bits.ts';
import { uniformBits } from './bits.ts';

export const sides = ['weights', 'activations'] as const;
export type Side = (typeof sides)[number];

/** One layer's side at a width, against everything at the most bits. */
export interface Sensitivity {
  readonly layer: number;
  readonly side: Side;
  readonly bits: number;
  readonly accuracyLoss: number; // 0..1; negative: better than at the most bits
  readonly lossRise: number; // of the mean cross-entropy
}

export interface SensitivityRange {
  readonly minimumBits: number;
  readonly maximumBits: number;
  readonly locked: readonly boolean[]; // layers that keep their bits are not measured
}

/** The policies to measure: everything at the most bits first. */
export function sensitivityPolicies({ minimumBits, maximumBits, locked }: SensitivityRange): {
  readonly top: BitVector;
  readonly probes: readonly { readonly layer: number; readonly side: Side; readonly bits: number; readonly policy: BitVector }[];
} {
  const top = uniformBits(maximumBits, maximumBits, locked);
  const widths = Array.from({ length: maximumBits - minimumBits }, (_, index) => minimumBits + index);
  const probes = locked.flatMap((isLocked, layer) =>
    isLocked ? [] : sides.flatMap((side) => widths.map((bits) => ({ layer, side, bits, policy: lowered(top, layer, side, bits) }))),
  );
  return { top, probes };
}

function lowered({ weightBits, activationBits }: BitVector, layer: number, side: Side, bits: number): BitVector {
  const change = (all: readonly number[]): number[] => all.map((old, index) => (index === layer ? bits : old));
  return side === 'weights' ? { weightBits: change(weightBits), activationBits } : { weightBits, activationBits: change(activationBits) };
}

/** As series of a run: `sensitivity/accuracy/weights/LAYER` at step = bits, and the same of the loss. */
export function sensitivityMetrics(found: readonly Sensitivity[], names: readonly string[]): Metric[] {
  return found.flatMap(({ layer, side, bits, accuracyLoss, lossRise }) => [
    { series: `sensitivity/accuracy/${side}/${names[layer] ?? String(layer)}`, step: bits, value: accuracyLoss },
    { series: `sensitivity/loss/${side}/${names[layer] ?? String(layer)}`, step: bits, value: lossRise },
  ]);
}
