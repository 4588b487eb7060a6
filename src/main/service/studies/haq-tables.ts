/** Tables 5 to 7 of the paper: policies across hardware, budgets at the latency of uniform bits, an agent on another network. */
import type { StudyTable } from '../../../shared/study.ts';
import {
  completed,
  difference,
  found,
  meanAndSpread,
  uniform,
  type PlannedRun,
  type StudyDefinition,
  type StudyRun,
} from './definition.ts';
import { budgetBits, dataset, differences, mobilenetV1, mobilenetV2, presetWords, searchAt, seedsOf, targets } from './haq-grid.ts';
import { publishedMatrix, publishedTransfer, publishedV1Edge, publishedV2Edge, type PublishedRow } from './haq-published.ts';

/** The budget of the matrix: the latency of this many uniform bits on each target. */
const matrixBits = '5';

export const table5: StudyDefinition = {
  id: 'table-5',
  title: 'Table 5: policies across hardware',
  description: 'MobileNet-V1, a policy searched for each of three targets, and what it costs on all of them.',
  presets: presetWords,
  plan: async (preset, world) => {
    const planned: PlannedRun[] = [];
    for (const seed of seedsOf[preset]) {
      for (const target of targets) {
        const request = await searchAt(world, preset, mobilenetV1, target, matrixBits, seed);
        planned.push({ labels: { target, seed: String(seed) }, request: () => request });
      }
    }
    return planned;
  },
  report: async (runs, world) => {
    const rows: StudyTable['rows'] = [];
    const fastest = new Map<string, { row: string; ms: number }>();
    for (const [index, target] of targets.entries()) {
      const own = completed(runs, { target });
      const costs: (number | null)[] = [];
      for (const column of targets) {
        const all: number[] = [];
        for (const run of own) {
          const policy = found(run)?.policy;
          const { manifest } = run.detail;
          if (!policy) continue;
          all.push((await world.simulate({ network: manifest.network, dataset, target: column, policy })).latencyMs);
        }
        const { mean } = meanAndSpread(all);
        costs.push(mean);
        const before = fastest.get(column);
        if (mean !== null && (!before || mean < before.ms)) fastest.set(column, { row: target, ms: mean });
      }
      const accuracy = meanAndSpread(own.map((run) => found(run)?.testAccuracy)).mean;
      rows.push([`searched for ${target}`, ...costs, accuracy, ...(publishedMatrix[index] ?? [])]);
    }
    return [
      {
        title: 'Latency of each policy on each target',
        columns: [
          { label: 'policy', kind: 'text' },
          ...targets.map((target) => ({ label: `on ${target} (ms)`, kind: 'ms' as const })),
          { label: 'test (%)', kind: 'accuracy' },
          ...['HW1', 'HW2', 'HW3'].map((target) => ({ label: `published ${target} (ms)`, kind: 'ms' as const })),
        ],
        rows,
        notes: [
          ...targets.flatMap((target) => {
            const first = fastest.get(target);
            if (!first) return [];
            return [
              first.row === target
                ? `On ${target} the policy searched for it is the fastest.`
                : `On ${target} the policy searched for ${first.row} is faster: budgets are each target's own, so a policy with fewer bits may be, at another accuracy.`,
            ];
          }),
          `Budget: the latency of uniform ${matrixBits} bits on the row's target.`,
          differences,
        ],
      },
    ];
  },
};

export const table6: StudyDefinition = {
  id: 'table-6',
  title: 'Table 6: latency-constrained quantization',
  description: 'MobileNet-V1 on the edge and the cloud accelerator at the latency of 4, 5 and 6 uniform bits.',
  presets: presetWords,
  plan: async (preset, world) => {
    const planned: PlannedRun[] = [];
    for (const seed of seedsOf[preset]) {
      for (const target of ['bismo-edge', 'bismo-cloud']) {
        for (const bits of budgetBits) {
          const request = await searchAt(world, preset, mobilenetV1, target, bits, seed);
          planned.push({ labels: { target, bits, seed: String(seed) }, request: () => request });
        }
      }
    }
    return planned;
  },
  report: (runs) =>
    Promise.resolve([
      againstUniform('Edge accelerator', runs, { target: 'bismo-edge' }, publishedV1Edge),
      againstUniform('Cloud accelerator', runs, { target: 'bismo-cloud' }, null),
    ]),
};

export const table7: StudyDefinition = {
  id: 'table-7',
  title: 'Table 7: an agent on another network',
  description: 'MobileNet-V2 on the edge accelerator: searched directly, and by an agent that was trained on MobileNet-V1.',
  presets: presetWords,
  plan: async (preset, world) => {
    const planned: PlannedRun[] = [];
    for (const seed of seedsOf[preset]) {
      for (const bits of ['4', '5']) {
        const labels = { bits, seed: String(seed) };
        const source = { role: 'agent', ...labels };
        const first = await searchAt(world, preset, mobilenetV1, 'bismo-edge', bits, seed);
        const direct = await searchAt(world, preset, mobilenetV2, 'bismo-edge', bits, seed);
        planned.push({ labels: source, request: () => ({ ...first, search: { ...first.search, method: 'ddpg' } }) });
        planned.push({ labels: { role: 'direct', ...labels }, request: () => direct });
        planned.push({
          labels: { role: 'transfer', ...labels },
          request: (idOf) => ({ ...direct, agentRun: idOf(source), search: { ...direct.search, method: 'transfer', trials: 20 } }),
        });
      }
    }
    return planned;
  },
  report: (runs) => {
    const direct = againstUniform('Searched for MobileNet-V2', runs, { role: 'direct' }, publishedV2Edge);
    const transferred = againstUniform('By the agent of MobileNet-V1', runs, { role: 'transfer' }, null);
    const rows = transferred.rows.map((row) => {
      const published = publishedTransfer.find(({ bits }) => bits === row[0]);
      return [...row, published?.top1 ?? null, published?.ms ?? null];
    });
    const columns = [
      ...transferred.columns,
      { label: 'published transfer (%)', kind: 'accuracy' as const },
      { label: 'published latency (ms)', kind: 'ms' as const },
    ];
    const notes = ['The agent decides 20 policies, the first without noise, and learns nothing.', differences];
    return Promise.resolve([direct, { ...transferred, columns, rows, notes }]);
  },
};

/** Found against uniform bits at the same latency, a row a budget, with the published row beside it. */
function againstUniform(
  title: string,
  runs: readonly StudyRun[],
  labels: Readonly<Record<string, string>>,
  published: readonly PublishedRow[] | null,
): StudyTable {
  const all = [
    ...new Set(
      runs
        .filter((run) => Object.entries(labels).every(([key, value]) => run.labels[key] === value))
        .map((run) => run.labels['bits'] ?? ''),
    ),
  ];
  const rows = all.map((bits) => {
    const own = completed(runs, { ...labels, bits });
    const test = meanAndSpread(own.map((run) => found(run)?.testAccuracy));
    const fixed = meanAndSpread(own.map((run) => uniform(run, bits)?.testAccuracy));
    const gain = meanAndSpread(own.map((run) => difference(found(run)?.testAccuracy, uniform(run, bits)?.testAccuracy)));
    const paper = published?.find((row) => row.bits === bits);
    return [
      bits,
      own.length,
      meanAndSpread(own.map((run) => uniform(run, bits)?.latencyMs)).mean,
      fixed.mean,
      meanAndSpread(own.map((run) => found(run)?.latencyMs)).mean,
      test.mean,
      test.spread,
      gain.mean,
      ...(published ? [paper?.uniform.top1 ?? null, paper?.found.top1 ?? null, difference(paper?.found.top1, paper?.uniform.top1)] : []),
    ];
  });
  return {
    title,
    columns: [
      { label: 'bits', kind: 'text' },
      { label: 'runs', kind: 'count' },
      { label: 'uniform (ms)', kind: 'ms' },
      { label: 'uniform (%)', kind: 'accuracy' },
      { label: 'found (ms)', kind: 'ms' },
      { label: 'found (%)', kind: 'accuracy' },
      { label: '± (points)', kind: 'gain' },
      { label: 'gain (points)', kind: 'gain' },
      ...(published
        ? [
            { label: 'published uniform (%)', kind: 'accuracy' as const },
            { label: 'published found (%)', kind: 'accuracy' as const },
            { label: 'published gain (points)', kind: 'gain' as const },
          ]
        : []),
    ],
    rows,
    notes: [differences],
  };
}
