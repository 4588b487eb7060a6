/** Every hyper-parameter with one line of what it does. The bounds and defaults are the contract's; here are only words. */
import { z } from 'zod';
import { pruneParametersSchema, type PruneParameters } from '../../../shared/prune.ts';
import {
  agentParametersSchema,
  quantizeParametersSchema,
  trainingParametersSchema,
  type AgentParameters,
  type QuantizeParameters,
  type TrainingParameters,
} from '../../../shared/run.ts';

export type Group = 'search' | 'prune' | 'training' | 'agent';
export type ParameterValue = number | boolean | string;

export interface Parameter {
  readonly group: Group;
  readonly key: string;
  readonly label: string;
  readonly unit: string;
  readonly explain: string;
  readonly kind: 'number' | 'switch' | 'choice';
  readonly choices: readonly string[]; // of a choice
}

type Words<T> = { readonly [K in keyof T]: readonly [label: string, unit: string, explain: string] };

const search: Words<Omit<QuantizeParameters, 'agent'>> = {
  method: [
    'Search method',
    '',
    'HAQ’s agent with refinement (ddpg), or a rival at equal trials: random, evolutionary, greedy by sensitivity, an integer program; or transfer: an earlier run’s agent.',
  ],
  trials: ['Trials', '', 'Policies that the search evaluates, one after the other.'],
  minimumBits: ['Fewest bits', 'bits', 'No layer gets fewer, neither for weights nor for activations.'],
  maximumBits: ['Most bits', 'bits', 'No layer gets more.'],
  protectFirstAndLast: [
    'Protect first and last',
    '',
    'The first and the last layer stay at 8 bits, as in the paper: they are small and sensitive.',
  ],
  validationImages: ['Validation images', 'images', 'Split off the training images; the search never sees the test split.'],
  rewardImages: ['Reward images', 'images', 'Of the validation images, read by each trial: more is slower and less noisy.'],
  calibrationImages: ['Calibration images', 'images', 'Training images from which the ranges of activations are taken.'],
  statisticsImages: [
    'Statistics images',
    'images',
    'Of the calibration images, to measure batch norm anew for each policy; 0 keeps the float network’s.',
  ],
  finalists: ['Finalists', 'policies', 'Best trials that are read again on all validation images before one is chosen.'],
  refinement: [
    'Refinement',
    'of trials',
    'Share of the trials, at the end, that change the best policies a little and trade bits between layers; 0 asks the agent to the end.',
  ],
  thresholds: ['Thresholds', '', 'How clipping thresholds are found: least squared error, the largest magnitude, or HAQ’s divergence.'],
  perChannel: ['Per channel', '', 'A weight threshold for each output channel instead of one a layer.'],
  codebooks: ['Codebooks', '', 'K-means codebooks in place of linear weights, for size budgets; there is no integer arithmetic for them.'],
  finetuneSteps: ['Fine-tune a trial', 'steps', 'Quantized training before each policy is measured, from the same float weights; 0: none.'],
  finetuneEpochs: [
    'Fine-tune the winner',
    'epochs',
    'Quantized training (PACT) at the end, of the winner and of uniform policies alike; 0: none.',
  ],
  finetuneRate: ['Fine-tuning rate', '', 'Learning rate of both; along a cosine to zero.'],
  sensitivity: ['Measure sensitivity', '', 'The accuracy that each layer loses at each width alone, besides the trials.'],
  rewardScale: ['Reward scale', 'a pp', 'Reward for one percentage point of accuracy over the float network’s.'],
};

const prune: Words<Omit<PruneParameters, 'agent' | 'groups'>> = {
  method: [
    'Search method',
    '',
    'AMC’s agent (ddpg), or a rival at equal trials: random, evolutionary, greedy by sensitivity; magnitude is one threshold over all, nothing searched; transfer asks an earlier run’s agent.',
  ],
  granularity: ['What goes', '', 'Channels, so that the network is smaller and faster; or single weights, so that it is stored sparse.'],
  stages: ['Stages', '', 'Steps to the budget, equal factors, each fine-tuned before the next: for high compression.'],
  trials: ['Trials', '', 'Choices that the search evaluates, one after the other, in all stages.'],
  importance: [
    'Importance',
    '',
    'Which channels of a group go first: small weights (l1, l2), small batch-norm scales, replaceable filters (fpgm), gradients (taylor).',
  ],
  reward: ['Reward', '', 'Accuracy under the budgets; or accuracy weighed against macs, params or latency, which needs no budget.'],
  minimumRatio: ['Smallest ratio', '', 'Of each group’s channels that stay at least.'],
  maximumRatio: ['Largest ratio', '', 'Of each group’s channels that stay at most.'],
  roundTo: ['Round to', 'channels', 'Channels are kept in multiples of this: what the target computes at once.'],
  validationImages: ['Validation images', 'images', 'Split off the training images; the search never sees the test split.'],
  rewardImages: ['Reward images', 'images', 'Of the validation images, read by each trial: more is slower and less noisy.'],
  trialImages: [
    'Fine-tune a trial',
    'images',
    'Training images that each trial is fine-tuned on before it is read: slower, and nearer to what the fine-tuned network will be; 0: none.',
  ],
  statisticsImages: [
    'Statistics images',
    'images',
    'Training images to measure batch norm anew for each pruned network; 0 keeps the whole network’s.',
  ],
  reconstructionImages: [
    'Reconstruction images',
    'images',
    'Training images for least-squares weights of layers that lose inputs; 0 keeps the weights.',
  ],
  reconstructionSamples: ['Samples an image', 'positions', 'Output positions that least squares takes of each of these images.'],
  sensitivitySteps: ['Sensitivity steps', '', 'Accuracies measured of each group pruned alone, before the search; 0: none.'],
  finalists: ['Finalists', 'networks', 'Best trials that are read again on fresh validation images before one is chosen.'],
  finalistImages: [
    'Fine-tune a finalist',
    'images',
    'Training images that each finalist is fine-tuned on before it is read again; 0: none.',
  ],
};

const training: Words<TrainingParameters> = {
  epochs: ['Epochs', '', 'Passes over the training images.'],
  batchSize: ['Batch size', 'images', 'Images in one step of training.'],
  optimizer: ['Optimiser', '', 'Stochastic gradient descent with momentum, or Adam with decoupled decay (AdamW).'],
  learningRate: ['Learning rate', '', 'Its peak: it rises linearly over the warm-up, then follows the schedule.'],
  schedule: ['Schedule', '', 'Along a cosine to zero, down in steps, or constant.'],
  warmupSteps: ['Warm-up', 'steps', 'Steps over which the learning rate rises.'],
  stepEpochs: ['Step every', 'epochs', 'Of the step schedule: epochs between two falls of the learning rate.'],
  stepFactor: ['Step factor', '', 'Of the step schedule: what a fall multiplies the learning rate by.'],
  momentum: ['Momentum', '', 'Of SGD: how much of the last step’s direction is kept.'],
  nesterov: ['Nesterov', '', 'Of SGD: looks one step of the momentum ahead.'],
  beta1: ['Beta 1', '', 'Of Adam: how much of the mean gradient is kept.'],
  beta2: ['Beta 2', '', 'Of Adam: how much of the mean squared gradient is kept.'],
  weightDecay: ['Weight decay', '', 'Pull of convolution and linear weights toward zero.'],
  decayAll: ['Decay everything', '', 'Batch norm’s parameters and biases decay as well.'],
  labelSmoothing: ['Label smoothing', '', 'Share of each label that is spread evenly over all classes.'],
  clipNorm: ['Clip gradient', 'norm', 'A longer gradient is scaled down to this length; 0 leaves it as it is.'],
  cropPadding: ['Crop padding', 'pixels', 'Black around each image, of which a window of its own size is taken; 0: none.'],
  flip: ['Mirror', '', 'Each image is mirrored left to right one time in two.'],
  cutout: ['Cutout', 'pixels', 'Side of a square that is blanked out of each image; 0: none.'],
  patienceEpochs: ['Patience', 'epochs', 'Stops after so many epochs without a better validation accuracy, and keeps the best; 0: never.'],
};

const agent: Words<AgentParameters> = {
  hiddenUnits: ['Hidden units', '', 'Width of the two hidden layers of the actor and the critic.'],
  actorLearningRate: ['Actor learning rate', '', 'How fast the agent changes what it does.'],
  criticLearningRate: ['Critic learning rate', '', 'How fast the agent changes what it expects.'],
  batchSize: ['Batch size', 'transitions', 'Transitions in one update of the agent.'],
  replayPerLayer: ['Replay a layer', 'transitions', 'The replay memory holds this many transitions for each layer.'],
  discount: ['Discount', '', 'Weight of later decisions; 1 counts all layers alike.'],
  tau: ['Soft update', '', 'How far the target networks move toward the trained ones with each update.'],
  baselineDecay: ['Baseline decay', '', 'Moving average of the reward that is taken off before the critic learns.'],
  warmupTrials: ['Warm-up', 'trials', 'Trials with random policies before the agent decides.'],
  initialNoise: ['First noise', 'sigma', 'Exploration noise of the first trial after the warm-up.'],
  noiseDecay: ['Noise decay', 'a trial', 'Factor by which the noise shrinks with each trial.'],
};

const shapes = {
  search: quantizeParametersSchema.shape,
  prune: pruneParametersSchema.shape,
  training: trainingParametersSchema.shape,
  agent: agentParametersSchema.shape,
} as const;

function listOf(group: Group, words: Readonly<Record<string, readonly [string, string, string]>>): Parameter[] {
  const shape: Readonly<Record<string, z.ZodType | undefined>> = shapes[group];
  return Object.entries(words).map(([key, [label, unit, explain]]) => {
    const field = shape[key];
    const type = field instanceof z.ZodDefault ? field.unwrap() : field;
    const choices = type instanceof z.ZodEnum ? type.options.map(String) : [];
    return {
      group,
      key,
      label,
      unit,
      explain,
      kind: choices.length > 0 ? 'choice' : type instanceof z.ZodBoolean ? 'switch' : 'number',
      choices,
    };
  });
}

export const parameters: Readonly<Record<Group, readonly Parameter[]>> = {
  search: listOf('search', search),
  prune: listOf('prune', prune),
  training: listOf('training', training),
  agent: listOf('agent', agent),
};

export const groupTitles = {
  search: 'Search',
  prune: 'Pruning',
  training: 'Training of the float network',
  agent: 'Agent (DDPG)',
} as const satisfies Record<Group, string>;

interface Checked {
  readonly success: boolean;
  readonly error?: {
    readonly issues: readonly {
      readonly code: string;
      readonly message: string;
      readonly minimum?: unknown;
      readonly maximum?: unknown;
      readonly inclusive?: boolean;
    }[];
  };
}

/** What is wrong with a value, as one sentence; null when nothing is. */
export function problemOf(parameter: Parameter, value: ParameterValue): string | null {
  const shape: Readonly<Record<string, { safeParse(value: unknown): unknown } | undefined>> = shapes[parameter.group];
  const checked = shape[parameter.key]?.safeParse(value) as Checked | undefined;
  if (checked === undefined || checked.success) return null;
  const issue = checked.error?.issues[0];
  const found = `, found ${String(value)}`;
  if (issue?.code === 'too_small')
    return `${parameter.label}: expected ${issue.inclusive === false ? 'more than' : 'at least'} ${String(issue.minimum)}${found}.`;
  if (issue?.code === 'too_big')
    return `${parameter.label}: expected ${issue.inclusive === false ? 'less than' : 'at most'} ${String(issue.maximum)}${found}.`;
  if (typeof value === 'number' && !Number.isInteger(value) && issue?.code === 'invalid_type')
    return `${parameter.label}: expected a whole number${found}.`;
  return `${parameter.label}: ${issue?.message ?? 'this value is not allowed'}${found}.`;
}
