/** Runs: manifests, trials, metrics, results; the records that the store keeps and the faces show. */
import { z } from 'zod';
import { agentParametersSchema } from './agent.ts';
import { given } from './given.ts';
import { budgetSchema, costSchema, quantizePolicySchema, resourceSchema } from './policy.ts';
import { searchSpaceSchema, spaceFitSchema } from './space.ts';
import { placementSchema } from './placement.ts';
import { architectureResultSchema, specializeParametersSchema } from './specialize.ts';
import { layerInfoSchema, networkRefSchema, resolvedNetworkRefSchema } from './network.ts';
import { pruneParametersSchema, pruneResultSchema, pruneTrialSchema } from './prune.ts';

export { agentParametersSchema, type AgentParameters } from './agent.ts';

export const runStatusSchema = z.enum(['queued', 'running', 'paused', 'interrupted', 'failed', 'cancelled', 'completed']);
export type RunStatus = z.infer<typeof runStatusSchema>;

export const runMethodSchema = z.enum(['train', 'quantize', 'prune', 'specialize', 'pipeline']);
export type RunMethod = z.infer<typeof runMethodSchema>;

/** Training of the float network. Every default stands here, once; named sets of others in recipes.ts. */
export const trainingParametersSchema = z.object({
  epochs: z.number().int().min(0).max(10_000).default(4), // 0: the imported weights as they are
  batchSize: z.number().int().min(1).max(4096).default(64),
  optimizer: z.enum(['sgd', 'adam']).default('sgd'),
  learningRate: z.number().positive().max(100).default(0.1), // peak; linear warm-up, then the schedule
  schedule: z.enum(['cosine', 'step', 'constant']).default('cosine'), // cosine: to zero at the last step
  warmupSteps: z.number().int().min(0).default(200),
  stepEpochs: z.number().int().min(1).max(10_000).default(30), // of the step schedule: epochs between two falls
  stepFactor: z.number().positive().max(1).default(0.1), // of the step schedule: what a fall multiplies the rate by
  momentum: z.number().min(0).max(0.9999).default(0.9), // of SGD
  nesterov: z.boolean().default(false), // of SGD
  beta1: z.number().min(0).max(0.9999).default(0.9), // of Adam
  beta2: z.number().min(0).max(0.999_999).default(0.999), // of Adam
  weightDecay: z.number().min(0).max(1).default(1e-4), // with Adam decoupled, as AdamW
  decayAll: z.boolean().default(false), // also batch norm's parameters and biases; else convolution and linear weights only
  labelSmoothing: z.number().min(0).max(0.99).default(0),
  clipNorm: z.number().min(0).default(0), // Euclidean norm of the whole gradient; 0: not clipped
  cropPadding: z.number().int().min(0).max(1024).default(0), // pixels
  flip: z.boolean().default(false),
  cutout: z.number().int().min(0).max(4096).default(0), // side in pixels; 0: none
  patienceEpochs: z.number().int().min(0).max(10_000).default(0), // epochs without a better validation accuracy; 0: no early stop
});
export type TrainingParameters = z.infer<typeof trainingParametersSchema>;

/** How policies are found: HAQ's agent with uniform seeds and refinement, one of its rivals, or another run's agent as it is. */
export const quantizeMethodSchema = z.enum(['ddpg', 'random', 'evolutionary', 'greedy', 'integer-program', 'transfer']);
export type QuantizeMethod = z.infer<typeof quantizeMethodSchema>;

export const quantizeParametersSchema = z.object({
  method: quantizeMethodSchema.default('ddpg'),
  trials: z.number().int().min(1).max(1_000_000).default(200),
  minimumBits: z.number().int().min(1).max(8).default(2),
  maximumBits: z.number().int().min(1).max(8).default(8),
  protectFirstAndLast: z.boolean().default(true), // 8 bits for the first and the last layer
  validationImages: z.number().int().min(1).default(5000), // split off the training images
  rewardImages: z.number().int().min(1).default(2000), // of the validation images, read by each trial
  calibrationImages: z.number().int().min(1).default(512), // of the training images
  statisticsImages: z.number().int().min(0).max(100_000).default(256), // of those, for batch norm's statistics of each quantized network; 0: the float network's
  finalists: z.number().int().min(1).max(1000).default(8), // best trials that are read again on all validation images
  refinement: z.number().min(0).max(1).default(0.4), // share of the trials, at the end, that change the best policies a little; 0: all ask the agent
  rewardScale: z.number().positive().default(0.1), // a percentage point of accuracy
  thresholds: z.enum(['mse', 'maximum', 'kl']).default('mse'), // how clipping thresholds are found
  perChannel: z.boolean().default(false), // a weight threshold an output channel
  codebooks: z.boolean().default(false), // k-means codebooks in place of linear weights; no integer arithmetic then
  finetuneSteps: z.number().int().min(0).max(1_000_000).default(0), // of quantized training before each policy is measured
  finetuneEpochs: z.number().int().min(0).max(1000).default(0), // of quantized training (PACT) of the winner and of uniform policies, at the end
  finetuneRate: z.number().positive().max(100).default(0.01), // learning rate of both; along a cosine to zero
  sensitivity: z.boolean().default(false), // measures each layer at each width alone, besides the trials
  agent: agentParametersSchema.prefault({}),
});
export type QuantizeParameters = z.infer<typeof quantizeParametersSchema>;

const manifestBase = {
  formatVersion: z.literal(1),
  network: resolvedNetworkRefSchema, // every choice resolved
  networkSha256: z.string(),
  initialWeights: z.string().optional(), // SHA-256 of the blob that training starts from; absent: random ones from the seed
  dataset: z.string(),
  datasetSha256: z.string(), // of the decoded content
  datasetListingSha256: z.string().optional(), // of the listing of the files that it was decoded from
  validation: z.object({ images: z.number().int().positive(), seed: z.number().int() }),
  training: trainingParametersSchema, // a manifest of an older version lacks what it could not choose: it did what the default says
  seed: z.number().int().min(0).max(0xffff_ffff),
  threads: z.number().int().min(1).max(1024),
  versions: z.record(z.string(), z.string()), // lathe, addon, simd, node, os, cpu
};

/** Everything that decides a run's result. Immutable; its SHA-256 (canonical JSON) is the run's configuration hash. */
export const trainManifestSchema = z.object({ method: z.literal('train'), ...manifestBase });
export const quantizeManifestSchema = z.object({
  method: z.literal('quantize'),
  ...manifestBase,
  target: z.string(),
  targetSha256: z.string(),
  agentRun: z.string().optional(), // of method transfer: the completed run whose agent decides
  start: quantizePolicySchema.optional(), // a policy that is tried first, lowered where it is over a budget
  batch: z.number().int().positive(), // images at once on the target
  budgets: z.array(budgetSchema).min(1),
  // What a manifest of an older version lacks: before there was any.
  search: quantizeParametersSchema.required().extend({
    method: quantizeMethodSchema.default('ddpg'),
    refinement: quantizeParametersSchema.shape.refinement.unwrap().default(0),
    thresholds: quantizeParametersSchema.shape.thresholds,
    perChannel: quantizeParametersSchema.shape.perChannel,
    codebooks: quantizeParametersSchema.shape.codebooks,
    finetuneSteps: quantizeParametersSchema.shape.finetuneSteps,
    finetuneEpochs: quantizeParametersSchema.shape.finetuneEpochs,
    finetuneRate: quantizeParametersSchema.shape.finetuneRate,
    sensitivity: quantizeParametersSchema.shape.sensitivity,
  }),
});
export const pruneManifestSchema = z.object({
  method: z.literal('prune'),
  ...manifestBase,
  target: z.string().nullable(), // null: no budget needs one
  targetSha256: z.string().nullable(),
  agentRun: z.string().optional(), // of method transfer: the completed run whose agent decides
  batch: z.number().int().positive(),
  budgets: z.array(budgetSchema), // empty: accuracy is guaranteed instead, by the reward
  search: pruneParametersSchema, // as of the training: what is absent did what the default says
  tuning: trainingParametersSchema, // of the network that was found; 0 epochs: none
});
export const specializeManifestSchema = z.object({
  method: z.literal('specialize'),
  ...manifestBase, // `network` is the reference that fractions of budgets are of; `training` is that of the found network
  space: searchSpaceSchema,
  fit: spaceFitSchema,
  target: z.string(),
  targetSha256: z.string(),
  batch: z.number().int().positive(), // images at once on the target
  budgets: z.array(budgetSchema).min(1),
  /** Further targets that get a network from the same supernet. */
  also: z
    .array(
      z.object({ target: z.string(), targetSha256: z.string(), batch: z.number().int().positive(), budgets: z.array(budgetSchema).min(1) }),
    )
    .default([]),
  // What a manifest of an older version lacks: the likeliest network was taken as it is.
  search: specializeParametersSchema.required().extend({
    selectionNetworks: specializeParametersSchema.shape.selectionNetworks.unwrap().default(1),
    selectionImages: specializeParametersSchema.shape.selectionImages,
  }),
});
/** The stages of a pipeline, in their order. */
export const stageNameSchema = z.enum(['specialize', 'prune', 'quantize']);
export type StageName = z.infer<typeof stageNameSchema>;

/** What a user chooses of each stage; an absent one is skipped. Without budgets of its own a stage takes its share of the whole's. */
export const pipelineStagesSchema = z
  .object({
    specialize: z
      .object({
        space: z.union([z.string().min(1), searchSpaceSchema]).optional(),
        budgets: z.array(budgetSchema).default([]),
        search: given(specializeParametersSchema.omit({ validationImages: true })).optional(), // the same split in all stages
      })
      .strict()
      .optional(),
    prune: z
      .object({
        budgets: z.array(budgetSchema).default([]),
        search: given(pruneParametersSchema.omit({ validationImages: true, reward: true })).optional(),
        tuning: given(trainingParametersSchema).optional(),
      })
      .strict()
      .optional(),
    quantize: z
      .object({
        budgets: z.array(budgetSchema).default([]),
        search: given(quantizeParametersSchema.omit({ validationImages: true })).optional(),
      })
      .strict()
      .optional(),
  })
  .strict()
  .refine((stages) => Object.values(stages).some((stage) => stage !== undefined), 'expected at least one stage');
export type PipelineStages = z.infer<typeof pipelineStagesSchema>;

/** What a pipeline is compared with: its reference network, trained in float, and each stage alone on it at the whole budget. */
export const pipelineRivalSchema = z.enum(['reference', ...stageNameSchema.options]);
export type PipelineRival = z.infer<typeof pipelineRivalSchema>;

/** Runs one after the other, each on the network that the one before it found; they are runs of their own, made when their turn comes. */
export const pipelineManifestSchema = z.object({
  method: z.literal('pipeline'),
  ...manifestBase, // `network` is what fractions of the budget are of, and what the first stage starts from unless it specializes
  target: z.string(),
  targetSha256: z.string(),
  batch: z.number().int().positive(), // images at once on the target
  budgets: z.array(budgetSchema).max(1), // of the whole: latency or energy; empty: each stage has its own
  stages: pipelineStagesSchema,
  rivals: z.array(pipelineRivalSchema),
});
/** What an engine works on. */
export const jobManifestSchema = z.discriminatedUnion('method', [
  trainManifestSchema,
  quantizeManifestSchema,
  pruneManifestSchema,
  specializeManifestSchema,
]);
export type JobManifest = z.infer<typeof jobManifestSchema>;
export const manifestSchema = z.discriminatedUnion('method', [jobManifestSchema, pipelineManifestSchema]);
export type TrainManifest = z.infer<typeof trainManifestSchema>;
export type QuantizeManifest = z.infer<typeof quantizeManifestSchema>;
export type PruneManifest = z.infer<typeof pruneManifestSchema>;
export type SpecializeManifest = z.infer<typeof specializeManifestSchema>;
export type PipelineManifest = z.infer<typeof pipelineManifestSchema>;
export type Manifest = z.infer<typeof manifestSchema>;

/** Where a run is worked on: by the process that was asked, or by whichever worker takes it from the queue. */
export const whereSchema = z.enum(['here', 'queue']);
export type Where = z.infer<typeof whereSchema>;

/** What a user asks for; the service resolves it into a manifest. */
const requestBase = {
  network: networkRefSchema,
  dataset: z.string().min(1),
  training: given(trainingParametersSchema).optional(),
  seed: z.number().int().min(0).max(0xffff_ffff).default(1),
  threads: z.number().int().min(1).max(1024).optional(), // default: the physical cores
  note: z.string().max(10_000).optional(),
  where: whereSchema.optional(), // where it is worked on, which decides nothing of its result; default: here
};
export const trainRequestSchema = z.object({ method: z.literal('train'), ...requestBase });
export const quantizeRequestSchema = z.object({
  method: z.literal('quantize'),
  ...requestBase,
  target: z.string().min(1),
  start: quantizePolicySchema.optional(), // a policy that is tried first, lowered where it is over a budget
  agentRun: z.string().min(1).optional(), // of method transfer: the run whose agent decides; completed when this one starts
  batch: z.number().int().min(1).max(4096).optional(), // default: the target's
  budgets: z.array(budgetSchema).min(1),
  search: given(quantizeParametersSchema).optional(),
});
export const pruneRequestSchema = z.object({
  method: z.literal('prune'),
  ...requestBase,
  target: z.string().min(1).optional(), // for budgets of latency and energy
  agentRun: z.string().min(1).optional(), // of method transfer: the run whose agent decides; completed when this one starts
  batch: z.number().int().min(1).max(4096).optional(),
  budgets: z.array(budgetSchema).default([]),
  search: given(pruneParametersSchema).optional(),
  tuning: given(trainingParametersSchema).optional(),
});
export const specializeRequestSchema = z.object({
  method: z.literal('specialize'),
  ...requestBase,
  network: networkRefSchema.default({ id: 'mobilenet-v2' }), // the reference that fractions of budgets are of
  space: z.union([z.string().min(1), searchSpaceSchema]).optional(), // an id or a whole space; default: what fits the images
  target: z.string().min(1),
  batch: z.number().int().min(1).max(4096).optional(),
  budgets: z.array(budgetSchema).min(1),
  also: z
    .array(z.object({ target: z.string().min(1), budgets: z.array(budgetSchema).min(1) }))
    .max(8)
    .default([]),
  search: given(specializeParametersSchema).optional(),
});
export const pipelineRequestSchema = z.object({
  method: z.literal('pipeline'),
  ...requestBase, // `training` is of the first network that is trained, and of the reference
  target: z.string().min(1),
  batch: z.number().int().min(1).max(4096).optional(),
  budgets: z.array(budgetSchema).max(1).default([]),
  stages: pipelineStagesSchema.default({ specialize: { budgets: [] }, prune: { budgets: [] }, quantize: { budgets: [] } }),
  rivals: z.array(pipelineRivalSchema).default(['reference']),
});
export const runRequestSchema = z.discriminatedUnion('method', [
  trainRequestSchema,
  quantizeRequestSchema,
  pruneRequestSchema,
  specializeRequestSchema,
  pipelineRequestSchema,
]);
export type TrainRequest = z.infer<typeof trainRequestSchema>;
export type QuantizeRequest = z.infer<typeof quantizeRequestSchema>;
export type PruneRequest = z.infer<typeof pruneRequestSchema>;
export type SpecializeRequest = z.infer<typeof specializeRequestSchema>;
export type PipelineRequest = z.infer<typeof pipelineRequestSchema>;
export type RunRequest = z.input<typeof runRequestSchema>;

/** Where a run is. `done` and `total` count the phase's own steps; rate and time left are null until known. */
export const progressSchema = z.object({
  phase: z.enum([
    'waiting',
    'loading',
    'training',
    'calibrating',
    'baselines',
    'warmup',
    'searching',
    'tuning',
    'retraining',
    'testing',
    'done',
  ]),
  done: z.number().nonnegative(),
  total: z.number().nonnegative(),
  ratePerSecond: z.number().nonnegative().nullable(),
  etaSeconds: z.number().nonnegative().nullable(), // of the whole run where it can be told, else of the phase
  unit: z.string().optional(), // what is counted, where the phase alone does not tell: 'networks'
  stage: z.object({ name: z.string(), index: z.number().int(), count: z.number().int() }).optional(), // of a pipeline, from 0 on
});
export type Progress = z.infer<typeof progressSchema>;

/** A policy with all that is known of it. Accuracies are fractions, 0..1; null: not measured. */
export const solutionSchema = costSchema.extend({
  latencyMs: z.number().nonnegative().nullable(), // null: not simulated, as for the float network
  role: z.enum(['float', 'baseline', 'best']),
  label: z.string(), // 'float', 'w4a4', 'found'
  policy: quantizePolicySchema.nullable(),
  validationAccuracy: z.number().nullable(),
  testAccuracy: z.number().nullable(),
  integerTestAccuracy: z.number().nullable().default(null), // the same images in integer arithmetic; measured of a search's winner
  tunedValidationAccuracy: z.number().nullable().default(null), // behind the long quantized training, where it was asked for
  tunedTestAccuracy: z.number().nullable().default(null),
  withinBudget: z.boolean(),
  weights: z.string().nullable(), // hash of the blob with the float weights behind it
  quantized: z.string().nullable().default(null), // hash of the blob with the quantized network as it was measured; of a search's winner
  prune: pruneResultSchema.optional(), // of a pruned network
  architecture: architectureResultSchema.nullable().optional(), // of a specialize run
});
export type Solution = z.infer<typeof solutionSchema>;

/**
 * Where a trial's policy came from: a uniform one to start from, the agent, a change of one of the best; of a rival: drawn at random,
 * bred, a measurement of one decision alone (which no budget bounds), solved for greedily or by an integer program, cut off by one
 * threshold over the whole network. `transfer`: another run's agent.
 */
export const trialOriginSchema = z.enum([
  'uniform',
  'agent',
  'refinement',
  'random',
  'evolution',
  'sensitivity',
  'greedy',
  'program',
  'magnitude',
  'transfer',
]);

/** One policy evaluated by a search; an episode in reinforcement-learning terms. */
export const trialSchema = costSchema.extend({
  latencyMs: z.number().nonnegative().nullable(), // null: a pruning without a target
  step: z.number().int().nonnegative(),
  origin: trialOriginSchema,
  reward: z.number(),
  accuracy: z.number(), // on the reward images, 0..1
  weightBits: z.array(z.number().int()), // a quantizable layer each, after the budget was enforced
  activationBits: z.array(z.number().int()),
  askedWeightBits: z.array(z.number().int()), // what the agent asked for before that
  askedActivationBits: z.array(z.number().int()),
  clippedBy: z.array(resourceSchema).default([]), // the budgets that what was asked for did not meet
  noise: z.number().nullable(), // sigma; null while warming up and where the agent was not asked
  criticLoss: z.number().nullable(),
  prune: pruneTrialSchema.optional(), // of a pruning, whose bits are empty
  isBest: z.boolean(), // best so far, of those within the budgets
  atMs: z.number(), // Unix time
});
export type Trial = z.infer<typeof trialSchema>;

/** One point of a series, e.g. `train/loss` at step 120. */
export const metricSchema = z.object({ series: z.string(), step: z.number().int().nonnegative(), value: z.number() });
export type Metric = z.infer<typeof metricSchema>;

export const logLevelSchema = z.enum(['debug', 'info', 'warn', 'error']);
export const logLineSchema = z.object({ atMs: z.number(), level: logLevelSchema, text: z.string() });
export type LogLine = z.infer<typeof logLineSchema>;
export const storedLogLineSchema = logLineSchema.extend({ seq: z.number().int().positive() });
export type StoredLogLine = z.infer<typeof storedLogLineSchema>;

/** Where a run is kept: in the list, put away, or to be deleted. */
export const runPlaceSchema = z.enum(['list', 'archive', 'trash']);
export type RunPlace = z.infer<typeof runPlaceSchema>;

export const tagSchema = z
  .string()
  .min(1)
  .max(50)
  .regex(/^[^\s",]+$/u, 'expected a tag without spaces, quotes and commas');

/** A row of the runs table. */
export const runSummarySchema = z.object({
  id: z.string(),
  name: z.string(),
  method: runMethodSchema,
  status: runStatusSchema,
  network: z.string(), // as in 'mobilenet-v1 x0.25 @32'
  dataset: z.string(),
  target: z.string().nullable(),
  budgets: z.array(budgetSchema),
  budgetLimits: z.array(budgetSchema), // the same, absolute; empty until the run knows them
  seed: z.number().int(),
  note: z.string(),
  star: z.boolean(),
  tags: z.array(z.string()), // sorted
  place: runPlaceSchema,
  queueOrder: z.number().nullable(), // of a waiting run that was given a place in the queue; the others follow by their age
  progress: progressSchema,
  trials: z.number().int(),
  bestReward: z.number().nullable(),
  bestAccuracy: z.number().nullable(), // validation
  bestTestAccuracy: z.number().nullable(),
  bestLatencyMs: z.number().nullable(),
  bestEnergyMj: z.number().nullable(),
  bestSizeBytes: z.number().nullable(),
  baselineAccuracy: z.number().nullable(), // of the best uniform policy within the budget, same measure as bestAccuracy
  baselineTestAccuracy: z.number().nullable(),
  createdAtMs: z.number(),
  startedAtMs: z.number().nullable(),
  finishedAtMs: z.number().nullable(),
  error: z.string().nullable(),
  configHash: z.string(),
  seedlessHash: z.string(), // of the manifest without its seed and versions: runs that differ in the seed alone share it
  pipelines: z.array(z.string()).default([]), // ids of the pipelines that this run is a stage of; bundles of before do not say
  revision: z.number().int(), // grows with every change of the run; never goes back
});
export type RunSummary = z.infer<typeof runSummarySchema>;

/** A search whose agent another one may take over, by method transfer. */
export const agentMethodSchema = z.enum(['quantize', 'prune']);
export type AgentMethod = z.infer<typeof agentMethodSchema>;
export const agentInfoSchema = z.object({ id: z.string(), name: z.string(), hiddenUnits: z.number().int() });
export type AgentInfo = z.infer<typeof agentInfoSchema>;

/** A run that a pipeline made or took: 'specialize', 'reference', 'prune alone'. */
export const runStageSchema = z.object({ name: z.string(), run: z.string() });
export type RunStage = z.infer<typeof runStageSchema>;

/** A run's page. Trials, metrics and log are read apart, from where the reader already is. */
export const runDetailSchema = z.object({
  summary: runSummarySchema,
  manifest: manifestSchema,
  layers: z.array(layerInfoSchema), // quantizable layers only, in policy order
  solutions: z.array(solutionSchema),
  checkpoint: z.object({ step: z.number(), phase: z.string(), sha256: z.string(), sizeBytes: z.number(), atMs: z.number() }).nullable(),
  stages: z.array(runStageSchema), // of a pipeline: its runs so far, in the order in which they were made
  placement: placementSchema.optional(), // of a run that was given to other machines
});
export type RunDetail = z.infer<typeof runDetailSchema>;

/** What a run's result costs on a target that may not be the run's own. `bits`: the policy's, or one pair for a network without one. */
export const runCostSchema = z.object({
  run: z.string(),
  target: z.string(),
  targetSha256: z.string(),
  origin: z.enum(['simulated', 'table']), // 'table': the sum over the latencies that the target carries
  batch: z.number().int().positive(), // images at once
  latencyMs: z.number(),
  energyMj: z.number().nullable(),
  bits: z.string(), // 'policy', 'w8a8' or 'float'
});
export type RunCost = z.infer<typeof runCostSchema>;
