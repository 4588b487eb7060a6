/** Pruning on the command line. */
import type { Command } from 'commander';
import type { Input } from '../../../shared/contract.ts';
import { bytes, fixed, millijoules, ms, percent, points, si } from '../../../shared/format.ts';
import type { Budget } from '../../../shared/policy.ts';
import {
  granularitySchema,
  importanceSchema,
  pruneMethodSchema,
  type PruneMethod,
  pruneRewardSchema,
  type Granularity,
  type GroupBounds,
  type Importance,
  type PruneReward,
} from '../../../shared/prune.ts';
import { clipWords, runtimeSeries } from '../../../shared/prune-words.ts';
import type { Service } from '../../service/index.ts';
import type { RunDetail, Solution } from '../../../shared/run.ts';
import { InvalidArgumentError } from 'commander';
import { budgets, integer, networkRef, oneOf, positive, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { followRun } from '../follow.ts';
import { note, printJson, printLine, printTable } from '../output.ts';
import { exportWords, searchResult } from '../results.ts';
import { compareMethods, withRivalOptions, type RivalOptions } from '../rivals.ts';
import { trainingOf, withTrainingFlags, type TrainingFlags } from '../training-flags.ts';

interface PruneOptions extends VariantOptions, TrainingFlags, RivalOptions {
  readonly dataset: string;
  readonly seed?: number;
  readonly threads?: number;
  readonly target?: string;
  readonly budget?: readonly Budget[];
  readonly hardwareBatch?: number;
  readonly method?: PruneMethod;
  readonly agent?: string;
  readonly granularity?: Granularity;
  readonly stages?: number;
  readonly trialImages?: number;
  readonly finalists?: number;
  readonly finalistImages?: number;
  readonly trials?: number;
  readonly importance?: Importance;
  readonly reward?: PruneReward;
  readonly minRatio?: number;
  readonly maxRatio?: number;
  readonly round?: number;
  readonly group?: readonly GroupBounds[];
  readonly rewardImages?: number;
  readonly reconstructionImages?: number;
  readonly tuneEpochs?: number;
  readonly tuneLr?: number;
  readonly onnx?: string;
}

export function addPruneCommand(program: Command): void {
  const command = withRivalOptions(
    withVariantOptions(
      program
        .command('prune <network>')
        .description('search how many channels of each layer stay under a budget (AMC), and fine-tune what is found'),
    ),
    'prune',
  )
    .requiredOption('--dataset <id>', 'the data set')
    .option('--seed <n>', 'seed of everything random', integer(0, 0xffff_ffff))
    .option('--threads <n>', 'threads (default: the physical cores)', integer(1, 1024))
    .option('--budget <resource=value>', 'macs=0.5 (of the whole network), params=1M, latency=0.5; several may be given', budgets)
    .option('--target <id>', 'the hardware target, for budgets of latency and energy')
    .option('--hardware-batch <n>', "images at once on the target (default: the target's)", integer(1, 4096))
    .option('--method <kind>', `how channels are found: ${pruneMethodSchema.options.join(', ')}`, oneOf(pruneMethodSchema.options))
    .option('--agent <run>', 'with --method transfer: the completed pruning whose agent decides')
    .option('--granularity <kind>', 'what goes: channels (a smaller network) or weights (a sparse one)', oneOf(granularitySchema.options))
    .option('--stages <n>', 'steps to the budget, each fine-tuned before the next (default: 1)', integer(1, 20))
    .option('--trials <n>', 'choices to evaluate, in all stages', integer(1, 1_000_000))
    .option('--importance <kind>', `which channels go first: ${importanceSchema.options.join(', ')}`, oneOf(importanceSchema.options))
    .option(
      '--reward <kind>',
      `accuracy under a budget, or accuracy against ${pruneRewardSchema.options.slice(1).join(', ')}`,
      oneOf(pruneRewardSchema.options),
    )
    .option('--min-ratio <x>', 'of each group of channels that stays at least', positive)
    .option('--max-ratio <x>', 'and at most', positive)
    .option('--round <n>', 'channels are kept in multiples of this', integer(1, 1024))
    .option('--group <name=min..max>', 'bounds of one group, such as conv1=0.5..1; conv1=1..1 locks it; several may be given', groupBounds)
    .option('--reward-images <n>', 'validation images that each trial reads', integer(1, 10_000_000))
    .option('--trial-images <n>', 'training images that each trial is fine-tuned on before it is read (0: none)', integer(0, 10_000_000))
    .option('--finalists <n>', 'best trials that are read again on images of their own', integer(1, 1000))
    .option('--finalist-images <n>', 'training images that each of them is fine-tuned on before (0: none)', integer(0, 10_000_000))
    .option('--reconstruction-images <n>', 'training images for least-squares weights (0: weights stay as they are)', integer(0, 1_000_000))
    .option('--tune-epochs <n>', 'epochs of fine-tuning (0: none)', integer(0, 10_000))
    .option('--tune-lr <rate>', 'peak learning rate of fine-tuning', positive)
    .option('--onnx <file>', 'write the pruned network to an ONNX file');
  withTrainingFlags(command).action(async (id: string, own: PruneOptions, self: Command) => {
    const options = globalOptions(self);
    const request = pruneInput(id, own);
    if (await compareMethods(options, request, own)) return;
    const { detail, runtime, file } = await withService(options, async (service) => {
      const detail = await followRun(service, () => service.call('run.create', request));
      const runtime = await runtimeMs(service, detail.summary.id);
      const network = detail.solutions.find(({ role }) => role === 'best')?.prune?.network;
      if (own.onnx === undefined || !network) return { detail, runtime, file: null };
      return { detail, runtime, file: await service.call('network.export', { network: { id: network }, path: own.onnx }) };
    });
    if (options.json) {
      printJson({ ...searchResult(detail), runtimeMs: Object.fromEntries(runtime), ...(file ? { onnx: file } : {}) });
      return;
    }
    printPruned(detail, runtime);
    if (file) printLine(exportWords(file));
    note(`run ${detail.summary.id}: "lathe run show ${detail.summary.id}" shows it again`);
  });
}

/** Collects `--group NAME=MIN..MAX`. */
function groupBounds(text: string, previous: readonly GroupBounds[] | undefined): GroupBounds[] {
  const match = /^(?<group>[^=]+)=(?<low>[0-9.]+?)\.\.(?<high>[0-9.]+)$/.exec(text.trim());
  const [minimumRatio, maximumRatio] = [Number(match?.groups?.['low']), Number(match?.groups?.['high'])];
  if (!match?.groups || !(minimumRatio > 0) || !(maximumRatio > 0)) {
    throw new InvalidArgumentError('expected NAME=MIN..MAX with ratios above 0 and at most 1, such as conv1=0.5..1.');
  }
  return [...(previous ?? []), { group: match.groups['group'] ?? '', minimumRatio, maximumRatio }];
}

function pruneInput(id: string, own: PruneOptions): Extract<Input<'run.create'>, { method: 'prune' }> {
  const search = {
    method: own.method,
    granularity: own.granularity,
    stages: own.stages,
    trialImages: own.trialImages,
    finalists: own.finalists,
    finalistImages: own.finalistImages,
    trials: own.trials,
    importance: own.importance,
    reward: own.reward,
    minimumRatio: own.minRatio,
    maximumRatio: own.maxRatio,
    roundTo: own.round,
    groups: own.group,
    rewardImages: own.rewardImages,
    reconstructionImages: own.reconstructionImages,
  };
  const tuning = { epochs: own.tuneEpochs, learningRate: own.tuneLr };
  const given = (all: object): object => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return {
    method: 'prune',
    network: networkRef(id, own),
    dataset: own.dataset,
    training: trainingOf(own),
    budgets: [...(own.budget ?? [])],
    search: given(search),
    tuning: given(tuning),
    ...given({ seed: own.seed, threads: own.threads, target: own.target, batch: own.hardwareBatch, agentRun: own.agent }),
  };
}

/** The whole network, the found one and its rival side by side, then the groups of the found one. */
export function printPruned(detail: RunDetail, runtime: ReadonlyMap<string, number>): void {
  const whole = detail.solutions.find(({ role }) => role === 'float');
  const order: Readonly<Record<Solution['role'], number>> = { float: 0, best: 1, baseline: 2 };
  const rows = [...detail.solutions].sort((a, b) => order[a.role] - order[b.role]);
  printTable(
    [
      'network',
      'budget',
      'test (%)',
      'to whole (points)',
      'validation (%)',
      'before tuning (%)',
      'MACs',
      'of whole (%)',
      'parameters',
      'float32',
      'latency (ms)',
      'energy (mJ)',
      'ONNX Runtime (ms)',
    ],
    rows.map((row) => [
      row.label,
      row.role === 'float' ? '' : row.withinBudget ? 'met' : 'over',
      percent(row.testAccuracy),
      row.role !== 'float' && row.testAccuracy !== null && whole?.testAccuracy ? points(row.testAccuracy - whole.testAccuracy) : '',
      percent(row.validationAccuracy),
      row.prune ? percent(row.prune.beforeTuning) : '',
      si(row.macs),
      whole ? percent(row.macs / whole.macs, 1) : '',
      row.prune ? si(row.prune.params) : si(row.sizeBytes / 4),
      bytes(row.sizeBytes),
      ms(row.latencyMs),
      millijoules(row.energyMj),
      ms(runtime.get(row.label) ?? null),
    ]),
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  );
  const best = detail.solutions.find(({ role }) => role === 'best');
  if (whole && best) printSpeedUp(whole, best, runtime);
  if (!best?.prune) return;
  printLine('');
  printTable(
    ['group', detail.manifest.method === 'prune' ? detail.manifest.search.granularity : 'channels', 'kept', 'ratio', '', 'clip'],
    best.prune.groups.map((decision) => [
      decision.group,
      String(decision.units),
      String(decision.kept),
      fixed(decision.kept / decision.units, 2),
      '█'.repeat(Math.round((decision.kept / decision.units) * 20)),
      clipWords(decision),
    ]),
    [1, 2, 3],
  );
  if (best.prune.network !== null)
    printLine(`kept as network ${best.prune.network}; lathe network export ${best.prune.network} FILE.onnx writes it`);
}

/** What the target predicted of the speed-up, and what this machine measured, where both or one is known. */
function printSpeedUp(whole: Solution, best: Solution, runtime: ReadonlyMap<string, number>): void {
  const ratio = (all: number | null | undefined, small: number | null | undefined): number | null =>
    typeof all === 'number' && typeof small === 'number' && small > 0 ? all / small : null;
  const predicted = ratio(whole.latencyMs, best.latencyMs);
  const measured = ratio(runtime.get(whole.label), runtime.get(best.label));
  const parts = [
    ...(predicted === null ? [] : [`predicted ×${fixed(predicted, 2)}`]),
    ...(measured === null ? [] : [`ONNX Runtime on this machine ×${fixed(measured, 2)}`]),
  ];
  if (parts.length > 0) printLine(`speed-up: ${parts.join(', ')}`);
}

/** Milliseconds that ONNX Runtime took for the run's networks on the machine of the run, by their labels. */
export async function runtimeMs(service: Service, run: string): Promise<ReadonlyMap<string, number>> {
  const metrics = await service.call('run.metrics', { id: run });
  return new Map(
    metrics
      .filter(({ series }) => series.startsWith(runtimeSeries))
      .map(({ series, value }) => [series.slice(runtimeSeries.length), value]),
  );
}
