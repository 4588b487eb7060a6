/** The columns of the runs table that need no drawing of their own. */
import { budget, count, dateTime, duration, ms, percent, points } from '../../../shared/format.ts';
import type { RunSummary } from '../../../shared/run.ts';
import type { ColumnSpec } from '../../lib/table/columns.ts';
import { budgetUse, elapsedSeconds, gainOf } from '../../../shared/run-figures.ts';

export interface RunColumn extends Omit<ColumnSpec<RunSummary>, 'cell'> {
  /** How a figure is written, for the mean of a group and its spread; without it a group shows no figure. */
  readonly format?: (value: number) => string;
  readonly formatSpread?: (value: number) => string;
}

/** In the order in which they stand: what a run found comes before how it was asked. */
export const runColumnOrder = [
  'name',
  'validation',
  'test',
  'gain',
  'latency',
  'use',
  'network',
  'dataset',
  'budget',
  'target',
  'method',
  'tags',
  'trials',
  'duration',
  'seed',
  'created',
  'note',
] as const;
export type RunColumnId = (typeof runColumnOrder)[number];

/** `nowMs` is read when a cell is drawn, so that the duration of a running run grows. */
export function runColumns(nowMs: () => number): Readonly<Record<RunColumnId, RunColumn>> {
  return {
    name: { id: 'name', label: 'Name', width: 208, grow: true, value: (run) => run.name },
    method: { id: 'method', label: 'Method', width: 74, value: (run) => run.method },
    network: { id: 'network', label: 'Network', width: 176, grow: true, value: (run) => run.network },
    dataset: { id: 'dataset', label: 'Data set', width: 112, value: (run) => run.dataset },
    target: { id: 'target', label: 'Target', width: 96, value: (run) => run.target, text: (run) => run.target ?? '—' },
    budget: {
      id: 'budget',
      label: 'Budget',
      title: 'The budget as it was asked for; a fraction is of the 8-bit form',
      width: 118,
      value: (run) => (run.budgets.length === 0 ? null : run.budgets.map(budget).join(', ')),
    },
    latency: {
      id: 'latency',
      label: 'Latency',
      unit: 'ms',
      title: 'Simulated latency of the best policy, for the whole batch',
      number: true,
      width: 88,
      value: (run) => run.bestLatencyMs,
      text: (run) => ms(run.bestLatencyMs),
      format: ms,
    },
    use: {
      id: 'use',
      label: 'Used',
      unit: '%',
      title: 'How much of its tightest budget the best policy uses',
      number: true,
      width: 72,
      value: budgetUse,
      text: (run) => percent(budgetUse(run), 1),
      format: (value) => percent(value, 1),
    },
    validation: {
      id: 'validation',
      label: 'Valid.',
      unit: '%',
      title: 'Accuracy of the best policy on the validation images',
      number: true,
      firstDescending: true,
      width: 72,
      value: (run) => run.bestAccuracy,
      text: (run) => percent(run.bestAccuracy),
      format: (value) => percent(value),
    },
    test: {
      id: 'test',
      label: 'Test',
      unit: '%',
      title: 'Accuracy of the best policy on the test split, which no search sees',
      number: true,
      firstDescending: true,
      width: 72,
      value: (run) => run.bestTestAccuracy,
      text: (run) => percent(run.bestTestAccuracy),
      format: (value) => percent(value),
    },
    gain: {
      id: 'gain',
      label: 'Gain',
      unit: 'pp',
      title:
        'Percentage points over the best uniform policy within the budget: on the test split where it is known, else on the validation images',
      number: true,
      firstDescending: true,
      width: 76,
      value: (run) => gainOf(run)?.value ?? null,
      text: (run) => points(gainOf(run)?.value),
      format: (value) => points(value),
      formatSpread: (value) => percent(value),
    },
    tags: { id: 'tags', label: 'Tags', width: 132, value: (run) => (run.tags.length === 0 ? null : run.tags.join(' ')) },
    seed: { id: 'seed', label: 'Seed', number: true, width: 64, value: (run) => run.seed },
    trials: {
      id: 'trials',
      label: 'Trials',
      number: true,
      firstDescending: true,
      width: 68,
      value: (run) => (run.method === 'train' ? null : run.trials),
      text: (run) => (run.method === 'train' ? '—' : count(run.trials)),
      format: (value) => count(Math.round(value)),
    },
    duration: {
      id: 'duration',
      label: 'Duration',
      number: true,
      firstDescending: true,
      width: 92,
      value: (run) => elapsedSeconds(run, nowMs()),
      text: (run) => duration(elapsedSeconds(run, nowMs())),
      format: duration,
    },
    created: {
      id: 'created',
      label: 'Created',
      width: 122,
      number: true,
      firstDescending: true,
      value: (run) => run.createdAtMs,
      text: (run) => dateTime(run.createdAtMs),
    },
    note: {
      id: 'note',
      label: 'Note',
      width: 160,
      grow: true,
      value: (run) => (run.note === '' ? null : run.note),
      text: (run) => run.note,
    },
  };
}
