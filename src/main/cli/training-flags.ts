/** The options that say how to train, and the parameters that they make. Bounds are the contract's: it checks them. */
import type { Command } from 'commander';
import type { TrainingParameters } from '../../shared/run.ts';
import { recipeOf, recipes } from '../../shared/recipes.ts';
import { integer, number, oneOf, positive } from './arguments.ts';

export interface TrainingFlags {
  readonly recipe?: string;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly optimizer?: TrainingParameters['optimizer'];
  readonly lr?: number;
  readonly schedule?: TrainingParameters['schedule'];
  readonly warmup?: number;
  readonly stepEpochs?: number;
  readonly stepFactor?: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly weightDecay?: number;
  readonly decayAll?: boolean;
  readonly labelSmoothing?: number;
  readonly clipNorm?: number;
  readonly crop?: number;
  readonly flip?: boolean;
  readonly cutout?: number;
  readonly patience?: number;
}

export function withTrainingFlags(command: Command): Command {
  return command
    .option(
      '--recipe <name>',
      `named settings, which the other options change: ${recipes.map(({ id }) => id).join(', ')}`,
      oneOf(recipes.map(({ id }) => id)),
    )
    .option('--epochs <n>', 'epochs of training (0: imported weights as they are)', integer(0, 10_000))
    .option('--batch, --batch-size <n>', 'images a training step', integer(1, 4096))
    .option('--optimizer <kind>', 'sgd, or adam (with decoupled decay, AdamW)', oneOf(['sgd', 'adam']))
    .option('--lr <rate>', 'peak learning rate', positive)
    .option('--schedule <kind>', 'of the learning rate behind the warm-up: cosine, step or constant', oneOf(['cosine', 'step', 'constant']))
    .option('--warmup <steps>', 'steps over which the learning rate rises', integer(0, 1_000_000_000))
    .option('--step-epochs <n>', 'step schedule: epochs between two falls', integer(1, 10_000))
    .option('--step-factor <x>', 'step schedule: what a fall multiplies the rate by', positive)
    .option('--momentum <x>', 'momentum of sgd', number)
    .option('--nesterov', "Nesterov's form of the momentum")
    .option('--no-nesterov', 'the plain form')
    .option('--beta1 <x>', 'of adam: decay of the mean gradient', number)
    .option('--beta2 <x>', 'of adam: decay of the mean squared gradient', number)
    .option('--weight-decay <x>', 'weight decay', number)
    .option('--decay-all', 'decay batch-norm parameters and biases too')
    .option('--label-smoothing <x>', 'share of a label spread over all classes', number)
    .option('--clip-norm <x>', 'longest gradient (Euclidean norm; 0: any)', number)
    .option('--crop <pixels>', 'shift images by up to this much', integer(0, 1024))
    .option('--flip', 'mirror images left to right, one time in two')
    .option('--no-flip', 'leave them')
    .option('--cutout <pixels>', 'side of a square blanked out of each image', integer(0, 4096))
    .option('--patience <epochs>', 'stop after so many epochs without a better validation accuracy (0: never)', integer(0, 10_000));
}

/** The parameters that were named: a recipe's, then each option's over them. */
export function trainingOf(flags: TrainingFlags): Partial<TrainingParameters> {
  const named: { readonly [K in keyof TrainingParameters]: TrainingParameters[K] | undefined } = {
    epochs: flags.epochs,
    batchSize: flags.batchSize,
    optimizer: flags.optimizer,
    learningRate: flags.lr,
    schedule: flags.schedule,
    warmupSteps: flags.warmup,
    stepEpochs: flags.stepEpochs,
    stepFactor: flags.stepFactor,
    momentum: flags.momentum,
    nesterov: flags.nesterov,
    beta1: flags.beta1,
    beta2: flags.beta2,
    weightDecay: flags.weightDecay,
    decayAll: flags.decayAll,
    labelSmoothing: flags.labelSmoothing,
    clipNorm: flags.clipNorm,
    cropPadding: flags.crop,
    flip: flags.flip,
    cutout: flags.cutout,
    patienceEpochs: flags.patience,
  };
  const given = Object.entries(named).filter(([, value]) => value !== undefined);
  return { ...(flags.recipe === undefined ? {} : recipeOf(flags.recipe)?.training), ...Object.fromEntries(given) };
}
