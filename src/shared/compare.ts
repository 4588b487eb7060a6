/**
 * What runs have in common and where they part: configurations, results, policies. Pure; the window, the terminal and reports show
 * the same rows.
 */
import { budget as budgetText, duration } from './format.ts';
import type { Manifest, RunDetail, Solution, Trial } from './run.ts';
import { studyCell } from './study-format.ts';
import type { StudyTable } from './study.ts';
import type { Tabular } from './tabular.ts';

export type Scalar = string | number | boolean | null;

/** One setting of each run, in the runs' order; undefined where a run has no such setting. */
export interface ConfigRow {
  readonly key: string; // 'search.agent.batchSize'
  readonly values: readonly (Scalar | undefined)[];
  readonly differs: boolean;
}

/**
 * A manifest as flat settings, nested keys joined by dots. Budgets are told as a person says them, under the name of their
 * resource; a list of plain values is one setting.
 */
export function flattenManifest(manifest: Manifest): ReadonlyMap<string, Scalar> {
  const flat = new Map<string, Scalar>();
  const { budgets, ...rest } = { budgets: [], ...manifest };
  walk('', rest, flat);
  for (const limit of budgets) flat.set(`budgets.${limit.resource}`, budgetText(limit));
  return flat;
}

function walk(path: string, value: unknown, flat: Map<string, Scalar>): void {
  if (value === undefined) return;
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null)) {
    flat.set(path, value.join(', '));
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) walk(path === '' ? key : `${path}.${key}`, item, flat);
  } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) {
    flat.set(path, value);
  }
}

/** The settings of all runs, in the order in which the first run that has one names it. */
export function configRows(manifests: readonly Manifest[]): ConfigRow[] {
  const flat = manifests.map(flattenManifest);
  const keys = new Set(flat.flatMap((settings) => [...settings.keys()]));
  return [...keys].map((key) => {
    const values = flat.map((settings) => settings.get(key));
    return { key, values, differs: values.some((value) => value !== values[0]) };
  });
}

/** How a figure is shown: as in a study's tables, or as a length of time. */
export type FigureKind = StudyTable['columns'][number]['kind'] | 'seconds';

/** One result of each run; null where it is not known. */
export interface ResultRow {
  readonly id: string;
  readonly label: string;
  readonly unit: string; // of the shown text; empty where the text has its own
  readonly kind: FigureKind;
  readonly better: 'more' | 'less' | null; // null: neither is
  readonly values: readonly (number | null)[];
}

export function figureText(value: number | null, kind: FigureKind): string {
  return kind === 'seconds' ? duration(value) : studyCell(value, kind);
}

/** What a run has found; of a training the trained network. */
export function resultOf({ solutions, summary }: RunDetail): Solution | null {
  return solutions.find(({ role }) => role === (summary.method === 'train' ? 'float' : 'best')) ?? null;
}

interface Figure extends Omit<ResultRow, 'values'> {
  readonly of: (detail: RunDetail, found: Solution | null) => number | null | undefined;
}

const difference = (a: number | null | undefined, b: number | null | undefined): number | null =>
  typeof a === 'number' && typeof b === 'number' ? a - b : null;

const figures: readonly Figure[] = [
  {
    ...{ id: 'testAccuracy', label: 'Test accuracy', unit: '%', kind: 'accuracy', better: 'more' },
    of: ({ summary }, found) => found?.testAccuracy ?? summary.bestTestAccuracy,
  },
  {
    ...{ id: 'validationAccuracy', label: 'Validation accuracy', unit: '%', kind: 'accuracy', better: 'more' },
    of: ({ summary }, found) => found?.validationAccuracy ?? summary.bestAccuracy,
  },
  {
    ...{ id: 'gain', label: 'Over the best uniform, test', unit: 'pp', kind: 'gain', better: 'more' },
    of: ({ summary }) => difference(summary.bestTestAccuracy, summary.baselineTestAccuracy),
  },
  {
    ...{ id: 'integerTestAccuracy', label: 'Test accuracy, integer', unit: '%', kind: 'accuracy', better: 'more' },
    of: (_, found) => found?.integerTestAccuracy,
  },
  {
    ...{ id: 'tunedTestAccuracy', label: 'Test accuracy, fine-tuned', unit: '%', kind: 'accuracy', better: 'more' },
    of: (_, found) => found?.tunedTestAccuracy,
  },
  {
    ...{ id: 'latencyMs', label: 'Latency', unit: 'ms', kind: 'ms', better: 'less' },
    of: (_, found) => found?.latencyMs,
  },
  {
    ...{ id: 'energyMj', label: 'Energy', unit: 'mJ', kind: 'mj', better: 'less' },
    of: (_, found) => found?.energyMj,
  },
  {
    ...{ id: 'sizeBytes', label: 'Size of weights', unit: '', kind: 'bytes', better: 'less' },
    of: (_, found) => found?.sizeBytes,
  },
  {
    ...{ id: 'macs', label: 'MACs', unit: '', kind: 'count', better: 'less' },
    of: (_, found) => found?.macs,
  },
  {
    ...{ id: 'params', label: 'Parameters', unit: '', kind: 'count', better: 'less' },
    of: (_, found) => found?.prune?.params ?? found?.architecture?.params,
  },
  {
    ...{ id: 'trials', label: 'Trials', unit: '', kind: 'count', better: null },
    of: ({ summary }) => (summary.trials > 0 ? summary.trials : null),
  },
  {
    ...{ id: 'seconds', label: 'Took', unit: '', kind: 'seconds', better: null },
    of: ({ summary: { startedAtMs, finishedAtMs } }) =>
      startedAtMs === null || finishedAtMs === null ? null : (finishedAtMs - startedAtMs) / 1000,
  },
];

/** The results of all runs, but for rows of which no run knows anything. */
export function resultRows(details: readonly RunDetail[]): ResultRow[] {
  return figures.flatMap(({ of, ...row }) => {
    const values = details.map((detail) => of(detail, resultOf(detail)) ?? null);
    return values.some((value) => value !== null) ? [{ ...row, values }] : [];
  });
}

/** The places of the best values of a row; none where all are equal, or where one alone is known. */
export function bestPlaces({ values, better }: Pick<ResultRow, 'values' | 'better'>): readonly number[] {
  const known = values.filter((value) => value !== null);
  if (better === null || known.length < 2) return [];
  const best = better === 'more' ? Math.max(...known) : Math.min(...known);
  if (known.every((value) => value === best)) return [];
  return values.flatMap((value, place) => (value === best ? [place] : []));
}

/** One kind of decision, a row a layer, group or block; a value a run, undefined where the run decides no such thing. */
export interface PolicySection {
  readonly id: 'weightBits' | 'activationBits' | 'kept' | 'candidate';
  readonly title: string;
  readonly unit: string;
  readonly rows: readonly {
    readonly layer: string;
    readonly values: readonly (number | string | undefined)[];
    readonly differs: boolean;
  }[];
}

const sections = [
  { id: 'weightBits', title: 'Weight bits', unit: 'bits' },
  { id: 'activationBits', title: 'Activation bits', unit: 'bits' },
  { id: 'kept', title: 'Channels kept', unit: 'channels' },
  { id: 'candidate', title: 'Blocks', unit: '' },
] as const;

/** A run and which of its policies is meant: a trial's, or null for what was found. */
export interface PolicyOf {
  readonly detail: RunDetail;
  readonly trial: Trial | null;
}

/** Policies layer by layer: layers of one name stand in one row, in the order of the runs that have them. */
export function policySections(policies: readonly PolicyOf[]): PolicySection[] {
  const decided = policies.map(decisionsOf);
  return sections.flatMap(({ id, title, unit }) => {
    const layers = [...new Set(decided.flatMap((of) => [...of[id].keys()]))];
    if (layers.length === 0) return [];
    const rows = layers.map((layer) => {
      const values = decided.map((of) => of[id].get(layer));
      return { layer, values, differs: values.some((value) => value !== values[0]) };
    });
    return [{ id, title, unit, rows }];
  });
}

function decisionsOf({ detail, trial }: PolicyOf): Record<PolicySection['id'], ReadonlyMap<string, number | string>> {
  const found = resultOf(detail);
  const bits = trial === null ? (found?.policy?.layers ?? []) : bitsOfTrial(detail, trial);
  const groups = trial === null ? (found?.prune?.groups ?? []) : (trial.prune?.groups ?? []);
  const choices = trial === null ? (found?.architecture?.architecture?.choices ?? []) : [];
  return {
    weightBits: new Map(bits.map(({ name, weightBits }) => [name, weightBits])),
    activationBits: new Map(bits.map(({ name, activationBits }) => [name, activationBits])),
    kept: new Map(groups.map(({ group, kept }) => [group, kept])),
    candidate: new Map(choices.map(({ block, candidate }) => [block, candidate])),
  };
}

/** A trial's bits with the names of the layers; empty for one that decides something else. */
export function bitsOfTrial(detail: RunDetail, trial: Trial): { name: string; weightBits: number; activationBits: number }[] {
  if (trial.weightBits.length === 0) return [];
  return detail.layers.map(({ name }, i) => ({
    name,
    weightBits: trial.weightBits[i] ?? 0,
    activationBits: trial.activationBits[i] ?? 0,
  }));
}

/** All of a comparison in one table, a column a run: settings, results, decisions. */
export function comparisonTable(details: readonly RunDetail[], onlyDifferences: boolean): Tabular {
  const shown = <T extends { readonly differs: boolean }>(rows: readonly T[]): readonly T[] =>
    rows.filter(({ differs }) => differs || !onlyDifferences);
  const config = shown(configRows(details.map(({ manifest }) => manifest)));
  const policies = policySections(details.map((detail) => ({ detail, trial: null })));
  return {
    columns: [
      { id: 'part', label: 'part', unit: '' },
      { id: 'key', label: 'key', unit: '' },
      ...details.map(({ summary }) => ({ id: summary.id, label: summary.id, unit: '' })),
    ],
    rows: [
      ...config.map(({ key, values }) => ['config', key, ...values.map((value) => value ?? null)]),
      ...resultRows(details).map(({ id, values }) => ['result', id, ...values]),
      ...policies.flatMap(({ id, rows }) => shown(rows).map(({ layer, values }) => [id, layer, ...values.map((value) => value ?? null)])),
    ],
  };
}
