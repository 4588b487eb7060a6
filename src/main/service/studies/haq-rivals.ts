/** Methods against each other and against uniform bits, at three budgets on three targets: which of them deserves to be the default. */
import type { QuantizeMethod, Solution } from '../../../shared/run.ts';
import type { StudyPreset, StudyTable } from '../../../shared/study.ts';
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
import { budgetBits, mobilenetV1, searchAt, seedsOf, targets } from './haq-grid.ts';

const methodsOf: Readonly<Record<StudyPreset, readonly QuantizeMethod[]>> = {
  quick: ['ddpg', 'integer-program', 'random'],
  full: ['ddpg', 'integer-program', 'random', 'greedy', 'evolutionary'],
};
const changesOf = { quick: { trials: 100, validationImages: 3000 }, full: { trials: 200, finetuneEpochs: 1 } } as const;

export const rivalsGrid: StudyDefinition = {
  id: 'rivals-grid',
  title: 'Methods at equal budget and equal trials, in nine cells',
  description: 'MobileNet-V1 on three targets at the latency of 4, 5 and 6 uniform bits: every method, and which wins most.',
  presets: {
    quick: 'width 0.25, Fashion-MNIST, 2 epochs of training, 100 trials, three methods, one seed: 27 runs',
    full: 'width 0.25, Fashion-MNIST, 4 epochs, 200 trials, winner and uniform bits fine-tuned, five methods, three seeds: 135 runs',
  },
  plan: async (preset, world) => {
    const planned: PlannedRun[] = [];
    for (const seed of seedsOf[preset]) {
      for (const bits of budgetBits) {
        for (const target of targets) {
          const request = await searchAt(world, preset, mobilenetV1, target, bits, seed);
          for (const method of methodsOf[preset]) {
            const search = { ...request.search, ...changesOf[preset], method };
            planned.push({ labels: { target, bits, method, seed: String(seed) }, request: () => ({ ...request, search }) });
          }
        }
      }
    }
    return planned;
  },
  report: (runs) => {
    const methods = [...new Set(runs.map(({ labels }) => labels['method'] ?? ''))];
    const cells = targets.flatMap((target) => budgetBits.map((bits) => cellOf(runs, methods, target, bits)));
    return Promise.resolve([cellTable(methods, cells), methodTable(methods, cells)]);
  },
};

type Statistic = ReturnType<typeof meanAndSpread>;

interface Cell {
  readonly target: string;
  readonly bits: string;
  readonly uniform: Statistic;
  readonly methods: ReadonlyMap<string, { readonly runs: number; readonly test: Statistic; readonly gain: Statistic }>;
}

/** Behind fine-tuning, where there was one. */
function testOf(solution: Solution | undefined): number | null {
  return solution?.tunedTestAccuracy ?? solution?.testAccuracy ?? null;
}

function cellOf(runs: readonly StudyRun[], methods: readonly string[], target: string, bits: string): Cell {
  const own = completed(runs, { target, bits });
  // Every method's run has measured the same uniform policy from the same weights: one a seed.
  const bySeed = new Map(own.map((run) => [run.labels['seed'], testOf(uniform(run, bits))]));
  const results = methods.map((method) => {
    const all = completed(runs, { target, bits, method });
    const test = meanAndSpread(all.map((run) => testOf(found(run))));
    const gain = meanAndSpread(all.map((run) => difference(testOf(found(run)), testOf(uniform(run, bits)))));
    return [method, { runs: all.length, test, gain }] as const;
  });
  return { target, bits, uniform: meanAndSpread([...bySeed.values()]), methods: new Map(results) };
}

function cellTable(methods: readonly string[], cells: readonly Cell[]): StudyTable {
  return {
    title: 'Test accuracy in each cell',
    columns: [
      { label: 'target', kind: 'text' },
      { label: 'bits', kind: 'text' },
      { label: 'uniform (%)', kind: 'accuracy' },
      { label: '± (points)', kind: 'gain' },
      ...methods.flatMap((method) => [
        { label: `${method} (%)`, kind: 'accuracy' as const },
        { label: '± (points)', kind: 'gain' as const },
      ]),
    ],
    rows: cells.map(({ target, bits, uniform: fixed, methods: results }) => [
      target,
      bits,
      fixed.mean,
      fixed.spread,
      ...methods.flatMap((method) => [results.get(method)?.test.mean ?? null, results.get(method)?.test.spread ?? null]),
    ]),
    notes: [
      'Budget: the latency of these uniform bits on the target. Behind fine-tuning where there was one, of uniform bits alike. ± is the standard deviation over seeds.',
    ],
  };
}

function methodTable(methods: readonly string[], cells: readonly Cell[]): StudyTable {
  const meanOf = (cell: Cell, method: string): number | null => cell.methods.get(method)?.test.mean ?? null;
  const known = methods.map((method) => ({ method, own: cells.filter((cell) => meanOf(cell, method) !== null) }));
  /** Cells that all methods have runs in. */
  const shared = cells.filter((cell) => methods.every((method) => meanOf(cell, method) !== null));
  const winsOf = (method: string): number =>
    shared.filter((cell) => methods.every((other) => (meanOf(cell, other) ?? 0) <= (meanOf(cell, method) ?? 0))).length;
  const against = (method: string, rival: string): number | null => {
    const both = cells.filter((cell) => meanOf(cell, method) !== null && meanOf(cell, rival) !== null);
    return both.length === 0 ? null : both.filter((cell) => (meanOf(cell, method) ?? 0) > (meanOf(cell, rival) ?? 0)).length;
  };
  const [first] = [...methods].sort((a, b) => winsOf(b) - winsOf(a));
  return {
    title: 'Which method wins',
    columns: [
      { label: 'method', kind: 'text' },
      { label: 'cells', kind: 'count' },
      { label: 'cells won', kind: 'count' },
      { label: 'cells below uniform', kind: 'count' },
      { label: 'mean over uniform (points)', kind: 'gain' },
      { label: 'cells better than random', kind: 'count' },
      { label: 'mean behind integer-program (points)', kind: 'gain' },
    ],
    rows: known.map(({ method, own }) => [
      method,
      own.length,
      winsOf(method),
      own.filter((cell) => (cell.methods.get(method)?.gain.mean ?? 0) < 0).length,
      meanAndSpread(own.map((cell) => cell.methods.get(method)?.gain.mean)).mean,
      method === 'random' ? null : against(method, 'random'),
      method === 'integer-program'
        ? null
        : meanAndSpread(cells.map((cell) => difference(meanOf(cell, 'integer-program'), meanOf(cell, method)))).mean,
    ]),
    notes:
      shared.length === 0 || first === undefined
        ? ['No cell is complete yet.']
        : [`Of the ${shared.length} cells in which every method is through, ${first} wins most. Equal results count for each.`],
  };
}
