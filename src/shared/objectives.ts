/** What trials and solutions are weighed by: objectives, limits, and the points that are left and that nothing beats. Pure. */
import { percentUnit, resource } from './format.ts';
import { kneeOf, paretoFront, type Direction } from './pareto.ts';
import type { RunDetail, Solution, Trial } from './run.ts';

export const objectiveIds = ['accuracy', 'latencyMs', 'energyMj', 'sizeBytes', 'macs', 'params'] as const;
export type ObjectiveId = (typeof objectiveIds)[number];

export interface Objective {
  readonly label: string;
  readonly unit: string; // of `value / scale`
  readonly scale: number; // what a stored value is divided by to be shown on an axis
  readonly direction: Direction;
}

export const objectives = {
  accuracy: { label: 'accuracy', unit: '%', scale: 0.01, direction: 'more' },
  latencyMs: { label: 'latency', unit: 'ms', scale: 1, direction: 'less' },
  energyMj: { label: 'energy', unit: 'mJ', scale: 1, direction: 'less' },
  sizeBytes: { label: 'size', unit: 'kB', scale: 1000, direction: 'less' },
  macs: { label: 'MACs', unit: 'M', scale: 1e6, direction: 'less' },
  params: { label: 'parameters', unit: 'M', scale: 1e6, direction: 'less' },
} as const satisfies Record<ObjectiveId, Objective>;

const resources = { latencyMs: 'latency', energyMj: 'energy', sizeBytes: 'size', macs: 'macs', params: 'params' } as const;

/** A value with its unit, for running text: `12.50 ms`. */
export function objectiveText(id: ObjectiveId, value: number | null): string {
  return id === 'accuracy' ? percentUnit(value) : resource(resources[id], value);
}

/** A trial or a solution with its place in every objective; null where that is not known. */
export interface Candidate {
  readonly run: string;
  readonly step: number | null; // of a trial
  readonly label: string; // 'trial 12', 'found', 'w4a4'
  readonly values: Readonly<Record<ObjectiveId, number | null>>;
}

/** The trials of a run. Accuracy is that on the reward images. */
export function trialCandidates(run: string, trials: readonly Trial[]): Candidate[] {
  return trials.map(({ step, accuracy, latencyMs, energyMj, sizeBytes, macs, prune }) => ({
    run,
    step,
    label: `trial ${String(step)}`,
    values: { accuracy, latencyMs, energyMj, sizeBytes, macs, params: prune?.params ?? null },
  }));
}

/** What a run found and what it compared that with. Accuracy is on the test split where it is known of all, else on validation. */
export function solutionCandidates({ summary, solutions }: RunDetail): Candidate[] {
  const tested = solutions.every(({ testAccuracy }) => testAccuracy !== null);
  const accuracyOf = ({ testAccuracy, validationAccuracy }: Solution): number | null => (tested ? testAccuracy : validationAccuracy);
  return solutions.map((solution) => ({
    run: summary.id,
    step: null,
    label: solution.role === 'best' ? 'found' : solution.label,
    values: {
      accuracy: accuracyOf(solution),
      latencyMs: solution.latencyMs,
      energyMj: solution.energyMj,
      sizeBytes: solution.sizeBytes,
      macs: solution.macs,
      params: solution.prune?.params ?? solution.architecture?.params ?? null,
    },
  }));
}

/** The worst value of each objective that is still taken. */
export type Limits = Readonly<Partial<Record<ObjectiveId, number>>>;

export interface TradeOff {
  readonly feasible: readonly number[]; // places of the candidates that know every objective and keep every limit
  readonly front: readonly number[]; // of those, what nothing beats, by rising first objective
  readonly knee: number | null;
}

/** Weighs candidates. A limit on what a candidate does not know is not kept by it. */
export function weigh(candidates: readonly Candidate[], chosen: readonly ObjectiveId[], limits: Limits): TradeOff {
  const bounds = objectiveIds.flatMap((id) => (limits[id] === undefined ? [] : [{ id, limit: limits[id] }]));
  const feasible = candidates.flatMap(({ values }, place) => {
    const keeps = bounds.every(({ id, limit }) => {
      const value = values[id];
      return value !== null && (objectives[id].direction === 'less' ? value <= limit : value >= limit);
    });
    return keeps && chosen.every((id) => values[id] !== null) ? [place] : [];
  });
  const points = feasible.map((place) => chosen.map((id) => candidates[place]?.values[id] ?? Number.NaN));
  const directions = chosen.map((id) => objectives[id].direction);
  const front = paretoFront(points, directions);
  const knee = kneeOf(points, directions, front);
  const placeOf = (point: number): number => feasible[point] ?? -1;
  return { feasible, front: front.map(placeOf), knee: knee === null ? null : placeOf(knee) };
}
