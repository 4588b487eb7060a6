/** Tables 1 and 2 and Figure 2 of the paper: networks specialized for a target, against others, on other targets, at several latencies. */
import type { RunRequest } from '../../../shared/run.ts';
import type { StudyPreset, StudyTable } from '../../../shared/study.ts';
import { completed, found, meanAndSpread, type PlannedRun, type StudyDefinition, type StudyRun, type StudyWorld } from './definition.ts';
import { publishedAcross, publishedOnGpu, publishedTradeOff } from './proxyless-published.ts';

const dataset = 'fashion-mnist';
const space = 'small';
/** What stands for the paper's GPU, CPU and phone: a GPU's roofline, a cloud and an edge accelerator. */
const gpu = 'v100-roofline';
const targets = [gpu, 'bismo-cloud', 'eyeriss-like'] as const;
const tradeOffTarget = 'bismo-cloud';

const presets: Readonly<Record<StudyPreset, string>> = {
  quick: 'space small, Fashion-MNIST, 2 epochs of warm-up, 3 of search, 2 of training, one seed',
  full: 'space small, Fashion-MNIST, 4 epochs of warm-up, 10 of search, 8 of training, three seeds',
};
const seedsOf: Readonly<Record<StudyPreset, readonly number[]>> = { quick: [1], full: [1, 2, 3] };
const epochsOf = { quick: { warmup: 2, search: 3, training: 2 }, full: { warmup: 4, search: 10, training: 8 } } as const;
/** Where between the space's cheapest and dearest network, in factors. */
const middle = 0.4;
const tradeOffPlaces: Readonly<Record<StudyPreset, readonly number[]>> = {
  quick: [0.25, middle, 0.6],
  full: [0.15, 0.25, middle, 0.5, 0.6, 0.75],
};

const differences =
  'Ours: small networks of 32 x 32 on Fashion-MNIST, latency simulated at 8 bits. Published: ImageNet, measured. Compare order and ratios, not values.';

async function searchAt(world: StudyWorld, preset: StudyPreset, target: string, place: number, seed: number): Promise<RunRequest> {
  const { resources } = await world.spacePreview({ space, dataset, target });
  const range = resources.find(({ resource }) => resource === 'latency');
  if (!range) throw new Error(`target ${target} has no latency`);
  const { warmup, search, training } = epochsOf[preset];
  return {
    method: 'specialize',
    space,
    dataset,
    target,
    budgets: [{ resource: 'latency', kind: 'absolute', value: range.least * (range.most / range.least) ** place }],
    training: { epochs: training },
    search: { warmupEpochs: warmup, searchEpochs: search },
    seed,
  };
}

async function planTargets(preset: StudyPreset, world: StudyWorld, on: readonly string[]): Promise<PlannedRun[]> {
  const planned: PlannedRun[] = [];
  for (const seed of seedsOf[preset]) {
    for (const target of on) {
      const request = await searchAt(world, preset, target, middle, seed);
      planned.push({ labels: { target, seed: String(seed) }, request: () => request });
    }
  }
  return planned;
}

/** The reference network at the width that costs what the found one does. */
function widthRival({ detail }: StudyRun): ReturnType<typeof found> {
  return detail.solutions.find(({ role, label }) => role === 'baseline' && label.startsWith('mobilenet-v2'));
}

export const table1: StudyDefinition = {
  id: 'table-1',
  title: 'Table 1: specialized for the GPU',
  description: 'A network specialized for a GPU, MobileNet-V2 at the same latency, and the published networks on the same roofline.',
  presets,
  plan: (preset, world) => planTargets(preset, world, [gpu]),
  report: async (runs, world) => {
    const own = completed(runs, { target: gpu });
    const row = (title: string, of: (run: StudyRun) => ReturnType<typeof found>): StudyTable['rows'][number] => {
      const test = meanAndSpread(own.map((run) => of(run)?.testAccuracy));
      return [title, own.length, test.mean, test.spread, meanAndSpread(own.map((run) => of(run)?.latencyMs)).mean];
    };
    return [
      {
        title: `Found on ${gpu}`,
        columns: [
          { label: 'network', kind: 'text' },
          { label: 'runs', kind: 'count' },
          { label: 'test (%)', kind: 'accuracy' },
          { label: '± (points)', kind: 'gain' },
          { label: 'latency (ms)', kind: 'ms' },
        ],
        rows: [row('specialized', found), row('MobileNet-V2 of equal latency', widthRival)],
        notes: [differences],
      },
      {
        title: 'The published networks on the same roofline',
        columns: [
          { label: 'network', kind: 'text' },
          { label: `${gpu}, simulated (ms)`, kind: 'ms' },
          { label: 'published top-1 (%)', kind: 'accuracy' },
          { label: 'published Tesla V100 (ms)', kind: 'ms' },
        ],
        rows: await Promise.all(
          publishedOnGpu.map(async ({ title, id, top1, ms }) => [
            title,
            (await world.simulate({ network: { id }, target: gpu, batch: 1 })).latencyMs,
            top1,
            ms,
          ]),
        ),
        notes: [
          'ImageNet form of each network, one image at once, 8 bits. A roofline knows no cost of starting an operator: compare order, not values.',
        ],
      },
    ];
  },
};

export const table2: StudyDefinition = {
  id: 'table-2',
  title: 'Table 2: hardware prefers specialized models',
  description: 'A network specialized for each of three targets, and what it costs on all of them.',
  presets,
  plan: (preset, world) => planTargets(preset, world, targets),
  report: async (runs, world) => {
    const matrix = await Promise.all(targets.map(async (target) => await acrossTargets(completed(runs, { target }), world)));
    return [
      {
        title: 'Latency of each network on each target',
        columns: [
          { label: 'specialized for', kind: 'text' },
          { label: 'test (%)', kind: 'accuracy' },
          ...targets.map((target) => ({ label: `on ${target} (ms)`, kind: 'ms' as const })),
        ],
        rows: targets.map((target, index) => {
          const own = completed(runs, { target });
          return [target, meanAndSpread(own.map((run) => found(run)?.testAccuracy)).mean, ...(matrix[index] ?? [])];
        }),
        notes: [...targets.map((target, column) => fastestNote(target, column, matrix)).filter((note) => note !== null), differences],
      },
      {
        title: 'Published',
        columns: [
          { label: 'specialized for', kind: 'text' },
          { label: 'top-1 (%)', kind: 'accuracy' },
          ...['GPU', 'CPU', 'mobile'].map((device) => ({ label: `on ${device} (ms)`, kind: 'ms' as const })),
        ],
        rows: publishedAcross.map((row) => [...row]),
        notes: [],
      },
    ];
  },
};

/** Mean latency of the networks that these runs found, on every target. */
async function acrossTargets(runs: readonly StudyRun[], world: StudyWorld): Promise<(number | null)[]> {
  const networks = runs.flatMap((run) => found(run)?.architecture?.network ?? []);
  return await Promise.all(
    targets.map(async (target) => {
      const costs = await Promise.all(networks.map((id) => world.simulate({ network: { id }, dataset, target })));
      return meanAndSpread(costs.map(({ latencyMs }) => latencyMs)).mean;
    }),
  );
}

function fastestNote(target: string, column: number, matrix: readonly (readonly (number | null)[])[]): string | null {
  const own = matrix[column]?.[column] ?? null;
  const all = matrix.map((row) => row[column] ?? null);
  if (own === null || all.some((value) => value === null)) return null;
  const faster = targets.filter((_, row) => (all[row] ?? own) < own);
  return faster.length === 0
    ? `On ${target} the network specialized for it is the fastest of the three.`
    : `On ${target} the network specialized for ${faster.join(' and ')} is faster: budgets are each target's own, so it may be at another accuracy.`;
}

export const figure2: StudyDefinition = {
  id: 'figure-2',
  title: 'Figure 2: accuracy against latency',
  description: 'Networks specialized at several latencies, and MobileNet-V2 at the widths that cost the same.',
  presets,
  plan: async (preset, world) => {
    const planned: PlannedRun[] = [];
    for (const seed of seedsOf[preset]) {
      for (const place of tradeOffPlaces[preset]) {
        const request = await searchAt(world, preset, tradeOffTarget, place, seed);
        planned.push({ labels: { place: String(place), seed: String(seed) }, request: () => request });
      }
    }
    return planned;
  },
  report: (runs) => {
    const places = [...new Set(runs.map(({ labels }) => labels['place'] ?? ''))].sort((a, b) => Number(a) - Number(b));
    const rows = places.map((place) => {
      const own = completed(runs, { place });
      const of = (pick: (run: StudyRun) => ReturnType<typeof found>): [number | null, number | null] => [
        meanAndSpread(own.map((run) => pick(run)?.latencyMs)).mean,
        meanAndSpread(own.map((run) => pick(run)?.testAccuracy)).mean,
      ];
      const [ms, accuracy] = of(found);
      const [rivalMs, rivalAccuracy] = of(widthRival);
      const lead = accuracy !== null && rivalAccuracy !== null ? accuracy - rivalAccuracy : null;
      return [own.length, ms, accuracy, rivalMs, rivalAccuracy, lead];
    });
    const ahead = rows.filter(([, , , , , lead]) => (lead ?? 0) > 0).length;
    return Promise.resolve([
      {
        title: `Accuracy against latency on ${tradeOffTarget}`,
        columns: [
          { label: 'runs', kind: 'count' },
          { label: 'specialized (ms)', kind: 'ms' },
          { label: 'test (%)', kind: 'accuracy' },
          { label: 'MobileNet-V2 (ms)', kind: 'ms' },
          { label: 'test (%)', kind: 'accuracy' },
          { label: 'lead (points)', kind: 'gain' },
        ],
        rows,
        notes: [
          ...(rows.every(([, ms]) => ms !== null)
            ? [`The specialized network is ahead at ${String(ahead)} of ${String(rows.length)} latencies.`]
            : []),
          publishedTradeOff,
          differences,
        ],
      },
    ]);
  },
};
