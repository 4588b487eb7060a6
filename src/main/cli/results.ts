/** The result of a run as the terminal shows it. */
import type { Output } from '../../shared/contract.ts';
import { bytes, millijoules, ms, percent, points } from '../../shared/format.ts';
import type { Metric, RunDetail, Solution } from '../../shared/run.ts';
import { printLine, printTable } from './output.ts';

const roles: Readonly<Record<Solution['role'], number>> = { best: 0, baseline: 1, float: 2 };

/** The document that `quantize --json` prints. */
export function searchResult(detail: RunDetail): Record<string, unknown> {
  return {
    run: detail.summary.id,
    status: detail.summary.status,
    best: toResult(detail.solutions.find((solution) => solution.role === 'best')),
    baseline: toResult(bestBaseline(detail.solutions)),
    solutions: detail.solutions.map(toResult),
    manifest: detail.manifest,
  };
}

/** The most accurate uniform policy within the budget, by validation accuracy: what the search has to beat. */
export function bestBaseline(solutions: readonly Solution[]): Solution | undefined {
  return solutions
    .filter((solution) => solution.role === 'baseline' && solution.withinBudget)
    .sort((a, b) => (b.validationAccuracy ?? 0) - (a.validationAccuracy ?? 0))[0];
}

function toResult(solution: Solution | undefined): Record<string, unknown> | null {
  if (!solution) return null;
  const { testAccuracy, validationAccuracy, ...rest } = solution;
  return { ...rest, accuracy: testAccuracy ?? validationAccuracy, testAccuracy, validationAccuracy };
}

/** The found policy among the uniform ones; rows that break the budget are marked. */
export function printSolutions(solutions: readonly Solution[]): void {
  const floatAccuracy = solutions.find((solution) => solution.role === 'float')?.testAccuracy ?? null;
  const rows = [...solutions].sort(
    (a, b) => roles[a.role] - roles[b.role] || Number(b.withinBudget) - Number(a.withinBudget) || (b.latencyMs ?? 0) - (a.latencyMs ?? 0),
  );
  printTable(
    [
      'policy',
      'budget',
      'test (%)',
      'integer (%)',
      'tuned (%)',
      'to float (points)',
      'validation (%)',
      'latency (ms)',
      'energy (mJ)',
      'size',
    ],
    rows.map((row) => [
      labelOf(row),
      row.role === 'float' ? '' : row.withinBudget ? 'met' : 'over',
      percent(row.testAccuracy),
      percent(row.integerTestAccuracy),
      percent(row.tunedTestAccuracy),
      row.testAccuracy !== null && floatAccuracy !== null && row.role !== 'float' ? points(row.testAccuracy - floatAccuracy) : '',
      percent(row.validationAccuracy),
      row.role === 'float' ? '' : ms(row.latencyMs),
      millijoules(row.energyMj),
      bytes(row.sizeBytes),
    ]),
    [2, 3, 4, 5, 6, 7, 8, 9],
  );
}

/** Uniform policies are named by their bits alone. */
function labelOf({ role, label, policy }: Solution): string {
  if (role === 'best') return 'found';
  if (role === 'float') return 'float32';
  return policy === null ? label : `uniform ${label}`;
}

/** The bits of the found policy, a layer a row. */
export function printPolicy(detail: RunDetail): void {
  const best = detail.solutions.find((solution) => solution.role === 'best');
  if (!best?.policy) return;
  printLine('');
  printTable(
    ['layer', 'kind', 'weight bits', '', 'activation bits', ''],
    best.policy.layers.map((layer, index) => [
      layer.name,
      detail.layers[index]?.kind ?? '',
      String(layer.weightBits),
      '█'.repeat(layer.weightBits),
      String(layer.activationBits),
      '█'.repeat(layer.activationBits),
    ]),
    [2, 4],
  );
}

/** The accuracy that each layer loses at each width alone, where the run has measured it. */
export function printSensitivity(detail: RunDetail, metrics: readonly Metric[]): void {
  const sides = [
    ['w', 'sensitivity/accuracy/weights/'],
    ['a', 'sensitivity/accuracy/activations/'],
  ] as const;
  const widths = [...new Set(metrics.map(({ step }) => step))].sort((a, b) => a - b);
  if (widths.length === 0) return;
  printLine('\nAccuracy lost (points) when one side of one layer alone has these bits');
  printTable(
    ['layer', ...sides.flatMap(([side]) => widths.map((bits) => `${side}${String(bits)}`))],
    detail.layers.map(({ name }) => [
      name,
      ...sides.flatMap(([, prefix]) =>
        widths.map((bits) => {
          const found = metrics.find(({ series, step }) => series === `${prefix}${name}` && step === bits);
          return found ? points(found.value) : '';
        }),
      ),
    ]),
    Array.from({ length: 2 * widths.length }, (_, index) => index + 1),
  );
}

/** What was written, and how ONNX Runtime agreed with it. */
export function exportWords({ path, sizeBytes, check }: Output<'network.export'>): string {
  return `wrote ${path} (${bytes(sizeBytes)}); ONNX Runtime agrees on ${percent(check.sameClass, 0)} % of ${String(check.images)} images`;
}
