/** The table of a comparison: one search by several methods and seeds, with equal weights, budgets and numbers of trials. */
import type { StudyTable } from '../../../shared/study.ts';
import { bestUniform, completed, difference, found, meanAndSpread, type StudyRun } from './definition.ts';

export const comparisonKind = 'comparison';

export function comparisonTables(runs: readonly StudyRun[]): StudyTable[] {
  const methods = [...new Set(runs.map(({ labels }) => labels['method'] ?? ''))];
  const rows = methods.map((method) => {
    const own = completed(runs, { method });
    const test = meanAndSpread(own.map((run) => found(run)?.testAccuracy));
    const gain = meanAndSpread(own.map((run) => difference(found(run)?.testAccuracy, bestUniform(run)?.testAccuracy)));
    const validation = meanAndSpread(own.map((run) => found(run)?.validationAccuracy));
    const latency = meanAndSpread(own.map((run) => found(run)?.latencyMs));
    const wins = own.filter((run) => (difference(found(run)?.testAccuracy, bestUniform(run)?.testAccuracy) ?? 0) > 0).length;
    return { method, own, test, gain, validation, latency, wins };
  });
  const uniformTest = meanAndSpread(rows[0]?.own.map((run) => bestUniform(run)?.testAccuracy) ?? []);
  const uniformValidation = meanAndSpread(rows[0]?.own.map((run) => bestUniform(run)?.validationAccuracy) ?? []);
  const uniformLatency = meanAndSpread(rows[0]?.own.map((run) => bestUniform(run)?.latencyMs) ?? []);
  const best = Math.max(...rows.map(({ test }) => test.mean ?? -Infinity));
  const winner = rows.find(({ test }) => test.mean === best);
  return [
    {
      title: 'Methods at equal budget and equal trials',
      columns: [
        { label: 'method', kind: 'text' },
        { label: 'runs', kind: 'count' },
        { label: 'test (%)', kind: 'accuracy' },
        { label: '± (points)', kind: 'gain' },
        { label: 'over uniform (points)', kind: 'gain' },
        { label: '± (points)', kind: 'gain' },
        { label: 'better than uniform', kind: 'count' },
        { label: 'validation (%)', kind: 'accuracy' },
        { label: 'latency (ms)', kind: 'ms' },
      ],
      rows: [
        ...rows.map(({ method, own, test, gain, validation, latency, wins }) => [
          method,
          own.length,
          test.mean,
          test.spread,
          gain.mean,
          gain.spread,
          wins,
          validation.mean,
          latency.mean,
        ]),
        [
          'best uniform',
          rows[0]?.own.length ?? 0,
          uniformTest.mean,
          uniformTest.spread,
          0,
          null,
          null,
          uniformValidation.mean,
          uniformLatency.mean,
        ],
      ],
      notes: winner
        ? [`${winner.method} has the highest mean test accuracy. ± is the standard deviation over seeds.`]
        : ['No run is completed yet.'],
    },
  ];
}
