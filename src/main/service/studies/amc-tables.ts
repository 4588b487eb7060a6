/** Tables 3 and 4 of the paper: MobileNets at half the MACs or half the latency, and at several shares against uniform width. */
import type { NetworkRef } from '../../../shared/network.ts';
import type { Budget } from '../../../shared/policy.ts';
import type { RunRequest, Solution } from '../../../shared/run.ts';
import type { StudyPreset, StudyTable } from '../../../shared/study.ts';
import { publishedTable3, publishedTable4, type PublishedNetwork } from './amc-published.ts';
import {
  bestUniform,
  completed,
  difference,
  found,
  meanAndSpread,
  type Labels,
  type PlannedRun,
  type StudyDefinition,
  type StudyRun,
} from './definition.ts';
import { dataset, mobilenetV1, mobilenetV2, seedsOf } from './haq-grid.ts';

type PruneRunRequest = Extract<RunRequest, { method: 'prune' }>;

/** Where the latency of Table 3 is priced: the paper's phone is nobody's here. */
const target = 'bismo-cloud';

const presets: Readonly<Record<StudyPreset, string>> = {
  quick: 'width 0.25, Fashion-MNIST, 2 epochs of training, 60 trials, 1 epoch of fine-tuning, one seed',
  full: 'width 0.25, Fashion-MNIST, 8 epochs of training, 400 trials, 8 epochs of fine-tuning, three seeds',
};
const searchOf: Readonly<Record<StudyPreset, NonNullable<PruneRunRequest['search']>>> = {
  quick: { trials: 60, rewardImages: 1000, sensitivitySteps: 0 },
  full: { trials: 400 },
};
const epochsOf: Readonly<Record<StudyPreset, { readonly training: number; readonly tuning: number }>> = {
  quick: { training: 2, tuning: 1 },
  full: { training: 8, tuning: 8 },
};

const differences =
  'Ours: width 0.25 on Fashion-MNIST at 32 x 32. Published: width 1 on ImageNet at 224 x 224, 150 epochs of fine-tuning. Compare order and losses, not values.';

function requestFor(preset: StudyPreset, network: NetworkRef, budget: Budget, seed: number): PruneRunRequest {
  const { training, tuning } = epochsOf[preset];
  return {
    method: 'prune',
    network,
    dataset,
    ...(budget.resource === 'latency' ? { target } : {}),
    budgets: [budget],
    seed,
    training: { epochs: training },
    tuning: { epochs: tuning },
    search: searchOf[preset],
  };
}

const shareOf = (resource: Budget['resource'], value: number): Budget => ({ resource, kind: 'fraction', value });

export const table3: StudyDefinition = {
  id: 'table-3',
  title: 'Table 3: half the MACs, half the latency',
  description: `MobileNet-V1 pruned to half of its MACs and to half of its latency on ${target}, beside uniform width.`,
  presets,
  plan: (preset) =>
    Promise.resolve(
      seedsOf[preset].flatMap((seed) =>
        (['macs', 'latency'] as const).map((resource): PlannedRun => {
          const request = requestFor(preset, mobilenetV1, shareOf(resource, 0.5), seed);
          return { labels: { budget: resource, seed: String(seed) }, request: () => request };
        }),
      ),
    ),
  report: (runs) => Promise.resolve([table3Of(runs)]),
};

function table3Of(runs: readonly StudyRun[]): StudyTable {
  const whole = ({ detail }: StudyRun): Solution | undefined => detail.solutions.find(({ role }) => role === 'float');
  const row = (
    label: string,
    own: readonly StudyRun[],
    of: (run: StudyRun) => Solution | undefined,
    paper: PublishedNetwork | null,
  ): StudyTable['rows'][number] => {
    const mean = (value: (run: StudyRun) => number | null | undefined): number | null => meanAndSpread(own.map(value)).mean;
    const quicker = (run: StudyRun): number | null => {
      const [all, small] = [whole(run)?.latencyMs, of(run)?.latencyMs];
      return typeof all === 'number' && typeof small === 'number' && small > 0 ? all / small : null;
    };
    return [
      label,
      own.length,
      mean((run) => of(run)?.macs),
      mean((run) => of(run)?.testAccuracy),
      meanAndSpread(own.map((run) => of(run)?.testAccuracy)).spread,
      mean((run) => of(run)?.latencyMs),
      mean(quicker),
      mean((run) => of(run)?.sizeBytes),
      paper?.macs ?? null,
      paper?.top1 ?? null,
      paper?.ms ?? null,
      paper?.speedUp ?? null,
    ];
  };
  const [macs, latency] = [completed(runs, { budget: 'macs' }), completed(runs, { budget: 'latency' })];
  const paper = publishedTable3;
  return {
    title: 'MobileNet-V1',
    columns: [
      { label: 'network', kind: 'text' },
      { label: 'runs', kind: 'count' },
      { label: 'MACs', kind: 'count' },
      { label: 'test (%)', kind: 'accuracy' },
      { label: '± (points)', kind: 'gain' },
      { label: `${target} (ms)`, kind: 'ms' },
      { label: 'speed-up', kind: 'ratio' },
      { label: 'size', kind: 'bytes' },
      { label: 'published MACs', kind: 'count' },
      { label: 'published (%)', kind: 'accuracy' },
      { label: 'published Pixel 1 (ms)', kind: 'ms' },
      { label: 'published speed-up', kind: 'ratio' },
    ],
    rows: [
      row('whole', latency, whole, paper.whole),
      row('uniform at half the MACs', macs, bestUniform, paper.uniform),
      row('uniform at half the latency', latency, bestUniform, null),
      row('found at half the MACs', macs, found, paper.macs),
      row('found at half the latency', latency, found, paper.latency),
    ],
    notes: [
      'Published for uniform width: the 0.75 MobileNet-V1, of 57 % of the MACs. Published at half the MACs: 285 M, which the released channel list counts as 293.9 M.',
      differences,
    ],
  };
}

const shares = [
  { network: mobilenetV1, value: 0.5 },
  { network: mobilenetV1, value: 0.4 },
  { network: mobilenetV2, value: 0.7 },
] as const;

export const table4: StudyDefinition = {
  id: 'table-4',
  title: 'Table 4: against uniform width',
  description: 'MobileNet-V1 at 50 % and 40 % of its MACs, MobileNet-V2 at 70 %, and V2 by the agent of V1.',
  presets,
  plan: (preset) => {
    const planned: PlannedRun[] = [];
    for (const seed of seedsOf[preset]) {
      for (const { network, value } of shares) {
        const request = requestFor(preset, network, shareOf('macs', value), seed);
        const labels = { network: network.id, share: String(value), by: 'agent', seed: String(seed) };
        planned.push({ labels, request: () => request });
      }
      const request = requestFor(preset, mobilenetV2, shareOf('macs', 0.7), seed);
      const source = { network: mobilenetV1.id, share: '0.5', by: 'agent', seed: String(seed) };
      planned.push({
        labels: { network: mobilenetV2.id, share: '0.7', by: 'transfer', seed: String(seed) },
        request: (idOf) => ({ ...request, agentRun: idOf(source), search: { ...request.search, method: 'transfer', trials: 20 } }),
      });
    }
    return Promise.resolve(planned);
  },
  report: (runs) => Promise.resolve([table4Of(runs)]),
};

function table4Of(runs: readonly StudyRun[]): StudyTable {
  const rows = [...shares.map(({ network, value }) => ({ network: network.id, share: String(value), by: 'agent' })), transferLabels].map(
    (labels) => table4Row(completed(runs, labels), labels),
  );
  return {
    title: 'Change of test accuracy against the whole network',
    columns: [
      { label: 'network', kind: 'text' },
      { label: 'MACs (%)', kind: 'accuracy' },
      { label: 'runs', kind: 'count' },
      { label: 'whole (%)', kind: 'accuracy' },
      { label: 'uniform (points)', kind: 'gain' },
      { label: 'found (points)', kind: 'gain' },
      { label: 'found over uniform (points)', kind: 'gain' },
      { label: '± (points)', kind: 'gain' },
      { label: 'published uniform (points)', kind: 'gain' },
      { label: 'at MACs (%)', kind: 'accuracy' },
      { label: 'published found (points)', kind: 'gain' },
    ],
    rows,
    notes: [
      'The agent of MobileNet-V1 at half the MACs decides 20 choices for V2, the first without noise, and learns nothing.',
      differences,
    ],
  };
}

const transferLabels = { network: mobilenetV2.id, share: '0.7', by: 'transfer' } as const;

function table4Row(own: readonly StudyRun[], { network, share, by }: Labels): StudyTable['rows'][number] {
  const whole = ({ detail }: StudyRun): number | null | undefined => detail.solutions.find(({ role }) => role === 'float')?.testAccuracy;
  const over = meanAndSpread(own.map((run) => difference(found(run)?.testAccuracy, bestUniform(run)?.testAccuracy)));
  const paper = by === 'agent' ? publishedTable4[`${network ?? ''} ${share ?? ''}`] : undefined;
  return [
    by === 'agent' ? (network ?? '') : `${network ?? ''}, agent of ${mobilenetV1.id}`,
    Number(share),
    own.length,
    meanAndSpread(own.map(whole)).mean,
    meanAndSpread(own.map((run) => difference(bestUniform(run)?.testAccuracy, whole(run)))).mean,
    meanAndSpread(own.map((run) => difference(found(run)?.testAccuracy, whole(run)))).mean,
    over.mean,
    over.spread,
    paper?.uniform.change ?? null,
    paper?.uniform.share ?? null,
    paper?.found.change ?? null,
  ];
}
