/** `evaluate`: a trained network at chosen bits, in float, fake-quantized or integer arithmetic. */
import type { Command } from 'commander';
import { count, percentUnit } from '../../../shared/format.ts';
import type { Arithmetic } from '../../../shared/evaluate.ts';
import { integer, networkRef, oneOf, positive, readPolicy, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine } from '../output.ts';

interface EvaluateOptions extends VariantOptions {
  readonly dataset: string;
  readonly weights?: string;
  readonly weightBits: number;
  readonly activationBits: number;
  readonly policy?: string;
  readonly arithmetic: Arithmetic;
  readonly split: 'validation' | 'test';
  readonly thresholds: 'mse' | 'maximum' | 'kl' | 'percentile';
  readonly percentile?: number;
  readonly perChannel?: boolean;
  readonly calibrationImages?: number;
  readonly statisticsImages?: number;
  readonly threads?: number;
}

export function addEvaluateCommand(program: Command): void {
  withVariantOptions(program.command('evaluate <network>').description('accuracy of trained weights at chosen bits'))
    .requiredOption('--dataset <id>', 'the data set')
    .option('--weights <run>', 'id of the run that trained them, or their hash (default: the newest that fit)')
    .option('--weight-bits <n>', 'bits of all weights', integer(1, 8), 8)
    .option('--activation-bits <n>', 'bits of all activations', integer(1, 8), 8)
    .option('--policy <file>', 'bits layer by layer instead, from a policy file')
    .option('--arithmetic <kind>', 'float, fake (floats that stand for codes) or integer', oneOf(['float', 'fake', 'integer']), 'fake')
    .option(
      '--split <part>',
      'validation or test; a test split that chooses anything is none any more',
      oneOf(['validation', 'test']),
      'validation',
    )
    .option('--thresholds <rule>', 'mse, maximum, kl or percentile', oneOf(['mse', 'maximum', 'kl', 'percentile']), 'mse')
    .option('--percentile <share>', 'of that rule: the share of values that is not clipped', positive)
    .option('--per-channel', 'a threshold for each output channel of the weights')
    .option('--calibration-images <n>', 'training images that the thresholds come from', integer(2, 1_000_000))
    .option('--statistics-images <n>', "of those, for batch norm's statistics (0: the float network's)", integer(0, 100_000))
    .option('--threads <n>', 'threads (default: the physical cores)', integer(1, 1024))
    .action(async (id: string, own: EvaluateOptions, command: Command) => {
      const options = globalOptions(command);
      const policy = own.policy === undefined ? undefined : await readPolicy(own.policy);
      const { dataset, weightBits, activationBits, arithmetic, split, thresholds } = own;
      const result = await withService(options, (service) =>
        service.call('evaluate', {
          network: networkRef(id, own),
          ...{ dataset, weightBits, activationBits, arithmetic, split, thresholds },
          ...(policy ? { policy } : {}),
          ...(own.weights === undefined ? {} : { weights: own.weights }),
          ...(own.percentile === undefined ? {} : { percentile: own.percentile }),
          ...(own.perChannel === undefined ? {} : { perChannel: own.perChannel }),
          ...(own.calibrationImages === undefined ? {} : { calibrationImages: own.calibrationImages }),
          ...(own.statisticsImages === undefined ? {} : { statisticsImages: own.statisticsImages }),
          ...(own.threads === undefined ? {} : { threads: own.threads }),
        }),
      );
      if (options.json) printJson(result);
      else {
        printLine(
          `${percentUnit(result.accuracy)} (top-5 ${percentUnit(result.top5Accuracy)}) of ${count(result.images)} ${result.split} images, ${result.arithmetic} arithmetic, in ${result.seconds.toFixed(1)} s  (weights of run ${result.run})`,
        );
      }
    });
}
