/** The matrix of runs and targets: a policy found for the row's target, its cost on the column's. Pure. */
import { resultOf } from './compare.ts';
import type { RunCost, RunDetail } from './run.ts';
import type { Tabular } from './tabular.ts';

/** The target that a run was searched for; null without one. */
export function targetOf({ manifest }: RunDetail): string | null {
  return manifest.method === 'train' ? null : manifest.target;
}

/** Targets that the runs know, each once: their own, and those that they made a network for besides. */
export function targetsOf(details: readonly RunDetail[]): string[] {
  return [
    ...new Set(
      details.flatMap((detail) => [targetOf(detail) ?? [], resultOf(detail)?.architecture?.costs.map(({ target }) => target) ?? []].flat()),
    ),
  ];
}

/** What a run's own records say of a target without anything being computed; null: nothing. */
export function recordedCost(detail: RunDetail, target: string): Pick<RunCost, 'latencyMs' | 'energyMj'> | null {
  const found = resultOf(detail);
  if (!found) return null;
  if (targetOf(detail) === target && found.latencyMs !== null) return { latencyMs: found.latencyMs, energyMj: found.energyMj };
  return found.architecture?.costs.find((cost) => cost.target === target) ?? null;
}

/** A cell that is there: recorded or computed. Undefined: missing. */
export type Cell = Pick<RunCost, 'latencyMs' | 'energyMj'> | undefined;

/** A matrix as a table, with a column a target. */
export function matrixTable(
  details: readonly RunDetail[],
  targets: readonly string[],
  cellOf: (run: string, target: string) => Cell,
  figure: 'latencyMs' | 'energyMj',
): Tabular {
  return {
    columns: [
      { id: 'run', label: 'run', unit: '' },
      { id: 'searchedFor', label: 'searched for', unit: '' },
      ...targets.map((target) => ({ id: target, label: `on ${target}`, unit: figure === 'latencyMs' ? 'ms' : 'mJ' })),
    ],
    rows: details.map((detail) => [
      detail.summary.id,
      targetOf(detail),
      ...targets.map((target) => cellOf(detail.summary.id, target)?.[figure] ?? null),
    ]),
  };
}
