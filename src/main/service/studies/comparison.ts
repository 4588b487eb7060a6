/** The table of a comparison: one search by several methods and seeds, with equal weights, budgets and numbers of trials. */
import type { Solution } from '../../../shared/run.ts';
import type { StudyTable } from '../../../shared/study.ts';
import { bestUniform, completed, difference, found, meanAndSpread, type StudyRun } from './definition.ts';

export const comparisonKind = 'comparison';

interface CostColumn {
  readonly label: string;
  readonly kind: StudyTable['columns'][number]['kind'];
  readonly of: (solution: Solution | undefined) => number | null | undefined;
}

/** What is shown behind the accuracies; a column that nothing is known of is left out. */
const costColumns: readonly CostColumn[] = [
  { label: 'before tuning (%)', kind: 'accuracy', of: (solution) => solution?.prune?.beforeTuning },
  { label: 'latency (ms)', kind: 'ms', of: (solution) => solution?.latencyMs },
  { label: 'MACs', kind: 'count', of: (solution) => (solution?.prune ? solution.macs : null) },
  { label: 'size', kind: 'bytes', of: (solution) => (solution?.prune ? solution.sizeBytes : null) },
];

export function comparisonTables(runs: readonly StudyRun[]): StudyTable[] {
  const methods = [...new Set(runs.map(({ labels }) => labels['method'] ?? ''))];
  const rows = methods.map((method) => {
    const own = completed(runs, { method });
    const test = meanAndSpread(own.map((run) => found(run)?.testAccuracy));
    const gain = meanAndSpread(own.map((run) => difference(found(run)?.testAccuracy, bestUniform(run)?.testAccuracy)));
    const validation = meanAndSpread(own.map((run) => found(run)?.validationAccuracy));
    const wins = own.filter((run) => (difference(found(run)?.testAccuracy, bestUniform(run)?.testAccuracy) ?? 0) > 0).length;
    return { method, own, test, gain, validation, wins };
  });
  const rivals = rows.find(({ own }) => own.length > 0)?.own ?? [];
  const uniform = (of: CostColumn['of']): ReturnType<typeof meanAndSpread> => meanAndSpread(rivals.map((run) => of(bestUniform(run))));
  const costs = costColumns.filter(({ of }) => rows.some(({ own }) => own.some((run) => typeof of(found(run)) === 'number')));
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
        ...costs.map(({ label, kind }) => ({ label, kind })),
      ],
      rows: [
        ...rows.map(({ method, own, test, gain, validation, wins }) => [
          method,
          own.length,
          test.mean,
          test.spread,
          gain.mean,
          gain.spread,
          wins,
          validation.mean,
          ...costs.map(({ of }) => meanAndSpread(own.map((run) => of(found(run)))).mean),
        ]),
        [
          'best uniform',
          rivals.length,
          uniform((solution) => solution?.testAccuracy).mean,
          uniform((solution) => solution?.testAccuracy).spread,
          0,
          null,
          null,
          uniform((solution) => solution?.validationAccuracy).mean,
          ...costs.map(({ of }) => uniform(of).mean),
        ],
      ],
      notes: winner
        ? [`${winner.method} has the highest mean test accuracy. ± is the standard deviation over seeds.`]
        : ['No run is completed yet.'],
    },
  ];
}
