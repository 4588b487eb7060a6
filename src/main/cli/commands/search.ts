/** Commands that work for a while: training and searching. */
import type { Command } from 'commander';
import type { Input } from '../../../shared/contract.ts';
import { count, duration, percentUnit } from '../../../shared/format.ts';
import type { Budget } from '../../../shared/policy.ts';
import { quantizeMethodSchema, type QuantizeMethod } from '../../../shared/run.ts';
import { budgets, integer, networkRef, oneOf, positive, withVariantOptions, type VariantOptions, readPolicy } from '../arguments.ts';
import { trainingOf, withTrainingFlags, type TrainingFlags } from '../training-flags.ts';
import { globalOptions, withService } from '../context.ts';
import { followRun } from '../follow.ts';
import { note, printJson, printLine } from '../output.ts';
import { compareMethods, withRivalOptions, type RivalOptions } from '../rivals.ts';
import { printPolicy, printSolutions, searchResult } from '../results.ts';

export interface TrainingOptions extends VariantOptions, TrainingFlags {
  readonly dataset: string;
  readonly seed?: number;
  readonly threads?: number;
}

interface QuantizeOptions extends TrainingOptions, RivalOptions {
  readonly target: string;
  readonly budget: readonly Budget[];
  readonly hardwareBatch?: number;
  readonly trials?: number;
  readonly minBits?: number;
  readonly maxBits?: number;
  readonly protect: boolean;
  readonly method?: QuantizeMethod;
  readonly agent?: string;
  readonly start?: string;
  readonly rewardImages?: number;
  readonly thresholds?: 'mse' | 'maximum' | 'kl';
  readonly perChannel?: boolean;
  readonly codebooks?: boolean;
  readonly finetuneSteps?: number;
  readonly finetuneEpochs?: number;
  readonly finetuneRate?: number;
  readonly sensitivity?: boolean;
}

export function addSearchCommands(program: Command): void {
  withTrainingOptions(withVariantOptions(program.command('train <network>').description('train a network in float32'))).action(
    async (id: string, own: TrainingOptions, command: Command) => {
      const options = globalOptions(command);
      const detail = await withService(options, (service) =>
        followRun(service, () => service.call('run.create', { method: 'train', ...trainingInput(id, own) })),
      );
      const float = detail.solutions.find((solution) => solution.role === 'float');
      const metrics = await withService(options, (service) => service.call('run.metrics', { id: detail.summary.id }));
      const last = (series: string): number | null => metrics.filter((metric) => metric.series === series).at(-1)?.value ?? null;
      const result = {
        run: detail.summary.id,
        status: detail.summary.status,
        testAccuracy: float?.testAccuracy ?? null,
        validationAccuracy: float?.validationAccuracy ?? null,
        trainSeconds: last('train/seconds'),
        imagesPerSecond: last('train/imagesPerSecond'),
        weights: float?.weights ?? null,
      };
      if (options.json) printJson(result);
      else
        printLine(
          `test ${percentUnit(result.testAccuracy)}, validation ${percentUnit(result.validationAccuracy)}, trained in ${duration(result.trainSeconds)} at ${count(result.imagesPerSecond === null ? null : Math.round(result.imagesPerSecond))} images/s  (run ${result.run})`,
        );
    },
  );

  const quantize = withTrainingOptions(
    withVariantOptions(
      program.command('quantize <network>').description('search weight and activation bits of each layer under a budget (HAQ)'),
    ),
  )
    .requiredOption('--target <id>', 'the hardware target')
    .requiredOption(
      '--budget <resource=value>',
      'latency=0.6 (of the 8-bit form), latency=12.5ms, size=1.2MB; several may be given',
      budgets,
    )
    .option('--hardware-batch <n>', "images at once on the target (default: the target's)", integer(1, 4096))
    .option('--trials <n>', 'policies to evaluate', integer(1, 1_000_000))
    .option('--method <name>', `how policies are found: ${quantizeMethodSchema.options.join(', ')}`, oneOf(quantizeMethodSchema.options))
    .option('--reward-images <n>', 'validation images that each trial reads', integer(1, 10_000_000))
    .option('--thresholds <rule>', 'how clipping thresholds are found: mse, maximum or kl', oneOf(['mse', 'maximum', 'kl']))
    .option('--per-channel', 'a weight threshold for each output channel')
    .option('--codebooks', 'k-means codebooks in place of linear weights (size budgets)')
    .option('--finetune-steps <n>', 'steps of quantized training before each policy is measured', integer(0, 1_000_000))
    .option('--finetune-epochs <n>', 'epochs of quantized training (PACT) of the winner and of uniform policies', integer(0, 1000))
    .option('--finetune-rate <rate>', 'learning rate of both', positive)
    .option('--sensitivity', 'measure each layer at each width alone, besides the trials')
    .option('--start <file>', 'a policy file that is tried first, lowered where it is over a budget')
    .option('--agent <run>', 'with --method transfer: the completed run whose agent decides')
    .option('--min-bits <n>', 'fewest bits of a layer', integer(1, 8))
    .option('--max-bits <n>', 'most bits of a layer', integer(1, 8))
    .option('--no-protect', 'let the search choose the bits of the first and the last layer too');
  withRivalOptions(quantize, 'quantize').action(async (id: string, own: QuantizeOptions, command: Command) => {
    const options = globalOptions(command);
    const start = own.start === undefined ? {} : { start: await readPolicy(own.start) };
    const request = { ...quantizeInput(id, own), ...start };
    if (await compareMethods(options, request, own)) return;
    const detail = await withService(options, (service) => followRun(service, () => service.call('run.create', request)));
    if (options.json) {
      printJson(searchResult(detail));
      return;
    }
    printSolutions(detail.solutions);
    printPolicy(detail);
    note(`run ${detail.summary.id}: "lathe run show ${detail.summary.id}" shows it again`);
  });
}

export function withTrainingOptions(command: Command): Command {
  return withTrainingFlags(command.requiredOption('--dataset <id>', 'the data set'))
    .option('--seed <n>', 'seed of everything random', integer(0, 0xffff_ffff))
    .option('--threads <n>', 'threads (default: the physical cores)', integer(1, 1024));
}

export function trainingInput(id: string, own: TrainingOptions): Omit<Extract<Input<'run.create'>, { method: 'train' }>, 'method'> {
  return {
    network: networkRef(id, own),
    dataset: own.dataset,
    training: trainingOf(own),
    ...(own.seed === undefined ? {} : { seed: own.seed }),
    ...(own.threads === undefined ? {} : { threads: own.threads }),
  };
}

function quantizeInput(id: string, own: QuantizeOptions): Extract<Input<'run.create'>, { method: 'quantize' }> {
  return {
    method: 'quantize',
    ...trainingInput(id, own),
    target: own.target,
    ...(own.agent === undefined ? {} : { agentRun: own.agent }),
    budgets: [...own.budget],
    ...(own.hardwareBatch === undefined ? {} : { batch: own.hardwareBatch }),
    search: {
      ...(own.trials === undefined ? {} : { trials: own.trials }),
      ...(own.minBits === undefined ? {} : { minimumBits: own.minBits }),
      ...(own.maxBits === undefined ? {} : { maximumBits: own.maxBits }),
      protectFirstAndLast: own.protect,
      ...(own.method === undefined ? {} : { method: own.method }),
      ...(own.rewardImages === undefined ? {} : { rewardImages: own.rewardImages }),
      ...(own.thresholds === undefined ? {} : { thresholds: own.thresholds }),
      ...(own.perChannel === undefined ? {} : { perChannel: own.perChannel }),
      ...(own.codebooks === undefined ? {} : { codebooks: own.codebooks }),
      ...(own.finetuneSteps === undefined ? {} : { finetuneSteps: own.finetuneSteps }),
      ...(own.finetuneEpochs === undefined ? {} : { finetuneEpochs: own.finetuneEpochs }),
      ...(own.finetuneRate === undefined ? {} : { finetuneRate: own.finetuneRate }),
      ...(own.sensitivity === undefined ? {} : { sensitivity: own.sensitivity }),
    },
  };
}
