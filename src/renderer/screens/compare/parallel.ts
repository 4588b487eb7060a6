/** Trials or runs as lines over parallel axes: which axes there are, where each line crosses them, and what a brush leaves. Pure. */
import { configRows, resultRows } from '../../../shared/compare.ts';
import { objectiveIds, objectives } from '../../../shared/objectives.ts';
import type { Trial } from '../../../shared/run.ts';
import type { ComparedRun } from './comparison.svelte.ts';

export interface Axis {
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  /** Of an axis of words: those, in order. */
  readonly words: readonly string[] | null;
  readonly canBeLog: boolean;
}

export interface Line {
  readonly run: string;
  readonly step: number | null;
  readonly values: Readonly<Record<string, number | string | null>>; // by axis
}

/** Ranges of an axis that are brushed; of words by their places. */
export type Brush = ReadonlyMap<string, readonly (readonly [number, number])[]>;

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

const trialAxes: readonly { id: string; label: string; unit: string; of: (trial: Trial) => number | null }[] = [
  { id: 'weightBits', label: 'mean weight bits', unit: '', of: ({ weightBits }) => mean(weightBits) },
  { id: 'activationBits', label: 'mean activation bits', unit: '', of: ({ activationBits }) => mean(activationBits) },
  {
    id: 'kept',
    label: 'channels kept',
    unit: '%',
    of: ({ prune }) => mean((prune?.groups ?? []).map(({ kept, units }) => (100 * kept) / units)),
  },
  ...objectiveIds.map((id) => ({
    id,
    label: objectives[id].label,
    unit: objectives[id].unit,
    of: (trial: Trial): number | null => {
      const value = id === 'params' ? (trial.prune?.params ?? null) : trial[id];
      return value === null ? null : value / objectives[id].scale;
    },
  })),
  { id: 'reward', label: 'reward', unit: '', of: ({ reward }) => reward },
];

export function linesOfTrials(runs: readonly ComparedRun[]): Line[] {
  return runs.flatMap(({ id, view }) =>
    view.trials.map((trial) => ({
      run: id,
      step: trial.step,
      values: Object.fromEntries(trialAxes.map((axis) => [axis.id, axis.of(trial)])),
    })),
  );
}

/** A line a run, over the settings that differ and the results. */
export function linesOfRuns(runs: readonly ComparedRun[]): Line[] {
  const details = runs.map(({ detail }) => detail);
  const settings = configRows(details.map(({ manifest }) => manifest)).filter(({ differs, key }) => differs && !/sha256$/i.test(key));
  const results = resultRows(details);
  return runs.map(({ id }, place) => ({
    run: id,
    step: null,
    values: Object.fromEntries([
      ...settings.map(({ key, values }) => {
        const value = values[place] ?? null;
        return [key, typeof value === 'boolean' ? String(value) : value] as const;
      }),
      ...results.map(({ id: axis, kind, values }) => {
        const value = values[place] ?? null;
        return [axis, value !== null && (kind === 'accuracy' || kind === 'gain') ? value * 100 : value] as const;
      }),
    ]),
  }));
}

const resultUnits: Readonly<Record<string, string>> = {
  latencyMs: 'ms',
  energyMj: 'mJ',
  sizeBytes: 'B',
  seconds: 's',
  testAccuracy: '%',
  validationAccuracy: '%',
  gain: 'pp',
};

/** The axes on which these lines are not all at one place; in the order in which lines name them. */
export function axesOf(lines: readonly Line[]): Axis[] {
  const ids = [...new Set(lines.flatMap(({ values }) => Object.keys(values)))];
  return ids.flatMap((id) => {
    const known = lines.flatMap(({ values }) => values[id] ?? []);
    if (new Set(known).size < 2) return [];
    const named = trialAxes.find((axis) => axis.id === id);
    const isWords = known.some((value) => typeof value === 'string');
    return [
      {
        id,
        label: named?.label ?? id.replace(/^search\.|^training\./, ''),
        unit: named?.unit ?? resultUnits[id] ?? '',
        words: isWords ? [...new Set(known.map(String))].sort() : null,
        canBeLog: !isWords && known.every((value) => typeof value === 'number' && value > 0),
      },
    ];
  });
}

/** The axes in the order that was asked for; those that were not named stand behind. */
export function inOrder(axes: readonly Axis[], order: readonly string[]): Axis[] {
  const place = (id: string): number => (order.includes(id) ? order.indexOf(id) : order.length);
  return [...axes].sort((a, b) => place(a.id) - place(b.id));
}

/** The lines that cross every brushed axis within one of its ranges; all of them without a brush. */
export function brushed(lines: readonly Line[], axes: readonly Axis[], brush: Brush): readonly Line[] {
  const active = axes.flatMap((axis) => {
    const ranges = brush.get(axis.id) ?? [];
    return ranges.length === 0 ? [] : [{ axis, ranges }];
  });
  if (active.length === 0) return lines;
  return lines.filter(({ values }) =>
    active.every(({ axis, ranges }) => {
      const value = values[axis.id] ?? null;
      if (value === null) return false;
      const at = axis.words === null ? Number(value) : axis.words.indexOf(String(value));
      return ranges.some(([low, high]) => at >= low && at <= high);
    }),
  );
}
