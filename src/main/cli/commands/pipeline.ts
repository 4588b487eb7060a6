/** The pipeline on the command line: specialize, prune and quantize as one run. */
import { InvalidArgumentError, type Command } from 'commander';
import { bytes, fixed, millijoules, ms, percent, points, si } from '../../../shared/format.ts';
import { pipelineRowsOf } from '../../../shared/pipeline.ts';
import type { Budget } from '../../../shared/policy.ts';
import {
  pipelineRivalSchema,
  stageNameSchema,
  type PipelineRival,
  type RunDetail,
  type RunRequest,
  type Solution,
  type StageName,
} from '../../../shared/run.ts';
import { budgets, integer, networkRef, withVariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { followRun } from '../follow.ts';
import { note, printJson, printLine, printTable } from '../output.ts';
import { searchResult } from '../results.ts';
import { trainingInput, withTrainingOptions, type TrainingOptions } from './search.ts';

interface PipelineOptions extends TrainingOptions {
  readonly target: string;
  readonly hardwareBatch?: number;
  readonly budget?: readonly Budget[];
  readonly stages?: readonly StageName[];
  readonly rivals?: readonly PipelineRival[];
  readonly specializeBudget?: readonly Budget[];
  readonly pruneBudget?: readonly Budget[];
  readonly quantizeBudget?: readonly Budget[];
  readonly space?: string;
  readonly warmupEpochs?: number;
  readonly searchEpochs?: number;
  readonly pruneTrials?: number;
  readonly tuneEpochs?: number;
  readonly quantizeTrials?: number;
  readonly finetuneEpochs?: number;
}

export function addPipelineCommand(program: Command): void {
  withTrainingOptions(
    withVariantOptions(
      program
        .command('pipeline [network]')
        .description(
          'specialize, prune and quantize as one run with one budget; fractions are of [network], by default mobilenet-v2, at 8 bits',
        ),
    ),
  )
    .requiredOption('--target <id>', 'the hardware target')
    .option('--budget <resource=value>', 'of the whole: latency=0.25 or energy=2mJ; each stage takes the same factor of the way', budgets)
    .option('--hardware-batch <n>', "images at once on the target (default: the target's)", integer(1, 4096))
    .option('--stages <names>', 'those to run, separated by commas (default: specialize,prune,quantize)', listOf(stageNameSchema.options))
    .option(
      '--rivals <names>',
      `what the result is compared with: reference (trained in float), and a stage alone at the whole budget: ${stageNameSchema.options.join(', ')}; none for nothing (default: reference)`,
      rivals,
    )
    .option('--specialize-budget <resource=value>', 'of this stage alone, in place of its share', budgets)
    .option('--prune-budget <resource=value>', 'of this stage alone, in place of its share', budgets)
    .option('--quantize-budget <resource=value>', 'of this stage alone, in place of its share', budgets)
    .option('--space <id|file.json>', 'the search space (default: what fits the images; see "space list")')
    .option('--warmup-epochs <n>', 'epochs of the supernet on random paths', integer(0, 10_000))
    .option('--search-epochs <n>', 'epochs in which weights and architecture learn in turn', integer(1, 10_000))
    .option('--prune-trials <n>', 'choices of channels to evaluate', integer(1, 1_000_000))
    .option('--tune-epochs <n>', 'epochs of fine-tuning of the pruned network (0: none; default: as the training)', integer(0, 10_000))
    .option('--quantize-trials <n>', 'choices of bits to evaluate', integer(1, 1_000_000))
    .option('--finetune-epochs <n>', 'epochs of quantized training of the result', integer(0, 1000))
    .action(async (id: string | undefined, own: PipelineOptions, command: Command) => {
      const options = globalOptions(command);
      const detail = await withService(options, (service) =>
        followRun(service, () => service.call('run.create', requestOf(id ?? 'mobilenet-v2', own))),
      );
      if (options.json) {
        printJson({ ...searchResult(detail), stages: detail.stages });
        return;
      }
      printPipeline(detail);
      note(`run ${detail.summary.id}: "lathe run show ${detail.summary.id}" shows it again`);
    });
}

function listOf<T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((name) => {
      const found = choices.find((choice) => choice === name.trim());
      if (found === undefined) throw new InvalidArgumentError(`expected some of ${choices.join(', ')}, separated by commas.`);
      return found;
    });
}

function rivals(text: string): PipelineRival[] {
  return text.trim() === 'none' ? [] : listOf(pipelineRivalSchema.options)(text);
}

function requestOf(id: string, own: PipelineOptions): RunRequest {
  const chosen = own.stages ?? stageNameSchema.options;
  const specialize = {
    budgets: [...(own.specializeBudget ?? [])],
    search: given({ warmupEpochs: own.warmupEpochs, searchEpochs: own.searchEpochs }),
    ...given({ space: own.space }),
  };
  const prune = {
    budgets: [...(own.pruneBudget ?? [])],
    search: given({ trials: own.pruneTrials }),
    tuning: given({ epochs: own.tuneEpochs }),
  };
  const quantize = {
    budgets: [...(own.quantizeBudget ?? [])],
    search: given({ trials: own.quantizeTrials, finetuneEpochs: own.finetuneEpochs }),
  };
  return {
    method: 'pipeline',
    ...trainingInput(id, own),
    network: networkRef(id, own),
    target: own.target,
    ...given({ batch: own.hardwareBatch, rivals: own.rivals ? [...own.rivals] : undefined }),
    budgets: [...(own.budget ?? [])],
    stages: {
      ...(chosen.includes('specialize') ? { specialize } : {}),
      ...(chosen.includes('prune') ? { prune } : {}),
      ...(chosen.includes('quantize') ? { quantize } : {}),
    },
  };
}

/** What was named. */
function given<T extends object>(all: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as never;
}

/** Of a stage between, the whole budget says nothing yet. */
function budgetWords(name: string, { role, withinBudget }: Solution): string {
  if (role !== 'best' && !name.endsWith(' alone')) return '';
  return withinBudget ? 'met' : 'over';
}

/** Before and behind each stage, and each stage alone. */
export function printPipeline(detail: RunDetail): void {
  printTable(
    [
      'network',
      'run',
      'budget',
      'test (%)',
      'to reference (points)',
      'latency (ms)',
      'this stage (×)',
      'in all (×)',
      'energy (mJ)',
      'size',
      'MACs',
    ],
    pipelineRowsOf(detail).map(({ name, run, state, solution, testAccuracy, accuracyGain, stageFactor, wholeFactor }) => [
      name,
      run ?? '',
      solution === null ? state : budgetWords(name, solution),
      percent(testAccuracy),
      accuracyGain === null ? '' : points(accuracyGain),
      ms(solution?.latencyMs),
      stageFactor === null ? '' : fixed(stageFactor, 2),
      wholeFactor === null ? '' : fixed(wholeFactor, 2),
      millijoules(solution?.energyMj),
      bytes(solution?.sizeBytes),
      si(solution?.macs),
    ]),
    [3, 4, 5, 6, 7, 8, 9, 10],
  );
  printLine(
    'Latency, energy and size are of the 8-bit form, behind quantize of the bits that were found; × is how often the latency fits into the one before.',
  );
}
