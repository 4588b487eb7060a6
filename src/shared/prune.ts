/** Pruning (AMC): what a user may choose, what a trial decides, and what comes out. */
import { z } from 'zod';
import { agentParametersSchema } from './agent.ts';

/** Which channels of a group go first; docs/algorithms/amc.md says how each is computed. */
export const importanceSchema = z.enum(['l1', 'l2', 'batch-norm', 'fpgm', 'taylor']);
export type Importance = z.infer<typeof importanceSchema>;

/**
 * How channels are found: AMC's agent with the uniform width before it, a rival at equal trials (`magnitude` needs one: the least
 * important of the whole network go), or another run's agent as it is.
 */
export const pruneMethodSchema = z.enum(['ddpg', 'random', 'evolutionary', 'greedy', 'magnitude', 'transfer']);
export type PruneMethod = z.infer<typeof pruneMethodSchema>;

/**
 * `accuracy`: under a budget. The others guarantee accuracy instead of a budget: minus the error times the logarithm of a
 * resource (AMC, R_FLOPs and R_Param, and the same for latency).
 */
export const pruneRewardSchema = z.enum(['accuracy', 'macs', 'params', 'latency']);
export type PruneReward = z.infer<typeof pruneRewardSchema>;

/** What goes: coupled channels, so that the network is smaller, or single weights, so that it is sparse. */
export const granularitySchema = z.enum(['channels', 'weights']);
export type Granularity = z.infer<typeof granularitySchema>;

const ratioSchema = z.number().positive().max(1);

/** Bounds of one group of channels, named by its first layer. Equal bounds lock it. */
export const groupBoundsSchema = z.object({
  group: z.string().min(1),
  minimumRatio: ratioSchema,
  maximumRatio: ratioSchema,
});
export type GroupBounds = z.infer<typeof groupBoundsSchema>;

/** DDPG as AMC's released code sets it, where that differs from HAQ's. */
const pruneAgentSchema = agentParametersSchema.extend({
  warmupTrials: z.number().int().min(0).default(100),
  noiseDecay: z.number().positive().max(1).default(0.95), // a trial
  replayPerLayer: z.number().int().min(1).default(100), // replay holds this many transitions a group
});

/** Every default stands here, once. The agent's are AMC's. */
export const pruneParametersSchema = z.object({
  method: pruneMethodSchema.default('ddpg'),
  granularity: granularitySchema.default('channels'),
  trials: z.number().int().min(1).max(1_000_000).default(400), // in all stages
  stages: z.number().int().min(1).max(20).default(1), // each takes an equal factor of the way to the budgets and is fine-tuned before the next
  importance: importanceSchema.default('l1'),
  reward: pruneRewardSchema.default('accuracy'),
  minimumRatio: ratioSchema.default(0.2), // of each group's channels that stay at least
  maximumRatio: ratioSchema.default(1),
  roundTo: z.number().int().min(1).max(1024).default(8), // channels are kept in multiples of it
  groups: z.array(groupBoundsSchema).default([]), // bounds of single groups
  validationImages: z.number().int().min(1).default(5000), // split off the training images
  rewardImages: z.number().int().min(1).default(2000), // of the validation images, read by each trial
  trialImages: z.number().int().min(0).max(10_000_000).default(0), // training images that each trial is fine-tuned on before it is read; 0: none
  statisticsImages: z.number().int().min(0).max(100_000).default(128), // training images for batch norm's statistics of each pruned network; 0: the whole network's
  reconstructionImages: z.number().int().min(0).max(1_000_000).default(2000), // training images for least squares; 0: weights stay as they are
  reconstructionSamples: z.number().int().min(1).max(65_536).default(10), // output positions of each of them
  sensitivitySteps: z.number().int().min(0).max(100).default(4), // accuracies that are measured of each group alone, from its fewest channels up; 0: none
  finalists: z.number().int().min(1).max(1000).default(4), // best trials that are read again on validation images of their own
  finalistImages: z.number().int().min(0).max(10_000_000).default(0), // training images that each of them is fine-tuned on before; 0: none
  agent: pruneAgentSchema.prefault({}),
});
export type PruneParameters = z.infer<typeof pruneParametersSchema>;

/** What bounded a group's channels in a trial. */
export const clipReasonSchema = z.enum([
  'asked', // nothing did
  'minimum', // its own smallest ratio
  'maximum', // its own largest ratio
  'later', // what the later layers need at least leaves no more of the budget
  'use', // the later layers could not use the rest of the budget up
]);
export type ClipReason = z.infer<typeof clipReasonSchema>;

/** A group's decision: what was asked for, how many of its units stay, and why. */
export const groupDecisionSchema = z.object({
  group: z.string(), // the first layer that writes its channels
  units: z.number().int().positive(),
  kept: z.number().int().positive(),
  asked: z.number().min(0).max(1), // ratio
  reason: clipReasonSchema,
});
export type GroupDecision = z.infer<typeof groupDecisionSchema>;

/** What a trial of a pruning decided, beside its costs. */
export const pruneTrialSchema = z.object({
  groups: z.array(groupDecisionSchema),
  params: z.number().nonnegative(),
});
export type PruneTrial = z.infer<typeof pruneTrialSchema>;

/** A pruned network with all that is known of it. Accuracies are fractions, 0..1; null: not measured. */
export const pruneResultSchema = pruneTrialSchema.extend({
  beforeTuning: z.number().nullable(), // accuracy on all validation images before fine-tuning
  tunedEpochs: z.number().int().nonnegative(),
  graph: z.string().nullable(), // SHA-256 of the blob with the smaller graph
  network: z.string().nullable(), // the id under which the user finds it among the networks
});
export type PruneResult = z.infer<typeof pruneResultSchema>;
