/**
 * The operator-class model: in each class latency is affine in work, a + b MACs + c bytes + d weights, all coefficients at least 0
 * (nothing makes an operator faster by being more work). Fitted by least squares on relative errors with a little ridge, so that
 * a class of few rows still has an answer; non-negative by the active-set method of Lawson and Hanson in its fast combinatorial form
 * (Van Benthem and Keenan 2004).
 */
import { fcnnlsVector } from 'ml-fcnnls';
import { LatheError } from '../../../shared/errors.ts';
import { parseKey } from './keys.ts';
import { operatorClasses, workOf, type OperatorClass, type Work } from './work.ts';

const features = ['constant', 'macs', 'depthwiseMacs', 'bytes', 'weightBytes'] as const;
type Feature = (typeof features)[number];

const ridge = 1e-4; // of a relative error, on coefficients scaled to a column's root mean square
const leastMs = 1e-6; // what a relative error is of, at least
const mostLeftOut = 400; // rows that leave-one-out fits again; of more, evenly spread ones

/** What the model is fitted on: a row's work and what it took. */
export interface FitRow {
  readonly key: string;
  readonly work: Work;
  readonly latencyMs: number;
}

export interface ClassModel {
  readonly class: OperatorClass;
  readonly rows: number;
  /** Milliseconds for one; `constant` for each operator. */
  readonly coefficients: Readonly<Record<Feature, number>>;
  readonly error: FitError;
}

/** Relative errors, 0..1. `leaveOneOut` is null for a single row. */
export interface FitError {
  readonly mean: number; // mean absolute percentage error
  readonly largest: number;
  readonly leaveOneOut: number | null; // mean, each row predicted by a fit without it
}

export interface OperatorModel {
  readonly classes: readonly ClassModel[];
  /** Null: no row of its class was there to fit. */
  readonly predict: (work: Work) => number | null;
}

/** Of a table's entries; what a run takes apart from its operators is no work. */
export function fitRows(latencies: Iterable<readonly [key: string, latencyMs: number]>): FitRow[] {
  const rows = Array.from(latencies, ([key, latencyMs]) => ({ key, work: workOf(parseKey(key)), latencyMs }));
  return rows.filter(({ work }) => work.class !== 'session');
}

/** Throws LatheError bad-input where there is no row. */
export function fitModel(rows: readonly FitRow[]): OperatorModel {
  if (rows.length === 0) throw new LatheError('bad-input', 'there are no rows to fit');
  const classes = operatorClasses.flatMap((name) => {
    const own = rows.filter(({ work }) => work.class === name);
    return own.length === 0 ? [] : [fitClass(name, own)];
  });
  const byClass = new Map(classes.map((model) => [model.class, model]));
  return {
    classes,
    predict: (work) => {
      const model = byClass.get(work.class);
      return model ? evaluate(model.coefficients, work) : null;
    },
  };
}

function fitClass(name: OperatorClass, rows: readonly FitRow[]): ClassModel {
  const coefficients = solve(rows);
  const errors = rows.map((row) => relativeError(coefficients, row));
  const step = Math.max(1, Math.ceil(rows.length / mostLeftOut));
  const left = rows.filter((_, index) => index % step === 0);
  const leftOut = left.map((row) => relativeError(solve(rows.filter((other) => other !== row)), row));
  return {
    class: name,
    rows: rows.length,
    coefficients,
    error: { mean: mean(errors), largest: Math.max(...errors), leaveOneOut: rows.length < 2 ? null : mean(leftOut) },
  };
}

function solve(rows: readonly FitRow[]): Record<Feature, number> {
  const weights = rows.map(({ latencyMs }) => 1 / Math.max(latencyMs, leastMs));
  const columns = features.map((feature) => rows.map((row, index) => valueOf(row.work, feature) * (weights[index] ?? 0)));
  const scales = columns.map((column) => Math.sqrt(mean(column.map((value) => value * value))) || 1);
  const matrix = rows.map((_, row) => columns.map((column, at) => (column[row] ?? 0) / (scales[at] ?? 1)));
  const penalty = Math.sqrt(ridge * rows.length);
  for (let at = 0; at < features.length; at += 1) matrix.push(features.map((_, column) => (column === at ? penalty : 0)));
  const target = [...rows.map(({ latencyMs }, index) => latencyMs * (weights[index] ?? 0)), ...features.map(() => 0)];
  const found = fcnnlsVector(matrix, target).K.to1DArray();
  return Object.fromEntries(features.map((feature, at) => [feature, (found[at] ?? 0) / (scales[at] ?? 1)])) as Record<Feature, number>;
}

function valueOf(work: Work, feature: Feature): number {
  return feature === 'constant' ? 1 : work[feature];
}

function evaluate(coefficients: Readonly<Record<Feature, number>>, work: Work): number {
  return features.reduce((sum, feature) => sum + coefficients[feature] * valueOf(work, feature), 0);
}

function relativeError(coefficients: Readonly<Record<Feature, number>>, { work, latencyMs }: FitRow): number {
  return Math.abs(evaluate(coefficients, work) - latencyMs) / Math.max(latencyMs, leastMs);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
