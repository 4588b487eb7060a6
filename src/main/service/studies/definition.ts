/** What a study is made of: which runs, and what becomes of their results. */
import type { Input, Output } from '../../../shared/contract.ts';
import type { RunDetail, RunRequest, Solution } from '../../../shared/run.ts';
import type { StudyPreset, StudyTable } from '../../../shared/study.ts';

export type Labels = Readonly<Record<string, string>>;

export interface PlannedRun {
  readonly labels: Labels;
  /** `idOf` gives the id of a run that was planned before, by its labels. */
  readonly request: (idOf: (labels: Labels) => string) => RunRequest;
}

/** What planning and reporting may ask. */
export interface StudyWorld {
  preview(input: Input<'run.preview'>): Promise<Output<'run.preview'>>;
  simulate(input: Input<'simulate'>): Promise<Output<'simulate'>>;
  spacePreview(input: Input<'space.preview'>): Promise<Output<'space.preview'>>;
}

/** A run of the study as it stands. */
export interface StudyRun {
  readonly labels: Labels;
  readonly detail: RunDetail;
}

export interface StudyDefinition {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly presets: Readonly<Record<StudyPreset, string>>; // what each runs, in one sentence
  plan(preset: StudyPreset, world: StudyWorld): Promise<PlannedRun[]>;
  report(runs: readonly StudyRun[], world: StudyWorld): Promise<StudyTable[]>;
}

/** Runs that have these labels and are completed. */
export function completed(runs: readonly StudyRun[], labels: Labels): StudyRun[] {
  return runs.filter(
    (run) => run.detail.summary.status === 'completed' && Object.entries(labels).every(([key, value]) => run.labels[key] === value),
  );
}

export function found({ detail }: StudyRun): Solution | undefined {
  return detail.solutions.find(({ role }) => role === 'best');
}

export function uniform({ detail }: StudyRun, bits: string): Solution | undefined {
  return detail.solutions.find(({ role, label }) => role === 'baseline' && label === `w${bits}a${bits}`);
}

/** The most accurate uniform policy within the budget, by validation accuracy. */
export function bestUniform({ detail }: StudyRun): Solution | undefined {
  return detail.solutions
    .filter(({ role, withinBudget }) => role === 'baseline' && withinBudget)
    .sort((a, b) => (b.validationAccuracy ?? 0) - (a.validationAccuracy ?? 0))[0];
}

/** Mean and sample standard deviation of what is known; null where nothing is, and a spread of one value. */
export function meanAndSpread(values: readonly (number | null | undefined)[]): {
  readonly mean: number | null;
  readonly spread: number | null;
} {
  const known = values.filter((value): value is number => typeof value === 'number');
  if (known.length === 0) return { mean: null, spread: null };
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const spread = known.length < 2 ? null : Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (known.length - 1));
  return { mean, spread };
}

export function difference(a: number | null | undefined, b: number | null | undefined): number | null {
  return typeof a === 'number' && typeof b === 'number' ? a - b : null;
}
